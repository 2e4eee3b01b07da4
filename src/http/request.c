/* A request as it goes out: one head made here, and the caller's own pieces, which are never copied. Kept until the
 * answer's head has come, so that a stale connection costs nothing but a second sending. Used by call.c and lane.c. */
#include <stdio.h>
#include <stdlib.h>

#include "http/client.h"
#include "http/quick.h"

#define HEAD_MAX KIB(256)
#define HEAD_KEPT KIB(8) /* a free request keeps its memory up to this */
#define FREE_MAX 256
#define FED_MAX MIB(1024) /* callers stop at HTTP_QUEUE_HIGH; this only bounds a mistake */
#define IOV_MAX_HERE 64

static struct request *take(struct http_client *c)
{
    struct request *r = c->free_requests;
    if (!r) {
        r = mem_alloc(sizeof *r);
        buf_init(&r->head, HEAD_MAX);
        return r;
    }
    c->free_requests = r->next;
    c->n_free_requests--;
    return r;
}

/* The head may hold a provider's key: it is wiped as soon as nobody can need it. */
void request_free(struct http_client *c, struct request *r)
{
    if (!r) return;
    explicit_bzero(r->head.p, r->head.n);
    buf_clear(&r->head);
    buf_done(&r->queue);
    free(r->more);
    r->more = NULL;
    if (r->head.cap > HEAD_KEPT) buf_done(&r->head);
    if (c->n_free_requests < FREE_MAX) {
        r->next = c->free_requests;
        c->free_requests = r;
        c->n_free_requests++;
        return;
    }
    buf_done(&r->head);
    free(r);
}

static bool is_target(struct str target)
{
    for (size_t i = 0; i < target.n; i++) {
        if ((unsigned char)target.p[i] <= 0x20 || (unsigned char)target.p[i] >= 0x7F) return false;
    }
    return target.n > 0 && target.p[0] == '/';
}

static enum err write_fields(struct buf *head, struct http_fields fields, struct fault *why)
{
    for (size_t i = 0; i < fields.n; i++) {
        const struct http_field *f = &fields.at[i];
        if (!http_field_write(head, f))
            return FAIL(why, ERR_INTERNAL, "the request field \"%.*s\" cannot be sent: it holds bytes that no field may hold",
                        STR_ARG(f->name));
    }
    return OK;
}

/* RFC 9110 8.6: a method that gives content a meaning says 0, too. */
static void write_length(struct buf *head, const struct http_call_request *r, uint64_t body)
{
    bool means = str_eq(r->method, S("POST")) || str_eq(r->method, S("PUT")) || str_eq(r->method, S("PATCH"));
    if (body == HTTP_BODY_UNKNOWN) {
        buf_str(head, S("transfer-encoding: chunked\r\n"));
    } else if (body > 0 || means) {
        buf_str(head, S("content-length: "));
        buf_u64(head, body);
        buf_str(head, S("\r\n"));
    }
}

static enum err write_head(struct buf *head, const struct http_origin *o, const struct http_call_request *r, uint64_t body,
                           struct fault *why)
{
    if (!http_field_is_token(r->method) || !is_target(r->target))
        return FAIL(why, ERR_INTERNAL, "the request cannot be sent: no valid method or path");
    buf_str(head, r->method);
    buf_char(head, ' ');
    buf_str(head, r->target);
    buf_str(head, S(" HTTP/1.1\r\nhost: "));
    buf_str(head, o->authority);
    buf_str(head, S("\r\n"));
    TRY(write_fields(head, r->fields, why));
    write_length(head, r, body);
    buf_str(head, S("\r\n"));
    if (!head->over) return OK;
    return FAIL(why, ERR_INTERNAL, "the request's head would be over %zu bytes", HEAD_MAX);
}

static uint64_t keep_pieces(struct request *r, const struct http_call_request *from)
{
    uint64_t sum = 0;
    struct str *to = r->pieces;
    if (from->n_pieces > INLINE_PIECES) to = r->more = mem_alloc(from->n_pieces * sizeof *to);
    for (size_t i = 0; i < from->n_pieces; i++) {
        to[i] = from->pieces[i];
        sum += to[i].n;
    }
    r->n_pieces = from->n_pieces;
    return sum;
}

enum err request_new(struct http_client *c, const struct http_origin *o, const struct http_call_request *from,
                     struct request **ret_request, struct fault *why)
{
    struct request *r = take(c);
    must(!from->is_fed || from->n_pieces == 0);
    uint64_t body = keep_pieces(r, from);
    r->is_fed = r->is_open = from->is_fed;
    r->is_chunked = from->is_fed && from->fed_length == HTTP_BODY_UNKNOWN;
    r->is_hungry = false;
    r->left = from->fed_length;
    r->gone = 0;
    buf_init(&r->queue, FED_MAX);
    enum err e = write_head(&r->head, o, from, from->is_fed ? from->fed_length : body, why);
    if (e != OK) {
        request_free(c, r);
        return e;
    }
    r->all = r->head.n + body;
    r->sent = 0;
    *ret_request = r;
    return OK;
}

/* ---- a body that is fed ------------------------------------------------------------------------------------------------- */

static void put_fed(struct request *r, struct str bytes)
{
    buf_str(&r->queue, bytes);
    r->all += bytes.n;
}

void request_feed(struct request *r, struct str bytes)
{
    char line[24];
    if (!r->is_open || !bytes.n) return;
    if (bytes.n > r->left) bytes.n = (size_t)r->left;
    if (!r->is_chunked) r->left -= bytes.n;
    int n = snprintf(line, sizeof line, "%zx\r\n", bytes.n);
    if (r->is_chunked) put_fed(r, str_make(line, (size_t)n));
    put_fed(r, bytes);
    if (r->is_chunked) put_fed(r, S("\r\n"));
    r->is_hungry = r->is_hungry || r->queue.n > HTTP_QUEUE_LOW;
}

void request_feed_end(struct request *r)
{
    if (r->is_open && r->is_chunked) put_fed(r, S("0\r\n\r\n"));
    r->is_open = false;
}

/* What the kernel has taken is not needed any more. */
static void forget_fed(struct request *r)
{
    uint64_t sent = r->sent > r->head.n ? r->sent - r->head.n : 0;
    size_t done = (size_t)(sent - r->gone);
    if (!done) return;
    if (done == r->queue.n) buf_done(&r->queue);
    else buf_drop_head(&r->queue, done);
    r->gone = sent;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------- */

static int fed_pieces(const struct request *r, struct iovec *v, size_t *ret_bytes)
{
    const struct str pieces[] = {buf_view(&r->head), buf_view(&r->queue)};
    uint64_t skip[] = {r->sent < r->head.n ? r->sent : r->head.n, 0};
    int n = 0;
    *ret_bytes = 0;
    for (int i = 0; i < 2; i++) {
        if (skip[i] == pieces[i].n) continue;
        v[n++] = (struct iovec){(char *)(uintptr_t)pieces[i].p + skip[i], pieces[i].n - skip[i]};
        *ret_bytes += pieces[i].n - skip[i];
    }
    return n;
}

/* The first pieces that are not yet sent; piece 0 is the head. */
static int next_pieces(const struct request *r, struct iovec *v, size_t *ret_bytes)
{
    const struct str *pieces = r->more ? r->more : r->pieces;
    uint64_t skip = r->sent;
    int n = 0;
    *ret_bytes = 0;
    for (size_t i = 0; i <= r->n_pieces && n < IOV_MAX_HERE; i++) {
        struct str piece = i == 0 ? buf_view(&r->head) : pieces[i - 1];
        if (skip >= piece.n) {
            skip -= piece.n;
            continue;
        }
        v[n++] = (struct iovec){(char *)(uintptr_t)piece.p + skip, piece.n - skip};
        *ret_bytes += piece.n - skip;
        skip = 0;
    }
    return n;
}

bool request_send(struct request *r, struct link *k)
{
    struct iovec v[IOV_MAX_HERE];
    size_t asked, taken;
    do {
        int n = r->is_fed ? fed_pieces(r, v, &asked) : next_pieces(r, v, &asked);
        if (n == 0) break;
        taken = link_write(k, v, n);
        r->sent += taken;
        if (r->is_fed) forget_fed(r);
    } while (r->sent < r->all && taken == asked);
    return r->sent < r->all;
}
