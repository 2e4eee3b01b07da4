/* AWS credentials from outside: reading what files, STS, container endpoints and instance metadata say, and which addresses
 * may be asked at all. Pure; called by control, which does the asking. */
#include <arpa/inet.h>

#include "json/json.h"
#include "provider/provider.h"

enum { SECRET_MAX = SIGV4_SECRET_MAX, TOKEN_MAX = 16 * 1024, ACCESS_MAX = 128, EARLY_MS = 300000, LOOK_MS = 60000 };

static enum err keep(struct arena *a, struct str s, struct str *ret_copy, struct fault *why)
{
    *ret_copy = STR_NONE;
    if (s.n == 0 || arena_str(a, s, ret_copy)) return OK;
    return FAIL(why, ERR_LIMIT, "the credentials are too long");
}

static bool is_plain(struct str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~') return false;
    return s.n <= max;
}

enum err aws_found_check(const struct found *f, struct fault *why)
{
    if (!f->access_key.n || !is_plain(f->access_key, ACCESS_MAX) || memchr(f->access_key.p, '/', f->access_key.n))
        return FAIL(why, ERR_CONFIG, "there is no access key id, or it is none");
    if (!f->secret_key.value.n || !is_plain(f->secret_key.value, SECRET_MAX))
        return FAIL(why, ERR_CONFIG, "there is no secret access key, or it is none");
    if (!is_plain(f->token.value, TOKEN_MAX)) return FAIL(why, ERR_CONFIG, "the session token is none");
    return OK;
}

uint32_t found_refresh_ms(const struct found *f, int64_t now_ms)
{
    if (f->expires_ms == 0) return LOOK_MS;
    int64_t left = f->expires_ms - now_ms, wait = left > 2 * EARLY_MS ? left - EARLY_MS : left / 2;
    if (wait < 1000) return 1000;
    return wait > INT32_MAX ? INT32_MAX : (uint32_t)wait;
}

/* ---- the shared credentials file ------------------------------------------------------------------------------------------- */

static enum err take_setting(struct str name, struct str value, struct arena *a, struct found *f, struct fault *why)
{
    const struct {
        struct str name;
        struct str *to;
    } SETTINGS[] = {{S("aws_access_key_id"), &f->access_key},
                    {S("aws_secret_access_key"), &f->secret_key.value},
                    {S("aws_session_token"), &f->token.value}};
    for (unsigned i = 0; i < COUNTOF(SETTINGS); i++)
        if (str_eq_nocase(SETTINGS[i].name, name)) return keep(a, value, SETTINGS[i].to, why);
    return OK;
}

static struct str line_of(struct str *rest)
{
    struct str line;
    str_cut(*rest, '\n', &line, rest);
    if (str_ends(line, S("\r"))) line.n--;
    return str_trim(line);
}

static bool is_header(struct str line, struct str profile) { return str_eq(str_trim(str_make(line.p + 1, line.n - 2)), profile); }

enum err aws_profile_read(struct str file, struct str profile, struct arena *a, struct found *ret_found, struct fault *why)
{
    bool inside = false, seen = false;
    *ret_found = (struct found){.expires_ms = 0};
    while (file.n) {
        struct str name, value, line = line_of(&file);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';') continue;
        if (line.p[0] == '[' && line.n > 1 && str_ends(line, S("]"))) {
            inside = is_header(line, profile);
            seen = seen || inside;
        } else if (inside && str_cut(line, '=', &name, &value)) {
            TRY(take_setting(str_trim(name), str_trim(value), a, ret_found, why));
        }
    }
    if (!seen) return FAIL(why, ERR_CONFIG, "the credentials file has no profile %.*s", STR_ARG(profile));
    return aws_found_check(ret_found, why);
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

static enum err take_expiry(struct str text, struct found *f, struct fault *why)
{
    if (text.n == 0 || clock_parse_rfc3339(text, &f->expires_ms)) return OK;
    return FAIL(why, ERR_UPSTREAM_GARBAGE, "the credentials' end (Expiration) is not a time");
}

static enum err take_json(struct json_ref root, struct arena *a, struct found *f, struct fault *why)
{
    struct str access, secret, token = STR_NONE, expiry = STR_NONE, code = STR_NONE;
    TRY(json_ref_want(root, JSON_OBJECT, why));
    TRY(json_opt_str(root, "Code", &code, why));
    if (code.n && !str_eq(code, S("Success"))) return FAIL(why, ERR_UPSTREAM_ERROR, "the source says %.*s", STR_ARG(code));
    TRY(json_get_str(root, "AccessKeyId", &access, why));
    TRY(json_get_str(root, "SecretAccessKey", &secret, why));
    TRY(json_opt_str(root, "Token", &token, why));
    TRY(json_opt_str(root, "Expiration", &expiry, why));
    TRY(keep(a, access, &f->access_key, why));
    TRY(keep(a, secret, &f->secret_key.value, why));
    TRY(keep(a, token, &f->token.value, why));
    return take_expiry(expiry, f, why);
}

enum err aws_json_read(struct str body, struct arena *a, struct found *ret_found, struct fault *why)
{
    struct json_doc *doc;
    *ret_found = (struct found){.expires_ms = 0};
    TRY(json_doc_read(S("credentials"), body, &doc, why));
    enum err got = take_json(json_doc_root(doc), a, ret_found, why);
    json_doc_free(doc);
    return got == OK ? aws_found_check(ret_found, why) : got;
}

/* The text of the one element of that name; none of what STS puts there needs escaping. */
static struct str element(struct str xml, const char *name)
{
    char open[40], close[40];
    size_t from, to;
    struct buf begin = {.p = open, .cap = sizeof open, .max = sizeof open},
               end = {.p = close, .cap = sizeof close, .max = sizeof close};
    buf_fmt(&begin, "<%s>", name);
    buf_fmt(&end, "</%s>", name);
    if (!str_find(xml, buf_view(&begin), &from)) return STR_NONE;
    struct str inner = str_from(xml, from + begin.n);
    if (!str_find(inner, buf_view(&end), &to)) return STR_NONE;
    return str_trim(str_make(inner.p, to));
}

enum err aws_sts_read(struct str xml, struct arena *a, struct found *ret_found, struct fault *why)
{
    struct str all = element(xml, "Credentials");
    *ret_found = (struct found){.expires_ms = 0};
    if (!all.n) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the answer of STS holds no credentials");
    TRY(keep(a, element(all, "AccessKeyId"), &ret_found->access_key, why));
    TRY(keep(a, element(all, "SecretAccessKey"), &ret_found->secret_key.value, why));
    TRY(keep(a, element(all, "SessionToken"), &ret_found->token.value, why));
    TRY(take_expiry(element(all, "Expiration"), ret_found, why));
    return aws_found_check(ret_found, why);
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

void aws_sts_body(struct str role, struct str session, struct str token, struct buf *out)
{
    buf_str(out, S("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn="));
    buf_percent_encode(out, role);
    buf_str(out, S("&RoleSessionName="));
    buf_percent_encode(out, session);
    buf_str(out, S("&WebIdentityToken="));
    buf_percent_encode(out, token);
}

/* The host of an authority, without brackets and port. */
static struct str host_of(struct str authority)
{
    struct str host, rest;
    if (str_starts(authority, S("["))) {
        str_cut(str_from(authority, 1), ']', &host, &rest);
        return host;
    }
    str_cut(authority, ':', &host, &rest);
    return host;
}

/* Where App Service and Container Apps on Linux put the endpoint of a managed identity (IDENTITY_ENDPOINT): link-local as well. */
static bool is_of_app_service(const unsigned char a[4])
{
    return a[0] == 169 && a[1] == 254 && ((a[2] & 0xf0) == 128 || a[2] == 255);
}

static bool is_local_address(struct str host)
{
    static const char *const ALLOWED[] = {"::1",           "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "169.254.169.254",
                                          "fd00:ec2::254", "fd20:ce::254"};
    char text[INET6_ADDRSTRLEN];
    unsigned char given[16], one[16];
    if (host.n == 0 || host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    int family = memchr(host.p, ':', host.n) ? AF_INET6 : AF_INET;
    size_t n = family == AF_INET ? 4 : 16;
    if (inet_pton(family, text, given) != 1) return false;
    if (family == AF_INET && (given[0] == 127 || is_of_app_service(given))) return true;
    for (unsigned i = 0; i < COUNTOF(ALLOWED); i++)
        if (inet_pton(family, ALLOWED[i], one) == 1 && memcmp(given, one, n) == 0) return true;
    return false;
}

bool source_url_is_allowed(struct str url)
{
    size_t n = 0;
    if (str_starts(url, S("https://"))) return true;
    if (!str_starts(url, S("http://"))) return false;
    struct str rest = str_from(url, 7);
    while (n < rest.n && !strchr("/?#", rest.p[n])) n++;
    if (n && memchr(rest.p, '@', n)) return false;
    return is_local_address(host_of(str_make(rest.p, n)));
}
