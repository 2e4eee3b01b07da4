/* h1: what comes in on an HTTP/1.1 connection (RFC 9112), parsed strictly by llhttp: head, body, the next request.
 * Called by conn.c; llhttp is in h1_parse.c, the answers go out in h1_out.c. One request is under way at a time, later bytes are carried. */
#include "h1_priv.h"

#define CARRY_HIGH KIB(64) /* so much pipelined input, then no more is read */
#define SKIP_MAX KIB(256)  /* the rest of a refused body that is read to save the connection */
#define LINGER_MAX MIB(64) /* thrown away so that the client gets to read its answer */
#define LINGER_MS 5000
#define STRANGE_MAX 256 /* so much is looked at to tell what is spoken */

/* ---- refusing --------------------------------------------------------------------------------------------------------------- */

static struct stream *stream_of_bad_head(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct stream *s = stream_new(c);
    ignore_err(head_build(h->builder, c, s, NULL)); /* what is known, for the shape of the answer */
    s->is_head = s->pub.request->is_head;
    return s;
}

static void refuse(struct conn *c, const struct fault *why)
{
    struct h1 *h = &c->h1;
    if ((h->in == IN_HEAD || h->in == IN_STRANGE) && !h->stream) h->stream = stream_of_bad_head(c);
    head_give(c->server, h->builder);
    h->builder = NULL;
    h->in = IN_BAD;
    h->keep = false;
    link_read_into(&c->link, NULL, 0);
    conn_deadline(c, 0);
    h1_watch_queue(c);
    struct stream *s = h->stream;
    if (!s || (s->answer == ANSWER_NONE && !s->pub.request)) {
        conn_kill(c); /* answered before, or nobody wants to know */
    } else if (s->answer == ANSWER_NONE) {
        s->told = true;
        c->server->handler.on_bad(&s->pub, why, c->server->user);
    }
}

/* ---- body -------------------------------------------------------------------------------------------------------------------- */

bool h1_collects(const struct conn *c)
{
    const struct stream *s = c->h1.stream;
    return c->h1.collects && s && s->answer == ANSWER_NONE && s->pub.request;
}

/* A silence of body_gap_ms is too long, and so is a body of less than 1,000 bytes a second after that. */
static void arm_body(struct conn *c)
{
    uint64_t gap = c->options->o.limits.body_gap_ms, now = loop_now(c->server->loop);
    uint64_t end = c->h1.body_began + gap + (c->h1.stream ? c->h1.stream->body.wire : 0);
    uint64_t left = end > now ? end - now : 1;
    bool rests = c->h1.stream && c->h1.stream->rests;
    conn_deadline(c, rests ? 0 : left < gap ? left : gap);
}

static void body_whole(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct stream *s = h->stream;
    struct fault why = {0};
    conn_deadline(c, 0);
    link_read_into(&c->link, NULL, 0);
    if (h1_collects(c) && body_end(&s->body, &why) != OK) {
        refuse(c, &why);
        return;
    }
    h->in = IN_DONE;
    if (!h1_collects(c)) {
        h1_watch_queue(c);
        conn_later(c); /* the next request, once the early answer is out */
        return;
    }
    if (!s->passes) s->pub.request->body = str_make(s->body.p, s->body.n);
    c->server->handler.on_request(&s->pub, c->server->user);
}

/* The rest of a plain body is received where it will lie. */
static void receive_directly(struct conn *c)
{
    struct str room;
    struct fault why = {0};
    if (!h1_collects(c) || c->h1.stream->passes) return;
    if (body_room(&c->h1.stream->body, &c->options->o, &room, &why) != OK) {
        refuse(c, &why);
        return;
    }
    link_read_into(&c->link, (char *)(uintptr_t)room.p, room.n);
}

static enum err add_counted(struct conn *c, struct str bytes, struct fault *why)
{
    if (!h1_collects(c)) return OK;
    if (c->h1.stream->passes) return stream_pass(c->h1.stream, bytes, why);
    struct body *b = &c->h1.stream->body;
    if (bytes.p != b->p + b->n) return body_add(b, &c->options->o, bytes, why);
    body_took(b, bytes.n);
    return OK;
}

static size_t take_counted(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    if (bytes.n > h->body_left) bytes.n = (size_t)h->body_left;
    h->body_left -= bytes.n;
    if (add_counted(c, bytes, &why) != OK) {
        refuse(c, &why);
    } else if (h->body_left == 0) {
        body_whole(c);
    } else {
        arm_body(c);
        receive_directly(c);
    }
    return bytes.n;
}

static size_t take_chunked(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    size_t used;
    llhttp_errno_t e = h1_parse(c, bytes, &used, &why);
    if (e == HPE_OK || e == HPE_PAUSED) {
        h->overhead += (size_t)(bytes.p + used - h->data_end);
        if (h->overhead > c->options->o.limits.head_max)
            ignore_err(FAIL(&why, ERR_BAD_HTTP, "A chunk's size line, its extensions or the trailers are too long."));
    }
    if (why.code != OK) {
        refuse(c, &why);
        return bytes.n;
    }
    if (e == HPE_PAUSED) body_whole(c);
    else arm_body(c);
    return used;
}

static size_t take_body(struct conn *c, struct str bytes)
{
    return c->h1.chunked ? take_chunked(c, bytes) : take_counted(c, bytes);
}

/* ---- head -------------------------------------------------------------------------------------------------------------------- */

/* Smuggling lives where two readers see two lengths: exactly one way to say it, and the plainest (RFC 9112 6.1, 6.3). */
static enum err check_length(const struct conn *c, struct fault *why)
{
    const struct h1 *h = &c->h1;
    unsigned codings, lengths;
    struct str coding = head_field(h->builder, S("transfer-encoding"), &codings);
    struct str length = head_field(h->builder, S("content-length"), &lengths);
    uint64_t ignored;
    if (codings && lengths) return FAIL(why, ERR_BAD_HTTP, "The request has both Content-Length and Transfer-Encoding.");
    if (lengths > 1) return FAIL(why, ERR_BAD_HTTP, "The request has more than one Content-Length.");
    if (lengths && !str_u64(length, &ignored)) return FAIL(why, ERR_BAD_HTTP, "The request's Content-Length is not a number.");
    if (codings && h->is_10) return FAIL(why, ERR_BAD_HTTP, "HTTP/1.0 has no Transfer-Encoding.");
    if (codings && (codings > 1 || !str_eq_nocase(coding, S("chunked"))))
        return FAIL(why, ERR_BAD_HTTP, "The only Transfer-Encoding understood is 'chunked'.");
    return OK;
}

static enum err open_body(struct conn *c, struct stream *s, struct fault *why)
{
    struct h1 *h = &c->h1;
    h->chunked = (h->parser.flags & F_CHUNKED) != 0;
    h->body_left = h->chunked ? BODY_UNKNOWN : h->parser.content_length;
    h->body_began = loop_now(c->server->loop);
    h->overhead = 0;
    unsigned n;
    struct str coding = http_field_get(s->pub.request->fields, S("content-encoding"));
    head_field(h->builder, S("content-encoding"), &n);
    if (n > 1) coding = S("more than one");
    return body_begin(&s->body, &c->options->o, coding, h->body_left, why);
}

static enum err open_request(struct conn *c, struct stream *s, struct fault *why)
{
    struct h1 *h = &c->h1;
    enum err e = head_build(h->builder, c, s, why);
    s->is_head = s->pub.request->is_head;
    TRY(e);
    if (!conn_account(c)) return conn_no_memory(why);
    TRY(check_length(c, why));
    TRY(open_body(c, s, why));
    struct str expect = http_field_get(s->pub.request->fields, S("expect"));
    h->wants_continue = !h->is_10 && str_eq_nocase(expect, S("100-continue"));
    h->keep = llhttp_should_keep_alive(&h->parser);
    return OK;
}

static void go_on_reading(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    if (h1_collects(c) && body_check(&h->stream->body, &c->options->o, h->stream->passes, &why) != OK) {
        refuse(c, &why);
        return;
    }
    if (h1_collects(c) && h->wants_continue) h1_send_continue(c);
    arm_body(c);
    if (!h->chunked) receive_directly(c);
    else llhttp_resume(&h->parser);
}

static void head_whole(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct stream *s = h->stream = stream_new(c);
    struct fault why = {0};
    h->was_spoken = true;
    link_taste(&c->link, false);
    if (open_request(c, s, &why) != OK) {
        refuse(c, &why);
        return;
    }
    head_give(c->server, h->builder);
    h->builder = NULL;
    h->in = IN_BODY;
    s->told = true;
    atomic_fetch_add_explicit(&c->server->stats.requests, 1, memory_order_relaxed);
    h->collects = c->server->handler.on_head(&s->pub, c->server->user);
    if (h->body_left) go_on_reading(c);
    else body_whole(c);
}

/* `WORD WORD WORD` with another protocol's name at the end, as in a broken preface of HTTP/2. */
static bool names_another_protocol(struct str line)
{
    struct str method, target, rest, version;
    return str_cut(line, ' ', &method, &rest) && str_cut(rest, ' ', &target, &version) && !str_starts(version, S("HTTP/"));
}

/* A connection's first line has a method that is none: answered as HTTP/1.1, unless it says that it is something else. */
static size_t take_strange(struct conn *c, struct str bytes)
{
    struct buf *line = &c->h1.builder->bytes;
    struct fault why = {0};
    size_t n = 0;
    while (n < bytes.n && line->n < STRANGE_MAX && bytes.p[n] >= ' ' && bytes.p[n] <= '~') buf_char(line, bytes.p[n++]);
    if (n == bytes.n && line->n < STRANGE_MAX) return n;
    if (names_another_protocol(buf_view(line))) {
        conn_kill(c);
        return bytes.n;
    }
    ignore_err(FAIL(&why, ERR_BAD_HTTP, "The request is not valid HTTP/1.1: it does not begin with a known method."));
    refuse(c, &why);
    return bytes.n;
}

static size_t find_strange(struct conn *c, struct str bytes)
{
    c->h1.in = IN_STRANGE;
    c->h1.builder->method_n = 0; /* its bytes stay, as the line's beginning */
    return take_strange(c, bytes);
}

static size_t take_head(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    size_t max = c->options->o.limits.head_max, used;
    if (bytes.n > max - h->overhead) bytes.n = max - h->overhead;
    llhttp_errno_t e = h1_parse(c, bytes, &used, &why);
    h->overhead += used;
    if (e == HPE_INVALID_METHOD && !h->was_spoken) return find_strange(c, bytes);
    if (e == HPE_PAUSED) {
        head_whole(c);
        return used;
    }
    if (e == HPE_OK && h->overhead == max)
        ignore_err(FAIL(&why, ERR_HEAD_TOO_LARGE, "The request's head is larger than the limit of %zu bytes.", max));
    if (why.code == OK) return used;
    refuse(c, &why);
    return bytes.n;
}

/* Leaves the parser as if it had read the head itself. */
static size_t take_head_quickly(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    const struct http_limits *limits = &c->options->o.limits;
    uint64_t length;
    size_t used = head_quick(h->builder, str_make(bytes.p, bytes.n < limits->head_max ? bytes.n : limits->head_max),
                             limits->fields_max, &length);
    if (!used) return 0;
    h->parser.flags = 0;
    h->parser.http_major = h->parser.http_minor = 1;
    h->parser.content_length = length;
    h->is_10 = false;
    head_whole(c);
    return used;
}

static size_t take_idle(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    size_t blank = 0; /* RFC 9112 2.2: empty lines before a request are ignored */
    while (blank < bytes.n && (bytes.p[blank] == '\r' || bytes.p[blank] == '\n')) blank++;
    if (blank == bytes.n) return blank;
    bytes = str_from(bytes, blank);
    conn_renew_options(c);
    h->builder = head_take(c->server);
    h->in = IN_HEAD;
    h->overhead = 0;
    size_t used = take_head_quickly(c, bytes);
    if (used) return blank + used;
    llhttp_reset(&h->parser);
    conn_deadline(c, c->options->o.limits.head_ms);
    return blank + take_head(c, bytes);
}

/* ---- the turn of a connection ------------------------------------------------------------------------------------------------ */

static size_t take_nothing(struct conn *c, struct str bytes)
{
    (void)c;
    (void)bytes;
    return 0;
}

/* The answer is on its way, what else the client says is of no interest. */
static size_t take_and_forget(struct conn *c, struct str bytes)
{
    c->h1.overhead += bytes.n;
    if (c->h1.in == IN_LINGER && c->h1.overhead > LINGER_MAX) conn_kill(c);
    return bytes.n;
}

static size_t (*const TAKE[])(struct conn *c, struct str bytes) = {
    [IN_IDLE] = take_idle,    [IN_HEAD] = take_head,      [IN_STRANGE] = take_strange,   [IN_BODY] = take_body,
    [IN_DONE] = take_nothing, [IN_BAD] = take_and_forget, [IN_LINGER] = take_and_forget,
};

/* Uses what the request under way can use; returns the rest. */
static struct str take(struct conn *c, struct str bytes)
{
    while (bytes.n && !c->dead) {
        size_t used = TAKE[c->h1.in](c, bytes);
        if (!used && c->h1.in == IN_DONE) break;
        bytes = str_from(bytes, used);
    }
    return bytes;
}

static void carry(struct conn *c, struct str bytes)
{
    struct h1 *h = &c->h1;
    if (h->carry_at) buf_drop_head(&h->carry, h->carry_at);
    h->carry_at = 0;
    buf_str(&h->carry, bytes);
    if (h->carry.over) conn_kill(c);
    if (h->carry.n > CARRY_HIGH) link_read(&c->link, false);
}

static void on_data(struct conn *c, struct str bytes)
{
    if (!c->h1.carry.n) bytes = take(c, bytes);
    if (bytes.n && !c->dead) carry(c, bytes);
}

static void take_carried(struct conn *c)
{
    struct h1 *h = &c->h1;
    if (!h->carry.n) return;
    struct str rest = take(c, str_from(buf_view(&h->carry), h->carry_at));
    h->carry_at = h->carry.n - rest.n;
    if (rest.n < CARRY_HIGH) link_read(&c->link, true);
    if (rest.n) return;
    buf_done(&h->carry);
    h->carry_at = 0;
}

static uint32_t idle_ms(const struct conn *c)
{
    return c->server->draining ? c->options->o.limits.drain_ms : c->options->o.limits.idle_ms;
}

static void wait_for_request(struct conn *c)
{
    struct h1 *h = &c->h1;
    h->in = IN_IDLE;
    link_taste(&c->link, true);
    conn_deadline(c, idle_ms(c));
    if (!h->carry.n) link_read(&c->link, true); /* who rested with a body's last piece left it off */
    take_carried(c);
}

/* A plain close() with unread input would reset the connection and could take the answer with it. */
static void linger(struct conn *c)
{
    struct h1 *h = &c->h1;
    h->in = IN_LINGER;
    h->overhead = 0;
    buf_done(&h->carry);
    link_taste(&c->link, false);
    link_read(&c->link, true);
    link_shutdown(&c->link);
    conn_deadline(c, LINGER_MS);
}

static bool skips_rest(const struct h1 *h)
{
    return h->in == IN_DONE || (h->in == IN_BODY && !h->chunked && !h->wants_continue && h->body_left <= SKIP_MAX);
}

bool h1_may_keep(const struct conn *c) { return c->h1.keep && skips_rest(&c->h1); }

static void become_websocket(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct buf carried = h->carry;
    buf_init(&h->carry, CARRY_HIGH + LOOP_SCRATCH);
    ws_begin(c, str_from(buf_view(&carried), h->carry_at));
    buf_done(&carried);
}

void h1_next(struct conn *c)
{
    struct h1 *h = &c->h1;
    if (c->ws) {
        become_websocket(c);
        return;
    }
    if (!h->keep && h->in == IN_DONE && !h->carry.n) conn_kill(c);
    else if (!h->keep) linger(c);
    else if (h->in == IN_DONE) wait_for_request(c);
}

/* The time in which nobody wanted more of a body is not the client's. */
static void rest(struct stream *s, uint32_t rested_ms)
{
    struct conn *c = s->conn;
    c->h1.body_began += rested_ms;
    if (c->h1.in != IN_BODY || c->dead) return;
    link_read(&c->link, !s->rests);
    arm_body(c);
}

static void start(struct conn *c)
{
    struct h1 *h = &c->h1;
    h1_parser_init(c);
    buf_init(&h->carry, CARRY_HIGH + LOOP_SCRATCH);
    wait_for_request(c);
}

static void on_deadline(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    const char *what = h->in == IN_BODY ? "body" : "head";
    if (h->in == IN_DONE || h->in == IN_BAD) {
        h1_check_progress(c);
    } else if (h->in == IN_IDLE || h->in == IN_LINGER || (h->in == IN_BODY && !h1_collects(c))) {
        conn_kill(c);
    } else {
        ignore_err(FAIL(&why, ERR_REQUEST_TIMEOUT, "The request's %s did not arrive in time.", what));
        refuse(c, &why);
    }
}

/* A request may be on its way already: it is still served, with `connection: close`. */
static void drain(struct conn *c)
{
    if (c->h1.in == IN_IDLE) conn_deadline(c, idle_ms(c));
}

/* What is carried was received already, but no more comes while it is. */
static void starve(struct conn *c)
{
    struct h1 *h = &c->h1;
    struct fault why = {0};
    if (h->carry.n) link_read(&c->link, false);
    if (h->in != IN_HEAD && h->in != IN_STRANGE) return;
    ignore_err(conn_no_memory(&why));
    refuse(c, &why);
}

static size_t held(const struct conn *c)
{
    const struct h1 *h = &c->h1;
    return head_memory(h->builder) + h->carry.cap + (h->stream ? sizeof *h->stream + h->stream->head_bytes : 0);
}

static void done(struct conn *c)
{
    ws_drop(c);
    head_give(c->server, c->h1.builder);
    buf_done(&c->h1.carry);
}

const struct proto H1 = {
    .start = start,
    .on_data = on_data,
    .on_drained = h1_on_drained,
    .on_deadline = on_deadline,
    .settle = h1_settle,
    .drain = drain,
    .done = done,
    .starve = starve,
    .held = held,
    .head = h1_head,
    .write = h1_write,
    .finish = h1_finish,
    .abort = h1_abort,
    .flush = h1_flush,
    .queued = h1_queued,
    .rest = rest,
};
