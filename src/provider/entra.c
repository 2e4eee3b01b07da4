/* Access tokens of Microsoft Entra for Azure OpenAI: what its token server and the endpoints of managed identities are asked, and what
 * their answers mean. Facts: Microsoft Learn, "OAuth 2.0 client credentials flow", "How managed identities for Azure resources work",
 * "Use managed identities for App Service". Pure; called by control, which does the asking, and by doctor. */
#include "json/json.h"
#include "provider/provider.h"

enum { TOKEN_MAX = 16 * 1024, TENANT_MAX = 253, WORD_MAX = 512, LIFE_MAX_S = 2 * 86400 }; /* managed identities: 24 hours */
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* Microsoft Learn, "National clouds and Microsoft identity platform"; Azure Government and Azure in China: endpoints of Azure OpenAI. */
static const struct entra_cloud CLOUDS[] = {
    {".azure.com", "https://login.microsoftonline.com", "https://cognitiveservices.azure.com"},
    {".azure.us", "https://login.microsoftonline.us", "https://cognitiveservices.azure.us"},
    {".azure.cn", "https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn"},
};

const struct entra_cloud *entra_cloud_of(struct str url)
{
    size_t at, n = 0;
    struct str host = str_find(url, S("://"), &at) ? str_from(url, at + 3) : url;
    while (n < host.n && host.p[n] != '/' && host.p[n] != ':') n++;
    host.n = n;
    for (unsigned i = 0; i < COUNTOF(CLOUDS); i++) {
        struct str domain = str_z(CLOUDS[i].domain);
        if (host.n > domain.n && str_eq_nocase(str_from(host, host.n - domain.n), domain)) return &CLOUDS[i];
    }
    return &CLOUDS[0];
}

static bool is_plain(struct str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~') return false;
    return s.n > 0 && s.n <= max;
}

bool entra_tenant_is_valid(struct str tenant)
{
    for (size_t i = 0; i < tenant.n; i++) {
        char c = tenant.p[i];
        bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!known) return false;
    }
    return tenant.n > 0 && tenant.n <= TENANT_MAX && tenant.p[0] != '.';
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

enum err entra_app_check(const struct entra_app *e, struct fault *why)
{
    bool has_secret = e->secret.value.n > 0;
    if (!entra_tenant_is_valid(e->tenant)) return FAIL(why, ERR_CONFIG, "the tenant is none: a GUID or a domain, please");
    if (!is_plain(e->client_id, WORD_MAX)) return FAIL(why, ERR_CONFIG, "the client id is none: the application's GUID, please");
    if (has_secret == (e->assertion.value.n > 0))
        return FAIL(why, ERR_CONFIG, "there is neither client secret nor federated token, or there are both");
    if (has_secret && !is_plain(e->secret.value, WORD_MAX))
        return FAIL(why, ERR_CONFIG, "the client secret is none: it has characters that it cannot have (a line end?)");
    if (!has_secret && !is_plain(e->assertion.value, TOKEN_MAX))
        return FAIL(why, ERR_CONFIG, "the federated token is none: it has characters that it cannot have");
    return OK;
}

static void put_pair(struct buf *out, const char *name, struct str value)
{
    buf_fmt(out, "%s=", name);
    buf_percent_encode(out, value);
}

void entra_token_body(const struct entra_app *e, struct buf *out)
{
    put_pair(out, "grant_type", S("client_credentials"));
    put_pair(out, "&client_id", e->client_id);
    put_pair(out, "&scope", str_z(e->cloud->resource));
    buf_str(out, S("%2F.default"));
    if (e->secret.value.n) {
        put_pair(out, "&client_secret", e->secret.value);
        return;
    }
    put_pair(out, "&client_assertion_type", S(ASSERTION_TYPE));
    put_pair(out, "&client_assertion", e->assertion.value);
}

void entra_identity_query(const char *version, const struct entra_app *e, struct buf *out)
{
    put_pair(out, "?api-version", str_z(version));
    put_pair(out, "&resource", str_z(e->cloud->resource));
    if (e->client_id.n) put_pair(out, "&client_id", e->client_id);
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

/* Of a text of theirs, what may stand in a log: the first line, and not all of a long one. */
static struct str brief(struct str s, size_t max)
{
    size_t n = 0;
    while (n < s.n && n < max && s.p[n] >= ' ' && s.p[n] <= '~') n++;
    return str_make(s.p ? s.p : "", n);
}

struct hint {
    const char *sign, *todo;
};

/* learn.microsoft.com, "Microsoft Entra authentication and authorization error codes". */
static const char *hint_of(struct str text)
{
    static const struct hint HINTS[] = {
        {"AADSTS7000215", "; is it the secret's value, not its id?"},
        {"AADSTS7000222", "; make a new client secret"},
        {"AADSTS700016", "; is the client id of that tenant?"},
        {"AADSTS90002", "; is the tenant right?"},
        {"AADSTS70021", "; has the application a federated credential with the token's issuer and subject?"},
        {"AADSTS700211", "; has the application a federated credential with the token's issuer and subject?"},
        {"Identity not found", "; give the machine or the service a managed identity, or check client_id"},
    };
    size_t at;
    for (unsigned i = 0; i < COUNTOF(HINTS); i++) {
        struct str sign = str_z(HINTS[i].sign);
        if (!str_find(text, sign, &at)) continue;
        struct str rest = str_from(text, at + sign.n);
        if (rest.n == 0 || rest.p[0] < '0' || rest.p[0] > '9') return HINTS[i].todo; /* else another, longer number */
    }
    return "";
}

/* RFC 6749 5.2: error and error_description; nothing of them is secret. */
static enum err refused(int status, struct json_ref root, struct fault *why)
{
    struct str word = brief(json_ref_text(json_ref_find(root, "error")), 60);
    struct str more = brief(json_ref_text(json_ref_find(root, "error_description")), 150);
    return FAIL(why, ERR_UPSTREAM_ERROR, "it answered with HTTP status %d: %.*s %.*s%s", status, STR_ARG(word), STR_ARG(more),
                hint_of(more));
}

/* A number, or as managed identities have it, a text with one; 0: none. */
static enum err number(struct json_ref root, const char *name, uint64_t *ret_value, struct fault *why)
{
    struct json_ref r = json_ref_find(root, name);
    *ret_value = 0;
    if (json_ref_type(r) != JSON_STRING) return json_opt_u64(root, name, ret_value, why);
    if (str_u64(json_ref_text(r), ret_value)) return OK;
    return FAIL(why, ERR_UPSTREAM_GARBAGE, "%s is not a number", name);
}

/* expires_in: seconds from now; App Service tells only expires_on, in seconds since 1970. */
static enum err take_end(struct json_ref root, int64_t now_ms, struct found *f, struct fault *why)
{
    uint64_t seconds, until, now = (uint64_t)(now_ms / 1000);
    TRY(number(root, "expires_in", &seconds, why));
    TRY(number(root, "expires_on", &until, why));
    if (seconds == 0 && until > now) seconds = until - now;
    if (seconds == 0 || seconds > LIFE_MAX_S)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "neither expires_in nor expires_on is a time from now up to two days");
    f->expires_ms = now_ms + (int64_t)seconds * 1000;
    return OK;
}

/* Entra's access tokens for Azure's services are JWTs; provider.c tells them from keys by that. */
static enum err take_token(struct json_ref root, int64_t now_ms, struct arena *a, struct found *f, struct fault *why)
{
    struct str token, type;
    TRY(json_get_str(root, "access_token", &token, why));
    TRY(json_get_str(root, "token_type", &type, why));
    if (!str_eq_nocase(type, S("Bearer"))) return FAIL(why, ERR_UPSTREAM_GARBAGE, "token_type is not Bearer");
    if (!is_plain(token, TOKEN_MAX) || !str_starts(token, S("eyJ")))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "access_token is no JWT, as Entra's are");
    TRY(take_end(root, now_ms, f, why));
    return arena_str(a, token, &f->token.value) ? OK : FAIL(why, ERR_LIMIT, "the token is too long");
}

enum err entra_token_read(int status, struct str json, int64_t now_ms, struct arena *a, struct found *ret_found,
                          struct fault *why)
{
    struct json_doc *doc = NULL;
    struct fault broken = {0};
    *ret_found = (struct found){0};
    bool read = json_doc_read(S("answer"), json, &doc, &broken) == OK && json_ref_type(json_doc_root(doc)) == JSON_OBJECT;
    enum err got;
    if (read && status == 200) got = take_token(json_doc_root(doc), now_ms, a, ret_found, why);
    else if (read) got = refused(status, json_doc_root(doc), why);
    else if (status != 200) got = FAIL(why, ERR_UPSTREAM_ERROR, "it answered with HTTP status %d", status);
    else got = FAIL(why, ERR_UPSTREAM_GARBAGE, "its answer is not a JSON object");
    json_doc_free(doc);
    return got;
}
