/* Calling a running Aquifer: our own HTTP client on a loop that lives for one call. */
#include "cli/priv.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/http.h"
#include "loop/loop.h"

enum { ANSWER_MAX = 256 * 1024 * 1024, STOP_LOOK_MS = 50, FIRST_BYTE_MS = 60000, COPY_MS = 3600000, CONTROL_MS = 8000 };

struct waiting {
    struct loop *loop;
    const struct cli_request *request;
    struct cli_answer *answer;
    struct fault *why;
    struct http_call *call;
    struct timer look;
    enum err err;
};

static void on_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    (void)c;
    struct cli_answer *a = ((struct waiting *)user)->answer;
    struct str id = http_field_get(fields, S("x-aquifer-request-id")); /* the other one may be the provider's */
    a->status = status;
    snprintf(a->request_id, sizeof a->request_id, "%.*s", STR_ARG(id));
}

static bool on_body(struct http_call *c, struct str bytes, void *user)
{
    (void)c;
    struct waiting *w = user;
    if (w->request->on_bytes && w->answer->status < 300) w->request->on_bytes(bytes, w->request->user);
    else buf_str(&w->answer->body, bytes);
    return true;
}

static void on_end(struct http_call *c, void *user)
{
    (void)c;
    struct waiting *w = user;
    w->call = NULL;
    loop_stop(w->loop);
}

static void on_fail(struct http_call *c, const struct fault *why, void *user)
{
    struct waiting *w = user;
    w->err = why->code;
    if (w->why) *w->why = *why;
    on_end(c, user);
}

static void on_look(struct timer *t)
{
    struct waiting *w = CONTAINER_OF(t, struct waiting, look);
    if (!*w->request->stop) {
        timer_set(w->loop, t, STOP_LOOK_MS, on_look);
        return;
    }
    http_call_cancel(w->call);
    w->call = NULL;
    loop_stop(w->loop);
}

static void start(struct waiting *w, struct http_client *client, struct http_origin *origin, struct str path, struct str key)
{
    static const struct http_call_handler HANDLER = {on_head, on_body, on_end, on_fail};
    const struct cli_request *r = w->request;
    const struct http_deadlines deadlines = {5000, r->first_byte_ms ? r->first_byte_ms : FIRST_BYTE_MS, 0, 0};
    struct buf bearer;
    buf_init(&bearer, KIB(64));
    buf_fmt(&bearer, "Bearer %.*s", STR_ARG(key));
    const struct http_field fields[] = {
        {S("accept"), S("*/*")}, {S("content-type"), S("application/json")}, {S("authorization"), buf_view(&bearer)}};
    const struct http_call_request request = {
        r->method, path, {fields, COUNTOF(fields) - (key.n == 0)}, &r->body, r->body.n ? 1 : 0};
    w->call = http_call_start(client, origin, &request, &deadlines, &HANDLER, w);
    if (bearer.p) OPENSSL_cleanse(bearer.p, bearer.cap);
    buf_done(&bearer);
    if (r->stop) timer_set(w->loop, &w->look, STOP_LOOK_MS, on_look);
}

bool cli_wants_proxy(const struct cli_target *t, enum err e)
{
    bool is_cut = e == ERR_UPSTREAM_CUT || e == ERR_UPSTREAM_STALE || e == ERR_UPSTREAM_GARBAGE || e == ERR_UPSTREAM_TLS;
    return t->wants_proxy_header && is_cut;
}

/* What a cut connection means where PROXY headers are asked for. */
static enum err explain(const struct cli_target *t, enum err e, struct fault *why)
{
    if (!cli_wants_proxy(t, e)) return e;
    return FAIL(
        why, e,
        "%s cut the connection: proxy_protocol is on and this machine's address is one of trusted_proxies, so each connection "
        "from here has to begin with a PROXY header; ask through the proxy (AQUIFER_URL)",
        t->url);
}

enum err cli_call(const struct cli_target *t, const struct cli_request *r, struct cli_answer *ret_answer, struct fault *why)
{
    struct http_origin *origin;
    struct str base;
    char path[4096];
    const struct http_origin_options o = {
        .url = str_z(t->url), .ca_file = r->ca_file.n ? r->ca_file : str_z(getenv("AQUIFER_CA_FILE")), .proxy = r->proxy};
    buf_init(&ret_answer->body, ANSWER_MAX);
    ret_answer->status = 0;
    ret_answer->request_id[0] = '\0';
    TRY(http_origin_new(&o, &origin, &base, why));
    snprintf(path, sizeof path, "%.*s%.*s", STR_ARG(base), STR_ARG(r->path));
    signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error, not our end */
    struct waiting w = {.loop = loop_new(), .request = r, .answer = ret_answer, .why = why};
    struct http_client *client = http_client_new(w.loop, NULL);
    start(&w, client, origin, str_z(path), buf_view(&t->key));
    loop_run(w.loop);
    timer_cancel(w.loop, &w.look);
    http_client_free(client);
    http_origin_unref(origin);
    loop_free(w.loop);
    return explain(t, w.err, why);
}

enum err cli_document(const struct cli_answer *a, struct json_doc **ret_doc, struct fault *why)
{
    return json_doc_read(S("the answer"), buf_view(&a->body), ret_doc, why);
}

enum err cli_refused(const struct cli_answer *a, struct fault *why)
{
    struct json_doc *doc;
    struct buf text;
    if (cli_document(a, &doc, NULL) != OK)
        return FAIL(why, ERR_UPSTREAM_ERROR, "the answer was status %d without a reason", a->status);
    struct json_ref error = json_ref_find(json_doc_root(doc), "error"), message = json_ref_find(error, "message");
    buf_init(&text, KIB(1));
    if (json_ref_ok(message)) cli_plain(json_ref_text(message), &text);
    FAIL(why, ERR_UPSTREAM_ERROR, "%s (status %d)", text.n ? buf_z(&text) : "refused without a reason", a->status);
    buf_done(&text);
    json_doc_free(doc);
    return ERR_UPSTREAM_ERROR;
}

/* Control's loop answers this at once, whatever else it does. While it does not run its socket listens none the less (the
 * supervisor holds it), and a call would wait in vain. */
static enum err check_control(const struct cli_target *t, struct fault *why)
{
    struct cli_answer a;
    const struct cli_request r = {.method = S("GET"), .path = S("/healthz"), .first_byte_ms = CONTROL_MS};
    enum err e = cli_call(t, &r, &a, why);
    buf_done(&a.body);
    if (e == ERR_UPSTREAM_CONNECT)
        return FAIL(why, e, "no Aquifer runs at %s, or it cannot be reached from here; 'aquifer serve --config FILE' starts one",
                    t->url);
    bool silent = e == ERR_UPSTREAM_TIMEOUT || e == ERR_UPSTREAM_CUT || e == ERR_UPSTREAM_STALE;
    if (!silent) return e;
    return FAIL(why, e,
                "control does not answer at %s: it is not running, or only just starting; the log of 'aquifer serve' tells why",
                t->url);
}

enum err cli_admin_call(const struct cli_common *c, struct str method, struct str path, struct str body,
                        struct cli_answer *ret_answer, struct fault *why)
{
    struct cli_target t;
    bool copies = str_eq(path, S("/admin/v1/backup")) || str_eq(path, S("/admin/v1/restore")); /* all of the database */
    const struct cli_request r = {.method = method, .path = path, .body = body, .first_byte_ms = copies ? COPY_MS : 0};
    buf_init(&ret_answer->body, 0);
    TRY(cli_admin(c, &t, why));
    enum err e = check_control(&t, why);
    if (e == OK) e = cli_call(&t, &r, ret_answer, why);
    cli_target_done(&t);
    if (e == OK && ret_answer->status >= 300) e = cli_refused(ret_answer, why);
    return e;
}
