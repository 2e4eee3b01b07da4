/* h1_out: answers on an HTTP/1.1 connection: one sendmsg() for head, chunk framing and data together.
 * Called through stream.c by handlers and by conn.c from the loop. */
#include <sys/socket.h>

#include "h1_priv.h"

#define HEAD_PIECE 1 /* room for the waiting head at the front of every iovec */
#define SIZE_LINE 18 /* 16 hex digits, CR, LF */

static struct iovec piece(struct str s) { return (struct iovec){(void *)(uintptr_t)s.p, s.n}; }

static void count(struct conn *c, const struct iovec *v, int n)
{
    for (int i = 0; i < n; i++) c->h1.passed += v[i].iov_len;
}

void h1_watch_queue(struct conn *c)
{
    if (!link_queued(&c->link)) return;
    (void)conn_account(c);
    if (c->deadline) return;
    c->h1.seen = c->h1.passed - link_queued(&c->link);
    conn_deadline(c, c->options->o.limits.write_gap_ms);
}

/* v[0] is free for the stream's waiting head. */
static void pass(struct stream *s, struct iovec *v, int n)
{
    struct conn *c = s->conn;
    struct http_server *server = c->server;
    bool has_head = server->head_of == s;
    if (has_head) v[0] = piece(buf_view(&server->head));
    else v++, n--;
    if (n == 0) return;
    count(c, v, n);
    (void)link_send(&c->link, v, n); /* broken: on_closed() comes from the loop */
    if (has_head) {
        server->head_of = NULL;
        buf_clear(&server->head);
    }
    h1_watch_queue(c);
}

void h1_flush(struct stream *s) { pass(s, (struct iovec[1]){{0}}, HEAD_PIECE); }

void h1_send_continue(struct conn *c)
{
    struct iovec v = piece(S("HTTP/1.1 100 Continue\r\n\r\n"));
    c->h1.wants_continue = false;
    count(c, &v, 1);
    (void)link_send(&c->link, &v, 1);
}

void h1_head(struct stream *s, int status, struct http_fields fields, int64_t body_length)
{
    struct conn *c = s->conn;
    struct h1 *h = &c->h1;
    if (body_length < 0 && h->is_10) s->left = LEFT_CLOSE;
    h->keep = h1_may_keep(c) && !c->server->draining && (s->left != LEFT_CLOSE || s->no_body);
    struct response_frame frame = {
        .length = s->left,
        .close = !h->keep,
        .keep_10 = h->keep && h->is_10,
        .bare = !response_has_body(status),
    };
    struct buf *out = server_claim_head(c->server, s);
    response_head(out, status, fields, frame, server_date(c->server));
    if (out->over) http_stream_abort(&s->pub);
}

/* `1a2b\r\n` */
static struct str size_line(char line[SIZE_LINE], size_t n)
{
    char *at = line + SIZE_LINE;
    *--at = '\n';
    *--at = '\r';
    for (; n; n >>= 4) *--at = "0123456789abcdef"[n & 15];
    return str_make(at, (size_t)(line + SIZE_LINE - at));
}

void h1_write(struct stream *s, struct str bytes)
{
    char line[SIZE_LINE];
    if (s->left == LEFT_CHUNKED)
        pass(s, (struct iovec[]){{0}, piece(size_line(line, bytes.n)), piece(bytes), piece(S("\r\n"))}, HEAD_PIECE + 3);
    else pass(s, (struct iovec[]){{0}, piece(bytes)}, HEAD_PIECE + 1);
}

void h1_finish(struct stream *s, struct str last)
{
    char line[SIZE_LINE];
    if (s->no_body || (s->left != LEFT_CHUNKED && !last.n)) h1_flush(s);
    else if (s->left != LEFT_CHUNKED) pass(s, (struct iovec[]){{0}, piece(last)}, HEAD_PIECE + 1);
    else if (!last.n) pass(s, (struct iovec[]){{0}, piece(S("0\r\n\r\n"))}, HEAD_PIECE + 1);
    else pass(s, (struct iovec[]){{0}, piece(size_line(line, last.n)), piece(last), piece(S("\r\n0\r\n\r\n"))}, HEAD_PIECE + 3);
}

/* Without content-length and chunks only a reset tells a broken answer from a whole one. */
void h1_abort(struct stream *s)
{
    struct conn *c = s->conn;
    if (s->left == LEFT_CLOSE && c->link.fd >= 0) {
        struct linger now = {.l_onoff = 1};
        ignore_err(setsockopt(c->link.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) ? ERR_IO : OK);
    }
    conn_kill(c);
}

size_t h1_queued(const struct stream *s)
{
    const struct http_server *server = s->pub.server;
    return link_queued(&s->conn->link) + (server->head_of == s ? server->head.n : 0);
}

void h1_check_progress(struct conn *c)
{
    struct h1 *h = &c->h1;
    if (!link_queued(&c->link)) return;
    uint64_t taken = h->passed - link_queued(&c->link);
    if (taken == h->seen) {
        conn_kill(c);
        return;
    }
    h->seen = taken;
    conn_deadline(c, c->options->o.limits.write_gap_ms);
}

void h1_on_drained(struct conn *c)
{
    struct stream *s = c->h1.stream;
    if (!s) return;
    if (s->answer == ANSWER_ENDED) conn_later(c);
    else if (s->answer == ANSWER_BODY) c->server->handler.on_writable(&s->pub, c->server->user);
}

void h1_settle(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct stream *s = h->stream;
    bool is_out = s && s->answer == ANSWER_ENDED && h1_queued(s) == 0 && c->link.state == LINK_OPEN;
    if (s && (c->dead || is_out)) {
        h->stream = NULL;
        stream_close(s, is_out);
    }
    if (!c->dead && !h->stream && h->in >= IN_BODY && h->in != IN_LINGER) h1_next(c);
}
