/* stream: the handler's side of a request: the public http_stream_*() calls, on whatever protocol the connection speaks.
 * Called by the gateway from the server's loop; a stream is recycled by its connection when it is over. */
#include "server_priv.h"

#include <stdlib.h>

#define SPARE_MAX 256

static bool has_h2(const struct conn *c) { return c->proto == &H2; }

static size_t stream_size(const struct conn *c) { return sizeof(struct stream) + (has_h2(c) ? sizeof(struct h2_part) : 0); }

struct stream *stream_new(struct conn *c)
{
    struct http_server *server = c->server;
    struct spare_streams *spare = &server->spare_streams[has_h2(c)];
    struct stream *s = spare->first;
    if (s) {
        spare->first = s->next;
        spare->n--;
        memset(s, 0, stream_size(c));
    } else {
        s = mem_alloc(stream_size(c));
    }
    s->pub.server = server;
    s->conn = c;
    atomic_fetch_add_explicit(&server->stats.streams, 1, memory_order_relaxed);
    return s;
}

void streams_free(struct http_server *server)
{
    for (unsigned i = 0; i < COUNTOF(server->spare_streams); i++) {
        for (struct stream *s = server->spare_streams[i].first, *next; s; s = next) {
            next = s->next;
            free(s);
        }
    }
}

void stream_release(struct stream *s)
{
    link_read_into(&s->conn->link, NULL, 0); /* it may point into the body */
    body_done(&s->body, &s->conn->options->o);
    head_drop(s->conn->server, s->pub.request);
    s->pub.request = NULL;
    s->head_bytes = 0;
}

static void recycle(struct stream *s)
{
    struct spare_streams *spare = &s->pub.server->spare_streams[has_h2(s->conn)];
    if (spare->n >= SPARE_MAX) {
        free(s);
        return;
    }
    s->next = spare->first;
    spare->first = s;
    spare->n++;
}

void stream_tell(struct stream *s, bool complete)
{
    struct http_server *server = s->pub.server;
    bool is_owed = s->told;
    s->told = false;
    if (is_owed) server->handler.on_closed(&s->pub, complete, server->user);
    stream_release(s);
}

void stream_close(struct stream *s, bool complete)
{
    struct http_server *server = s->pub.server;
    if (server->head_of == s) {
        server->head_of = NULL;
        buf_clear(&server->head);
    }
    if (s->answer != ANSWER_ENDED) s->answer = ANSWER_BROKEN; /* what the handler still sends goes nowhere */
    stream_tell(s, complete);
    atomic_fetch_sub_explicit(&server->stats.streams, 1, memory_order_relaxed);
    recycle(s);
}

/* ---- bodies in pieces --------------------------------------------------------------------------------------------------- */

enum err stream_pass(struct stream *s, struct str bytes, struct fault *why)
{
    struct http_server *server = s->pub.server;
    TRY(body_pass(&s->body, &s->conn->options->o, bytes.n, why));
    if (bytes.n) server->handler.on_body(&s->pub, bytes, server->user);
    return OK;
}

void http_stream_pass_body(struct http_stream *s) { stream_of(s)->passes = true; }

uint64_t http_stream_body_length(const struct http_stream *pub)
{
    const struct stream *s = (const struct stream *)(const void *)pub; /* pub is its first member */
    return s->body.expected == BODY_UNKNOWN ? HTTP_BODY_UNKNOWN : s->body.expected;
}

void http_stream_rest_body(struct http_stream *pub, bool rests)
{
    struct stream *s = stream_of(pub);
    uint32_t now = (uint32_t)loop_now(pub->server->loop);
    if (!s->passes || s->rests == rests || s->answer == ANSWER_BROKEN) return;
    s->rests = rests;
    if (s->conn->proto->rest) s->conn->proto->rest(s, rests ? 0 : now - s->rests_since);
    s->rests_since = now;
}

/* ---- the public calls --------------------------------------------------------------------------------------------------- */

void http_stream_head(struct http_stream *pub, int status, struct http_fields fields, int64_t body_length)
{
    struct stream *s = stream_of(pub);
    if (s->answer == ANSWER_BROKEN) return;
    must(s->answer == ANSWER_NONE && status >= 200 && status <= 999);
    http_stream_rest_body(pub, false); /* nobody waits for the rest any more */
    s->answer = ANSWER_BODY;
    s->no_body = s->is_head || !response_has_body(status);
    s->left = body_length >= 0 ? body_length : LEFT_CHUNKED;
    s->conn->proto->head(s, status, fields, body_length);
}

/* False: more or less was promised in content-length; the client must see that the answer is not whole. */
static bool count(struct stream *s, size_t n, bool is_last)
{
    if (s->left < 0 || s->no_body) return true;
    bool fits = is_last ? (uint64_t)s->left == n : n <= (uint64_t)s->left;
    if (fits) s->left -= (int64_t)n;
    return fits;
}

size_t http_stream_write(struct http_stream *pub, struct str bytes)
{
    struct stream *s = stream_of(pub);
    must(s->answer != ANSWER_NONE);
    if (s->answer != ANSWER_BODY || s->no_body || !bytes.n) return http_stream_queued(pub);
    if (!count(s, bytes.n, false)) {
        http_stream_abort(pub);
        return 0;
    }
    s->conn->proto->write(s, bytes);
    return http_stream_queued(pub);
}

void http_stream_finish(struct http_stream *pub, struct str last)
{
    struct stream *s = stream_of(pub);
    must(s->answer != ANSWER_NONE);
    if (s->answer != ANSWER_BODY) return;
    if (!count(s, last.n, true)) {
        http_stream_abort(pub);
        return;
    }
    s->answer = ANSWER_ENDED;
    s->conn->proto->finish(s, s->no_body ? S("") : last);
    conn_later(s->conn);
}

void http_stream_answer(struct http_stream *s, int status, struct http_fields fields, struct str body)
{
    http_stream_head(s, status, fields, (int64_t)body.n);
    http_stream_finish(s, response_has_body(status) ? body : S(""));
}

void http_stream_abort(struct http_stream *pub)
{
    struct stream *s = stream_of(pub);
    if (s->answer == ANSWER_ENDED || s->answer == ANSWER_BROKEN) return;
    s->answer = ANSWER_BROKEN;
    s->conn->proto->abort(s);
    conn_later(s->conn);
}

size_t http_stream_queued(const struct http_stream *pub)
{
    const struct stream *s = (const struct stream *)(const void *)pub; /* pub is its first member */
    return s->answer == ANSWER_BROKEN ? 0 : s->conn->proto->queued(s);
}

void http_stream_release_request(struct http_stream *s) { stream_release(stream_of(s)); }
