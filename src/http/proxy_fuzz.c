/* Fuzz: PROXY v2 headers in every cut, X-Forwarded-For lists and networks. */
#include <netinet/in.h>

#include "http/server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The header's size never shrinks as bytes come, and the whole is judged as its parts were. */
static void proxy_header(struct str in)
{
    struct peer peer = {.text = "none"};
    size_t before = 0, size = 0;
    for (size_t cut = 0; cut <= in.n; cut++) {
        struct fault why = {0};
        enum err e = proxy_parse(str_make(in.p, cut), &peer, &size, &why);
        must(e == why.code);
        if (e != OK) return;
        must(size >= before && size <= PROXY_MAX);
        before = size;
        if (cut == size) return;
    }
}

static void forwarded(struct str in)
{
    static const struct http_network TRUSTED = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 10}, .bits = 104};
    struct http_field field = {S("x-forwarded-for"), in};
    struct str client = peer_forwarded((struct http_fields){&field, 1}, &TRUSTED, 1);
    must(!client.p || (client.n > 0 && client.p >= in.p && client.p + client.n <= in.p + in.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = {(const char *)data, n};
    struct http_network net;
    struct fault why;
    if (n > KIB(4)) return 0;
    proxy_header(in);
    forwarded(in);
    if (http_network_parse(in, &net, &why) == OK) must(net.bits <= 128);
    return 0;
}
