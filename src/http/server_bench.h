/* A server on a test's bench: a handler that writes down what it is told and answers by path, connections over socket
 * pairs, and a loop that is turned by hand. For *_test.c and *_fuzz.c only. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_priv.h"

struct bench {
    struct loop *loop;
    struct http_server *server;
    struct http_server_options options;
    struct buf events;          /* what the handler was told, one line each */
    struct http_stream *held;   /* the last request to /hold or /stream-open */
    struct buf got;             /* what the client received */
    int client;                 /* -1: none */
    int kind;                   /* of the socket pairs: SOCK_STREAM, or SOCK_SEQPACKET to see every single send */
    bool saw_end, emptied;      /* the server closed; http_server_drain() is done */
    int64_t memory, memory_max; /* taken by bodies; refused beyond max (0: no limit) */
    unsigned writable;
    size_t passed;       /* bytes of bodies that came in pieces */
    uint32_t passed_crc; /* and what they were */
    bool rests;          /* such bodies rest after their first piece */
};

static bool bench_take_memory(void *user, int64_t bytes)
{
    struct bench *b = user;
    if (bytes > 0 && b->memory_max && b->memory + bytes > b->memory_max) return false;
    b->memory += bytes;
    return true;
}

UNUSED static struct http_fields bench_fields(void)
{
    static const struct http_field FIELDS[] = {{{"content-type", 12}, {"text/plain", 10}}};
    return (struct http_fields){FIELDS, 1};
}

static bool bench_on_head(struct http_stream *s, void *user)
{
    struct bench *b = user;
    const struct http_request *r = s->request;
    buf_fmt(&b->events, "head %.*s %.*s ?%.*s @%.*s\n", STR_ARG(r->method), STR_ARG(r->path), STR_ARG(r->query),
            STR_ARG(r->authority));
    if (str_eq(r->path, S("/pass"))) http_stream_pass_body(s);
    if (!str_eq(r->path, S("/early"))) return true;
    http_stream_answer(s, 403, bench_fields(), S("no\n"));
    return false;
}

static void bench_on_body(struct http_stream *s, struct str bytes, void *user)
{
    struct bench *b = user;
    b->passed += bytes.n;
    b->passed_crc = crc32c(b->passed_crc, bytes.p, bytes.n);
    b->held = s;
    if (b->rests) http_stream_rest_body(s, true);
}

static void bench_stream(struct http_stream *s)
{
    http_stream_head(s, 200, bench_fields(), -1);
    http_stream_write(s, S("one"));
    http_stream_write(s, S("twotwo"));
    http_stream_finish(s, S("three"));
}

static void bench_known(struct http_stream *s)
{
    http_stream_head(s, 200, bench_fields(), 6);
    http_stream_write(s, S("abc"));
    http_stream_finish(s, S("def"));
}

static void bench_release(struct http_stream *s)
{
    http_stream_release_request(s);
    http_stream_answer(s, 200, bench_fields(), S("released"));
}

static void bench_empty(struct http_stream *s) { http_stream_answer(s, 204, bench_fields(), S("")); }
static void bench_abort(struct http_stream *s)
{
    http_stream_head(s, 200, bench_fields(), -1);
    http_stream_write(s, S("begun"));
    http_stream_abort(s);
}

static void bench_short(struct http_stream *s) /* promises more than it sends */
{
    http_stream_head(s, 200, bench_fields(), 10);
    http_stream_finish(s, S("short"));
}

static void bench_on_request(struct http_stream *s, void *user)
{
    static const struct {
        struct str path;
        void (*answer)(struct http_stream *s);
    } PATHS[] = {
        {{"/stream", 7}, bench_stream}, {{"/known", 6}, bench_known}, {{"/released", 9}, bench_release},
        {{"/empty", 6}, bench_empty},   {{"/abort", 6}, bench_abort}, {{"/short", 6}, bench_short},
    };
    struct bench *b = user;
    struct str body = s->request->body, path = s->request->path;
    buf_fmt(&b->events, "request %zu %.*s\n", body.n, STR_ARG(str_make(body.p, body.n < 64 ? body.n : 64)));
    if (str_eq(path, S("/peer"))) {
        http_stream_answer(s, 200, bench_fields(), s->request->peer);
        return;
    }
    if (str_eq(path, S("/hold"))) {
        b->held = s;
        return;
    }
    for (size_t i = 0; i < COUNTOF(PATHS); i++) {
        if (!str_eq(PATHS[i].path, path)) continue;
        PATHS[i].answer(s);
        return;
    }
    http_stream_answer(s, 200, bench_fields(), body.n ? body : S("hello\n"));
}

static void bench_on_bad(struct http_stream *s, const struct fault *why, void *user)
{
    struct bench *b = user;
    buf_fmt(&b->events, "bad %s\n", err_code(why->code));
    http_stream_answer(s, err_status(why->code), bench_fields(), str_z(why->text));
}

static void bench_on_writable(struct http_stream *s, void *user)
{
    (void)s;
    struct bench *b = user;
    b->writable++;
}

static void bench_on_closed(struct http_stream *s, bool complete, void *user)
{
    struct bench *b = user;
    if (b->held == s) b->held = NULL;
    buf_fmt(&b->events, "closed %s\n", complete ? "whole" : "broken");
}

UNUSED static void bench_on_empty(void *user)
{
    struct bench *b = user;
    b->emptied = true;
}

static const struct http_handler BENCH_HANDLER = {
    bench_on_head, bench_on_request, bench_on_bad, bench_on_writable, bench_on_closed, bench_on_body,
};

static struct bench *bench_new(void)
{
    struct bench *b = mem_alloc(sizeof *b);
    b->loop = loop_new();
    http_limits_default(&b->options.limits);
    b->options.take_memory = bench_take_memory;
    b->options.user = b;
    b->client = -1;
    b->kind = SOCK_STREAM;
    buf_init(&b->events, MIB(64));
    buf_init(&b->got, MIB(256));
    b->server = http_server_new(b->loop, &BENCH_HANDLER, &b->options, b);
    return b;
}

/* A fresh connection; the address is the one the server believes to talk to. */
UNUSED static void bench_connect_from(struct bench *b, uint32_t ip)
{
    int pair[2];
    must(socketpair(AF_UNIX, b->kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    if (b->client >= 0) close(b->client);
    b->client = pair[0];
    b->saw_end = false;
    buf_clear(&b->got);
    buf_clear(&b->events);
    conn_accept(b->server, pair[1], (const struct sockaddr *)(const void *)&peer, NULL);
}

UNUSED static void bench_connect(struct bench *b) { bench_connect_from(b, 0xcb007107); } /* 203.0.113.7 */

/* Reads what the client can read now. */
UNUSED static size_t bench_read(struct bench *b)
{
    static char room[1 << 16];
    size_t sum = 0;
    while (b->client >= 0) {
        ssize_t n = recv(b->client, room, sizeof room, 0);
        if (n > 0) buf_add(&b->got, room, (size_t)n);
        if (n > 0) sum += (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN)) b->saw_end = true;
        if (n <= 0) break;
    }
    return sum;
}

static void bench_turn(struct bench *b)
{
    for (int i = 0; i < 3; i++) loop_turn(b->loop, false);
}

UNUSED static void bench_send(struct bench *b, struct str bytes)
{
    while (bytes.n) {
        ssize_t n = send(b->client, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) break; /* the server closed: what was sent counts */
        if (n > 0) bytes = str_from(bytes, (size_t)n);
        bench_turn(b);
    }
    bench_turn(b);
}

/* A moment, or until the client can read. */
UNUSED static void bench_wait(struct bench *b) { poll(&(struct pollfd){.fd = b->client, .events = POLLIN}, 1, 1); }

/* Turns the loop until `done` says so; waits at most a generous while, then gives up. */
UNUSED static bool bench_until(struct bench *b, bool (*done)(struct bench *b))
{
    for (int i = 0; i < 20000; i++) {
        bench_turn(b);
        bench_read(b);
        if (done(b)) return true;
        bench_wait(b);
    }
    return false;
}

UNUSED static bool bench_ended(struct bench *b) { return b->saw_end; }

#define HOST "Host: a\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"

/* What the client got, without what changes: the date. Valid until the next call. */
UNUSED static struct str bench_undated(struct bench *b)
{
    static struct buf out;
    struct str rest = buf_view(&b->got);
    size_t at;
    if (!out.max) buf_init(&out, MIB(256));
    buf_clear(&out);
    while (str_find(rest, S("date: "), &at)) {
        buf_str(&out, str_make(rest.p, at));
        rest = str_from(rest, at + sizeof "date: Mon, 23 Nov 2026 08:16:46 GMT\r\n" - 1);
    }
    buf_str(&out, rest);
    return buf_view(&out);
}

UNUSED static void bench_free(struct bench *b)
{
    if (b->client >= 0) close(b->client);
    http_server_free(b->server);
    loop_turn(b->loop, false);
    loop_free(b->loop);
    buf_done(&b->events);
    buf_done(&b->got);
    free(b);
}
