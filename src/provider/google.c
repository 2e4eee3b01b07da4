/* Access tokens of Google's: reading key files, signing for a token (RFC 7523), reading what the token server and the metadata
 * server say. Facts: Google Identity, "Using OAuth 2.0 for Server to Server Applications"; Compute Engine, "Authenticate workloads
 * using service accounts". Pure; called by control, which does the asking, and by whoever checks a configuration. */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "json/json.h"
#include "provider/provider.h"

enum { TOKEN_MAX = 16 * 1024, WORD_MAX = 512, ASSERTION_MAX = 8 * 1024, KEY_BITS_MIN = 2048, SIGNATURE_MAX = 2048 };
enum { LIFE_S = 3600, EARLY_S = 10, DAY_S = 86400 }; /* EARLY_S: their clock may be behind ours */
enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING };
#define GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

static bool is_plain(struct str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~') return false;
    return s.n <= max;
}

static enum err keep(struct arena *a, struct str s, struct str *ret_copy, struct fault *why)
{
    *ret_copy = STR_NONE;
    if (s.n == 0 || arena_str(a, s, ret_copy)) return OK;
    return FAIL(why, ERR_LIMIT, "the credentials are too long");
}

/* ---- key files ------------------------------------------------------------------------------------------------------------- */

static enum err take(struct json_ref root, const char *name, struct arena *a, struct str *ret_text, struct fault *why)
{
    struct str text;
    TRY(json_get_str(root, name, &text, why));
    if (text.n == 0) return FAIL(why, ERR_CONFIG, "%s is empty", name);
    return keep(a, text, ret_text, why);
}

static enum err take_plain(struct json_ref root, const char *name, struct arena *a, struct str *ret_text, struct fault *why)
{
    TRY(take(root, name, a, ret_text, why));
    return is_plain(*ret_text, WORD_MAX) ? OK : FAIL(why, ERR_CONFIG, "%s is none: it has characters that it cannot have", name);
}

static enum err take_account(struct json_ref root, struct arena *a, struct google_file *f, struct fault *why)
{
    struct str id = STR_NONE;
    TRY(take_plain(root, "client_email", a, &f->account, why));
    TRY(json_opt_str(root, "private_key_id", &id, why));
    if (!is_plain(id, WORD_MAX)) return FAIL(why, ERR_CONFIG, "private_key_id has characters that it cannot have");
    TRY(keep(a, id, &f->key_id, why));
    return take(root, "private_key", a, &f->private_key.value, why);
}

static enum err take_user(struct json_ref root, struct arena *a, struct google_file *f, struct fault *why)
{
    TRY(take_plain(root, "client_id", a, &f->client_id.value, why));
    TRY(take_plain(root, "client_secret", a, &f->client_secret.value, why));
    return take_plain(root, "refresh_token", a, &f->user_token.value, why);
}

static enum err take_file(struct json_ref root, struct arena *a, struct google_file *f, struct fault *why)
{
    struct str type, uri = STR_NONE;
    TRY(json_ref_want(root, JSON_OBJECT, why));
    TRY(json_get_str(root, "type", &type, why));
    TRY(json_opt_str(root, "token_uri", &uri, why));
    TRY(keep(a, uri.n ? uri : S(GOOGLE_TOKEN_URL), &f->token_uri, why));
    if (!is_plain(f->token_uri, WORD_MAX) || !source_url_is_allowed(f->token_uri))
        return FAIL(why, ERR_CONFIG, "its token_uri is not asked for tokens: https, or an address of this machine");
    if (str_eq(type, S("service_account"))) return take_account(root, a, f, why);
    if (str_eq(type, S("authorized_user"))) return take_user(root, a, f, why);
    return FAIL(why, ERR_CONFIG,
                "it is of type %.*s, which is not known here: make a key of a service account (type service_account), or use the "
                "metadata server (credentials: instance)",
                (int)(is_plain(type, 40) ? type.n : 0), type.p);
}

enum err google_file_read(struct str json, struct arena *a, struct google_file *ret_file, struct fault *why)
{
    struct json_doc *doc;
    *ret_file = (struct google_file){0};
    TRY(json_doc_read(S("key file"), json, &doc, why));
    enum err got = take_file(json_doc_root(doc), a, ret_file, why);
    json_doc_free(doc);
    return got;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static void put_base64(struct buf *out, const void *bytes, size_t n)
{
    size_t room = sodium_base64_ENCODED_LEN(n, BASE64); /* with its terminator */
    if (!buf_reserve(out, room)) return;
    sodium_bin2base64(out->p + out->n, room, bytes, n, BASE64);
    out->n += strlen(out->p + out->n);
}

static void put_header(const struct google_file *f, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("alg"), S("RS256"));
    json_add_str(&w, S("typ"), S("JWT"));
    if (f->key_id.n) json_add_str(&w, S("kid"), f->key_id);
    json_put_end(&w);
}

static void put_claims(const struct google_file *f, int64_t now_ms, struct buf *out)
{
    struct json_writer w;
    int64_t from = now_ms / 1000 - EARLY_S;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("iss"), f->account);
    json_add_str(&w, S("scope"), S(GOOGLE_SCOPE));
    json_add_str(&w, S("aud"), f->token_uri);
    json_add_i64(&w, S("iat"), from);
    json_add_i64(&w, S("exp"), from + LIFE_S);
    json_put_end(&w);
}

/* No password is asked for: a locked key is no key. */
static int no_password(char *room, int n, int writing, void *user)
{
    (void)room, (void)n, (void)writing, (void)user;
    return -1;
}

static enum err read_key(struct str pem, EVP_PKEY **ret_key, struct fault *why)
{
    BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    *ret_key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (!*ret_key)
        return FAIL(why, ERR_CONFIG, "its private_key is no private key in PEM: download the key file again, or make a new key");
    if (EVP_PKEY_get_base_id(*ret_key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(*ret_key) >= KEY_BITS_MIN) return OK;
    EVP_PKEY_free(*ret_key);
    return FAIL(why, ERR_CONFIG, "its private_key is no RSA key of %d bits or more, as Google makes them", KEY_BITS_MIN);
}

static enum err sign(const struct google_file *f, struct str text, uint8_t signature[SIGNATURE_MAX], size_t *ret_n,
                     struct fault *why)
{
    EVP_PKEY *key;
    TRY(read_key(f->private_key.value, &key, why));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *ret_n = SIGNATURE_MAX;
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(ctx, signature, ret_n, (const uint8_t *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good ? OK : FAIL(why, ERR_CONFIG, "its private_key cannot sign: download the key file again, or make a new key");
}

static void put_part(struct buf *out, struct buf *json)
{
    put_base64(out, json->p, json->n);
    buf_clear(json);
}

/* base64url(header).base64url(claims).base64url(signature): RFC 7515 3.1, RFC 7518 3.3. */
static enum err put_assertion(const struct google_file *f, int64_t now_ms, struct buf *out, struct fault *why)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t n, from = out->n;
    struct buf json;
    buf_init(&json, KIB(4));
    put_header(f, &json);
    put_part(out, &json);
    buf_char(out, '.');
    put_claims(f, now_ms, &json);
    put_part(out, &json);
    bool over = json.over || out->over;
    buf_done(&json);
    if (over) return FAIL(why, ERR_CONFIG, "its names are too long");
    TRY(sign(f, str_from(buf_view(out), from), signature, &n, why));
    buf_char(out, '.');
    put_base64(out, signature, n);
    OPENSSL_cleanse(signature, sizeof signature);
    return OK;
}

static void put_pair(struct buf *out, const char *name, struct str value)
{
    buf_fmt(out, "&%s=", name);
    buf_percent_encode(out, value);
}

enum err google_token_body(const struct google_file *f, int64_t now_ms, struct buf *out, struct fault *why)
{
    buf_str(out, S("grant_type="));
    if (f->private_key.value.n) {
        buf_percent_encode(out, S(GRANT));
        buf_str(out, S("&assertion="));
        TRY(put_assertion(f, now_ms, out, why));
    } else {
        buf_str(out, S("refresh_token"));
        put_pair(out, "client_id", f->client_id.value);
        put_pair(out, "client_secret", f->client_secret.value);
        put_pair(out, "refresh_token", f->user_token.value);
    }
    return out->over ? FAIL(why, ERR_CONFIG, "its names are too long") : OK;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~') return false;
    return true;
}

/* RFC 6749 5.2: error and error_description; nothing of them is secret. */
static enum err refused(int status, struct json_ref root, struct fault *why)
{
    struct str word = json_ref_text(json_ref_find(root, "error")), more = json_ref_text(json_ref_find(root, "error_description"));
    if (!is_text(word)) word = STR_NONE;
    if (!is_text(more)) more = STR_NONE;
    const char *todo =
        str_eq(word, S("invalid_grant")) ? "; is the key deleted or the account disabled, or is this machine's clock wrong?" : "";
    return FAIL(why, ERR_UPSTREAM_ERROR, "the token server answered with HTTP status %d: %.*s %.*s%s", status,
                (int)(word.n < 60 ? word.n : 60), word.p ? word.p : "", (int)(more.n < 160 ? more.n : 160), more.p ? more.p : "",
                todo);
}

static enum err take_token(struct json_ref root, int64_t now_ms, struct arena *a, struct found *f, struct fault *why)
{
    struct str token, type;
    uint64_t seconds;
    TRY(json_get_str(root, "access_token", &token, why));
    TRY(json_get_str(root, "token_type", &type, why));
    TRY(json_get_u64(root, "expires_in", &seconds, why));
    if (!str_eq_nocase(type, S("Bearer"))) return FAIL(why, ERR_UPSTREAM_GARBAGE, "token_type is not Bearer");
    if (token.n == 0 || !is_plain(token, TOKEN_MAX)) return FAIL(why, ERR_UPSTREAM_GARBAGE, "access_token is none");
    if (seconds == 0 || seconds > DAY_S) return FAIL(why, ERR_UPSTREAM_GARBAGE, "expires_in is not a time up to a day");
    f->expires_ms = now_ms + (int64_t)seconds * 1000;
    return keep(a, token, &f->token.value, why);
}

enum err google_token_read(int status, struct str json, int64_t now_ms, struct arena *a, struct found *ret_found,
                           struct fault *why)
{
    struct json_doc *doc = NULL;
    struct fault broken = {0};
    *ret_found = (struct found){0};
    bool read = json_doc_read(S("answer"), json, &doc, &broken) == OK && json_ref_type(json_doc_root(doc)) == JSON_OBJECT;
    enum err got;
    if (read && status == 200) got = take_token(json_doc_root(doc), now_ms, a, ret_found, why);
    else if (read) got = refused(status, json_doc_root(doc), why);
    else if (status != 200) got = FAIL(why, ERR_UPSTREAM_ERROR, "the token server answered with HTTP status %d", status);
    else got = FAIL(why, ERR_UPSTREAM_GARBAGE, "the answer is not a JSON object");
    json_doc_free(doc);
    return got;
}
