/* h2_out: answers on an HTTP/2 connection. What handlers write waits in its stream's queue until flow control lets it
 * go; frames leave together at the end of the turn. Called through stream.c and by h2.c. */
#include <stdlib.h>

#include "h2_priv.h"

#define QUEUE_MAX MIB(1024) /* handlers stop at HTTP_QUEUE_HIGH; this only bounds a mistake */
#define FLUSH_SIZE KIB(48)  /* frames are gathered up to here for one send */

/* Copies the next bytes of an answer into a DATA frame. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    (void)session, (void)id;
    struct conn *c = user;
    struct stream *s = source->ptr;
    struct h2_part *h = s->h2;
    size_t left = h->queue.n - h->queue_at, n = left < room ? left : room;
    if (n) memcpy(to, h->queue.p + h->queue_at, n);
    h->queue_at += n;
    h->out_at = loop_now(c->server->loop);
    left -= n;
    if (h->was_high && left < HTTP_QUEUE_LOW) {
        h->was_high = false;
        c->h2->n_low += !h->is_low;
        h->is_low = true;
    }
    if (!left) {
        buf_done(&h->queue);
        h->queue_at = 0;
    }
    if (!left && s->answer == ANSWER_ENDED) *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (!n) h->waits = true;
    return h->waits ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

static void send_gathered(struct conn *c, struct buf *out)
{
    struct iovec v = {out->p, out->n};
    if (!out->n) return;
    c->h2->passed += out->n;
    (void)link_send(&c->link, &v, 1); /* broken: on_closed() comes from the loop */
    buf_clear(out);
}

void h2_flush(struct conn *c)
{
    static _Thread_local char room[FLUSH_SIZE + KIB(32)]; /* empty between two calls; a frame has 16 KiB at most */
    struct buf out = {.p = room, .cap = sizeof room, .max = sizeof room};
    while (link_queued(&c->link) == 0 && c->link.state == LINK_OPEN) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(c->h2->session, &frame);
        if (n < 0) conn_kill(c);
        if (n <= 0) break;
        buf_add(&out, frame, (size_t)n);
        must(!out.over);
        if (out.n > FLUSH_SIZE) send_gathered(c, &out);
    }
    send_gathered(c, &out);
}

void h2_tell_writable(struct conn *c)
{
    for (struct stream *s = c->h2->streams; s && c->h2->n_low; s = s->next) {
        if (!s->h2->is_low) continue;
        s->h2->is_low = false;
        c->h2->n_low--;
        if (s->answer == ANSWER_BODY) c->server->handler.on_writable(&s->pub, c->server->user);
    }
}

/* ---- the handler's calls ------------------------------------------------------------------------------------------- */

static nghttp2_nv pair(struct str name, struct str value)
{
    union {
        const char *p;
        uint8_t *bytes; /* nghttp2 copies and takes no const */
    } n = {name.p}, v = {value.p};
    return (nghttp2_nv){n.bytes, v.bytes, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

void h2_continue(struct stream *s)
{
    nghttp2_nv status = pair(S(":status"), S("100"));
    nghttp2_submit_headers(s->conn->h2->session, NGHTTP2_FLAG_NONE, s->h2->id, NULL, &status, 1, NULL);
}

static struct str number(char room[24], int64_t value)
{
    struct buf b = {.p = room, .cap = 24, .max = 24};
    buf_i64(&b, value);
    return buf_view(&b);
}

void h2_head(struct stream *s, int status, struct http_fields fields, int64_t body_length)
{
    struct conn *c = s->conn;
    char status_text[24], length_text[24];
    nghttp2_nv *nv = mem_alloc((fields.n + 3) * sizeof *nv);
    size_t n = 0;
    nv[n++] = pair(S(":status"), number(status_text, status));
    nv[n++] = pair(S("date"), server_date(c->server));
    for (size_t i = 0; i < fields.n; i++)
        if (response_field_may_pass(&fields.at[i])) nv[n++] = pair(fields.at[i].name, fields.at[i].value);
    if (body_length >= 0 && response_has_body(status)) nv[n++] = pair(S("content-length"), number(length_text, body_length));
    /* Also without a body: the stream must not end before the handler says so. */
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = on_read};
    buf_init(&s->h2->queue, QUEUE_MAX);
    int e = nghttp2_submit_response(c->h2->session, s->h2->id, nv, n, &body);
    free(nv);
    if (e != 0) http_stream_abort(&s->pub);
    conn_later(c);
}

static void enqueue(struct stream *s, struct str bytes)
{
    struct h2_part *h = s->h2;
    if (h->queue_at > h->queue.n / 2) {
        buf_drop_head(&h->queue, h->queue_at);
        h->queue_at = 0;
    }
    if (h2_queued(s) == 0) h->out_at = loop_now(s->conn->server->loop);
    buf_str(&h->queue, bytes);
    h->was_high = h->was_high || h2_queued(s) > HTTP_QUEUE_LOW;
}

static void resume(struct stream *s)
{
    if (s->h2->waits) nghttp2_session_resume_data(s->conn->h2->session, s->h2->id);
    s->h2->waits = false;
    conn_later(s->conn);
}

void h2_write(struct stream *s, struct str bytes)
{
    enqueue(s, bytes);
    if (s->h2->queue.over) http_stream_abort(&s->pub);
    else resume(s);
}

void h2_finish(struct stream *s, struct str last)
{
    if (last.n) enqueue(s, last);
    resume(s);
}

void h2_abort(struct stream *s)
{
    buf_done(&s->h2->queue);
    s->h2->queue_at = 0;
    nghttp2_submit_rst_stream(s->conn->h2->session, NGHTTP2_FLAG_NONE, s->h2->id, NGHTTP2_INTERNAL_ERROR);
}

void h2_flush_head(struct stream *s) { (void)s; } /* heads never wait outside of the session */

size_t h2_queued(const struct stream *s) { return s->h2->queue.n - s->h2->queue_at; }
