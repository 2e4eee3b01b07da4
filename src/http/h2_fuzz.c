/* Fuzz: frames of an HTTP/2 client, behind a good preface, through a real server: nothing may be left afterwards. */
#include "http/server_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define PREFACE S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bench *b;
    if (n < 2 || n > KIB(8)) return 0;
    if (!b) {
        b = bench_new();
        b->options.limits.head_max = 1000;
        b->options.limits.body_max = 5000;
        b->options.limits.h2_streams_max = 8;
        http_server_set_options(b->server, &b->options);
    }
    struct str all = {(const char *)data + 1, n - 1};
    size_t piece = data[0] + all.n / 64 + 1;
    bench_connect(b);
    bench_send(b, PREFACE);
    while (all.n && !b->saw_end) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        bench_send(b, part);
        bench_read(b);
        all = str_from(all, part.n);
        if (b->held && part.n % 2) http_stream_answer(b->held, 200, bench_fields(), S("held"));
        b->held = NULL;
    }
    close(b->client);
    b->client = -1;
    bench_turn(b);
    must(http_server_stats_get(b->server)->connections == 0);
    must(http_server_stats_get(b->server)->streams == 0);
    must(b->memory == 0);
    return 0;
}
