/* SigV4: AWS's published vectors (the signing test suite of its open-source SDKs), signing and checking against each other,
 * and everything that must be refused. */
#include <stdlib.h>

#include "base/test.h"
#include "http/http.h"

#define SECRET ((struct secret){S("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")})
#define STAMP S("20150830T123600Z")
#define SIGNED_MS 1440938160000
static const struct sigv4_scope SCOPE = {{"20150830", 8}, {"us-east-1", 9}, {"service", 7}};
static const char *const SERVICES[] = {"service", "bedrock", NULL};

/* ---- AWS's vectors ----------------------------------------------------------------------------------------------------- */

#define TOKEN "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
#define LETTERS "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
/* Fields as "Name:value\n…"; names "": host and x-amz-date. */
struct vector {
    const char *name, *method, *path, *query, *fields, *names, *body, *signature;
};
static const struct vector VECTORS[] = {
    {"get-vanilla", "GET", "/", "", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-header-key-duplicate", "GET", "/", "", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n",
     "host;my-header1;x-amz-date", "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order", "GET", "/", "", "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n",
     "host;my-header1;x-amz-date", "", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim", "GET", "/", "", "My-Header1: value1\nMy-Header2: \"a   b   c\"\n",
     "host;my-header1;my-header2;x-amz-date", "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-relative-normalized", "GET", "/example/..", "", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative-normalized", "GET", "/example1/example2/../..", "", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash-normalized", "GET", "/./", "", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-normalized", "GET", "//", "", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-pointless-dot-normalized", "GET", "/./example", "", "", "", "",
     "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
    {"get-slashes-normalized", "GET", "//example//", "", "", "", "",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-space-normalized", "GET", "/example space/", "", "", "", "",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-unreserved", "GET", "/" LETTERS, "", "", "", "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", "", "", "", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "", "", "",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-encoded", "GET", "/", "Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "", "",
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "", "", "",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-unreserved", "GET", "/", LETTERS "=" LETTERS, "", "", "",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query", "GET", "/", "\xe1\x88\xb4=bar", "", "", "",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-with-session-token", "GET", "/", "", "X-Amz-Security-Token:" TOKEN "\n", "host;x-amz-date;x-amz-security-token",
     "", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"post-vanilla", "POST", "/", "", "", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort", "POST", "/", "", "My-Header1:value1\n", "host;my-header1;x-amz-date", "",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case", "POST", "/", "", "My-Header1:VALUE1\n", "host;my-header1;x-amz-date", "",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-vanilla-query", "POST", "/", "Param1=value1", "", "", "",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    /* The next two sign the body's digest in a field too. */
    {"post-x-www-form-urlencoded", "POST", "/", "",
     "Content-Type:application/x-www-form-urlencoded\nContent-Length:13\n"
     "X-Amz-Content-Sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n",
     "content-length;content-type;host;x-amz-content-sha256;x-amz-date", "Param1=value1",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
    {"post-x-www-form-urlencoded-parameters", "POST", "/", "",
     "Content-Type:application/x-www-form-urlencoded; charset=utf-8\nContent-Length:13\n"
     "X-Amz-Content-Sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n",
     "content-length;content-type;host;x-amz-content-sha256;x-amz-date", "Param1=value1",
     "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
};

static size_t read_fields(const char *text, struct http_field *ret_fields)
{
    struct str rest = str_z(text), line;
    size_t n = 0;
    while (rest.n) {
        str_cut(rest, '\n', &line, &rest);
        str_cut(line, ':', &ret_fields[n].name, &ret_fields[n].value);
        n++;
    }
    return n;
}

static void signature_of(const struct sigv4_request *r, struct str names, struct str body, char ret_hex[SIGV4_HASH + 1])
{
    struct buf canonical, to_sign;
    uint8_t key[SIGV4_KEY];
    buf_init(&canonical, KIB(64));
    buf_init(&to_sign, KIB(4));
    assert_int_equal(sigv4_canonical(r, names, body, &canonical, NULL), OK);
    sigv4_string_to_sign(STAMP, &SCOPE, buf_view(&canonical), &to_sign);
    sigv4_key(SECRET, &SCOPE, key);
    sigv4_signature(key, buf_view(&to_sign), ret_hex);
    ret_hex[SIGV4_HASH] = '\0';
    buf_done(&canonical);
    buf_done(&to_sign);
}

static void the_published_vectors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(VECTORS); i++) {
        const struct vector *v = &VECTORS[i];
        struct http_field fields[8] = {{S("X-Amz-Date"), STAMP}};
        char body[SIGV4_HASH], got[SIGV4_HASH + 1];
        size_t n = 1 + read_fields(v->fields, fields + 1);
        struct sigv4_request r = {.method = str_z(v->method), .path = str_z(v->path), .query = str_z(v->query)};
        r.host = S("example.amazonaws.com");
        r.fields = (struct http_fields){fields, n};
        sigv4_hash(str_z(v->body), body);
        signature_of(&r, *v->names ? str_z(v->names) : S("host;x-amz-date"), str_make(body, sizeof body), got);
        if (strcmp(got, v->signature) != 0) print_error("vector %s\n", v->name);
        assert_string_equal(got, v->signature);
    }
}

/* The same requests as presigned ones: the query is signed, the signature is its last parameter. */
static void a_published_presigned_vector(void **state)
{
    (void)state;
    static const char *const QUERY =
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&"
        "X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Security-Token=" TOKEN
        "&X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c";
    const struct sigv4_request r = {
        .method = S("GET"), .path = S("/"), .query = str_z(QUERY), .host = S("example.amazonaws.com")};
    struct sigv4_claim claim;
    struct buf room, scratch;
    buf_init(&room, KIB(4));
    buf_init(&scratch, KIB(64));
    assert_true(sigv4_is_signed(r.fields, r.query));
    assert_int_equal(sigv4_read(&r, &room, &claim, NULL), OK);
    assert_str(claim.access_key, "AKIDEXAMPLE");
    assert_int_equal(claim.expires_s, 3600);
    assert_int_equal(claim.signed_ms, SIGNED_MS);
    assert_int_equal(claim.body.n, 0);
    struct sigv4_proof proof = {SECRET, S(SIGV4_EMPTY_BODY), &scratch};
    assert_int_equal(sigv4_check(&claim, &r, &proof, NULL), OK);
    proof.secret.value.n--;
    assert_int_equal(sigv4_check(&claim, &r, &proof, NULL), ERR_SIGNATURE_INVALID);
    buf_done(&room);
    buf_done(&scratch);
}

/* ---- paths and queries -------------------------------------------------------------------------------------------------- */

static void assert_canonical(const struct sigv4_request *r, const char *path, const char *query)
{
    struct buf out;
    struct str method, got_path, rest, got_query;
    buf_init(&out, KIB(64));
    assert_int_equal(sigv4_canonical(r, S("host"), S(SIGV4_EMPTY_BODY), &out, NULL), OK);
    str_cut(buf_view(&out), '\n', &method, &rest);
    str_cut(rest, '\n', &got_path, &rest);
    str_cut(rest, '\n', &got_query, &rest);
    if (!str_eq(got_path, str_z(path)) || !str_eq(got_query, str_z(query)))
        print_error("got %.*s ? %.*s\nwant %s ? %s\n", STR_ARG(got_path), STR_ARG(got_query), path, query);
    assert_true(str_eq(got_path, str_z(path)) && str_eq(got_query, str_z(query)));
    buf_done(&out);
}

static void what_is_encoded_is_encoded_twice(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"", "/"},
        {"/model/anthropic.claude-v1%3A0/invoke", "/model/anthropic.claude-v1%253A0/invoke"},
        {"/model/anthropic.claude-v1:0/invoke", "/model/anthropic.claude-v1%3A0/invoke"},
        {"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse",
         "/model/arn%253Aaws%253Abedrock%253Aus-east-1%253A1%253Ainference-profile%252Fus.x/converse"},
        {"/a%zz%", "/a%25zz%25"},
        {"/../..", "/"},
        {"/a/./b/../c/", "/a/c/"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct sigv4_request r = {.method = S("POST"), .path = str_z(CASES[i][0]), .host = S("h")};
        assert_canonical(&r, CASES[i][1], "");
    }
}

static void a_query_is_decoded_encoded_and_sorted(void **state)
{
    (void)state;
    static const struct {
        const char *query, *canonical;
    } CASES[] = {
        {"type=SYSTEM_DEFINED", "type=SYSTEM_DEFINED"}, {"b=2&a=1&a=0&a", "a=&a=0&a=1&b=2"},    {"&&a=b&", "a=b"},
        {"a=b=c&d=%2f%7E+", "a=b%3Dc&d=%2F~%2B"},       {"a=%&b=%4&c=%41", "a=%25&b=%254&c=A"}, {"X-Amz-Signature=no&x=1", "x=1"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct sigv4_request r = {.method = S("GET"), .path = S("/"), .query = str_z(CASES[i].query), .host = S("h")};
        assert_canonical(&r, "/", CASES[i].canonical);
    }
}

static void too_many_parameters_are_refused(void **state)
{
    (void)state;
    struct buf query, out;
    buf_init(&query, KIB(64));
    buf_init(&out, KIB(64));
    for (int i = 0; i < 65; i++) buf_fmt(&query, "%d=&", i);
    const struct sigv4_request r = {.method = S("GET"), .path = S("/"), .query = buf_view(&query), .host = S("h")};
    assert_int_equal(sigv4_canonical(&r, S("host"), S(""), &out, NULL), ERR_SIGNATURE_FORM);
    out.max = 8;
    buf_clear(&out);
    const struct sigv4_request small = {.method = S("GET"), .path = S("/0123456789"), .query = S("a=b"), .host = S("h")};
    assert_int_equal(sigv4_canonical(&small, S("host"), S(""), &out, NULL), ERR_SIGNATURE_FORM);
    buf_done(&query);
    buf_done(&out);
}

/* ---- signing and checking ------------------------------------------------------------------------------------------------ */

struct made { /* a request with everything that signing added */
    struct http_field fields[8];
    struct sigv4_request request;
    struct sigv4_signed sign;
    struct sigv4_claim claim;
    struct buf room, scratch;
    char body[SIGV4_HASH];
};

static void make(struct made *m, struct str path, struct str query, struct str body)
{
    const struct sigv4_signer s = {.credentials = {.access_key = S("AKIDEXAMPLE"), .secret_key = SECRET},
                                   .region = S("eu-central-1"),
                                   .service = S("bedrock"),
                                   .wall_ms = SIGNED_MS};
    *m = (struct made){.request = {.method = S("POST"), .path = path, .query = query, .host = S("127.0.0.1:8400")}};
    m->fields[0] = (struct http_field){S("content-type"), S("application/json")};
    m->fields[1] = (struct http_field){S("x-amzn-bedrock-accept"), S("a,  b")};
    m->fields[2] = (struct http_field){S("user-agent"), S("is not signed")};
    m->request.fields = (struct http_fields){m->fields, 3};
    buf_init(&m->room, KIB(64));
    buf_init(&m->scratch, KIB(64));
    sigv4_hash(body, m->body);
    assert_int_equal(sigv4_sign(&m->request, str_make(m->body, sizeof m->body), &s, &m->scratch, &m->sign, NULL), OK);
    for (unsigned i = 0; i < m->sign.n; i++) m->fields[m->request.fields.n++] = m->sign.fields[i];
}

static enum err check(struct made *m)
{
    struct fault why = {0};
    enum err got = sigv4_read(&m->request, &m->room, &m->claim, &why);
    if (got == OK) got = sigv4_check_scope(&m->claim, SERVICES, &why);
    if (got == OK) got = sigv4_check_time(&m->claim, SIGNED_MS, &why);
    const struct sigv4_proof proof = {SECRET, m->claim.body, &m->scratch};
    if (got == OK) got = sigv4_check(&m->claim, &m->request, &proof, &why);
    if (got != OK) assert_int_equal(why.code, got);
    return got;
}

static void done(struct made *m)
{
    buf_done(&m->room);
    buf_done(&m->scratch);
}

static void what_is_signed_is_accepted(void **state)
{
    (void)state;
    struct made m;
    make(&m, S("/model/a%3A0/invoke"), S("b=%2f&a"), S("{}"));
    assert_int_equal(check(&m), OK);
    assert_str(m.claim.names, "content-type;host;x-amz-content-sha256;x-amz-date;x-amzn-bedrock-accept");
    assert_str(m.claim.scope.region, "eu-central-1");
    assert_int_equal(sigv4_check_body(&m.claim, S("{}"), NULL), OK);
    assert_int_equal(sigv4_check_body(&m.claim, S("{ }"), NULL), ERR_BODY_DIGEST);
    done(&m);
}

/* Whatever is changed on the way, the signature does not hold any more; what is not signed may change. */
static void every_change_is_seen(void **state)
{
    (void)state;
    struct made m;
    for (int change = 0; change < 10; change++) {
        make(&m, S("/model/a%3A0/invoke"), S("a=1"), S("{}"));
        struct sigv4_request *r = &m.request;
        if (change == 0) r->method = S("PUT");
        if (change == 1) r->path = S("/model/a:0/invoke");
        if (change == 2) r->query = S("a=2");
        if (change == 3) r->query = S("");
        if (change == 4) r->host = S("127.0.0.1");
        if (change == 5) m.fields[0].value = S("text/plain");
        if (change == 6) m.fields[1].value = S("a,b");
        if (change == 7) m.sign.stamp[15] = 'Z', m.sign.stamp[14] = '1';
        if (change == 8) m.fields[4].value = S(SIGV4_UNSIGNED);
        if (change == 9) m.fields[2].value = S("is free");
        assert_int_equal(check(&m), change == 9 ? OK : ERR_SIGNATURE_INVALID);
        done(&m);
    }
}

/* Random requests: what signing makes, checking accepts; with one random byte of the signed parts changed, it does not. */
static void random_requests_round(void **state)
{
    (void)state;
    static const char BYTES[] = "abz09-._~%/:?=&+ A\xc3\xa9";
    char path[40], query[40];
    for (int round = 0; round < 2000; round++) {
        struct made m;
        size_t n_path = 1 + random_u64() % 39, n_query = random_u64() % 40;
        path[0] = '/';
        for (size_t i = 1; i < n_path; i++) path[i] = BYTES[random_u64() % (sizeof BYTES - 1)];
        for (size_t i = 0; i < n_query; i++) query[i] = BYTES[random_u64() % (sizeof BYTES - 1)];
        make(&m, str_make(path, n_path), str_make(query, n_query), S("{}"));
        assert_int_equal(check(&m), OK);
        char *signature = m.sign.authorization + m.fields[m.request.fields.n - 1].value.n - 1 - random_u64() % SIGV4_HASH;
        *signature = *signature == '0' ? '1' : '0';
        assert_int_equal(check(&m), ERR_SIGNATURE_INVALID);
        done(&m);
    }
}

static void a_session_token_is_signed_too(void **state)
{
    (void)state;
    const struct sigv4_signer s = {
        .credentials = {S("AKID"), SECRET, {S("the/token==")}}, .region = S("r"), .service = S("bedrock"), .wall_ms = SIGNED_MS};
    const struct sigv4_request r = {.method = S("POST"), .path = S("/"), .host = S("h")};
    struct sigv4_signed got;
    struct buf scratch;
    buf_init(&scratch, KIB(64));
    assert_int_equal(sigv4_sign(&r, S(SIGV4_EMPTY_BODY), &s, &scratch, &got, NULL), OK);
    assert_int_equal(got.n, 4);
    assert_str(got.fields[2].name, "x-amz-security-token");
    assert_str(got.fields[2].value, "the/token==");
    size_t at;
    assert_true(str_find(got.fields[3].value, S("host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"), &at));
    buf_done(&scratch);
}

static void signing_is_bounded(void **state)
{
    (void)state;
    struct http_field fields[SIGV4_SIGNED_MAX];
    struct sigv4_signer s = {.credentials = {S("AKID"), SECRET, {STR_NONE}}, .region = S("r"), .service = S("b")};
    struct sigv4_request r = {.method = S("POST"), .path = S("/"), .host = S("h"), .fields = {fields, COUNTOF(fields)}};
    struct sigv4_signed got;
    struct buf scratch;
    char *name = mem_alloc(2000);
    for (unsigned i = 0; i < COUNTOF(fields); i++) fields[i] = (struct http_field){S("x-amz-a"), S("")};
    buf_init(&scratch, KIB(64));
    assert_int_equal(sigv4_sign(&r, S(SIGV4_EMPTY_BODY), &s, &scratch, &got, NULL), ERR_LIMIT);
    memcpy(name, "x-amz-", 6);
    memset(name + 6, 'a', 1994);
    fields[0].name = str_make(name, 2000);
    r.fields.n = 1;
    assert_int_equal(sigv4_sign(&r, S(SIGV4_EMPTY_BODY), &s, &scratch, &got, NULL), ERR_LIMIT);
    r.fields.n = 0;
    s.credentials.secret_key.value = str_make(name, 300);
    assert_int_equal(sigv4_sign(&r, S(SIGV4_EMPTY_BODY), &s, &scratch, &got, NULL), ERR_LIMIT);
    free(name);
    buf_done(&scratch);
}

/* ---- refused ------------------------------------------------------------------------------------------------------------- */

#define SIG "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
#define CRED "Credential=AK/20150830/us-east-1/bedrock/aws4_request"

static void malformed_claims_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *more;
        enum err want;
    } CASES[] = {
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host;x-amz-date, Signature=" SIG, "", OK},
        {"AWS4-HMAC-SHA256 Signature=" SIG ",SignedHeaders=:authority," CRED, "", OK},
        {"AWS4-ECDSA-P256-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256", "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host", "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", " CRED ", SignedHeaders=host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG ", More=1", "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=x-amz-date, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=x-amz-date;host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host;host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=Host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host;;x, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=ABC", "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=D" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/bedrock, SignedHeaders=host, Signature=" SIG, "", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/bedrock/aws5_request, SignedHeaders=host, Signature=" SIG, "",
         ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 Credential=AK/2015083/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=" SIG, "",
         ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 Credential=/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=" SIG, "",
         ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 Credential=AK/20150831/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=" SIG, "",
         ERR_SIGNATURE_SCOPE},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG, "Authorization:Bearer x\n", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG, "X-Amz-Date:20150830T123600Z\n", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG, "x-amz-content-sha256:" SIG "\n", OK},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG, "x-amz-content-sha256:UNSIGNED-PAYLOAD\n", OK},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG,
         "x-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-EVENTS\n", ERR_SIGNATURE_FORM},
        {"AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG,
         "x-amz-content-sha256:" SIG "\nx-amz-content-sha256:" SIG "\n", ERR_SIGNATURE_FORM},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct http_field fields[6] = {{S("x-amz-date"), STAMP}, {S("authorization"), str_z(CASES[i].authorization)}};
        struct sigv4_request r = {.method = S("POST"), .path = S("/"), .host = S("h")};
        struct sigv4_claim claim;
        struct fault why = {0};
        struct buf room;
        buf_init(&room, KIB(4));
        r.fields = (struct http_fields){fields, 2 + read_fields(CASES[i].more, fields + 2)};
        assert_true(sigv4_is_signed(r.fields, r.query));
        enum err got = sigv4_read(&r, &room, &claim, &why);
        if (got != CASES[i].want) print_error("case %u: %s\n", i, why.text);
        assert_int_equal(got, CASES[i].want);
        buf_done(&room);
    }
}

static void malformed_queries_are_refused(void **state)
{
    (void)state;
#define Q \
    "X-Amz-Credential=AK%2F20150830%2Fus-east-1%2Fbedrock%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host"
    static const struct {
        const char *query;
        enum err want;
    } CASES[] = {
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=60&X-Amz-Signature=" SIG, OK},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=0&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=604801&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=-1&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=60", ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4&" Q "&X-Amz-Expires=60&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&" Q "&X-Amz-Expires=60&X-Amz-Expires=60&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Algorithm=%zz&" Q "&X-Amz-Expires=60&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
        {"X-Amz-Algorithm=%4&" Q "&X-Amz-Expires=60&X-Amz-Signature=" SIG, ERR_SIGNATURE_FORM},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct sigv4_request r = {.method = S("POST"), .path = S("/"), .query = str_z(CASES[i].query), .host = S("h")};
        struct sigv4_claim claim;
        struct buf room;
        buf_init(&room, KIB(4));
        assert_int_equal(sigv4_read(&r, &room, &claim, NULL), CASES[i].want);
        buf_done(&room);
    }
    struct http_field field = {S("Authorization"), S("AWS4-HMAC-SHA256 " CRED ", SignedHeaders=host, Signature=" SIG)};
    const struct sigv4_request both = {.query = str_z(CASES[0].query), .fields = {&field, 1}};
    struct sigv4_claim claim;
    struct buf room;
    buf_init(&room, KIB(4));
    assert_int_equal(sigv4_read(&both, &room, &claim, NULL), ERR_SIGNATURE_FORM);
    buf_done(&room);
}

static void the_clock_says_which_way(void **state)
{
    (void)state;
    static const struct {
        int64_t late_ms;
        uint32_t expires_s;
        enum err want;
    } CASES[] = {
        {0, 0, OK},
        {300000, 0, OK},
        {300001, 0, ERR_SIGNATURE_EXPIRED},
        {-300000, 0, OK},
        {-300001, 0, ERR_SIGNATURE_SKEWED},
        {43200000, 43200, OK},
        {43200001, 43200, ERR_SIGNATURE_EXPIRED},
        {-300001, 43200, ERR_SIGNATURE_SKEWED},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct sigv4_claim c = {.stamp = STAMP, .signed_ms = SIGNED_MS, .expires_s = CASES[i].expires_s};
        struct fault why = {0};
        size_t at;
        assert_int_equal(sigv4_check_time(&c, SIGNED_MS + CASES[i].late_ms, &why), CASES[i].want);
        if (CASES[i].want == ERR_SIGNATURE_SKEWED) assert_true(str_find(str_z(why.text), S("300 s after the time here"), &at));
        if (CASES[i].want == ERR_SIGNATURE_EXPIRED) assert_true(str_find(str_z(why.text), S("expired"), &at));
    }
}

static void another_service_is_named(void **state)
{
    (void)state;
    const struct sigv4_claim c = {.scope = {.service = S("s3")}};
    struct fault why = {0};
    size_t at;
    assert_int_equal(sigv4_check_scope(&c, SERVICES, &why), ERR_SIGNATURE_SCOPE);
    assert_true(str_find(str_z(why.text), S("'s3'; sign for one of service, bedrock"), &at));
}

static void only_signed_requests_are_taken_for_such(void **state)
{
    (void)state;
    const struct http_field bearer = {S("authorization"), S("Bearer aq_x")};
    assert_false(sigv4_is_signed((struct http_fields){&bearer, 1}, S("type=X-Amz-Algorithm&beta=true")));
    assert_true(sigv4_is_signed((struct http_fields){&bearer, 1}, S("beta=true&X-Amz-Algorithm=x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors),
        cmocka_unit_test(a_published_presigned_vector),
        cmocka_unit_test(what_is_encoded_is_encoded_twice),
        cmocka_unit_test(a_query_is_decoded_encoded_and_sorted),
        cmocka_unit_test(too_many_parameters_are_refused),
        cmocka_unit_test(what_is_signed_is_accepted),
        cmocka_unit_test(every_change_is_seen),
        cmocka_unit_test(random_requests_round),
        cmocka_unit_test(a_session_token_is_signed_too),
        cmocka_unit_test(signing_is_bounded),
        cmocka_unit_test(malformed_claims_are_refused),
        cmocka_unit_test(malformed_queries_are_refused),
        cmocka_unit_test(the_clock_says_which_way),
        cmocka_unit_test(another_service_is_named),
        cmocka_unit_test(only_signed_requests_are_taken_for_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
