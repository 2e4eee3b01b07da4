/* Requests that come in signed by AWS Signature Version 4: reads what they claim, strictly, and holds it against clock, scope
 * and secret. Called by the gateway's door. Pure; a claim points into the request and the caller's room. */
#include <openssl/crypto.h>

#include "http/http.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define FORM(why, ...) FAIL((why), ERR_SIGNATURE_FORM, "AWS signature: " __VA_ARGS__)
#define BRIEF(s) (int)((s).n < 64 ? (s).n : 64), ((s).p ? (s).p : "") /* of what a stranger sent, in an error */

/* ---- finding it ---------------------------------------------------------------------------------------------------------- */

static struct str only_field(struct http_fields fields, struct str name, unsigned *ret_count)
{
    struct str value = STR_NONE;
    *ret_count = 0;
    for (size_t i = 0; i < fields.n; i++)
        if (str_eq_nocase(fields.at[i].name, name) && !(*ret_count)++) value = str_trim(fields.at[i].value);
    return value;
}

static bool has_parameter(struct str query, struct str name)
{
    while (query.n) {
        struct str piece, head, value;
        str_cut(query, '&', &piece, &query);
        str_cut(piece, '=', &head, &value);
        if (str_eq(head, name)) return true;
    }
    return false;
}

static bool is_signed_in_head(struct http_fields fields)
{
    for (size_t i = 0; i < fields.n; i++)
        if (str_eq_nocase(fields.at[i].name, S("authorization")) && str_starts(str_trim(fields.at[i].value), S("AWS4-")))
            return true;
    return false;
}

bool sigv4_is_signed(struct http_fields fields, struct str query)
{
    return is_signed_in_head(fields) || has_parameter(query, S("X-Amz-Algorithm"));
}

/* ---- the parts of a claim ------------------------------------------------------------------------------------------------ */

static bool is_hex64(struct str s)
{
    if (s.n != SIGV4_HASH) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) return false;
    return true;
}

static bool is_word(struct str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr(more, c))) return false;
    }
    return s.n > 0 && s.n <= 128;
}

/* KEY/20150830/us-east-1/bedrock/aws4_request */
static enum err read_credential(struct str text, struct sigv4_claim *c, struct fault *why)
{
    struct str end, rest = text;
    bool good = str_cut(rest, '/', &c->access_key, &rest) && str_cut(rest, '/', &c->scope.date, &rest) &&
                str_cut(rest, '/', &c->scope.region, &rest) && str_cut(rest, '/', &c->scope.service, &end);
    uint64_t day;
    good = good && is_word(c->access_key, "_-") && c->scope.date.n == 8 && str_u64(c->scope.date, &day) &&
           is_word(c->scope.region, "-") && is_word(c->scope.service, "-") && str_eq(end, S("aws4_request"));
    return good ? OK : FORM(why, "Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
}

/* Lower case, sorted, each once, and the host among them: else the request could be sent to another server. */
static enum err check_names(struct str names, struct fault *why)
{
    struct str rest = names, name, before = STR_NONE;
    bool host = false;
    while (rest.n) {
        str_cut(rest, ';', &name, &rest);
        bool authority = str_eq(name, S(":authority"));
        if (!authority && !http_field_is_token(name)) return FORM(why, "'%.*s' in SignedHeaders is no field name", BRIEF(name));
        for (size_t i = 0; i < name.n; i++)
            if (name.p[i] >= 'A' && name.p[i] <= 'Z') return FORM(why, "SignedHeaders must be lower case");
        if (before.p && str_cmp(before, name) >= 0) return FORM(why, "SignedHeaders must be sorted, each name once");
        host = host || authority || str_eq(name, S("host"));
        before = name;
    }
    return host ? OK : FORM(why, "SignedHeaders must include host (or :authority)");
}

static bool read_stamp(struct str stamp, int64_t *ret_ms)
{
    char text[24];
    if (stamp.n != 16) return false;
    const char *p = stamp.p;
    const char made[20] = {p[0], p[1], p[2],  p[3], '-',   p[4],  p[5], '-',   p[6],  p[7],
                           p[8], p[9], p[10], ':',  p[11], p[12], ':',  p[13], p[14], p[15]};
    memcpy(text, made, sizeof made);
    return p[8] == 'T' && p[15] == 'Z' && clock_parse_rfc3339(str_make(text, sizeof made), ret_ms);
}

static enum err check_body_claim(struct str body, struct fault *why)
{
    if (body.n == 0 || is_hex64(body) || str_eq(body, S(SIGV4_UNSIGNED))) return OK;
    return FORM(why,
                "x-amz-content-sha256 must be a SHA-256 in lower-case hexadecimal or " SIGV4_UNSIGNED "; '%.*s' is not "
                "supported",
                BRIEF(body));
}

/* What both forms have in common, once all texts are in place. */
static enum err finish_claim(struct str credential, struct sigv4_claim *c, struct fault *why)
{
    TRY(read_credential(credential, c, why));
    TRY(check_names(c->names, why));
    if (!is_hex64(c->signature)) return FORM(why, "Signature must be 64 lower-case hexadecimal digits");
    if (!read_stamp(c->stamp, &c->signed_ms)) return FORM(why, "X-Amz-Date must be a time as 20150830T123600Z");
    if (!str_eq(str_make(c->stamp.p, 8), c->scope.date))
        return FAIL(why, ERR_SIGNATURE_SCOPE, "AWS signature: its scope is of the day %.*s, but it was signed at %.*s",
                    STR_ARG(c->scope.date), STR_ARG(c->stamp));
    return check_body_claim(c->body, why);
}

/* ---- signed in the header ------------------------------------------------------------------------------------------------ */

enum { CREDENTIAL, NAMES, SIGNATURE, PARTS };

static enum err read_parts(struct str text, struct str ret_parts[PARTS], struct fault *why)
{
    static const struct str WORDS[PARTS] = {{"Credential", 10}, {"SignedHeaders", 13}, {"Signature", 9}};
    while (text.n) {
        struct str piece, name, value;
        unsigned i = 0;
        str_cut(text, ',', &piece, &text);
        str_cut(str_trim(piece), '=', &name, &value);
        while (i < PARTS && !str_eq(WORDS[i], name)) i++;
        if (i == PARTS) return FORM(why, "Authorization has a part '%.*s', which is not known", BRIEF(name));
        if (ret_parts[i].p) return FORM(why, "Authorization says %s twice", WORDS[i].p);
        ret_parts[i] = value;
    }
    for (unsigned i = 0; i < PARTS; i++)
        if (!ret_parts[i].n) return FORM(why, "Authorization has no %s", WORDS[i].p);
    return OK;
}

static enum err read_head(const struct sigv4_request *r, struct sigv4_claim *c, struct fault *why)
{
    unsigned authorizations, dates, bodies;
    struct str parts[PARTS] = {STR_NONE, STR_NONE, STR_NONE};
    struct str text = only_field(r->fields, S("authorization"), &authorizations);
    c->stamp = only_field(r->fields, S("x-amz-date"), &dates);
    c->body = only_field(r->fields, S("x-amz-content-sha256"), &bodies);
    if (authorizations != 1) return FORM(why, "the request has more than one Authorization field");
    if (dates != 1) return FORM(why, "the request must have x-amz-date, once");
    if (bodies > 1) return FORM(why, "the request has x-amz-content-sha256 more than once");
    if (!str_starts(text, S(ALGORITHM " "))) return FORM(why, "only " ALGORITHM " is supported");
    TRY(read_parts(str_from(text, sizeof ALGORITHM), parts, why));
    c->names = parts[NAMES];
    c->signature = parts[SIGNATURE];
    c->expires_s = 0;
    return finish_claim(parts[CREDENTIAL], c, why);
}

/* ---- signed in the query (presigned) --------------------------------------------------------------------------------------- */

enum { Q_ALGORITHM, Q_CREDENTIAL, Q_DATE, Q_EXPIRES, Q_NAMES, Q_SIGNATURE, Q_BODY, Q_PARTS };
static const struct str Q_WORDS[Q_PARTS] = {
    {"X-Amz-Algorithm", 15},     {"X-Amz-Credential", 16}, {"X-Amz-Date", 10},           {"X-Amz-Expires", 13},
    {"X-Amz-SignedHeaders", 19}, {"X-Amz-Signature", 15},  {"X-Amz-Content-Sha256", 20},
};

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct str s, struct buf *room, struct str *ret_text)
{
    size_t start = room->n;
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && s.n - i > 2 ? nibble(s.p[i + 1]) : -1, low = high >= 0 ? nibble(s.p[i + 2]) : -1;
        if (s.p[i] == '%' && low < 0) return false;
        buf_char(room, low >= 0 ? (char)(high << 4 | low) : s.p[i]);
        if (low >= 0) i += 2;
    }
    *ret_text = str_make(room->p + start, room->n - start);
    return true;
}

static enum err read_parameters(struct str query, struct buf *room, struct str ret_parts[Q_PARTS], struct fault *why)
{
    if (!buf_reserve(room, query.n + 1)) return FORM(why, "the query is too long"); /* what points into it must not move */
    while (query.n) {
        struct str piece, name, value;
        unsigned i = 0;
        str_cut(query, '&', &piece, &query);
        str_cut(piece, '=', &name, &value);
        while (i < Q_PARTS && !str_eq(Q_WORDS[i], name)) i++;
        if (i == Q_PARTS) continue;
        if (ret_parts[i].p) return FORM(why, "the query says %s twice", Q_WORDS[i].p);
        if (!decode(value, room, &ret_parts[i])) return FORM(why, "%s in the query is not well encoded", Q_WORDS[i].p);
    }
    for (unsigned i = 0; i < Q_BODY; i++)
        if (!ret_parts[i].n) return FORM(why, "the query has no %s", Q_WORDS[i].p);
    return OK;
}

static enum err read_query(const struct sigv4_request *r, struct buf *room, struct sigv4_claim *c, struct fault *why)
{
    struct str parts[Q_PARTS] = {{NULL, 0}};
    uint64_t expires;
    unsigned bodies;
    TRY(read_parameters(r->query, room, parts, why));
    if (!str_eq(parts[Q_ALGORITHM], S(ALGORITHM))) return FORM(why, "only " ALGORITHM " is supported");
    if (!str_u64(parts[Q_EXPIRES], &expires) || expires == 0 || expires > SIGV4_EXPIRES_MAX)
        return FORM(why, "X-Amz-Expires must be 1 to %d seconds", SIGV4_EXPIRES_MAX);
    c->stamp = parts[Q_DATE];
    c->names = parts[Q_NAMES];
    c->signature = parts[Q_SIGNATURE];
    c->body = parts[Q_BODY].p ? parts[Q_BODY] : only_field(r->fields, S("x-amz-content-sha256"), &bodies);
    c->expires_s = (uint32_t)expires;
    return finish_claim(parts[Q_CREDENTIAL], c, why);
}

enum err sigv4_read(const struct sigv4_request *r, struct buf *room, struct sigv4_claim *ret_claim, struct fault *why)
{
    bool in_head = is_signed_in_head(r->fields), in_query = has_parameter(r->query, S("X-Amz-Algorithm"));
    *ret_claim = (struct sigv4_claim){.expires_s = 0};
    if (in_head && in_query) return FORM(why, "the request is signed twice, in Authorization and in its query");
    return in_query ? read_query(r, room, ret_claim, why) : read_head(r, ret_claim, why);
}

/* ---- holding it against what is so ----------------------------------------------------------------------------------------- */

static enum err wrong_time(enum err code, const struct sigv4_claim *c, int64_t wall_ms, const char *said, struct fault *why)
{
    char now[25];
    int64_t apart = wall_ms > c->signed_ms ? wall_ms - c->signed_ms : c->signed_ms - wall_ms;
    clock_rfc3339(wall_ms, now);
    return FAIL(why, code, "AWS signature: signed at %.*s, which is %lld s %s the time here, %s: %s", STR_ARG(c->stamp),
                (long long)(apart / 1000), wall_ms > c->signed_ms ? "before" : "after", now, said);
}

enum err sigv4_check_time(const struct sigv4_claim *c, int64_t wall_ms, struct fault *why)
{
    int64_t age = wall_ms - c->signed_ms, holds = c->expires_s ? (int64_t)c->expires_s * 1000 : SIGV4_SKEW_MS;
    if (age < -SIGV4_SKEW_MS)
        return wrong_time(ERR_SIGNATURE_SKEWED, c, wall_ms, "the caller's clock is fast; set it and sign again", why);
    if (age <= holds) return OK;
    return wrong_time(ERR_SIGNATURE_EXPIRED, c, wall_ms,
                      c->expires_s ? "it has expired; make a new one"
                                   : "it has expired (it holds 5 minutes), or the caller's clock is slow; sign again",
                      why);
}

enum err sigv4_check_scope(const struct sigv4_claim *c, const char *const *services, struct fault *why)
{
    struct buf names;
    for (unsigned i = 0; services[i]; i++)
        if (str_eq(c->scope.service, str_z(services[i]))) return OK;
    buf_init(&names, 256);
    for (unsigned i = 0; services[i]; i++) buf_fmt(&names, "%s%s", i ? ", " : "", services[i]);
    FAIL(why, ERR_SIGNATURE_SCOPE, "AWS signature: it is for the service '%.*s'; sign for one of %s", BRIEF(c->scope.service),
         buf_z(&names));
    buf_done(&names);
    return ERR_SIGNATURE_SCOPE;
}

enum err sigv4_check(const struct sigv4_claim *c, const struct sigv4_request *r, const struct sigv4_proof *p, struct fault *why)
{
    uint8_t key[SIGV4_KEY];
    char to_sign_room[512], signature[SIGV4_HASH];
    struct buf to_sign = {.p = to_sign_room, .cap = sizeof to_sign_room, .max = sizeof to_sign_room};
    buf_clear(p->room);
    TRY(sigv4_canonical(r, c->names, p->body, p->room, why));
    sigv4_string_to_sign(c->stamp, &c->scope, buf_view(p->room), &to_sign);
    must(!to_sign.over); /* every part of a claim is bounded */
    sigv4_key(p->secret, &c->scope, key);
    sigv4_signature(key, buf_view(&to_sign), signature);
    bool same = CRYPTO_memcmp(signature, c->signature.p, SIGV4_HASH) == 0;
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(signature, sizeof signature);
    if (same) return OK;
    return FAIL(why, ERR_SIGNATURE_INVALID,
                "AWS signature: it does not match the request: check the secret access key, and that nothing on the way changes "
                "host, path, query or signed fields");
}

enum err sigv4_check_body(const struct sigv4_claim *c, struct str body, struct fault *why)
{
    char hash[SIGV4_HASH];
    if (!is_hex64(c->body)) return OK; /* unsigned, or its own digest was already part of the proof */
    sigv4_hash(body, hash);
    if (str_eq(str_make(hash, sizeof hash), c->body)) return OK;
    return FAIL(why, ERR_BODY_DIGEST, "AWS signature: the body is not the one that was signed (x-amz-content-sha256)");
}
