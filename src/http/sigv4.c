/* AWS Signature Version 4: the canonical request, the string to sign, keys and signatures, and signing with them. Called by
 * the gateway for requests towards Bedrock and by sigv4_check.c for requests that come in signed. Pure; owns one OpenSSL
 * digest and MAC for the process and a context of each per thread, so that neither is looked up by name per request. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

#include "http/http.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define BODY_FIELD S("x-amz-content-sha256")
enum { DIGEST = 32, PARAMETERS_MAX = 64 };

/* ---- digests ----------------------------------------------------------------------------------------------------------- */

struct contexts {
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *mac;
};
static EVP_MD *sha256;
static EVP_MAC *hmac;
static pthread_key_t contexts_key; /* frees a thread's contexts when the thread ends */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local struct contexts *mine;

static void contexts_free(void *p)
{
    struct contexts *c = p;
    EVP_MD_CTX_free(c->digest);
    EVP_MAC_CTX_free(c->mac);
    free(c);
}

static void setup(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(sha256 && hmac);
    must(pthread_key_create(&contexts_key, contexts_free) == 0);
}

static struct contexts *contexts_get(void)
{
    if (LIKELY(mine != NULL)) return mine;
    char name[] = "SHA2-256";
    const OSSL_PARAM how[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
    pthread_once(&once, setup);
    struct contexts *c = mem_alloc(sizeof *c);
    c->digest = EVP_MD_CTX_new();
    c->mac = EVP_MAC_CTX_new(hmac);
    must(c->digest && c->mac && EVP_MAC_CTX_set_params(c->mac, how) == 1);
    must(pthread_setspecific(contexts_key, c) == 0);
    return mine = c;
}

static void to_hex(const uint8_t bytes[DIGEST], char ret_hex[SIGV4_HASH])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST; i++) {
        ret_hex[2 * i] = DIGITS[bytes[i] >> 4];
        ret_hex[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
}

void sigv4_hash_pieces(const struct str *pieces, size_t n, char ret_hex[SIGV4_HASH])
{
    struct contexts *c = contexts_get();
    uint8_t digest[DIGEST];
    must(EVP_DigestInit_ex2(c->digest, sha256, NULL) == 1);
    for (size_t i = 0; i < n; i++) must(EVP_DigestUpdate(c->digest, pieces[i].p ? pieces[i].p : "", pieces[i].n) == 1);
    must(EVP_DigestFinal_ex(c->digest, digest, NULL) == 1);
    to_hex(digest, ret_hex);
}

void sigv4_hash(struct str bytes, char ret_hex[SIGV4_HASH]) { sigv4_hash_pieces(&bytes, 1, ret_hex); }

static void mac(const uint8_t *key, size_t key_n, struct str bytes, uint8_t ret_mac[DIGEST])
{
    struct contexts *c = contexts_get();
    size_t n;
    must(EVP_MAC_init(c->mac, key, key_n, NULL) == 1);
    must(EVP_MAC_update(c->mac, (const uint8_t *)(bytes.p ? bytes.p : ""), bytes.n) == 1);
    must(EVP_MAC_final(c->mac, ret_mac, &n, DIGEST) == 1 && n == DIGEST);
}

/* ---- percent-encoding ---------------------------------------------------------------------------------------------------- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a text in which some are encoded; a '%' that begins no code stands for itself. */
static char next_char(struct str s, size_t *at)
{
    char c = s.p[(*at)++];
    if (c != '%' || s.n - *at < 2) return c;
    int high = digit_of(s.p[*at]), low = digit_of(s.p[*at + 1]);
    if (high < 0 || low < 0) return c;
    *at += 2;
    return (char)(high << 4 | low);
}

/* ---- path ---------------------------------------------------------------------------------------------------------------- */

static void drop_segment(struct buf *out, size_t start)
{
    while (out->n > start && out->p[--out->n] != '/') continue;
}

/* Without empty, "." and ".." segments, and every byte as it stands on the wire encoded once more: what the client has
 * encoded already is thereby encoded twice (RFC 3986 6.2.2.3 for the rest). */
static void write_path(struct str path, struct buf *out)
{
    size_t start = out->n;
    bool slash = str_ends(path, S("/"));
    while (path.n) {
        struct str segment, rest;
        str_cut(path, '/', &segment, &rest);
        path = rest;
        if (segment.n == 0 || str_eq(segment, S("."))) continue;
        if (str_eq(segment, S(".."))) {
            drop_segment(out, start);
            continue;
        }
        buf_char(out, '/');
        buf_percent_encode(out, segment);
    }
    if (slash || out->n == start) buf_char(out, '/');
}

/* ---- query --------------------------------------------------------------------------------------------------------------- */

struct parameter {
    size_t at, name_n, value_n; /* encoded, in the buffer: the name and behind it the value */
    const char *bytes;
};

static size_t encode_again(struct buf *out, struct str s)
{
    size_t was = out->n;
    for (size_t i = 0; i < s.n;) {
        char c = next_char(s, &i);
        buf_percent_encode(out, str_make(&c, 1));
    }
    return out->n - was;
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    int order = str_cmp(str_make(x->bytes + x->at, x->name_n), str_make(y->bytes + y->at, y->name_n));
    if (order) return order;
    return str_cmp(str_make(x->bytes + x->at + x->name_n, x->value_n), str_make(y->bytes + y->at + y->name_n, y->value_n));
}

/* Everything but the signature itself: it cannot sign itself. */
static bool read_parameters(struct str query, struct buf *out, struct parameter *ret_list, unsigned *ret_n)
{
    *ret_n = 0;
    while (query.n) {
        struct str piece, name, value;
        str_cut(query, '&', &piece, &query);
        str_cut(piece, '=', &name, &value);
        if (piece.n == 0 || str_eq(name, S("X-Amz-Signature"))) continue;
        if (*ret_n == PARAMETERS_MAX) return false;
        struct parameter *p = &ret_list[(*ret_n)++];
        p->at = out->n;
        p->name_n = encode_again(out, name);
        p->value_n = encode_again(out, value);
    }
    return true;
}

/* Encoded at the end of `out` in the order they came, sorted behind that, and moved to where the first stood. */
static bool write_query(struct str query, struct buf *out)
{
    struct parameter list[PARAMETERS_MAX];
    unsigned n;
    size_t start = out->n;
    if (!read_parameters(query, out, list, &n)) return false;
    size_t sorted = out->n;
    if (!buf_reserve(out, sorted - start + (size_t)2 * n)) return true; /* `over` is told at the end */
    for (unsigned i = 0; i < n; i++) list[i].bytes = out->p;
    if (n) qsort(list, n, sizeof *list, by_name_and_value);
    for (unsigned i = 0; i < n; i++) {
        if (i) buf_char(out, '&');
        buf_add(out, out->p + list[i].at, list[i].name_n);
        buf_char(out, '=');
        buf_add(out, out->p + list[i].at + list[i].name_n, list[i].value_n);
    }
    memmove(out->p + start, out->p + sorted, out->n - sorted);
    out->n -= sorted - start;
    return true;
}

/* ---- fields -------------------------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t'; }

/* Without spaces around it, and each run of them inside as one. */
static void write_value(struct str value, struct buf *out)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        if (!is_space(value.p[i])) buf_char(out, value.p[i]);
        else if (!is_space(value.p[i - 1])) buf_char(out, ' ');
    }
}

/* Several fields of one name count as one, their values in the order they came. */
static bool write_values(struct http_fields fields, struct str name, struct buf *out)
{
    unsigned seen = 0;
    for (size_t i = 0; i < fields.n; i++) {
        if (!str_eq_nocase(fields.at[i].name, name)) continue;
        if (seen++) buf_char(out, ',');
        write_value(fields.at[i].value, out);
    }
    return seen > 0;
}

/* HTTP/2 clients sign `:authority` instead of `host`; it is the same value, whatever a proxy made of its name. */
static bool write_field(const struct sigv4_request *r, struct str name, struct buf *out)
{
    bool found = true;
    buf_str(out, name);
    buf_char(out, ':');
    if (str_eq(name, S("host")) || str_eq(name, S(":authority"))) write_value(r->host, out);
    else found = write_values(r->fields, name, out);
    buf_char(out, '\n');
    return found;
}

enum err sigv4_canonical(const struct sigv4_request *r, struct str names, struct str body, struct buf *out, struct fault *why)
{
    struct str rest = names, name;
    buf_str(out, r->method);
    buf_char(out, '\n');
    write_path(r->path, out);
    buf_char(out, '\n');
    if (!write_query(r->query, out)) return FAIL(why, ERR_SIGNATURE_FORM, "the query has over %d parameters", PARAMETERS_MAX);
    buf_char(out, '\n');
    while (rest.n) {
        str_cut(rest, ';', &name, &rest);
        if (!write_field(r, name, out))
            return FAIL(why, ERR_SIGNATURE_FORM, "the signature covers the field '%.*s', which did not come with the request",
                        (int)(name.n < 64 ? name.n : 64), name.p);
    }
    buf_char(out, '\n');
    buf_str(out, names);
    buf_char(out, '\n');
    buf_str(out, body);
    return out->over ? FAIL(why, ERR_SIGNATURE_FORM, "the request's head is too large to be signed") : OK;
}

/* ---- keys and signatures ----------------------------------------------------------------------------------------------- */

static void write_scope(const struct sigv4_scope *s, struct buf *out)
{
    buf_str(out, s->date);
    buf_char(out, '/');
    buf_str(out, s->region);
    buf_char(out, '/');
    buf_str(out, s->service);
    buf_str(out, S("/aws4_request"));
}

void sigv4_string_to_sign(struct str stamp, const struct sigv4_scope *scope, struct str canonical, struct buf *out)
{
    char hash[SIGV4_HASH];
    buf_str(out, S(ALGORITHM "\n"));
    buf_str(out, stamp);
    buf_char(out, '\n');
    write_scope(scope, out);
    buf_char(out, '\n');
    sigv4_hash(canonical, hash);
    buf_add(out, hash, sizeof hash);
}

void sigv4_key(struct secret secret, const struct sigv4_scope *scope, uint8_t ret_key[SIGV4_KEY])
{
    char first[4 + SIGV4_SECRET_MAX];
    must(secret.value.n <= SIGV4_SECRET_MAX);
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, secret.value.p, secret.value.n);
    mac((const uint8_t *)first, 4 + secret.value.n, scope->date, ret_key);
    mac(ret_key, SIGV4_KEY, scope->region, ret_key);
    mac(ret_key, SIGV4_KEY, scope->service, ret_key);
    mac(ret_key, SIGV4_KEY, S("aws4_request"), ret_key);
    OPENSSL_cleanse(first, sizeof first);
}

void sigv4_signature(const uint8_t key[SIGV4_KEY], struct str string_to_sign, char ret_hex[SIGV4_HASH])
{
    uint8_t digest[DIGEST];
    mac(key, SIGV4_KEY, string_to_sign, digest);
    to_hex(digest, ret_hex);
}

/* ---- signing ------------------------------------------------------------------------------------------------------------- */

/* "2015-08-30T12:36:00.000Z" as "20150830T123600Z". */
static void write_stamp(int64_t wall_ms, char out[17])
{
    char text[25];
    size_t n = 0;
    clock_rfc3339(wall_ms, text);
    for (size_t i = 0; i < 19; i++)
        if (text[i] != '-' && text[i] != ':') out[n++] = text[i];
    out[n++] = 'Z';
    out[n] = '\0';
}

static bool is_signed(struct str name) { return str_eq_nocase(name, S("content-type")) || str_starts(name, S("x-amz")); }

struct signed_fields {
    struct http_field at[SIGV4_SIGNED_MAX];
    unsigned n;
};

static bool gather(struct http_fields theirs, const struct sigv4_signed *ours, struct signed_fields *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < theirs.n; i++) {
        if (!is_signed(theirs.at[i].name)) continue;
        if (ret->n == SIGV4_SIGNED_MAX - SIGV4_FIELDS) return false;
        ret->at[ret->n++] = theirs.at[i];
    }
    for (unsigned i = 0; i < ours->n; i++) ret->at[ret->n++] = ours->fields[i];
    return true;
}

static int by_bytes(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

/* "content-type;host;x-amz-date": sorted, each once. */
static void write_names(struct http_fields fields, struct buf *out)
{
    struct str names[SIGV4_SIGNED_MAX + 1] = {S("host")};
    unsigned n = 1;
    for (size_t i = 0; i < fields.n; i++) names[n++] = fields.at[i].name;
    qsort(names, n, sizeof *names, by_bytes);
    for (unsigned i = 0; i < n; i++) {
        if (i && str_eq(names[i], names[i - 1])) continue;
        if (i) buf_char(out, ';');
        buf_str(out, names[i]);
    }
}

static void write_authorization(const struct sigv4_signer *s, const struct sigv4_scope *scope, struct str names,
                                struct str to_sign, struct buf *out)
{
    uint8_t key[SIGV4_KEY];
    char signature[SIGV4_HASH];
    sigv4_key(s->credentials.secret_key, scope, key);
    sigv4_signature(key, to_sign, signature);
    OPENSSL_cleanse(key, sizeof key);
    buf_str(out, S(ALGORITHM " Credential="));
    buf_str(out, s->credentials.access_key);
    buf_char(out, '/');
    write_scope(scope, out);
    buf_str(out, S(", SignedHeaders="));
    buf_str(out, names);
    buf_str(out, S(", Signature="));
    buf_add(out, signature, sizeof signature);
}

static struct buf fixed(char *room, size_t n) { return (struct buf){.p = room, .cap = n, .max = n}; }

/* The authorization over a request that has all its other fields. */
static enum err authorize(const struct sigv4_request *whole, const struct sigv4_signer *s, struct buf *room,
                          struct sigv4_signed *out, struct fault *why)
{
    struct str stamp = str_z(out->stamp), body = http_field_get(whole->fields, BODY_FIELD);
    const struct sigv4_scope scope = {str_make(stamp.p, 8), s->region, s->service};
    char names_room[1024], to_sign_room[512];
    struct buf names = fixed(names_room, sizeof names_room), to_sign = fixed(to_sign_room, sizeof to_sign_room);
    struct buf value = fixed(out->authorization, sizeof out->authorization);
    write_names(whole->fields, &names);
    buf_clear(room);
    TRY(sigv4_canonical(whole, buf_view(&names), body, room, why));
    sigv4_string_to_sign(stamp, &scope, buf_view(room), &to_sign);
    write_authorization(s, &scope, buf_view(&names), buf_view(&to_sign), &value);
    if (names.over || to_sign.over || value.over)
        return FAIL(why, ERR_LIMIT, "the request has too much in its fields to be signed");
    out->fields[out->n++] = (struct http_field){S("authorization"), buf_view(&value)};
    return OK;
}

enum err sigv4_sign(const struct sigv4_request *r, struct str body, const struct sigv4_signer *s, struct buf *room,
                    struct sigv4_signed *ret, struct fault *why)
{
    struct signed_fields fields;
    struct sigv4_request whole = *r;
    struct str token = s->credentials.session_token.value;
    write_stamp(s->wall_ms, ret->stamp);
    ret->n = 0;
    ret->fields[ret->n++] = (struct http_field){S("x-amz-date"), str_z(ret->stamp)};
    ret->fields[ret->n++] = (struct http_field){BODY_FIELD, body};
    if (token.n) ret->fields[ret->n++] = (struct http_field){S("x-amz-security-token"), token};
    if (s->credentials.secret_key.value.n > SIGV4_SECRET_MAX)
        return FAIL(why, ERR_LIMIT, "the secret access key is longer than %d bytes", SIGV4_SECRET_MAX);
    if (!gather(r->fields, ret, &fields))
        return FAIL(why, ERR_LIMIT, "the request has more than %d fields to sign", SIGV4_SIGNED_MAX);
    whole.fields = (struct http_fields){fields.at, fields.n};
    return authorize(&whole, s, room, ret, why);
}
