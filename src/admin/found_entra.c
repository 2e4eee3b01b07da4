/* Asks for access tokens of Microsoft Entra: its token server for an application, or the endpoint of a managed identity. Whom, is found
 * by generation/entra.c; what they say is known by provider/entra.c. Runs on a pool thread, where waiting harms nobody. */
#include "admin/priv.h"

static enum err take(struct found_account *a, const struct question *q, struct fault *why)
{
    struct buf answer;
    int status;
    enum err got = found_answer(q, &status, &answer, why);
    if (got == OK) got = entra_token_read(status, buf_view(&answer), clock_wall_ms(), &a->arena, &a->found, why);
    found_wipe(&answer);
    return got;
}

static enum err ask_server(struct found_account *a, const struct entra_way *w, struct fault *why)
{
    struct buf body;
    const struct http_field fields[] = {{S("content-type"), S("application/x-www-form-urlencoded")}};
    buf_init(&body, KIB(128));
    entra_token_body(&w->app, &body);
    const struct question q = {"POST", w->url, {fields, COUNTOF(fields)}, buf_view(&body), NULL};
    enum err got = body.over ? FAIL(why, ERR_LIMIT, "the credential is too long") : take(a, &q, why);
    found_wipe(&body);
    return got;
}

static enum err ask(struct found_account *a, const struct entra_way *w, struct fault *why)
{
    struct fault what = {0};
    const struct question q = {"GET", w->url, {&w->header, 1}, STR_NONE, NULL};
    enum err got = w->header.name.n ? take(a, &q, &what) : ask_server(a, w, &what);
    if (got != OK) return FAIL(why, got, "%s: %.240s", w->name, what.text);
    return w->app.client_id.n == 0 || arena_str(&a->arena, w->app.client_id, &a->found.access_key)
               ? OK
               : FAIL(why, ERR_LIMIT, "%s: the client id is too long", w->name);
}

enum err found_ask_entra(struct found_account *a, struct fault *why)
{
    const struct entra_given given = {str_z(a->tenant), str_z(a->client_id), str_z(a->client_secret), a->source, str_z(a->url)};
    struct entra_way way;
    enum err got = generation_entra_find(&given, &way, why);
    if (got == OK) got = ask(a, &way, why);
    generation_entra_done(&way);
    return got;
}
