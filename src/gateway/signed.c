/* Callers who sign their requests with an AWS key pair of ours (Signature Version 4): by the head as far as it goes, by the
 * body once it is whole. Called by the door and by admit; owns nothing. */
#include "priv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define KEY_PREFIX S("bedrock-api-key-")
#define KEY_ACTION S("Action=CallWithBearerToken")
enum { KEY_BYTES_MAX = 4096, KEY_SECONDS_MAX = 12 * 3600 };

static const char *const SERVICES[] = {"bedrock", "bedrock-mantle", "execute-api", NULL};

/* ---- whose it is --------------------------------------------------------------------------------------------------------- */

static enum err find_pair(struct exchange *x, const struct sigv4_claim *c)
{
    char id[KEY_ID_LEN + 1];
    const struct key *k = aws_access_key_read(c->access_key, id) ? generation_key(x->generation, str_z(id)) : NULL;
    if (k && !k->revoked && k->aws_secret.value.n) {
        x->key = k;
        return OK;
    }
    return FAIL(&x->fault, ERR_ACCESS_KEY,
                "no key here has the access key id '%.*s': check it, or make one with 'aquifer key create --aws'",
                (int)(c->access_key.n < 64 ? c->access_key.n : 64), c->access_key.p);
}

/* By the secret, or after a rotation by the one before while it holds. */
static enum err prove(struct exchange *x, const struct sigv4_claim *c, const struct sigv4_request *r, struct str body)
{
    const struct key *k = x->key;
    struct sigv4_proof proof = {k->aws_secret, body, &x->gl->room};
    if (sigv4_check(c, r, &proof, &x->fault) == OK) return OK;
    if (x->fault.code != ERR_SIGNATURE_INVALID || !k->aws_old_secret.value.n || clock_wall_ms() >= k->old_until_ms)
        return x->fault.code;
    proof.secret = k->aws_old_secret;
    TRY(sigv4_check(c, r, &proof, &x->fault));
    x->fault = (struct fault){0};
    return OK;
}

static enum err check_claim(struct exchange *x, const struct sigv4_claim *c)
{
    TRY(sigv4_check_scope(c, SERVICES, &x->fault));
    TRY(find_pair(x, c));
    return sigv4_check_time(c, clock_wall_ms(), &x->fault);
}

/* ---- a signed request ------------------------------------------------------------------------------------------------------ */

static struct sigv4_request as_signed(const struct http_request *r)
{
    return (struct sigv4_request){r->method, r->whole_path, r->query, r->authority, r->fields};
}

bool signed_is(const struct http_request *r) { return sigv4_is_signed(r->fields, r->query); }

/* Its digest is that of the bytes on the wire, and we keep them unpacked. */
static enum err check_coding(struct exchange *x, const struct sigv4_claim *c)
{
    struct str coding = str_trim(http_field_get(x->stream->request->fields, S("content-encoding")));
    if (!coding.n || str_eq_nocase(coding, S("identity")) || str_eq(c->body, S(SIGV4_UNSIGNED))) return OK;
    return FAIL(&x->fault, ERR_UNSUPPORTED_ENCODING,
                "a signed body cannot come compressed: send it plain, or sign " SIGV4_UNSIGNED " in x-amz-content-sha256");
}

static enum err check_head(struct exchange *x, const struct sigv4_claim *c, const struct sigv4_request *r)
{
    TRY(check_claim(x, c));
    TRY(check_coding(x, c));
    if (!c->body.n) {
        x->body_proof = BODY_SIGNED; /* known access key, right time and scope: worth reading the body for */
        return OK;
    }
    x->body_proof = str_eq(c->body, S(SIGV4_UNSIGNED)) ? BODY_FREE : BODY_DIGEST;
    return prove(x, c, r, c->body);
}

enum err signed_authenticate(struct exchange *x)
{
    const struct sigv4_request r = as_signed(x->stream->request);
    struct sigv4_claim claim;
    struct buf decoded;
    buf_init(&decoded, KIB(64));
    enum err got = sigv4_read(&r, &decoded, &claim, &x->fault);
    if (got == OK) got = check_head(x, &claim, &r);
    buf_done(&decoded);
    return got;
}

static enum err check_body(struct exchange *x, const struct sigv4_claim *c, const struct sigv4_request *r)
{
    char digest[SIGV4_HASH];
    struct str body = x->stream->request->body;
    if (x->body_proof == BODY_DIGEST) return sigv4_check_body(c, body, &x->fault);
    sigv4_hash(body, digest);
    return prove(x, c, r, str_make(digest, sizeof digest));
}

enum err signed_check_body(struct exchange *x)
{
    if (x->body_proof == BODY_FREE) return OK;
    const struct sigv4_request r = as_signed(x->stream->request);
    struct sigv4_claim claim;
    struct buf decoded;
    buf_init(&decoded, KIB(64));
    enum err got = sigv4_read(&r, &decoded, &claim, &x->fault);
    if (got == OK) got = check_body(x, &claim, &r);
    if (got != OK) x->key = NULL;
    buf_done(&decoded);
    return got;
}

/* ---- a presigned request as a key ------------------------------------------------------------------------------------------ */

bool signed_key_is(struct str credential) { return str_starts(credential, KEY_PREFIX); }

static bool decode(struct str text, char room[KEY_BYTES_MAX], struct str *ret_bytes)
{
    size_t pads = 0;
    if (text.n == 0 || text.n % 4 || text.n / 4 * 3 > KEY_BYTES_MAX) return false;
    while (pads < 2 && text.p[text.n - 1 - pads] == '=') pads++;
    int n = EVP_DecodeBlock((uint8_t *)room, (const uint8_t *)text.p, (int)text.n);
    if (n < 0) return false;
    *ret_bytes = str_make(room, (size_t)n - pads);
    return true;
}

/* "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-…&Version=1"; the version was added behind the signature. */
static bool read_presigned(struct str text, struct sigv4_request *ret_request)
{
    struct str host, query;
    size_t at;
    if (str_ends(text, S("&Version=1"))) text.n -= 10;
    if (!str_cut(text, '/', &host, &query) || !str_starts(query, S("?")) || !str_find(query, KEY_ACTION, &at)) return false;
    *ret_request = (struct sigv4_request){.method = S("POST"), .path = S("/"), .query = str_from(query, 1), .host = host};
    return sigv4_is_signed(ret_request->fields, ret_request->query);
}

bool signed_key_is_ours(struct str credential)
{
    static const struct str NAME = {"X-Amz-Credential=", 17};
    char room[KEY_BYTES_MAX], id[KEY_ID_LEN + 1];
    struct str text, access_key, rest;
    size_t at;
    if (!str_starts(credential, KEY_PREFIX) || !decode(str_from(credential, KEY_PREFIX.n), room, &text)) return false;
    bool found = str_find(text, NAME, &at);
    if (found) {
        str_cut(str_from(text, at + NAME.n), '%', &access_key, &rest);
        str_cut(access_key, '/', &access_key, &rest);
    }
    bool is_ours = found && aws_access_key_read(access_key, id);
    OPENSSL_cleanse(room, sizeof room);
    return is_ours;
}

static enum err check_presigned(struct exchange *x, const struct sigv4_request *r, struct buf *decoded)
{
    struct sigv4_claim claim;
    TRY(sigv4_read(r, decoded, &claim, &x->fault));
    if (claim.expires_s > KEY_SECONDS_MAX)
        return FAIL(&x->fault, ERR_SIGNATURE_FORM, "a bedrock-api-key may be valid for 12 hours at most");
    TRY(check_claim(x, &claim));
    return prove(x, &claim, r, claim.body.n ? claim.body : S(SIGV4_EMPTY_BODY));
}

enum err signed_key_authenticate(struct exchange *x, struct str credential)
{
    char room[KEY_BYTES_MAX];
    struct sigv4_request r;
    struct str text;
    struct buf decoded;
    if (!decode(str_from(credential, KEY_PREFIX.n), room, &text) || !read_presigned(text, &r))
        return FAIL(&x->fault, ERR_KEY_INVALID, "this bedrock-api-key is not whole: make a new one");
    buf_init(&decoded, KIB(64));
    enum err got = check_presigned(x, &r, &decoded);
    if (decoded.cap) OPENSSL_cleanse(decoded.p, decoded.cap);
    buf_done(&decoded);
    OPENSSL_cleanse(room, sizeof room);
    return got;
}
