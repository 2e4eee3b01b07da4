/* local: streams without a socket: requests that the process makes to its own handler, which serves them like any other.
 * Opened by the gateway (WebSocket messages, answers that nobody waits for). A local stream is a connection without a link
 * that carries one request; everything it says to either side, it says from the loop, at the end of a turn. */
#include "server_priv.h"

#include <stdlib.h>

#define QUEUE_MAX MIB(1024) /* handlers stop at HTTP_QUEUE_HIGH; this only bounds a mistake */

struct head_copy {
    int status;
    size_t n, bytes;
    struct http_field fields[];
};

struct http_local {
    struct conn conn; /* first: conn_free() frees the whole */
    struct http_local_handler handler;
    void *user;
    struct stream *stream;  /* NULL: over */
    struct head_copy *head; /* of the answer, not told yet */
    struct fault *bad;      /* the request is refused: a reason for the handler */
    struct buf queue;       /* of the answer's body, not told yet */
    bool begun;             /* the handler has the request */
    bool paused, cancelled;
    bool was_high; /* the queue was over HTTP_QUEUE_LOW: on_writable() is owed */
};
_Static_assert(offsetof(struct http_local, conn) == 0, "freed as what it begins with");

static struct http_local *local_of(struct conn *c) { return CONTAINER_OF(c, struct http_local, conn); }

/* ---- the handler's side ----------------------------------------------------------------------------------------------- */

static char *put(char *at, struct str *s)
{
    if (s->n) memcpy(at, s->p, s->n);
    *s = str_make(at, s->n);
    return at + s->n;
}

static void head(struct stream *s, int status, struct http_fields fields, int64_t body_length)
{
    struct http_local *l = local_of(s->conn);
    size_t bytes = fields.n * sizeof *fields.at;
    (void)body_length;
    for (size_t i = 0; i < fields.n; i++) bytes += fields.at[i].name.n + fields.at[i].value.n;
    struct head_copy *h = mem_alloc(sizeof *h + bytes);
    *h = (struct head_copy){.status = status, .n = fields.n, .bytes = sizeof *h + bytes};
    char *at = (char *)(h->fields + fields.n);
    for (size_t i = 0; i < fields.n; i++) {
        h->fields[i] = fields.at[i];
        at = put(put(at, &h->fields[i].name), &h->fields[i].value);
    }
    l->head = h;
    conn_later(s->conn);
}

static void write_bytes(struct stream *s, struct str bytes)
{
    struct http_local *l = local_of(s->conn);
    buf_str(&l->queue, bytes);
    l->was_high = l->was_high || l->queue.n > HTTP_QUEUE_LOW;
    if (l->queue.over) http_stream_abort(&s->pub);
    else conn_later(s->conn);
}

static void finish(struct stream *s, struct str last)
{
    if (last.n) write_bytes(s, last);
}

static void abort_answer(struct stream *s) { (void)s; } /* stream.c asks for the end of the turn */

static void flush(struct stream *s) { (void)s; } /* its head never waits in the server */

static size_t queued(const struct stream *s) { return local_of(s->conn)->queue.n; }

/* ---- the end of a turn ------------------------------------------------------------------------------------------------ */

static void begin(struct http_local *l)
{
    struct stream *s = l->stream;
    struct http_server *server = l->conn.server;
    l->begun = s->told = true;
    if (l->bad) {
        server->handler.on_bad(&s->pub, l->bad, server->user);
        return;
    }
    atomic_fetch_add_explicit(&server->stats.requests, 1, memory_order_relaxed);
    bool is_wanted = server->handler.on_head(&s->pub, server->user);
    if (!is_wanted || s->answer != ANSWER_NONE || !s->pub.request) return;
    struct str body = str_make(s->body.p, s->body.n);
    if (!s->passes) s->pub.request->body = body;
    else if (body.n) server->handler.on_body(&s->pub, body, server->user);
    if (s->answer != ANSWER_NONE) return;
    server->handler.on_request(&s->pub, server->user);
}

static bool may_tell(const struct http_local *l) { return !l->paused && !l->cancelled; }

static void tell_head(struct http_local *l)
{
    struct head_copy *h = l->head;
    if (!h || !may_tell(l)) return;
    l->head = NULL;
    l->handler.on_head(l, h->status, (struct http_fields){h->fields, h->n}, l->user);
    free(h);
}

static void tell_body(struct http_local *l)
{
    struct buf now = l->queue;
    if (!now.n || !may_tell(l)) return;
    buf_init(&l->queue, QUEUE_MAX);
    l->handler.on_body(l, buf_view(&now), l->user);
    buf_done(&now);
}

static void end(struct http_local *l, bool complete)
{
    struct stream *s = l->stream;
    l->stream = NULL;
    stream_close(s, complete);
    conn_kill(&l->conn);
    if (!l->cancelled) l->handler.on_end(l, complete, l->user);
}

static void ask_for_more(struct http_local *l)
{
    struct http_server *server = l->conn.server;
    if (!l->was_high || l->queue.n >= HTTP_QUEUE_LOW || l->stream->answer != ANSWER_BODY) return;
    l->was_high = false;
    server->handler.on_writable(&l->stream->pub, server->user);
}

static void settle(struct conn *c)
{
    struct http_local *l = local_of(c);
    if (!l->stream) return;
    if (!l->begun && !c->dead && !l->cancelled) begin(l);
    struct stream *s = l->stream;
    if (s->answer != ANSWER_BROKEN && !c->dead) {
        tell_head(l);
        tell_body(l);
    }
    bool is_out = s->answer == ANSWER_ENDED && !l->head && !l->queue.n && may_tell(l);
    if (is_out || s->answer == ANSWER_BROKEN || l->cancelled || c->dead) end(l, is_out);
    else ask_for_more(l);
}

static size_t held(const struct conn *c)
{
    const struct http_local *l = (const struct http_local *)(const void *)c; /* conn is its first member */
    size_t n = sizeof *l - sizeof *c + l->queue.cap;
    if (l->head) n += l->head->bytes;
    return l->stream ? n + sizeof *l->stream + l->stream->head_bytes : n;
}

static void done(struct conn *c)
{
    struct http_local *l = local_of(c);
    buf_done(&l->queue);
    free(l->head);
    free(l->bad);
}

static void drain(struct conn *c) { (void)c; } /* it ends with its answer */

static const struct proto LOCAL = {
    .settle = settle,
    .drain = drain,
    .done = done,
    .held = held,
    .head = head,
    .write = write_bytes,
    .finish = finish,
    .abort = abort_answer,
    .flush = flush,
    .queued = queued,
};

/* ---- the opener's side ------------------------------------------------------------------------------------------------ */

static enum err take_request(struct http_local *l, const struct http_request *r, struct fault *why)
{
    struct stream *s = l->stream;
    head_copy(r, s);
    if (!conn_account(&l->conn)) return conn_no_memory(why);
    return body_copy(&s->body, &l->conn.options->o, r->body, why);
}

struct http_local *http_local_open(struct http_server *server, const struct http_request *r, const struct http_local_handler *h,
                                   void *user)
{
    struct http_local *l = mem_alloc(sizeof *l);
    struct fault why = {0};
    l->conn = (struct conn){.server = server, .options = server->options, .proto = &LOCAL};
    l->conn.options->refs++;
    l->handler = *h;
    l->user = user;
    buf_init(&l->queue, QUEUE_MAX);
    conn_enlist(&l->conn);
    l->stream = stream_new(&l->conn);
    if (take_request(l, r, &why) != OK) {
        l->bad = mem_alloc(sizeof why);
        *l->bad = why;
    }
    conn_later(&l->conn);
    return l;
}

void http_local_pause(struct http_local *l) { l->paused = true; }

void http_local_resume(struct http_local *l)
{
    if (!l->paused) return;
    l->paused = false;
    conn_later(&l->conn);
}

void http_local_cancel(struct http_local *l)
{
    struct http_request *r = l->stream ? l->stream->pub.request : NULL;
    if (r) r->opener = NULL; /* it may be gone before the handler hears of it */
    l->cancelled = true;
    conn_later(&l->conn);
}
