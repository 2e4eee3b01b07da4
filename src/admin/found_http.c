/* One question to a source of credentials, waited for: on a pool thread, with a loop of its own; bounded in time and size. What is
 * asked and what the answer means is known by found_aws.c, found_entra.c and found_google.c. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/priv.h"

enum { ANSWER_MAX = 64 * 1024, CONNECT_MS = 1000, ANSWER_MS = 5000 };

struct ask {
    struct loop *loop;
    int status;
    struct buf answer;
    struct fault fault;
    const char *flavor; /* the field Metadata-Flavor must say this; NULL: no matter */
    bool strange;       /* and it did not */
};

static void on_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    struct ask *a = user;
    a->status = status;
    a->strange = a->flavor && !str_eq(str_trim(http_field_get(fields, S("metadata-flavor"))), str_z(a->flavor));
}

static bool on_body(struct http_call *c, struct str bytes, void *user)
{
    struct ask *a = user;
    buf_str(&a->answer, bytes);
    return true;
}

static void on_end(struct http_call *c, void *user)
{
    struct ask *a = user;
    loop_stop(a->loop);
}

static void on_fail(struct http_call *c, const struct fault *why, void *user)
{
    struct ask *a = user;
    a->fault = *why;
    loop_stop(a->loop);
}

static void call(struct ask *a, const struct question *q, struct http_origin *o, struct str target)
{
    static const struct http_call_handler HANDLER = {on_head, on_body, on_end, on_fail};
    static const struct http_deadlines DEADLINES = {CONNECT_MS, ANSWER_MS, ANSWER_MS, 2 * ANSWER_MS};
    const struct http_call_request r = {str_z(q->method), target.n ? target : S("/"), q->fields, &q->body, q->body.n ? 1 : 0};
    struct http_client *client = http_client_new(a->loop, NULL);
    http_call_start(client, o, &r, &DEADLINES, &HANDLER, a);
    loop_run(a->loop);
    http_client_free(client);
}

/* The origin's part of a URL takes no query; it is put behind the path again. */
static enum err perform(struct ask *a, const struct question *q, struct fault *why)
{
    struct http_origin *o;
    struct str path, before, query, all = str_z(q->url);
    struct buf target;
    bool has_query = str_cut(all, '?', &before, &query);
    TRY(http_origin_new(&(struct http_origin_options){.url = before}, &o, &path, why));
    buf_init(&target, KIB(8));
    size_t slash = 0;
    if (str_find(str_from(before, 8), S("/"), &slash)) path = str_from(before, 8 + slash); /* with its last slash */
    buf_str(&target, path);
    if (has_query) buf_fmt(&target, "%s?%.*s", path.n ? "" : "/", STR_ARG(query));
    call(a, q, o, buf_view(&target));
    buf_done(&target);
    http_origin_unref(o);
    if (a->fault.code != OK) {
        *why = a->fault;
        return why->code;
    }
    if (a->answer.over) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the answer is larger than %d bytes", ANSWER_MAX);
    if (a->strange) return FAIL(why, ERR_UPSTREAM_GARBAGE, "%.100s is no metadata server of Google's", q->url);
    return OK;
}

enum err found_answer(const struct question *q, int *ret_status, struct buf *answer, struct fault *why)
{
    struct ask a = {.flavor = q->flavor};
    *ret_status = 0;
    buf_init(answer, ANSWER_MAX);
    if (!source_url_is_allowed(str_z(q->url)))
        return FAIL(why, ERR_CONFIG,
                    "%.100s is not asked for credentials: https, or an address of this machine or the cloud's own", q->url);
    a.loop = loop_new();
    buf_init(&a.answer, ANSWER_MAX);
    enum err got = perform(&a, q, why);
    loop_free(a.loop);
    *answer = a.answer;
    *ret_status = a.status;
    return got;
}

enum err found_question(const struct question *q, struct buf *answer, struct fault *why)
{
    int status;
    TRY(found_answer(q, &status, answer, why));
    if (status == 200) return OK;
    return FAIL(why, ERR_UPSTREAM_ERROR, "%.100s answered with HTTP status %d", q->url, status);
}

void found_wipe(struct buf *b)
{
    if (b->cap) explicit_bzero(b->p, b->cap);
    buf_done(b);
}

/* ---- what is on this machine --------------------------------------------------------------------------------------------- */

const char *found_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

enum err found_file(const char *path, struct buf *out, struct fault *why)
{
    char reference[4200];
    buf_init(out, KIB(65));
    if (snprintf(reference, sizeof reference, "file:%s", path) >= (int)sizeof reference)
        return FAIL(why, ERR_LIMIT, "the path %.100s is too long", path);
    return config_secret(str_z(reference), out, why);
}
