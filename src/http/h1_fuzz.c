/* Fuzz: bytes of an HTTP/1.1 client through a real server. The first byte says how long the pieces are: whatever the cut,
 * the handler must be told the same and the client answered the same; afterwards nothing may be left. */
#include "http/server_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void talk(struct bench *b, struct str all, size_t piece)
{
    bench_connect(b);
    while (all.n && !b->saw_end) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        bench_send(b, part);
        bench_read(b);
        all = str_from(all, part.n);
    }
    for (int i = 0; i < 4; i++) bench_turn(b), bench_read(b);
    if (b->held) http_stream_abort(b->held);
}

/* The words of a refusal may differ: of two faults the one that is met first is told, and a cut may bring one forward. */
static uint32_t digest(struct bench *b)
{
    struct str out = bench_undated(b);
    size_t at;
    if (str_find(buf_view(&b->events), S("bad "), &at)) out = S("");
    return crc32c(crc32c(b->saw_end, b->events.p, b->events.n), out.p, out.n);
}

static void hang_up(struct bench *b)
{
    close(b->client);
    b->client = -1;
    bench_turn(b);
    must(http_server_stats_get(b->server)->connections == 0);
    must(http_server_stats_get(b->server)->streams == 0);
    must(b->memory == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct bench *b;
    if (n < 2 || n > KIB(8)) return 0;
    if (!b) {
        b = bench_new();
        b->options.limits.head_max = 1000;
        b->options.limits.body_max = 5000;
        b->options.limits.fields_max = 16;
        http_server_set_options(b->server, &b->options);
    }
    struct str all = {(const char *)data + 1, n - 1};
    if (all.n >= 3 && memcmp(all.p, "PRI", 3) == 0) return 0; /* h2_fuzz */
    talk(b, all, all.n);
    uint32_t whole = digest(b);
    hang_up(b);
    talk(b, all, data[0] + all.n / 64 + 1);
    must(digest(b) == whole);
    hang_up(b);
    return 0;
}
