/* Where an Azure provider's tokens of Microsoft Entra come from: its own application, the environment's, a federated token, or a
 * managed identity; resolved from configuration, variables and files. Called by control before each asking, and by doctor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "generation/generation.h"

#define METADATA "http://169.254.169.254"
#define METADATA_PATH "/metadata/identity/oauth2/token"
#define METADATA_VERSION "2018-02-01"
#define SERVICE_VERSION "2019-08-01"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static struct str given_or(struct str given, const char *name) { return given.n ? given : str_z(variable(name)); }

static enum err put_url(struct entra_way *w, struct buf *url, struct fault *why)
{
    if (url->over || url->n >= sizeof w->url) return FAIL(why, ERR_LIMIT, "the address to ask is too long");
    snprintf(w->url, sizeof w->url, "%s", buf_z(url));
    if (source_url_is_allowed(str_z(w->url))) return OK;
    return FAIL(why, ERR_CONFIG, "%.100s is not asked for credentials: https, or an address of this machine or the cloud's own",
                w->url);
}

/* ---- applications ---------------------------------------------------------------------------------------------------------- */

/* As the SDKs take it: with or without scheme, with or without slash at the end. */
static void put_authority(const struct entra_cloud *cloud, struct buf *url)
{
    struct str host = given_or(STR_NONE, "AZURE_AUTHORITY_HOST");
    size_t at;
    if (host.n == 0) host = str_z(cloud->authority);
    if (!str_find(host, S("://"), &at)) buf_str(url, S("https://"));
    while (str_ends(host, S("/"))) host.n--;
    buf_str(url, host);
}

static enum err find_app(const struct entra_given *g, const char *reference, struct entra_way *w, struct fault *why)
{
    struct buf url;
    bool own = w->source == SOURCE_GIVEN;
    w->app.tenant = own ? g->tenant : given_or(g->tenant, "AZURE_TENANT_ID");
    w->app.client_id = own ? g->client_id : given_or(g->client_id, "AZURE_CLIENT_ID");
    if (w->app.tenant.n == 0) return FAIL(why, ERR_CONFIG, "there is no tenant: set tenant or AZURE_TENANT_ID");
    if (w->app.client_id.n == 0) return FAIL(why, ERR_CONFIG, "there is no client id: set client_id or AZURE_CLIENT_ID");
    TRY(config_secret(str_z(reference), &w->room, why));
    struct secret *part = w->source == SOURCE_WEB_IDENTITY ? &w->app.assertion : &w->app.secret;
    part->value = buf_view(&w->room);
    TRY(entra_app_check(&w->app, why));
    buf_init(&url, sizeof w->url);
    put_authority(w->app.cloud, &url);
    buf_fmt(&url, "/%.*s/oauth2/v2.0/token", STR_ARG(w->app.tenant));
    enum err got = put_url(w, &url, why);
    buf_done(&url);
    return got;
}

static enum err find_own(const struct entra_given *g, struct entra_way *w, struct fault *why)
{
    char reference[4200];
    if (g->client_secret.n >= sizeof reference) return FAIL(why, ERR_LIMIT, "the reference is too long");
    snprintf(reference, sizeof reference, "%.*s", STR_ARG(g->client_secret));
    return find_app(g, reference, w, why);
}

static enum err find_environment(const struct entra_given *g, struct entra_way *w, struct fault *why)
{
    if (!variable("AZURE_CLIENT_SECRET")) return FAIL(why, ERR_CONFIG, "the variable is not set");
    return find_app(g, "env:AZURE_CLIENT_SECRET", w, why);
}

/* The file is written anew from time to time, and read at each asking. */
static enum err find_federated(const struct entra_given *g, struct entra_way *w, struct fault *why)
{
    char reference[4200];
    const char *path = variable("AZURE_FEDERATED_TOKEN_FILE");
    if (!path) return FAIL(why, ERR_CONFIG, "the variable is not set: has the pod the label azure.workload.identity/use?");
    if (snprintf(reference, sizeof reference, "file:%s", path) >= (int)sizeof reference)
        return FAIL(why, ERR_LIMIT, "the path %.100s is too long", path);
    return find_app(g, reference, w, why);
}

/* ---- managed identities ---------------------------------------------------------------------------------------------------- */

/* A name is not asked, since a name server could send us anywhere; this one is known. */
static void put_endpoint(struct str endpoint, struct buf *url)
{
    static const char LOCAL[] = "http://localhost:";
    bool local = str_starts(endpoint, str_z(LOCAL));
    if (local) buf_str(url, S("http://127.0.0.1:"));
    buf_str(url, local ? str_from(endpoint, sizeof LOCAL - 1) : endpoint);
}

static enum err find_service(struct buf *url, struct entra_way *w, struct fault *why)
{
    if (!variable("IDENTITY_HEADER"))
        return FAIL(why, ERR_CONFIG,
                    "IDENTITY_ENDPOINT is set, and IDENTITY_HEADER is not: only App Service's way is known here");
    TRY(config_secret(S("env:IDENTITY_HEADER"), &w->room, why));
    w->header = (struct http_field){S("x-identity-header"), buf_view(&w->room)};
    if (!http_field_value_is_valid(w->header.value))
        return FAIL(why, ERR_CONFIG, "IDENTITY_HEADER is not fit for a header field");
    put_endpoint(str_z(variable("IDENTITY_ENDPOINT")), url);
    entra_identity_query(SERVICE_VERSION, &w->app, url);
    return put_url(w, url, why);
}

/* AZURE_POD_IDENTITY_AUTHORITY_HOST is the SDKs' word for another place of IMDS. */
static enum err find_machine(struct buf *url, struct entra_way *w, struct fault *why)
{
    struct str base = given_or(STR_NONE, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
    if (base.n == 0) base = S(METADATA);
    while (str_ends(base, S("/"))) base.n--;
    w->header = (struct http_field){S("metadata"), S("true")};
    buf_str(url, base);
    buf_str(url, S(METADATA_PATH));
    entra_identity_query(METADATA_VERSION, &w->app, url);
    return put_url(w, url, why);
}

static enum err find_identity(const struct entra_given *g, struct entra_way *w, struct fault *why)
{
    struct buf url;
    w->app.client_id = given_or(g->client_id, "AZURE_CLIENT_ID");
    if (w->app.client_id.n && !config_name_is_valid(w->app.client_id, false))
        return FAIL(why, ERR_CONFIG, "the client id is none: the identity's GUID, please");
    buf_init(&url, sizeof w->url);
    enum err got = variable("IDENTITY_ENDPOINT") ? find_service(&url, w, why) : find_machine(&url, w, why);
    buf_done(&url);
    return got;
}

/* ---- which ----------------------------------------------------------------------------------------------------------------- */

static enum found_source source_of(const struct entra_given *g)
{
    if (g->client_secret.n) return SOURCE_GIVEN;
    if (g->source != SOURCE_DEFAULT) return g->source;
    if (variable("AZURE_CLIENT_SECRET")) return SOURCE_ENVIRONMENT;
    return variable("AZURE_FEDERATED_TOKEN_FILE") ? SOURCE_WEB_IDENTITY : SOURCE_INSTANCE;
}

enum err generation_entra_find(const struct entra_given *g, struct entra_way *ret_way, struct fault *why)
{
    static const struct {
        const char *name;
        enum err (*find)(const struct entra_given *, struct entra_way *, struct fault *);
    } WAYS[] = {
        [SOURCE_GIVEN] = {"Entra, client_secret", find_own},
        [SOURCE_ENVIRONMENT] = {"Entra, AZURE_CLIENT_SECRET", find_environment},
        [SOURCE_WEB_IDENTITY] = {"Entra, AZURE_FEDERATED_TOKEN_FILE", find_federated},
        [SOURCE_INSTANCE] = {"Azure's managed identity", find_identity},
    };
    struct fault what = {0};
    *ret_way = (struct entra_way){.source = source_of(g), .app.cloud = entra_cloud_of(g->url)};
    buf_init(&ret_way->room, KIB(65));
    must(ret_way->source < COUNTOF(WAYS) && WAYS[ret_way->source].find);
    ret_way->name = WAYS[ret_way->source].name;
    enum err got = WAYS[ret_way->source].find(g, ret_way, &what);
    return got == OK ? OK : FAIL(why, got, "%s: %.200s", ret_way->name, what.text);
}

void generation_entra_done(struct entra_way *w)
{
    if (w->room.cap) explicit_bzero(w->room.p, w->room.cap);
    buf_done(&w->room);
}
