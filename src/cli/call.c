/* Calling a running Aquifer: our own HTTP client on a loop that lives for one call. */
#include "priv.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "http/http.h"
#include "loop/loop.h"

/* ---- where to ------------------------------------------------------------------------------------------------------------ */

static const char *config_path(const struct cli_common *c)
{
    static const char *const PLACES[] = {"aquifer.yaml", "/etc/aquifer/aquifer.yaml"};
    if (c->config) return c->config;
    for (unsigned i = 0; i < COUNTOF(PLACES); i++)
        if (access(PLACES[i], R_OK) == 0) return PLACES[i];
    return NULL;
}

/* "*:8401" and "0.0.0.0:8401" are listened on, not called: loopback stands for them. */
static void url_of(struct str address, char out[512])
{
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':') colon--;
    struct str port = str_from(address, colon);
    bool any = str_starts(address, S("*:")) || str_starts(address, S("0.0.0.0:")) || str_starts(address, S("[::]:"));
    if (any) snprintf(out, 512, "http://127.0.0.1:%.*s", STR_ARG(port));
    else snprintf(out, 512, "http://%.*s", STR_ARG(address));
}

static enum err from_config(const struct cli_common *c, struct cli_target *t, struct fault *why)
{
    struct config *config;
    const char *path = config_path(c);
    if (!path)
        return FAIL(why, ERR_CONFIG,
                    "which Aquifer? Set AQUIFER_ADMIN_URL and AQUIFER_ADMIN_KEY, or name its configuration with --config FILE");
    TRY(config_load(path, &config, NULL, why));
    enum err e = OK;
    if (config->admin_listen.n == 0) e = FAIL(why, ERR_CONFIG, "%s has no admin.listen: give it one to use this command", path);
    else url_of(config->admin_listen.at[0].address, t->url);
    if (e == OK) e = config_secret(config->admin_key, &t->key, why);
    config_free(config);
    return e;
}

enum err cli_admin(const struct cli_common *c, struct cli_target *ret_target, struct fault *why)
{
    const char *url = getenv("AQUIFER_ADMIN_URL"), *key = getenv("AQUIFER_ADMIN_KEY");
    buf_init(&ret_target->key, KIB(64));
    if (c->config || !url || !key) {
        enum err e = from_config(c, ret_target, why);
        if (e != OK) cli_target_done(ret_target);
        return e;
    }
    snprintf(ret_target->url, sizeof ret_target->url, "%s", url);
    buf_str(&ret_target->key, str_z(key));
    return OK;
}

void cli_target_done(struct cli_target *t)
{
    if (t->key.p) OPENSSL_cleanse(t->key.p, t->key.cap);
    buf_done(&t->key);
}

/* ---- the call ------------------------------------------------------------------------------------------------------------- */

enum { ANSWER_MAX = 256 * 1024 * 1024, STOP_LOOK_MS = 50, FIRST_BYTE_MS = 60000 };

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
    (void)c, (void)fields;
    ((struct waiting *)user)->answer->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user)
{
    (void)c;
    struct waiting *w = user;
    if (w->request->on_bytes && w->answer->status < 300) w->request->on_bytes(bytes, w->request->user);
    else buf_str(&w->answer->body, bytes);
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
        {S("authorization"), buf_view(&bearer)}, {S("content-type"), S("application/json")}, {S("accept"), S("*/*")}};
    const struct http_call_request request = {r->method, path, {fields, COUNTOF(fields)}, &r->body, r->body.n ? 1 : 0};
    w->call = http_call_start(client, origin, &request, &deadlines, &HANDLER, w);
    if (bearer.p) OPENSSL_cleanse(bearer.p, bearer.cap);
    buf_done(&bearer);
    if (r->stop) timer_set(w->loop, &w->look, STOP_LOOK_MS, on_look);
}

enum err cli_call(const struct cli_target *t, const struct cli_request *r, struct cli_answer *ret_answer, struct fault *why)
{
    struct http_origin *origin;
    struct str base;
    char path[4096];
    const struct http_origin_options o = {.url = str_z(t->url), .ca_file = str_z(getenv("AQUIFER_CA_FILE"))};
    buf_init(&ret_answer->body, ANSWER_MAX);
    ret_answer->status = 0;
    TRY(http_origin_new(&o, &origin, &base, why));
    snprintf(path, sizeof path, "%.*s%.*s", STR_ARG(base), STR_ARG(r->path));
    struct waiting w = {.loop = loop_new(), .request = r, .answer = ret_answer, .why = why};
    struct http_client *client = http_client_new(w.loop, NULL);
    start(&w, client, origin, str_z(path), buf_view(&t->key));
    loop_run(w.loop);
    timer_cancel(w.loop, &w.look);
    http_client_free(client);
    http_origin_unref(origin);
    loop_free(w.loop);
    return w.err;
}

/* The API's own words: {"error":{"code","message"}}. */
static enum err refused(const struct cli_answer *a, struct fault *why)
{
    struct json_doc *doc;
    struct json_ref error, message;
    if (json_doc_read(S("answer"), buf_view(&a->body), &doc, NULL) != OK)
        return FAIL(why, ERR_INTERNAL, "the admin API answered %d", a->status);
    error = json_ref_find(json_doc_root(doc), "error");
    message = json_ref_ok(error) ? json_ref_find(error, "message") : error;
    struct str text = json_ref_ok(message) ? json_ref_text(message) : STR_NONE;
    FAIL(why, ERR_BAD_REQUEST, "%.*s (status %d)", STR_ARG(text), a->status);
    json_doc_free(doc);
    return ERR_BAD_REQUEST;
}

enum err cli_admin_call(const struct cli_common *c, struct str method, struct str path, struct str body,
                        struct cli_answer *ret_answer, struct fault *why)
{
    struct cli_target t;
    const struct cli_request r = {.method = method, .path = path, .body = body};
    buf_init(&ret_answer->body, 0);
    TRY(cli_admin(c, &t, why));
    enum err e = cli_call(&t, &r, ret_answer, why);
    cli_target_done(&t);
    if (e == OK && ret_answer->status >= 300) e = refused(ret_answer, why);
    return e;
}
