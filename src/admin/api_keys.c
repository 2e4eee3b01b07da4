/* The endpoints of keys. Run in lane DESK. A key's text leaves once, in the answer to create and rotate. */
#include "admin/priv.h"

/* shown NULL: without its secrets. */
static void put_row(struct call *c, const struct key_row *row, const struct key_shown *shown)
{
    struct json_writer w;
    json_write(&w, &c->out);
    json_put_object(&w);
    key_put_json(&w, row);
    if (shown) json_add_str(&w, S("key"), str_z(shown->text));
    if (shown && shown->aws_secret[0]) json_add_str(&w, S("secret_access_key"), str_z(shown->aws_secret));
    json_put_end(&w);
    json_write_done(&w);
}

enum err key_list(struct call *c, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    struct json_writer w;
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (unsigned i = 0; i < d->n_keys; i++) {
        json_put_object(&w);
        key_put_json(&w, d->keys[i]);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}

enum err key_create(struct call *c, struct fault *why)
{
    struct desk *d = &c->control->desk;
    struct json_doc *doc;
    struct key_request request;
    struct str routes[KEY_ROUTES_MAX];
    struct key_shown shown;
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    TRY(call_document(c, &doc, why));
    enum err got = key_request_read(doc, &request, routes, why);
    if (got == OK) got = key_request_routes(&request, d->config, why);
    if (got == OK) got = keys_create(d, &request, &shown, why);
    key_request_done(&request);
    json_doc_free(doc);
    if (got != OK) return got;
    LOG(LOG_INFO, "key.created", "a key was created", F_Z("id", shown.row->key.id), F_STR("name", shown.row->key.name),
        F_Z("request", c->request_id));
    c->status = 201;
    put_row(c, shown.row, &shown);
    explicit_bzero(&shown, sizeof shown);
    return OK;
}

enum err key_get(struct call *c, struct fault *why)
{
    const struct key_row *row = keys_find(&c->control->desk, c->parameter);
    if (!row) return FAIL(why, ERR_NOT_FOUND, "there is no key %.40s", c->parameter.p);
    put_row(c, row, NULL);
    return OK;
}

enum err key_revoke(struct call *c, struct fault *why)
{
    struct key_row *row;
    TRY(keys_revoke(&c->control->desk, c->parameter, &row, why));
    LOG(LOG_INFO, "key.revoked", "a key was revoked", F_Z("id", row->key.id), F_Z("request", c->request_id));
    put_row(c, row, NULL);
    return OK;
}

/* Body: nothing, or {"grace": "10m"}: how long the old secret works on, at most a week. */
static enum err read_grace(struct call *c, uint64_t *ret_ms, struct fault *why)
{
    static const char *const NAMES[] = {"grace", NULL};
    struct json_doc *doc;
    struct str text = STR_NONE;
    *ret_ms = 0;
    if (c->body.n == 0) return OK;
    TRY(call_document(c, &doc, why));
    enum err got = json_ref_only(json_doc_root(doc), NAMES, why);
    if (got == OK) got = json_opt_str(json_doc_root(doc), "grace", &text, why);
    if (got == OK && text.n && (!config_duration(text, ret_ms) || *ret_ms > (uint64_t)7 * 86400000))
        got = FAIL(why, ERR_BAD_REQUEST, "grace must be a duration up to 7d, as 10m");
    json_doc_free(doc);
    return got;
}

enum err key_rotate(struct call *c, struct fault *why)
{
    struct key_shown shown;
    uint64_t grace_ms;
    TRY(read_grace(c, &grace_ms, why));
    TRY(keys_rotate(&c->control->desk, c->parameter, grace_ms, &shown, why));
    LOG(LOG_INFO, "key.rotated", "a key has a new secret", F_Z("id", shown.row->key.id), F_UINT("grace_ms", grace_ms),
        F_Z("request", c->request_id));
    put_row(c, shown.row, &shown);
    explicit_bzero(&shown, sizeof shown);
    return OK;
}
