/* aquifer doctor: what is beyond the file: secrets, providers, the local engine and its models, the daemon itself. */
#include <openssl/crypto.h>
#include <stdio.h>

#include "cli/doctor_priv.h"
#include "engine/engine.h"
#include "generation/generation.h"

enum { ANSWER_MS = 10000 };

/* ---- secrets ------------------------------------------------------------------------------------------------------------------- */

static void check_secret(struct doctor *d, const char *whose, struct str reference)
{
    struct buf value;
    struct fault why = {0};
    char what[512];
    if (reference.n == 0) return;
    buf_init(&value, KIB(64));
    enum err e = config_secret(reference, &value, &why);
    snprintf(what, sizeof what, "%.100s: %.*s", whose, STR_ARG(reference));
    if (e == OK) doctor_tell(d, FINDING_OK, "secret", what, "");
    else if (d->runs)
        doctor_tell(d, FINDING_WARN, "secret", what,
                    "it is not to be had here; the running Aquifer may have another environment");
    else doctor_tell(d, FINDING_FAIL, "secret", why.text, "");
    if (value.p) OPENSSL_cleanse(value.p, value.cap);
    buf_done(&value);
}

/* Tokens of Google's: is the key file there, and does its key sign? Nothing is asked: control does that, and its log tells. */
static void check_google(struct doctor *d, const struct config_provider *p)
{
    struct buf reference;
    struct arena a;
    struct google_file file;
    struct fault why = {0};
    char what[512];
    if (!p->how->has_google_tokens || !config_finds(p)) return;
    buf_init(&reference, KIB(8));
    arena_init(&a, KIB(8), MIB(1));
    bool has_file = generation_google_file(p->service_account, (enum found_source)p->credentials, &reference);
    enum err e = has_file ? generation_google_read(buf_view(&reference), &a, &file, &why) : OK;
    snprintf(what, sizeof what, "provider %.*s: %.360s", STR_ARG(p->name),
             e != OK    ? why.text
             : has_file ? buf_z(&reference)
                        : "access tokens from Google's metadata server");
    bool own = p->service_account.n > 0; /* else it is the environment of control that counts */
    if (e == OK) doctor_tell(d, FINDING_OK, "secret", what, "");
    else if (d->runs && !own)
        doctor_tell(d, FINDING_WARN, "secret", what,
                    "it is not to be had here; the running Aquifer may have another environment");
    else
        doctor_tell(d, FINDING_FAIL, "secret", what,
                    "name a service account's key file (service_account: file:…), or run where the metadata server is");
    arena_done(&a);
    buf_done(&reference);
}

/* Tokens of Entra's: is there a way to them? Nothing is asked: control does that, and its log tells. */
static void check_entra(struct doctor *d, const struct config_provider *p)
{
    const struct entra_given given = {p->tenant, p->client_id, p->client_secret, (enum found_source)p->credentials, p->url};
    struct entra_way way;
    struct fault why = {0};
    char what[512];
    if (!p->how->has_entra_tokens || !config_finds(p)) return;
    enum err e = generation_entra_find(&given, &way, &why);
    if (e == OK) snprintf(what, sizeof what, "provider %.*s: %s, from %.300s", STR_ARG(p->name), way.name, way.url);
    else snprintf(what, sizeof what, "provider %.*s: %.360s", STR_ARG(p->name), why.text);
    if (e == OK) doctor_tell(d, FINDING_OK, "secret", what, "");
    else if (d->runs)
        doctor_tell(d, FINDING_WARN, "secret", what,
                    "it is not to be had here; the running Aquifer may have another environment");
    else
        doctor_tell(d, FINDING_FAIL, "secret", what,
                    "say tenant, client_id and client_secret, or set the variables that docs/providers.md lists under Azure");
    generation_entra_done(&way);
}

void doctor_secrets(struct doctor *d)
{
    check_secret(d, "admin.key", d->config->admin_key);
    check_secret(d, "metrics.key", d->config->metrics_key);
    for (unsigned i = 0; i < d->config->providers.n; i++) {
        char whose[128];
        snprintf(whose, sizeof whose, "provider %.*s", STR_ARG(d->config->providers.at[i].name));
        check_secret(d, whose, d->config->providers.at[i].key);
        check_google(d, &d->config->providers.at[i]);
        check_entra(d, &d->config->providers.at[i]);
    }
}

/* ---- providers: name, connection, TLS; one HEAD without a key, which nobody bills --------------------------------------------- */

static void check_provider(struct doctor *d, const struct config_provider *p)
{
    struct cli_target t = {0};
    struct cli_answer a;
    struct fault why = {0};
    char what[512];
    const struct cli_request r = {
        .method = S("HEAD"), .path = S("/"), .first_byte_ms = ANSWER_MS, .ca_file = p->ca_file, .proxy = p->proxy};
    snprintf(t.url, sizeof t.url, "%.*s", STR_ARG(p->url));
    enum err e = cli_call(&t, &r, &a, &why);
    snprintf(what, sizeof what, "%.*s: %.360s", STR_ARG(p->name), e == OK ? "reachable" : why.text);
    bool heard = e == ERR_UPSTREAM_TIMEOUT || e == ERR_UPSTREAM_GARBAGE || e == ERR_UPSTREAM_CUT;
    if (e == OK) doctor_tell(d, FINDING_OK, "provider", what, "");
    else if (heard)
        doctor_tell(d, FINDING_WARN, "provider", what, "something listens there, but is it the provider? Check its url");
    else doctor_tell(d, FINDING_FAIL, "provider", what, "check its url, the network, and proxy and ca_file if it needs them");
    buf_done(&a.body);
}

void doctor_providers(struct doctor *d)
{
    for (unsigned i = 0; i < d->config->providers.n; i++)
        if (d->config->providers.at[i].url.n) check_provider(d, &d->config->providers.at[i]);
}

/* ---- the engine ---------------------------------------------------------------------------------------------------------------- */

static bool is_local(const struct config *c, const struct config_deployment *x)
{
    return str_eq(c->providers.at[x->provider_index].kind, S("local"));
}

static void check_model(struct doctor *d, const char *dir, struct str name)
{
    struct model m;
    struct buf path;
    struct fault why = {0};
    char what[512];
    for (unsigned i = 0; i < d->config->engine.models.n; i++)
        if (str_eq(d->config->engine.models.at[i].name, name)) return; /* the file names it; it is checked at the start */
    buf_init(&path, 4096);
    enum err e = model_load(dir, name, &m, &why);
    if (e == OK) model_path(dir, &m, &path);
    if (e == OK) e = model_check_gguf(buf_z(&path), &why);
    if (e == OK && !m.sha256[0]) e = FAIL(&why, ERR_ENGINE, "%s has no known hash", m.name);
    snprintf(what, sizeof what, "model %.*s%s%.380s", STR_ARG(name), e == OK ? "" : ": ", e == OK ? "" : why.text);
    doctor_tell(d, e == OK ? FINDING_OK : FINDING_FAIL, "engine", what,
                e == OK ? ""
                        : "'aquifer model pull NAME' fetches one of the catalogue, 'aquifer model add NAME FILE' takes yours");
    buf_done(&path);
}

static void check_models(struct doctor *d)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%.*s", STR_ARG(d->config->engine.models_dir));
    for (unsigned i = 0; i < d->config->routes.n; i++)
        for (unsigned k = 0; k < d->config->routes.at[i].deployments.n; k++) {
            const struct config_deployment *x = &d->config->routes.at[i].deployments.at[k];
            if (is_local(d->config, x) && !str_eq(x->model, S("*"))) check_model(d, dir, x->model);
        }
}

void doctor_engine(struct doctor *d)
{
    bool wanted = d->config->engine.models.n > 0;
    struct buf path;
    struct fault why = {0};
    for (unsigned i = 0; i < d->config->providers.n; i++) wanted |= str_eq(d->config->providers.at[i].kind, S("local"));
    if (!wanted) return;
    buf_init(&path, 4096);
    if (engine_find_command(d->config->engine.command, &path, &why) == OK) doctor_tell(d, FINDING_OK, "engine", buf_z(&path), "");
    else doctor_tell(d, FINDING_FAIL, "engine", why.text, "");
    buf_done(&path);
    check_models(d);
}

/* ---- the daemon ------------------------------------------------------------------------------------------------------------------ */

static void check_path(struct doctor *d, const struct cli_target *t, struct str path)
{
    struct cli_answer a;
    struct fault why = {0};
    char what[512];
    const struct cli_request r = {.method = S("GET"), .path = path, .first_byte_ms = ANSWER_MS};
    enum err e = cli_call(t, &r, &a, &why);
    bool unseen = cli_wants_proxy(t, e); /* as its configuration wants it: nothing is to be mended */
    if (e == OK && a.status != 200) e = cli_refused(&a, &why);
    snprintf(what, sizeof what, "%.100s%.*s: %.300s", t->url, STR_ARG(path), e == OK ? "ok" : why.text);
    doctor_tell(d,
                e == OK  ? FINDING_OK
                : unseen ? FINDING_WARN
                         : FINDING_FAIL,
                "daemon", what, e == OK || unseen ? "" : "its log tells more");
    buf_done(&a.body);
}

/* Every gateway that serves has the newest generation. */
static void check_generation(struct doctor *d, struct json_ref root)
{
    struct json_ref g, generation = json_ref_find(root, "generation");
    struct str newest = json_ref_text(json_ref_find(generation, "number")),
               refused = json_ref_text(json_ref_find(generation, "refused"));
    char what[512];
    bool behind = false;
    for (struct json_walk w = json_walk(json_ref_find(root, "gateways")); json_walk_next(&w, NULL, &g);)
        behind |= str_eq(json_ref_text(json_ref_find(g, "state")), S("serving")) &&
                  !str_eq(json_ref_text(json_ref_find(g, "generation")), newest);
    snprintf(what, sizeof what, "generation %.*s%.400s", STR_ARG(newest),
             refused.n ? ", a newer configuration was refused"
             : behind  ? ", not yet loaded by every gateway"
                       : " is loaded");
    doctor_tell(d, refused.n || behind ? FINDING_WARN : FINDING_OK, "daemon", what,
                refused.n ? "'aquifer config check' tells why" : "");
}

static void check_ledger(struct doctor *d, struct json_ref root)
{
    uint64_t lag = 0;
    char what[96];
    struct json_ref journal = json_ref_find(root, "journal");
    str_u64(json_ref_text(json_ref_find(journal, "lag")), &lag);
    snprintf(what, sizeof what, "%llu answers wait to be booked", (unsigned long long)lag);
    bool much = lag > 100000;
    doctor_tell(d, much ? FINDING_WARN : FINDING_OK, "ledger", what,
                much ? "is the disk slow or the database locked? The log tells" : "");
}

static void check_status(struct doctor *d)
{
    struct cli_answer a;
    struct json_doc *doc = NULL;
    struct fault why = {0};
    enum err e = cli_admin_call(&d->common, S("GET"), S("/admin/v1/status"), STR_NONE, &a, &why);
    if (e == OK) e = cli_document(&a, &doc, &why);
    if (e == OK) check_generation(d, json_doc_root(doc));
    if (e == OK) check_ledger(d, json_doc_root(doc));
    if (e != OK) doctor_tell(d, FINDING_WARN, "daemon", why.text, "the admin API could not be asked");
    json_doc_free(doc);
    buf_done(&a.body);
}

void doctor_daemon(struct doctor *d)
{
    struct cli_target t = {0};
    const struct config *c = d->config;
    if (!d->runs) {
        doctor_tell(d, FINDING_OK, "daemon", "it does not run", "aquifer serve --config FILE");
        return;
    }
    cli_url_of(c->listen.at[0].address, c->listen.at[0].tls_cert.n, t.url);
    t.wants_proxy_header = c->proxy_protocol;
    size_t n = strlen(t.url);
    if (c->path_prefix.n) snprintf(t.url + n, sizeof t.url - n, "%.*s", STR_ARG(c->path_prefix));
    check_path(d, &t, S("/healthz"));
    check_path(d, &t, S("/readyz"));
    if (c->admin_listen.n) check_status(d);
}
