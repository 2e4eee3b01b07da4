/* An HTTP/2 client by hand for the server's bench: nghttp2 as client over the bench's socket pair. For h2_*test.c only. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/server_bench.h"

#define GUEST_STREAMS 64

struct guest_stream {
    int32_t id;
    int status, informational;
    struct buf fields, body;
    bool ended, over, was_reset;
    uint32_t error;  /* when over */
    struct str send; /* request body still to be sent */
    bool send_more;  /* and it does not end there */
};
struct guest {
    struct bench *bench;
    nghttp2_session *session;
    struct guest_stream streams[GUEST_STREAMS];
    unsigned n;
    bool goaway;
    uint32_t goaway_error;
    struct buf sent; /* every byte that went to the server */
    bool is_greedy;  /* gives the window back as bytes come */
};

static struct guest_stream *guest_at(struct guest *g, int32_t id)
{
    for (unsigned i = 0; i < g->n; i++)
        if (g->streams[i].id == id) return &g->streams[i];
    return NULL;
}

static int guest_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                        const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)session, (void)flags;
    struct guest_stream *s = guest_at(user, frame->hd.stream_id);
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    uint64_t status;
    if (!s || str_eq(n, S("date"))) return 0;
    if (!str_eq(n, S(":status"))) {
        buf_fmt(&s->fields, "%.*s: %.*s\n", STR_ARG(n), STR_ARG(v));
    } else if (str_u64(v, &status)) {
        if (status < 200) s->informational = (int)status;
        else s->status = (int)status;
    }
    return 0;
}

static int guest_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
    (void)flags;
    struct guest *g = user;
    struct guest_stream *s = guest_at(g, id);
    if (s) buf_add(&s->body, p, n);
    if (g->is_greedy) nghttp2_session_consume(session, id, n);
    return 0;
}

static int guest_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct guest *g = user;
    struct guest_stream *s = guest_at(g, frame->hd.stream_id);
    if (s && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        s->ended = s->ended || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (s && frame->hd.type == NGHTTP2_RST_STREAM) s->was_reset = true;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        g->goaway = true;
        g->goaway_error = frame->goaway.error_code;
    }
    return 0;
}

static int guest_over(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)session;
    struct guest_stream *s = guest_at(user, id);
    if (!s) return 0;
    s->over = true;
    s->error = error;
    return 0;
}

static ssize_t guest_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                          nghttp2_data_source *source, void *user)
{
    (void)session, (void)source;
    struct guest_stream *s = guest_at(user, id);
    must(s);
    size_t n = s->send.n < room ? s->send.n : room;
    if (!n && s->send_more) return NGHTTP2_ERR_DEFERRED;
    if (n) memcpy(to, s->send.p, n);
    s->send = str_from(s->send, n);
    if (!s->send.n && !s->send_more) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static struct guest *guest_new(struct bench *b)
{
    struct guest *g = mem_alloc(sizeof *g);
    nghttp2_session_callbacks *on;
    nghttp2_option *option;
    g->bench = b;
    g->is_greedy = true;
    buf_init(&g->sent, MIB(64));
    must(nghttp2_session_callbacks_new(&on) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_header_callback(on, guest_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on, guest_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(on, guest_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(on, guest_over);
    nghttp2_option_set_no_auto_window_update(option, 1);
    must(nghttp2_session_client_new2(&g->session, on, g, option) == 0);
    nghttp2_session_callbacks_del(on);
    nghttp2_option_del(option);
    must(nghttp2_submit_settings(g->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    bench_connect(b);
    return g;
}

/* Both sides talk until neither has anything to say. */
static void guest_talk(struct guest *g)
{
    struct bench *b = g->bench;
    for (int quiet = 0; quiet < 3; quiet++) {
        const uint8_t *p;
        for (ssize_t n; (n = nghttp2_session_mem_send(g->session, &p)) > 0; quiet = 0) {
            buf_add(&g->sent, p, (size_t)n);
            bench_send(b, str_make((const char *)p, (size_t)n));
        }
        bench_turn(b);
        buf_clear(&b->got);
        if (bench_read(b)) quiet = 0;
        if (b->got.n) nghttp2_session_mem_recv(g->session, (const uint8_t *)b->got.p, b->got.n);
    }
}

#define NV(name, value) \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, strlen(value), NGHTTP2_NV_FLAG_NONE}

/* Submits a request; body NULL: none. One further field may be given. */
static struct guest_stream *guest_ask(struct guest *g, const char *method, const char *path, const char *body,
                                      const nghttp2_nv *extra)
{
    nghttp2_nv nv[5] = {NV(":method", method), NV(":scheme", "http"), NV(":path", path), NV(":authority", "a")};
    size_t n = 4;
    if (extra) nv[n++] = *extra;
    must(g->n < GUEST_STREAMS);
    struct guest_stream *s = &g->streams[g->n++];
    *s = (struct guest_stream){.send = str_z(body)};
    buf_init(&s->fields, MIB(1));
    buf_init(&s->body, MIB(256));
    nghttp2_data_provider provider = {.read_callback = guest_read};
    s->id = nghttp2_submit_request(g->session, NULL, nv, n, body ? &provider : NULL, NULL);
    must(s->id > 0);
    return s;
}

static void guest_free(struct guest *g)
{
    nghttp2_session_del(g->session);
    for (unsigned i = 0; i < g->n; i++) {
        buf_done(&g->streams[i].fields);
        buf_done(&g->streams[i].body);
    }
    buf_done(&g->sent);
    free(g);
}
