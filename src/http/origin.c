/* Origins: where calls go, made from a provider's URL, CA file and proxy. Immutable, shared by loops and generations
 * that name the same; the key says what "the same" is. Made by whoever builds a configuration; freed by the last user. */
#include "http/client.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/tls.h"

struct box {
    struct http_origin origin;
    struct arena memory;
};

struct address_text {
    struct str host; /* without brackets */
    uint16_t port;
    bool is_v6;
};

static bool is_v6(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char ignored[16];
    if (host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET6, text, ignored) == 1;
}

/* RFC 952 and 1123, and the underscore that container networks use. */
static bool is_host_name(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool fine = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_';
        if (!fine) return false;
    }
    return host.n > 0 && host.n <= 253 && host.p[0] != '.' && host.p[0] != '-';
}

static bool parse_port(struct str text, uint16_t *ret_port)
{
    uint64_t port;
    if (text.n > 5 || !str_u64(text, &port) || port == 0 || port > 65535) return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* host[:port] or [v6][:port]. port stays as it was where none is named. */
static bool parse_address(struct str text, struct address_text *a)
{
    struct str port = STR_NONE;
    if (str_starts(text, S("["))) {
        struct str inside, rest;
        if (!str_cut(str_from(text, 1), ']', &inside, &rest) || !is_v6(inside)) return false;
        a->host = inside;
        a->is_v6 = true;
        if (rest.n == 0) return true;
        if (rest.p[0] != ':') return false;
        port = str_from(rest, 1);
    } else if (!str_cut(text, ':', &a->host, &port)) {
        return is_host_name(a->host);
    } else if (!is_host_name(a->host)) {
        return false;
    }
    return parse_port(port, &a->port);
}

static bool is_path(struct str path)
{
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c <= 0x20 || c >= 0x7F || c == '?' || c == '#' || c == '\\') return false;
    }
    return path.n == 0 || path.p[0] == '/';
}

struct url {
    bool is_tls;
    struct address_text at;
    struct str path;
};

static enum err parse_url(struct str text, struct url *u, struct fault *why)
{
    *u = (struct url){.at.port = 80};
    if (str_starts(text, S("https://"))) *u = (struct url){.is_tls = true, .at.port = 443};
    else if (!str_starts(text, S("http://")))
        return FAIL(why, ERR_CONFIG, "the URL \"%.*s\" must begin with http:// or https://", STR_ARG(text));
    struct str rest = str_from(text, u->is_tls ? 8 : 7), ignored;
    size_t slash = 0;
    if (!str_find(rest, S("/"), &slash)) slash = rest.n;
    struct str authority = str_make(rest.p, slash);
    if (str_cut(authority, '@', &ignored, &ignored)) /* not shown: it may hold a password */
        return FAIL(why, ERR_CONFIG, "a URL must not hold a user or password; give the key in a field of its own");
    u->path = str_from(rest, slash);
    while (u->path.n > 0 && u->path.p[u->path.n - 1] == '/') u->path.n--;
    if (!parse_address(authority, &u->at))
        return FAIL(why, ERR_CONFIG, "the URL \"%.*s\" names no valid host and port", STR_ARG(text));
    if (!is_path(u->path))
        return FAIL(why, ERR_CONFIG, "the URL \"%.*s\" may only hold scheme, host, port and path", STR_ARG(text));
    return OK;
}

/* ---- the proxy ------------------------------------------------------------------------------------------------------ */

/* RFC 7617: "Basic " and base64 of user:password. */
static enum err set_authorization(struct box *b, struct str userinfo, struct fault *why)
{
    struct buf plain;
    unsigned char coded[700];
    char value[720];
    buf_init(&plain, 510);
    bool fine = buf_percent_decode(&plain, userinfo);
    if (fine) {
        int n = EVP_EncodeBlock(coded, (const unsigned char *)plain.p, (int)plain.n);
        int all = snprintf(value, sizeof value, "Basic %.*s", n, (const char *)coded);
        must(arena_str(&b->memory, str_make(value, (size_t)all), &b->origin.proxy_authorization));
    }
    OPENSSL_cleanse(plain.p, plain.n);
    OPENSSL_cleanse(value, sizeof value);
    OPENSSL_cleanse(coded, sizeof coded);
    buf_done(&plain);
    return fine ? OK : FAIL(why, ERR_CONFIG, "the proxy's user and password are too long or wrongly escaped");
}

static enum err set_proxy(struct box *b, struct str text, struct fault *why)
{
    if (text.n == 0) return OK;
    if (!str_starts(text, S("http://"))) return FAIL(why, ERR_CONFIG, "a proxy must be http://[user:password@]host:port");
    struct str rest = str_from(text, 7), userinfo = STR_NONE;
    if (str_ends(rest, S("/"))) rest.n--;
    for (size_t i = rest.n; i > 0; i--) {
        if (rest.p[i - 1] != '@') continue;
        userinfo = str_make(rest.p, i - 1);
        rest = str_from(rest, i);
        break;
    }
    struct address_text at = {0};
    if (!parse_address(rest, &at) || at.port == 0)
        return FAIL(why, ERR_CONFIG, "a proxy must be http://[user:password@]host:port");
    must(arena_str(&b->memory, at.host, &b->origin.proxy_host));
    b->origin.proxy_port = at.port;
    return userinfo.n ? set_authorization(b, userinfo, why) : OK;
}

/* ---- the key -------------------------------------------------------------------------------------------------------- */

static unsigned char salt[32];
static void make_salt(void) { random_bytes(salt, sizeof salt); }

/* Tells one secret from another, in this process only, and says nothing about it. */
static uint64_t mark_of(struct str secret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, make_salt) == 0);
    unsigned char digest[32];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    must(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, salt, sizeof salt) &&
         EVP_DigestUpdate(md, secret.p, secret.n) && EVP_DigestFinal_ex(md, digest, NULL));
    EVP_MD_CTX_free(md);
    uint64_t mark;
    memcpy(&mark, digest, sizeof mark);
    return mark;
}

static uint64_t hash_of(struct str key)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a: keys come from the configuration, not from outside */
    for (size_t i = 0; i < key.n; i++) h = (h ^ (unsigned char)key.p[i]) * 1099511628211u;
    return h;
}

static void set_key(struct box *b, bool v6, struct str ca_file)
{
    struct http_origin *o = &b->origin;
    struct buf key;
    buf_init(&key, KIB(8));
    buf_fmt(&key, "http%s://%s%.*s%s:%u", o->tls ? "s" : "", v6 ? "[" : "", STR_ARG(o->host), v6 ? "]" : "", o->port);
    if (ca_file.n) buf_fmt(&key, " ca=%.*s#%u", STR_ARG(ca_file), tls_client_serial(o->tls));
    if (o->proxy_host.n) buf_fmt(&key, " proxy=%.*s:%u", STR_ARG(o->proxy_host), o->proxy_port);
    if (o->proxy_authorization.n) buf_fmt(&key, "#%llx", (unsigned long long)mark_of(o->proxy_authorization));
    must(arena_str(&b->memory, buf_view(&key), &o->key));
    o->hash = hash_of(o->key);
    buf_done(&key);
}

struct str origin_name(const struct http_origin *o)
{
    size_t slashes, space;
    if (!str_find(o->key, S("://"), &slashes)) return o->key;
    struct str name = str_from(o->key, slashes + 3);
    if (str_find(name, S(" "), &space)) name.n = space;
    return name;
}

/* ---- making --------------------------------------------------------------------------------------------------------- */

static enum err set_tls(struct box *b, bool is_tls, struct str ca_file, struct fault *why)
{
    if (!is_tls) return OK;
    char *file = ca_file.n ? str_dup_z(ca_file) : NULL;
    enum err e = tls_client_new(file, &b->origin.tls, why);
    free(file);
    return e;
}

static void set_host(struct box *b, const struct url *u)
{
    struct http_origin *o = &b->origin;
    char host[260], authority[280];
    for (size_t i = 0; i < u->at.host.n; i++) {
        char c = u->at.host.p[i];
        host[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    must(arena_str(&b->memory, str_make(host, u->at.host.n), &o->host));
    o->port = u->at.port;
    const char *open = u->at.is_v6 ? "[" : "", *close = u->at.is_v6 ? "]" : "";
    int n = snprintf(authority, sizeof authority, "%s%.*s%s", open, STR_ARG(o->host), close);
    if (o->port != (u->is_tls ? 443 : 80)) n += snprintf(authority + n, sizeof authority - (size_t)n, ":%u", o->port);
    must(arena_str(&b->memory, str_make(authority, (size_t)n), &o->authority));
}

enum err http_origin_new(const struct http_origin_options *o, struct http_origin **ret_origin, struct str *ret_base_path,
                         struct fault *why)
{
    struct url u;
    TRY(parse_url(o->url, &u, why));
    struct box *b = mem_alloc(sizeof *b);
    arena_init(&b->memory, 512, KIB(32));
    b->origin = (struct http_origin){.refs = 1, .unix_path = S(""), .proxy_host = S(""), .proxy_authorization = S("")};
    set_host(b, &u);
    enum err e = set_proxy(b, o->proxy, why);
    if (e == OK) e = set_tls(b, u.is_tls, o->ca_file, why);
    if (e != OK) {
        http_origin_unref(&b->origin);
        return e;
    }
    set_key(b, u.at.is_v6, u.is_tls ? o->ca_file : STR_NONE);
    *ret_origin = &b->origin;
    *ret_base_path = u.path;
    return OK;
}

struct http_origin *http_origin_unix(struct str path)
{
    struct buf key;
    struct box *b = mem_alloc(sizeof *b);
    arena_init(&b->memory, 512, KIB(32));
    b->origin = (struct http_origin){.refs = 1, .host = S("localhost"), .authority = S("localhost"), .proxy_host = S("")};
    b->origin.proxy_authorization = S("");
    buf_init(&key, KIB(8));
    buf_fmt(&key, "unix://%.*s", STR_ARG(path));
    must(arena_str(&b->memory, path, &b->origin.unix_path) && arena_str(&b->memory, buf_view(&key), &b->origin.key));
    b->origin.hash = hash_of(b->origin.key);
    buf_done(&key);
    return &b->origin;
}

void http_origin_ref(struct http_origin *o) { atomic_fetch_add(&o->refs, 1); }

void http_origin_unref(struct http_origin *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) > 1) return;
    struct box *b = CONTAINER_OF(o, struct box, origin);
    tls_client_unref(o->tls);
    OPENSSL_cleanse((void *)(uintptr_t)o->proxy_authorization.p, o->proxy_authorization.n);
    arena_done(&b->memory);
    free(b);
}
