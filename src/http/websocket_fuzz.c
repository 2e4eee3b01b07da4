/* Fuzz: bytes of a WebSocket client through a real server. The first byte says how long the pieces are, the second whether
 * the handshake is done for it. Whatever the cut, the server hears and says the same; afterwards nothing may be left. */
#include "http/websocket_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint32_t talk(struct sock *k, bool shakes, struct str all, size_t piece)
{
    struct bench *b = k->b;
    bench_connect(b);
    if (shakes) bench_send(b, S(SOCK_SHAKE));
    while (all.n && !b->saw_end) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        bench_send(b, part);
        bench_read(b);
        all = str_from(all, part.n);
    }
    for (int i = 0; i < 4; i++) bench_turn(b), bench_read(b);
    struct str out = bench_undated(b);
    size_t at;
    bool was_refused = str_find(buf_view(&b->events), S("bad "), &at); /* h1_fuzz knows what may differ then */
    uint32_t digest = crc32c(b->saw_end, b->events.p, b->events.n);
    if (!was_refused) digest = crc32c(digest, out.p, out.n);
    close(b->client);
    b->client = -1;
    bench_turn(b);
    must(!k->ws && b->memory == 0 && http_server_stats_get(b->server)->connections == 0);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct sock k;
    if (n < 3 || n > KIB(8)) return 0;
    if (!k.b) {
        sock_init(&k);
        k.b->options.limits.head_max = 1000;
        k.b->options.limits.body_max = 5000;
        k.b->options.limits.fields_max = 16;
        http_server_set_options(k.b->server, &k.b->options);
    }
    struct str all = {(const char *)data + 2, n - 2};
    bool shakes = data[1] & 1;
    if (!shakes && all.n >= 3 && memcmp(all.p, "PRI", 3) == 0) return 0; /* h2_fuzz */
    uint32_t whole = talk(&k, shakes, all, all.n);
    must(talk(&k, shakes, all, data[0] + all.n / 64 + 1) == whole);
    return 0;
}
