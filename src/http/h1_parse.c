/* h1_parse: llhttp's callbacks for requests on an HTTP/1.1 connection: the pieces of a head go to its builder, those of a
 * chunked body to the body; what llhttp takes and we do not is refused here. Called by h1.c only; owns nothing. */
#include "h1_priv.h"

static struct conn *conn_of(llhttp_t *p) { return p->data; }

static int on_method(llhttp_t *p, const char *at, size_t n)
{
    struct head_builder *b = conn_of(p)->h1.builder;
    if (!b->method_n) b->method_at = (uint32_t)b->bytes.n;
    buf_add(&b->bytes, at, n);
    b->method_n += (uint32_t)n;
    return 0;
}

/* RFC 9112 3: single spaces in the request line. llhttp reads over more of them, other readers may not. */
static int must_stand_at(struct h1 *h, const char *at, size_t offset)
{
    if (h->overhead + (size_t)(at - h->data_end) == offset) return 0;
    ignore_err(FAIL(h->why, ERR_BAD_HTTP, "The request line must have single spaces between its three parts."));
    return HPE_USER;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct head_builder *b = conn_of(p)->h1.builder;
    if (!b->target_n) {
        b->target_at = (uint32_t)b->bytes.n;
        if (must_stand_at(&conn_of(p)->h1, at, b->method_n + 1) != 0) return HPE_USER;
    }
    buf_add(&b->bytes, at, n);
    b->target_n += (uint32_t)n;
    return 0;
}

static int on_url_complete(llhttp_t *p)
{
    conn_of(p)->h1.builder->target_done = true;
    return 0;
}

static int on_version(llhttp_t *p, const char *at, size_t n)
{
    struct head_builder *b = conn_of(p)->h1.builder;
    if (n == 0 || b->in_version) return 0;
    b->in_version = true;
    return must_stand_at(&conn_of(p)->h1, at, b->method_n + b->target_n + strlen("  HTTP/"));
}

static int on_version_complete(llhttp_t *p)
{
    struct h1 *h = &conn_of(p)->h1;
    h->is_10 = p->http_major == 1 && p->http_minor == 0;
    if (h->is_10 || (p->http_major == 1 && p->http_minor == 1)) return 0;
    ignore_err(FAIL(h->why, ERR_BAD_HTTP, "HTTP version %u.%u is not spoken here. Use 1.1.", p->http_major, p->http_minor));
    return HPE_USER;
}

/* Trailers say nothing that we would act on: they are read over. */
static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
    struct h1 *h = &conn_of(p)->h1;
    if (h->in == IN_HEAD) head_name(h->builder, str_make(at, n));
    return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
    struct h1 *h = &conn_of(p)->h1;
    if (h->in == IN_HEAD) head_value(h->builder, str_make(at, n));
    return 0;
}

static int on_header_field_complete(llhttp_t *p)
{
    struct conn *c = conn_of(p);
    unsigned max = c->options->o.limits.fields_max;
    if (c->h1.in != IN_HEAD || c->h1.builder->n_slots <= max) return 0;
    ignore_err(FAIL(c->h1.why, ERR_HEAD_TOO_LARGE, "The request has more than %u header fields.", max));
    return HPE_USER;
}

/* Stops the parser here: of a chunked body it reads the framing, any other body never passes through it. */
static int on_headers_complete(llhttp_t *p)
{
    p->upgrade = 0; /* asked for or not: the offer may be ignored (RFC 9110 7.8) */
    return p->flags & F_CHUNKED ? HPE_PAUSED : 1;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct conn *c = conn_of(p);
    struct h1 *h = &c->h1;
    size_t gap = (size_t)(at - h->data_end) + h->overhead;
    h->overhead = 0;
    h->data_end = at + n;
    if (gap > c->options->o.limits.head_max) {
        ignore_err(FAIL(h->why, ERR_BAD_HTTP, "A chunk's size line or its extensions are too long."));
        return HPE_USER;
    }
    if (!h1_collects(c)) return 0;
    struct stream *s = h->stream;
    enum err e =
        s->passes ? stream_pass(s, str_make(at, n), h->why) : body_add(&s->body, &c->options->o, str_make(at, n), h->why);
    return e == OK ? 0 : HPE_USER;
}

static int on_message_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED;
}

static const llhttp_settings_t ON_PARSE = {
    .on_method = on_method,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_version = on_version,
    .on_version_complete = on_version_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

llhttp_errno_t h1_parse(struct conn *c, struct str bytes, size_t *ret_used, struct fault *why)
{
    struct h1 *h = &c->h1;
    h->why = why;
    h->data_end = bytes.p;
    llhttp_errno_t e = llhttp_execute(&h->parser, bytes.p, bytes.n);
    *ret_used = e == HPE_OK ? bytes.n : (size_t)(llhttp_get_error_pos(&h->parser) - bytes.p);
    if (e != HPE_OK && e != HPE_PAUSED && why->code == OK)
        ignore_err(FAIL(why, ERR_BAD_HTTP, "The request is not valid HTTP/1.1: %s.",
                        h->parser.reason ? h->parser.reason : llhttp_errno_name(e)));
    h->why = NULL;
    return e;
}

void h1_parser_init(struct conn *c)
{
    llhttp_init(&c->h1.parser, HTTP_REQUEST, &ON_PARSE);
    c->h1.parser.data = c;
}
