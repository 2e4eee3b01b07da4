/* h2: HTTP/2 connections (RFC 9113) through nghttp2: sessions, requests coming in, floods, the end of streams.
 * Called by conn.c; answers go out in h2_out.c. nghttp2's callbacks only note what happened: streams are closed and
 * handlers told in settle(), at the end of the turn. */
#include <stdlib.h>

#include "h2_priv.h"

#define STREAM_WINDOW (int32_t)KIB(256)
#define PASS_WINDOW (int32_t)KIB(64) /* of a body that goes on to somebody who may be slower */
#define CONNECTION_WINDOW (int32_t)MIB(4)
#define PATIENCE_MAX 2000u  /* resets, pings, settings … at once */
#define PATIENCE_PER_S 100u /* and in the long run */
#define HEAD_STOP 4         /* a field block so many times over the limit is not even read to its end */
#define LINGER_MS 5000
#define REST_MS 5000     /* for the rest of a request that is answered already, */
#define REST_GAP_MS 1000 /* and of that at most so long in silence */
#define TICK_MIN_MS 500u
#define TICK_MAX_MS 5000u
#define SESSION_BYTES KIB(12) /* of nghttp2 for one connection, about */
#define ACKS_MAX 200          /* of pings and settings, waiting for a client that does not read */

static const struct http_limits *limits(const struct conn *c) { return &c->options->o.limits; }
static uint64_t now(const struct conn *c) { return loop_now(c->server->loop); }

static struct stream *stream_at(struct conn *c, int32_t id) { return nghttp2_session_get_stream_user_data(c->h2->session, id); }

static uint32_t tick_ms(const struct conn *c)
{
    const struct http_limits *l = limits(c);
    uint32_t least = l->body_gap_ms < l->write_gap_ms ? l->body_gap_ms : l->write_gap_ms;
    least = (l->head_ms < least ? l->head_ms : least) / 4 + 1;
    uint32_t most = c->h2->leave_at || c->h2->waits_for_rest ? TICK_MIN_MS : TICK_MAX_MS;
    return least < most ? least : most;
}

/* ---- floods -------------------------------------------------------------------------------------------------------- */

/* Frames that cost us work and the client nothing (CVE-2023-44487 and its kin) draw on a bucket that fills slowly. */
static void annoy(struct conn *c)
{
    struct h2 *h = c->h2;
    uint64_t t = now(c), gained = (t - h->refilled) * PATIENCE_PER_S / 1000;
    if (gained) {
        h->patience = h->patience + gained < PATIENCE_MAX ? h->patience + (unsigned)gained : PATIENCE_MAX;
        h->refilled = t;
    }
    if (h->patience) h->patience--;
    else nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static bool is_annoying(const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_DATA: return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
    case NGHTTP2_HEADERS:
    case NGHTTP2_WINDOW_UPDATE: return false; /* bounded by concurrency; as many as a fast download needs */
    default: return true;
    }
}

/* ---- refusing ------------------------------------------------------------------------------------------------------- */

static bool collects(const struct stream *s) { return s->h2->collects && s->answer == ANSWER_NONE && s->pub.request; }

static void refuse(struct stream *s, const struct fault *why)
{
    struct http_server *server = s->conn->server;
    s->h2->collects = false;
    if (s->answer != ANSWER_NONE || !s->pub.request) return;
    s->told = true;
    server->handler.on_bad(&s->pub, why, server->user);
}

/* ---- bodies ---------------------------------------------------------------------------------------------------------- */

static void body_whole(struct stream *s)
{
    struct http_server *server = s->conn->server;
    struct fault why = {0};
    s->h2->in_ended = true;
    if (!collects(s)) return;
    if (body_end(&s->body, &why) != OK) {
        refuse(s, &why);
        return;
    }
    s->h2->collects = false;
    if (!s->passes) s->pub.request->body = str_make(s->body.p, s->body.n);
    server->handler.on_request(&s->pub, server->user);
}

static void take_data(struct stream *s, struct str bytes)
{
    struct conn *c = s->conn;
    struct fault why = {0};
    enum err e = s->passes ? stream_pass(s, bytes, &why) : body_add(&s->body, &c->options->o, bytes, &why);
    if (e != OK) refuse(s, &why);
    else if (s->rests) s->h2->owed += bytes.n;
    else nghttp2_session_consume_stream(c->h2->session, s->h2->id, bytes.n);
}

/* The time in which nobody wanted more of a body is not the client's. */
static void rest(struct stream *s, uint32_t rested_ms)
{
    struct conn *c = s->conn;
    s->h2->began += rested_ms;
    s->h2->in_at = now(c);
    if (s->rests || s->h2->is_over) return;
    nghttp2_session_consume_stream(c->h2->session, s->h2->id, s->h2->owed);
    s->h2->owed = 0;
    conn_later(c);
}

/* Only a body that is wanted gets more of its stream's window: of another one comes what the client may send already. */
static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
    (void)flags;
    struct conn *c = user;
    struct stream *s = stream_at(c, id);
    nghttp2_session_consume_connection(session, n);
    if (!s) return 0;
    s->h2->in_at = now(c);
    if (collects(s)) take_data(s, str_make((const char *)p, n));
    return 0;
}

/* ---- heads ------------------------------------------------------------------------------------------------------------ */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    struct h2 *h = c->h2;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    if (!h->streams) conn_renew_options(c);
    struct stream *s = stream_new(c);
    s->h2->id = frame->hd.stream_id;
    s->h2->began = s->h2->in_at = now(c);
    s->next = h->streams;
    if (h->streams) h->streams->prev = s;
    h->streams = s;
    nghttp2_session_set_stream_user_data(session, s->h2->id, s);
    head_give(c->server, h->builder); /* of a block that was broken */
    h->builder = head_take(c->server);
    h->incoming = s;
    h->head_size = 0;
    h->is_starved = false;
    h->head_at = now(c);
    return 0;
}

static void add_pseudo(struct head_builder *b, struct str name, struct str value)
{
    uint32_t at = (uint32_t)b->bytes.n, n = (uint32_t)value.n;
    if (str_eq(name, S(":scheme"))) return; /* whether it is TLS we know ourselves */
    buf_str(&b->bytes, value);
    if (str_eq(name, S(":method"))) {
        b->method_at = at, b->method_n = n;
    } else if (str_eq(name, S(":path"))) {
        b->target_at = at, b->target_n = n, b->target_done = true;
    } else if (str_eq(name, S(":authority"))) {
        b->authority_at = at, b->authority_n = n, b->has_authority = true;
    }
}

static bool is_too_large(const struct conn *c)
{
    return c->h2->head_size > limits(c)->head_max || c->h2->builder->n_slots > limits(c)->fields_max;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)session, (void)flags;
    struct conn *c = user;
    struct h2 *h = c->h2;
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (!h->incoming || h->incoming->h2->id != frame->hd.stream_id) return 0; /* a trailer */
    h->head_size += name_n + value_n + 32;
    if (h->head_size > limits(c)->head_max * HEAD_STOP) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is_too_large(c) || h->is_starved) return 0;
    if (name_n && name[0] == ':') {
        add_pseudo(h->builder, n, v);
    } else {
        head_name(h->builder, n);
        head_value(h->builder, v);
    }
    return 0;
}

static enum err check_head(struct conn *c, struct fault *why)
{
    if (c->h2->is_starved || !conn_account(c)) return conn_no_memory(why);
    if (is_too_large(c))
        return FAIL(why, ERR_HEAD_TOO_LARGE, "The request's head is larger than the limit of %zu bytes or %u fields.",
                    limits(c)->head_max, limits(c)->fields_max);
    if (!c->h2->builder->target_done) return FAIL(why, ERR_BAD_HTTP, "The method CONNECT is not served here.");
    return OK;
}

static enum err open_body(struct stream *s, bool is_empty, struct fault *why)
{
    struct head_builder *b = s->conn->h2->builder;
    unsigned codings, lengths;
    struct str coding = head_field(b, S("content-encoding"), &codings);
    struct str length = head_field(b, S("content-length"), &lengths); /* nghttp2 has checked it */
    uint64_t expected = BODY_UNKNOWN;
    if (is_empty) expected = 0;
    else if (lengths && !str_u64(length, &expected)) expected = BODY_UNKNOWN;
    if (codings > 1) coding = S("more than one");
    return body_begin(&s->body, &s->conn->options->o, coding, expected, why);
}

static enum err open_request(struct stream *s, bool is_empty, struct fault *why)
{
    struct conn *c = s->conn;
    enum err e = head_build(c->h2->builder, c, s, why);
    s->is_head = s->pub.request->is_head;
    TRY(check_head(c, why));
    TRY(e);
    return open_body(s, is_empty, why);
}

static void head_whole(struct stream *s, bool is_empty)
{
    struct conn *c = s->conn;
    struct http_server *server = c->server;
    struct fault why = {0};
    enum err e = open_request(s, is_empty, &why);
    head_give(server, c->h2->builder);
    c->h2->builder = NULL;
    c->h2->incoming = NULL;
    s->h2->in_ended = is_empty;
    if (e != OK) {
        refuse(s, &why);
        return;
    }
    s->told = true;
    atomic_fetch_add_explicit(&server->stats.requests, 1, memory_order_relaxed);
    s->h2->collects = server->handler.on_head(&s->pub, server->user);
    if (collects(s) && body_check(&s->body, &c->options->o, s->passes, &why) != OK) {
        refuse(s, &why);
        return;
    }
    if (s->passes) nghttp2_session_set_local_window_size(c->h2->session, NGHTTP2_FLAG_NONE, s->h2->id, PASS_WINDOW);
    if (is_empty) body_whole(s);
    else if (collects(s) && str_eq_nocase(http_field_get(s->pub.request->fields, S("expect")), S("100-continue"))) h2_continue(s);
}

/* ---- nghttp2's other callbacks ------------------------------------------------------------------------------------------ */

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    (void)session;
    if (is_annoying(hd)) annoy(user);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct conn *c = user;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    bool is_head = frame->hd.type == NGHTTP2_HEADERS;
    if (!is_head && frame->hd.type != NGHTTP2_DATA) return 0;
    struct stream *s = stream_at(c, frame->hd.stream_id);
    if (!s) return 0;
    if (is_head && frame->headers.cat == NGHTTP2_HCAT_REQUEST) head_whole(s, ends);
    else if (ends) body_whole(s);
    return 0;
}

/* RFC 9113 8.1 lets a server reset a stream (NO_ERROR) whose answer is whole before the request is. Clients exist that
 * take this for a failure and throw the answer away (curl 7.88), so the request may first come to its end. */
static void wait_for_rest(struct conn *c)
{
    c->h2->waits_for_rest = true;
    conn_deadline(c, tick_ms(c));
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *c = user;
    bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!may_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s) return 0;
    s->h2->out_ended = true;
    if (!s->h2->in_ended) wait_for_rest(c);
    return 0;
}

static int on_stream_over(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct conn *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s) return 0;
    if (c->h2->incoming == s) c->h2->incoming = NULL;
    if (error != NGHTTP2_NO_ERROR && s->answer != ANSWER_BROKEN) annoy(c); /* not what we broke ourselves */
    if (s->answer != ANSWER_ENDED) s->answer = ANSWER_BROKEN;              /* nothing can be sent any more */
    s->h2->is_over = true;
    s->h2->collects = false;
    conn_later(c);
    return 0;
}

static struct h2_shared *shared_new(void)
{
    struct h2_shared *h = mem_alloc(sizeof *h);
    must(nghttp2_session_callbacks_new(&h->callbacks) == 0 && nghttp2_option_new(&h->option) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(h->callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(h->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(h->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(h->callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(h->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(h->callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(h->callbacks, on_stream_over);
    nghttp2_option_set_max_outbound_ack(h->option, ACKS_MAX);
    nghttp2_option_set_no_auto_window_update(h->option, 1);
    return h;
}

void h2_shared_free(struct h2_shared *h)
{
    if (!h) return;
    nghttp2_session_callbacks_del(h->callbacks);
    nghttp2_option_del(h->option);
    free(h);
}

/* ---- the turn of a connection ---------------------------------------------------------------------------------------------- */

/* RFC 9113 6.8: first a word that the end is near, so that requests on their way are still served; then the end. */
static void drain(struct conn *c)
{
    struct h2 *h = c->h2;
    if (h->lingers) return;
    nghttp2_submit_shutdown_notice(h->session);
    h->leave_at = now(c) + c->options->o.limits.drain_ms;
    h->ticks = true;
    conn_deadline(c, tick_ms(c));
    conn_later(c);
}

static void leave(struct conn *c)
{
    nghttp2_session *session = c->h2->session;
    int32_t last = nghttp2_session_get_last_proc_stream_id(session);
    nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    c->h2->left = true;
}

static void start(struct conn *c)
{
    struct http_server *server = c->server;
    struct h2 *h = c->h2 = mem_alloc(sizeof *h);
    h->patience = PATIENCE_MAX;
    h->refilled = now(c);
    if (!server->h2) server->h2 = shared_new();
    must(nghttp2_session_server_new2(&h->session, server->h2->callbacks, c, server->h2->option) == 0);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits(c)->h2_streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits(c)->head_max},
    };
    must(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNTOF(settings)) == 0);
    must(nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0);
    conn_deadline(c, limits(c)->idle_ms);
    conn_later(c);
    if (server->draining) drain(c);
}

static void unlist(struct stream *s)
{
    struct h2 *h = s->conn->h2;
    if (s->prev) s->prev->next = s->next;
    else h->streams = s->next;
    if (s->next) s->next->prev = s->prev;
    h->n_low -= s->h2->is_low;
}

static void close_stream(struct stream *s)
{
    struct conn *c = s->conn;
    bool is_out = s->h2->out_ended && link_queued(&c->link) == 0 && c->link.state == LINK_OPEN;
    unlist(s);
    buf_done(&s->h2->queue);
    stream_close(s, is_out);
}

static void close_all(struct conn *c)
{
    while (c->h2->streams) close_stream(c->h2->streams);
}

/* Whose answer is whole but not yet with the kernel waits until it is. A stream whose request has not ended lives on,
 * but the handler hears now that its part is over. */
static void close_those_over(struct conn *c)
{
    bool is_drained = link_queued(&c->link) == 0 || c->link.state != LINK_OPEN;
    c->h2->held = 0;
    for (struct stream *s = c->h2->streams, *next; s; s = next) {
        next = s->next;
        c->h2->held += sizeof *s + sizeof *s->h2 + s->head_bytes + s->h2->queue.cap;
        if (s->h2->is_over && (is_drained || !s->h2->out_ended)) close_stream(s);
        else if (s->h2->out_ended && is_drained) stream_tell(s, c->link.state == LINK_OPEN);
    }
}

/* With streams (or a last word to say) the clock ticks to look after them; without, the connection may be idle for so long. */
static void set_deadline(struct conn *c)
{
    struct h2 *h = c->h2;
    bool busy = h->streams || link_queued(&c->link) || (h->leave_at && !h->left);
    if (h->lingers || busy == h->ticks) return;
    h->ticks = busy;
    h->seen_at = now(c);
    h->seen = h->passed - link_queued(&c->link);
    conn_deadline(c, busy ? tick_ms(c) : limits(c)->idle_ms);
}

static bool is_done(const struct conn *c)
{
    nghttp2_session *session = c->h2->session;
    return !nghttp2_session_want_read(session) && !nghttp2_session_want_write(session) && !link_queued(&c->link);
}

/* The GOAWAY should be read: a close() with unread input would reset the connection. */
static void linger(struct conn *c)
{
    close_all(c);
    c->h2->lingers = true;
    link_shutdown(&c->link);
    conn_deadline(c, LINGER_MS);
}

static void settle(struct conn *c)
{
    struct h2 *h = c->h2;
    if (c->dead) {
        close_all(c);
        return;
    }
    if (h->lingers) return;
    h2_flush(c);
    close_those_over(c);
    h2_tell_writable(c);
    if (is_done(c)) linger(c);
    else set_deadline(c);
}

static void on_data(struct conn *c, struct str bytes)
{
    if (c->h2->lingers) return;
    ssize_t n = nghttp2_session_mem_recv(c->h2->session, (const uint8_t *)bytes.p, bytes.n);
    if (n < 0) { /* not HTTP/2 at all, or a flood: what is to be said about it, and the end */
        h2_flush(c);
        linger(c);
        return;
    }
    conn_later(c);
}

static void on_drained(struct conn *c) { conn_later(c); }

/* ---- deadlines ---------------------------------------------------------------------------------------------------------------- */

static void check_rest(struct stream *s)
{
    struct conn *c = s->conn;
    uint64_t t = now(c), silent_since = s->h2->in_at > s->h2->out_at ? s->h2->in_at : s->h2->out_at;
    if (t - s->h2->out_at > REST_MS || t - silent_since > REST_GAP_MS)
        nghttp2_submit_rst_stream(c->h2->session, NGHTTP2_FLAG_NONE, s->h2->id, NGHTTP2_NO_ERROR);
    else c->h2->waits_for_rest = true;
}

static void check_stream(struct stream *s)
{
    struct conn *c = s->conn;
    const struct http_limits *l = limits(c);
    uint64_t t = now(c);
    struct fault why = {0};
    bool is_slow = t > s->h2->began + l->body_gap_ms + s->body.wire; /* 1,000 bytes a second, as in h1.c */
    if (collects(s) && !s->rests && (is_slow || t - s->h2->in_at > l->body_gap_ms)) {
        ignore_err(FAIL(&why, ERR_REQUEST_TIMEOUT, "The request's body did not arrive in time."));
        refuse(s, &why);
    } else if (h2_queued(s) && t - s->h2->out_at > l->write_gap_ms) {
        s->answer = ANSWER_BROKEN; /* also when it had ended: it will not get through */
        h2_abort(s);
    } else if (s->h2->out_ended && !s->h2->in_ended) {
        check_rest(s);
    }
}

static bool link_is_stuck(struct conn *c)
{
    struct h2 *h = c->h2;
    uint64_t taken = h->passed - link_queued(&c->link);
    if (!link_queued(&c->link) || taken != h->seen) {
        h->seen = taken;
        h->seen_at = now(c);
        return false;
    }
    return now(c) - h->seen_at > limits(c)->write_gap_ms;
}

static void on_deadline(struct conn *c)
{
    struct h2 *h = c->h2;
    bool head_is_late = h->incoming && now(c) - h->head_at > limits(c)->head_ms;
    if (h->lingers || link_is_stuck(c) || head_is_late) {
        conn_kill(c);
        return;
    }
    if (h->leave_at && !h->left && now(c) >= h->leave_at) leave(c);
    if (!h->ticks) nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR); /* idle for long enough */
    h->waits_for_rest = false;
    for (struct stream *s = h->streams; s; s = s->next) check_stream(s);
    if (h->ticks) conn_deadline(c, tick_ms(c));
    conn_later(c);
}

/* A field block must be read to its end, but need not be kept. */
static void starve(struct conn *c)
{
    struct h2 *h = c->h2;
    if (!h->incoming || h->is_starved) return;
    h->is_starved = true;
    head_free(h->builder);
    h->builder = head_take(c->server);
}

static size_t held(const struct conn *c) { return SESSION_BYTES + head_memory(c->h2->builder) + c->h2->held; }

static void done(struct conn *c)
{
    head_give(c->server, c->h2->builder);
    nghttp2_session_del(c->h2->session);
    free(c->h2);
    c->h2 = NULL;
}

const struct proto H2 = {
    .start = start,
    .on_data = on_data,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .settle = settle,
    .drain = drain,
    .done = done,
    .starve = starve,
    .held = held,
    .head = h2_head,
    .write = h2_write,
    .finish = h2_finish,
    .abort = h2_abort,
    .flush = h2_flush_head,
    .queued = h2_queued,
    .rest = rest,
};
