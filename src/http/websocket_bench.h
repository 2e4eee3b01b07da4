/* A WebSocket on a test's bench: a server that echoes and writes down what it is told, frames as a client sends them, and
 * what came back as text. For websocket_test.c and websocket_fuzz.c. */
#pragma once

#include "http/server_bench.h"

struct sock {
    struct bench *b;
    struct http_ws *ws; /* NULL: closed */
    struct http_ws_options options;
    struct buf frames; /* as the client sends them */
    bool quiet;        /* no echo */
    struct fault why;  /* of a handshake that was refused */
};
static struct sock *sock_now; /* the bench's handler knows the bench alone */

static void sock_on_message(struct http_ws *w, struct str text, void *user)
{
    struct sock *k = user;
    must(w == k->ws);
    if (text.n > 64) buf_fmt(&k->b->events, "message of %zu\n", text.n);
    else buf_fmt(&k->b->events, "message %.*s\n", STR_ARG(text));
    if (!k->quiet) http_ws_send(w, text);
}

static void sock_on_writable(struct http_ws *w, void *user)
{
    (void)w;
    ((struct sock *)user)->b->writable++;
}

static void sock_on_drain(struct http_ws *w, void *user)
{
    buf_str(&((struct sock *)user)->b->events, S("drain\n"));
    http_ws_close(w, 1012, S("restart"));
}

static void sock_on_closed(struct http_ws *w, void *user)
{
    struct sock *k = user;
    must(w == k->ws);
    k->ws = NULL;
    buf_str(&k->b->events, S("closed\n"));
}

static const struct http_ws_handler SOCK_HANDLER = {sock_on_message, sock_on_writable, sock_on_drain, sock_on_closed};

static bool sock_on_head(struct http_stream *s, void *user)
{
    (void)s;
    (void)user;
    return true;
}

static void sock_on_request(struct http_stream *s, void *user)
{
    static const struct http_field FIELDS[] = {{{"x-a", 3}, {"1", 1}}};
    (void)user;
    struct sock *k = sock_now;
    k->why = (struct fault){0};
    if (http_ws_check(s, &k->why) != OK) http_stream_answer(s, err_status(k->why.code), bench_fields(), str_z(k->why.text));
    else k->ws = http_ws_accept(s, (struct http_fields){FIELDS, 1}, &SOCK_HANDLER, &k->options, k);
}

static void sock_on_stream_closed(struct http_stream *s, bool complete, void *user)
{
    (void)s;
    (void)user;
    if (!complete) buf_str(&sock_now->b->events, S("stream broken\n"));
}

static const struct http_handler SOCK_DOOR = {sock_on_head,      sock_on_request,       bench_on_bad,
                                              bench_on_writable, sock_on_stream_closed, NULL};

static void sock_init(struct sock *k)
{
    *k = (struct sock){.b = bench_new()};
    sock_now = k;
    buf_init(&k->frames, MIB(64));
    http_server_free(k->b->server);
    k->b->server = http_server_new(k->b->loop, &SOCK_DOOR, &k->b->options, k->b);
}

UNUSED static void sock_done(struct sock *k)
{
    bench_free(k->b);
    buf_done(&k->frames);
    must(!k->ws);
}

#define SOCK_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SOCK_SHAKE                                                                          \
    "GET /ws HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" \
    "Sec-WebSocket-Key: " SOCK_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* A fresh connection that is a WebSocket already. */
UNUSED static void sock_open(struct sock *k)
{
    bench_connect(k->b);
    bench_send(k->b, S(SOCK_SHAKE));
    bench_read(k->b);
    must(k->ws != NULL);
    buf_clear(&k->b->got);
    buf_clear(&k->b->events);
    buf_clear(&k->frames);
}

/* ---- frames as a client sends them ---------------------------------------------------------------------------------------- */

#define FIN 0x80

UNUSED static void sock_frame(struct sock *k, unsigned first, struct str payload)
{
    static const char MASK[4] = {0x37, (char)0xfa, 0x21, 0x3d};
    buf_char(&k->frames, (char)first);
    if (payload.n < 126) {
        buf_char(&k->frames, (char)(0x80 | payload.n));
    } else {
        int bytes = payload.n <= UINT16_MAX ? 2 : 8;
        buf_char(&k->frames, (char)(bytes == 2 ? 0xfe : 0xff));
        for (int i = bytes; i > 0; i--) buf_char(&k->frames, (char)(payload.n >> (8 * (i - 1))));
    }
    buf_add(&k->frames, MASK, sizeof MASK);
    for (size_t i = 0; i < payload.n; i++) buf_char(&k->frames, (char)(payload.p[i] ^ MASK[i & 3]));
}

UNUSED static void sock_close_frame(struct sock *k, unsigned code, struct str reason)
{
    char payload[130] = {(char)(code >> 8), (char)code};
    memcpy(payload + 2, reason.p, reason.n);
    sock_frame(k, FIN | 8, str_make(payload, 2 + reason.n));
}

/* ---- what came back ---------------------------------------------------------------------------------------------------------- */

/* One frame of the server's in words; the bytes used, 0: not whole. */
static size_t sock_word(struct str in, struct buf *out)
{
    if (in.n < 2) return 0;
    unsigned opcode = (uint8_t)in.p[0] & 15, n_bytes = 0;
    size_t n = (uint8_t)in.p[1], at = 2;
    must(((uint8_t)in.p[0] & 0xf0) == FIN && n < 128); /* whole, nothing reserved, not masked */
    if (n > 125) n_bytes = n == 126 ? 2 : 8;
    if (in.n < at + n_bytes) return 0;
    if (n_bytes) n = 0;
    for (unsigned i = 0; i < n_bytes; i++) n = n << 8 | (uint8_t)in.p[at++];
    if (in.n < at + n) return 0;
    struct str payload = str_make(in.p + at, n);
    if (opcode == 8 && n >= 2) buf_fmt(out, "close %u\n", (unsigned)((uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1]));
    else if (opcode == 8) buf_str(out, S("close\n"));
    else buf_fmt(out, "%s ", opcode == 1 ? "text" : opcode == 9 ? "ping" : opcode == 10 ? "pong" : "?");
    if (opcode == 8) return at + n;
    if (n > 64) buf_fmt(out, "of %zu\n", n);
    else buf_fmt(out, "%.*s\n", STR_ARG(payload));
    return at + n;
}

/* All that the client got since the handshake. Valid until the next call. */
UNUSED static struct str sock_got(struct sock *k)
{
    static struct buf out;
    struct str rest = buf_view(&k->b->got);
    if (!out.max) buf_init(&out, MIB(1));
    buf_clear(&out);
    bench_read(k->b);
    rest = buf_view(&k->b->got);
    for (size_t used; (used = sock_word(rest, &out));) rest = str_from(rest, used);
    if (rest.n) buf_str(&out, S("part\n"));
    return buf_view(&out);
}
