/* Reading an answer: llhttp (strict) for heads and chunks; bodies of known length are only counted.
 * Used by the upstream client and the proxy tunnel, on a loop's thread; owns nothing (the head is lent). */
#include "http/answer.h"

#include "http/quick.h"

#define INTERIM_MAX 32      /* 1xx heads before the real one */
#define QUICK_FIELDS 64     /* of a head that is read in one go */
#define FRAMING_MAX KIB(16) /* chunk extensions between two chunks, trailers */

enum phase { IN_HEAD, IN_LENGTH, IN_CHUNKS, BROKEN_CHUNK, TO_CLOSE, WHOLE };

void answer_head_init(struct answer_head *h, size_t head_max)
{
    h->fields = (struct http_fields){NULL, 0};
    buf_init(&h->text, head_max);
}

void answer_head_done(struct answer_head *h) { buf_done(&h->text); }

/* ---- what llhttp tells --------------------------------------------------------------------------------------------- */

/* Trailers and chunk extensions: dropped, but not for ever. */
static int on_extra(llhttp_t *p, const char *at, size_t n)
{
    struct answer *a = p->data;
    (void)at;
    a->seen += (unsigned)n;
    return a->seen > FRAMING_MAX ? HPE_USER : HPE_OK;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct answer *a = p->data;
    if (a->phase != IN_HEAD) return on_extra(p, at, n);
    if (a->fields == ANSWER_FIELDS_MAX) {
        a->too_many = true;
        return HPE_USER;
    }
    struct buf *text = &a->head->text;
    if (!buf_reserve(text, n)) return HPE_USER;
    for (size_t i = 0; i < n; i++) {
        char c = at[i];
        text->p[text->n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return HPE_OK;
}

static int on_name_whole(llhttp_t *p)
{
    struct answer *a = p->data;
    if (a->phase == IN_HEAD) a->head->spans[a->fields].value = (uint32_t)a->head->text.n;
    return HPE_OK;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct answer *a = p->data;
    if (a->phase != IN_HEAD) return on_extra(p, at, n);
    buf_add(&a->head->text, at, n);
    return HPE_OK;
}

static int on_value_whole(llhttp_t *p)
{
    struct answer *a = p->data;
    if (a->phase != IN_HEAD) return HPE_OK;
    uint32_t end = (uint32_t)a->head->text.n;
    a->head->spans[a->fields++].end = end;
    if (a->fields < ANSWER_FIELDS_MAX) a->head->spans[a->fields].name = end;
    return HPE_OK;
}

static int on_head_whole(llhttp_t *p)
{
    struct answer *a = p->data;
    a->complete = true;
    return HPE_PAUSED;
}

static int on_chunk(llhttp_t *p)
{
    struct answer *a = p->data;
    a->framed = true;
    a->seen = 0;
    return HPE_OK;
}

/* Chunks that came together become one piece, so that what follows has one thing to do for one recv(). */
static int on_chunk_bytes(llhttp_t *p, const char *at, size_t n)
{
    struct answer *a = p->data;
    if (a->body.n == 0) {
        a->body = str_make(at, n);
        return HPE_OK;
    }
    memmove(a->base + (a->body.p - a->base) + a->body.n, at, n);
    a->body.n += n;
    return HPE_OK;
}

static int on_whole(llhttp_t *p)
{
    struct answer *a = p->data;
    a->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_header_field = on_name,
    .on_header_field_complete = on_name_whole,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_whole,
    .on_headers_complete = on_head_whole,
    .on_chunk_extension_name = on_extra,
    .on_chunk_extension_value = on_extra,
    .on_chunk_header = on_chunk,
    .on_body = on_chunk_bytes,
    .on_message_complete = on_whole,
};

/* ---- the head ------------------------------------------------------------------------------------------------------ */

static void begin_head(struct answer *a)
{
    llhttp_init(&a->parser, HTTP_RESPONSE, &SETTINGS);
    a->parser.data = a;
    a->fields = 0;
    buf_clear(&a->head->text);
    a->head->spans[0].name = 0;
}

void answer_init(struct answer *a, bool is_head) { *a = (struct answer){.is_head = is_head, .phase = IN_HEAD}; }

void answer_lend(struct answer *a, struct answer_head *head)
{
    a->head = head;
    begin_head(a);
}

static void finish_fields(struct answer *a)
{
    struct answer_head *h = a->head;
    for (unsigned i = 0; i < a->fields; i++) {
        const char *text = h->text.p;
        struct str value = str_make(text + h->spans[i].value, h->spans[i].end - h->spans[i].value);
        struct str name = str_make(text + h->spans[i].name, h->spans[i].value - h->spans[i].name);
        h->at[i] = (struct http_field){name, str_trim(value)};
    }
    h->fields = (struct http_fields){h->at, a->fields};
}

static enum answer_event bad(struct fault *why, enum err code, const char *text)
{
    ignore_err(FAIL(why, code, "%s", text));
    return ANSWER_BAD;
}

/* RFC 9112 6.3. A transfer coding that we cannot undo would reach the caller as if it were the body. */
static enum answer_event choose_framing(struct answer *a, struct fault *why)
{
    bool chunked = a->parser.flags & F_CHUNKED;
    bool length = a->parser.flags & F_CONTENT_LENGTH;
    if (a->parser.flags & F_TRANSFER_ENCODING) {
        struct str coding = http_field_get(a->head->fields, S("transfer-encoding"));
        if (!chunked || !str_eq_nocase(coding, S("chunked")))
            return bad(why, ERR_UPSTREAM_GARBAGE, "sent an answer in a transfer coding other than chunked");
    }
    bool keep =
        a->parser.http_minor == 1 ? !(a->parser.flags & F_CONNECTION_CLOSE) : (a->parser.flags & F_CONNECTION_KEEP_ALIVE) != 0;
    bool no_body = a->is_head || a->status == 204 || a->status == 304;
    a->can_reuse = keep && (no_body || chunked || length);
    a->left = no_body || chunked ? 0 : a->parser.content_length;
    a->phase = no_body || (length && !chunked) ? IN_LENGTH : chunked ? IN_CHUNKS : TO_CLOSE;
    a->seen = 0;
    return ANSWER_HEAD;
}

static enum answer_event after_head(struct answer *a, struct fault *why)
{
    a->status = a->parser.status_code;
    if (a->parser.http_major != 1) return bad(why, ERR_UPSTREAM_GARBAGE, "sent an answer that is not HTTP/1");
    if (a->status < 100 || a->status > 599) return bad(why, ERR_UPSTREAM_GARBAGE, "sent a status outside of 100 to 599");
    if (a->status == 101) return bad(why, ERR_UPSTREAM_GARBAGE, "switched protocols, which was not asked for");
    if (a->status >= 200) {
        finish_fields(a);
        return choose_framing(a, why);
    }
    if (++a->interim > INTERIM_MAX) return bad(why, ERR_UPSTREAM_GARBAGE, "sent interim answers without an end");
    begin_head(a);
    return ANSWER_MORE;
}

static enum answer_event head_failed(const struct answer *a, struct fault *why)
{
    if (a->too_many) return bad(why, ERR_UPSTREAM_TOO_LARGE, "sent an answer with too many header fields");
    ignore_err(FAIL(why, ERR_UPSTREAM_GARBAGE, "sent an answer that is not HTTP: %s", llhttp_get_error_reason(&a->parser)));
    return ANSWER_BAD;
}

/* Leaves the parser as if it had read the head itself. A chunked answer, or one framed by the connection's end, is not
 * of the plain kind: there the parser must really have been at work. */
static bool read_quickly(struct answer *a, char **at, size_t *n)
{
    struct head_slot slots[QUICK_FIELDS];
    struct quick_head q;
    size_t part = *n < a->head->text.max ? *n : a->head->text.max;
    uint64_t status;
    if (!quick_read(str_make(*at, part), slots, QUICK_FIELDS, &q) || !q.has_length) return false;
    if (!str_eq(q.first[0], S("HTTP/1.1")) || q.first[1].n != 3 || !str_u64(q.first[1], &status)) return false;
    if (status < 200 || status > 599) return false;
    if (q.upper) quick_lower(*at, q.size, slots, q.n_slots);
    for (unsigned i = 0; i < q.n_slots; i++)
        a->head->at[i] = (struct http_field){str_make(*at + slots[i].name_at, slots[i].name_n),
                                             str_make(*at + slots[i].value_at, slots[i].value_n)};
    a->head->fields = (struct http_fields){a->head->at, q.n_slots};
    a->status = (uint16_t)status;
    a->parser.flags = F_CONTENT_LENGTH;
    a->parser.content_length = q.length;
    a->parser.http_major = a->parser.http_minor = 1;
    a->begun = true;
    *at += q.size;
    *n -= q.size;
    return true;
}

static enum answer_event next_in_head(struct answer *a, char **at, size_t *n, struct fault *why)
{
    size_t max = a->head->text.max;
    if (!a->begun && read_quickly(a, at, n)) return choose_framing(a, why);
    while (*n > 0) {
        if (!a->begun && **at != 'H') return bad(why, ERR_UPSTREAM_GARBAGE, "sent an answer that is not HTTP");
        a->begun = true;
        size_t part = *n < max - a->seen ? *n : max - a->seen;
        a->complete = false;
        enum llhttp_errno e = llhttp_execute(&a->parser, *at, part);
        if (e != HPE_OK && !a->complete) return head_failed(a, why);
        size_t used = a->complete ? (size_t)(llhttp_get_error_pos(&a->parser) - *at) : part;
        *at += used;
        *n -= used;
        a->seen += (unsigned)used;
        if (a->complete) {
            enum answer_event event = after_head(a, why);
            if (event != ANSWER_MORE) return event;
        } else if (a->seen == max) {
            ignore_err(FAIL(why, ERR_UPSTREAM_TOO_LARGE, "sent an answer whose head is over %zu bytes", max));
            return ANSWER_BAD;
        }
    }
    return ANSWER_MORE;
}

/* ---- the body ------------------------------------------------------------------------------------------------------ */

static enum answer_event next_of_length(struct answer *a, char **at, size_t *n)
{
    if (a->left == 0) {
        a->phase = WHOLE;
        return ANSWER_END;
    }
    if (*n == 0) return ANSWER_MORE;
    a->body = str_make(*at, *n < a->left ? *n : (size_t)a->left);
    a->left -= a->body.n;
    *at += a->body.n;
    *n -= a->body.n;
    return ANSWER_BODY;
}

static enum answer_event chunk_failed(const struct answer *a, struct fault *why)
{
    if (a->seen > FRAMING_MAX) return bad(why, ERR_UPSTREAM_GARBAGE, "sent chunk extensions or trailers without an end");
    ignore_err(FAIL(why, ERR_UPSTREAM_GARBAGE, "sent a broken chunk: %s", llhttp_get_error_reason(&a->parser)));
    return ANSWER_BAD;
}

static enum answer_event next_in_chunks(struct answer *a, char **at, size_t *n, struct fault *why)
{
    if (*n == 0) return ANSWER_MORE;
    a->base = *at;
    a->body = STR_NONE;
    a->complete = a->framed = false;
    llhttp_resume(&a->parser);
    enum llhttp_errno e = llhttp_execute(&a->parser, *at, *n);
    if (e != HPE_OK && !a->complete) {
        a->phase = BROKEN_CHUNK; /* what came before it still counts */
        return a->body.n > 0 ? ANSWER_BODY : chunk_failed(a, why);
    }
    size_t used = a->complete ? (size_t)(llhttp_get_error_pos(&a->parser) - *at) : *n;
    *at += used;
    *n -= used;
    a->fruitless = a->framed || a->body.n > 0 ? 0 : a->fruitless + (unsigned)used;
    if (a->fruitless > FRAMING_MAX) return bad(why, ERR_UPSTREAM_GARBAGE, "sent a chunk size without an end");
    if (a->complete) a->phase = WHOLE;
    return a->body.n > 0 ? ANSWER_BODY : a->complete ? ANSWER_END : ANSWER_MORE;
}

static enum answer_event next_to_close(struct answer *a, char **at, size_t *n)
{
    if (*n == 0) return ANSWER_MORE;
    a->body = str_make(*at, *n);
    *at += *n;
    *n = 0;
    return ANSWER_BODY;
}

enum answer_event answer_next(struct answer *a, char **at, size_t *n, struct fault *why)
{
    switch ((enum phase)a->phase) {
    case IN_HEAD: return next_in_head(a, at, n, why);
    case IN_LENGTH: return next_of_length(a, at, n);
    case IN_CHUNKS: return next_in_chunks(a, at, n, why);
    case BROKEN_CHUNK: return chunk_failed(a, why);
    case TO_CLOSE: return next_to_close(a, at, n);
    case WHOLE: break;
    }
    return ANSWER_END;
}

enum err answer_close(const struct answer *a, struct fault *why)
{
    if (a->phase == TO_CLOSE || a->phase == WHOLE || (a->phase == IN_LENGTH && a->left == 0)) return OK;
    if (a->phase == IN_LENGTH)
        return FAIL(why, ERR_UPSTREAM_CUT, "closed the connection with %llu bytes of the answer to come",
                    (unsigned long long)a->left);
    if (a->phase == IN_CHUNKS || a->phase == BROKEN_CHUNK)
        return FAIL(why, ERR_UPSTREAM_CUT, "closed the connection in the middle of the answer");
    if (a->begun) return FAIL(why, ERR_UPSTREAM_CUT, "closed the connection inside the answer's head");
    return FAIL(why, ERR_UPSTREAM_CUT, "closed the connection without an answer");
}
