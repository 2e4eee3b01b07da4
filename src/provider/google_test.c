/* Access tokens of Google's: key files are read strictly, the assertion is one that its public key verifies, answers are judged, and
 * no fault repeats a secret. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "base/test.h"
#include "json/json.h"
#include "provider/provider.h"

enum { NOW_S = 1795438800 };

static struct arena arena;
static struct fault why;
static EVP_PKEY *key;

static int make_key(void **state)
{
    (void)state;
    key = EVP_RSA_gen(2048);
    return key ? 0 : -1;
}

static int free_key(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, KIB(1), KIB(64));
    why = (struct fault){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void put_pem(EVP_PKEY *k, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL), 1);
    long n = BIO_get_mem_data(bio, &p);
    json_escape(out, str_make(p, (size_t)n));
    BIO_free(bio);
}

static void put_file(EVP_PKEY *k, const char *uri, struct buf *out)
{
    buf_str(out, S("{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"kid-1\",\"private_key\":\""));
    put_pem(k, out);
    buf_fmt(out, "\",\"client_email\":\"robot@p.iam.gserviceaccount.com\",\"token_uri\":\"%s\"}", uri);
}

static struct str unbase(struct str text, struct buf *out)
{
    size_t n;
    size_t at = out->n;
    assert_true(buf_reserve(out, text.n));
    assert_int_equal(sodium_base642bin((unsigned char *)out->p + at, text.n, text.p, text.n, NULL, &n, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    out->n += n;
    return str_make(out->p + at, n);
}

static void the_assertion_is_signed_with_the_key(void **state)
{
    (void)state;
    struct buf file, form, bytes;
    struct google_file f;
    struct str assertion, head, claims, signature, rest;
    buf_init(&file, KIB(16));
    buf_init(&form, KIB(64));
    buf_init(&bytes, KIB(64));
    assert_true(buf_reserve(&bytes, KIB(16)));
    put_file(key, "https://oauth2.googleapis.com/token", &file);
    assert_int_equal(google_file_read(buf_view(&file), &arena, &f, &why), OK);
    assert_str(f.account, "robot@p.iam.gserviceaccount.com");
    assert_int_equal(google_token_body(&f, NOW_S * 1000LL, &form, &why), OK);
    static const char BEGIN[] = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert_true(str_starts(buf_view(&form), str_z(BEGIN)));
    assertion = str_from(buf_view(&form), sizeof BEGIN - 1);
    assert_true(str_cut(assertion, '.', &head, &rest));
    assert_true(str_cut(rest, '.', &claims, &signature));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct str s = unbase(signature, &bytes);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, (const uint8_t *)s.p, s.n, (const uint8_t *)assertion.p, head.n + 1 + claims.n), 1);
    EVP_MD_CTX_free(ctx);
    assert_str(unbase(head, &bytes), "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"kid-1\"}");
    assert_str(unbase(claims, &bytes), "{\"iss\":\"robot@p.iam.gserviceaccount.com\",\"scope\":\"https://www.googleapis.com/auth/"
                                       "cloud-platform\",\"aud\":\"https://oauth2.googleapis.com/token\",\"iat\":1795438790,"
                                       "\"exp\":1795442390}");
    buf_done(&file);
    buf_done(&form);
    buf_done(&bytes);
}

static void a_users_file_asks_with_its_own_token(void **state)
{
    (void)state;
    struct google_file f;
    struct buf form;
    buf_init(&form, KIB(4));
    assert_int_equal(google_file_read(S("{\"type\":\"authorized_user\",\"client_id\":\"id\",\"client_secret\":\"s&\","
                                        "\"refresh_token\":\"1//r\",\"quota_project_id\":\"p\"}"),
                                      &arena, &f, &why),
                     OK);
    assert_str(f.token_uri, GOOGLE_TOKEN_URL);
    assert_int_equal(google_token_body(&f, 0, &form, &why), OK);
    assert_str(buf_view(&form), "grant_type=refresh_token&client_id=id&client_secret=s%26&refresh_token=1%2F%2Fr");
    buf_done(&form);
}

static void what_is_no_key_file_is_refused_by_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } BAD[] = {
        {"", "key file"},
        {"[]", "must be an object"},
        {"{}", "type"},
        {"{\"type\":\"external_account\"}", "external_account"},
        {"{\"type\":\"service_account\"}", "client_email"},
        {"{\"type\":\"service_account\",\"client_email\":\"a b\",\"private_key\":\"x\"}", "client_email"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\"}", "private_key"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"\"}", "private_key"},
        {"{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"x\",\"token_uri\":\"http://token.example/\"}",
         "token_uri"},
        {"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\"}", "refresh_token"},
    };
    struct google_file f;
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        assert_int_not_equal(google_file_read(str_z(BAD[i].text), &arena, &f, &why), OK);
        if (!strstr(why.text, BAD[i].says)) fail_msg("%s: %s", BAD[i].text, why.text);
    }
}

static void a_key_that_cannot_sign_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *short_key = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256");
    EVP_PKEY *const KEYS[] = {short_key, curve};
    struct google_file f;
    struct buf file, form;
    buf_init(&form, KIB(64));
    for (unsigned i = 0; i < COUNTOF(KEYS); i++) {
        buf_init(&file, KIB(16));
        put_file(KEYS[i], "https://oauth2.googleapis.com/token", &file);
        assert_int_equal(google_file_read(buf_view(&file), &arena, &f, &why), OK);
        assert_int_equal(google_token_body(&f, 0, &form, &why), ERR_CONFIG);
        assert_non_null(strstr(why.text, "RSA key of 2048 bits"));
        buf_done(&file);
    }
    f.private_key.value = S("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n");
    assert_int_equal(google_token_body(&f, 0, &form, &why), ERR_CONFIG);
    assert_null(strstr(why.text, "secret\n"));
    EVP_PKEY_free(short_key);
    EVP_PKEY_free(curve);
    buf_done(&form);
}

static void answers_are_judged(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text, *says;
    } BAD[] = {
        {200, "", "JSON object"},
        {200, "[]", "JSON object"},
        {200, "{\"token_type\":\"Bearer\",\"expires_in\":1}", "access_token"},
        {200, "{\"access_token\":\"SECRET\\n\",\"token_type\":\"Bearer\",\"expires_in\":1}", "access_token"},
        {200, "{\"access_token\":\"SECRET\",\"token_type\":\"mac\",\"expires_in\":1}", "token_type"},
        {200, "{\"access_token\":\"SECRET\",\"token_type\":\"Bearer\",\"expires_in\":0}", "expires_in"},
        {200, "{\"access_token\":\"SECRET\",\"token_type\":\"Bearer\",\"expires_in\":\"3599\"}", "expires_in"},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}", "Invalid JWT Signature"},
        {400, "{\"error\":\"invalid_grant\"}", "clock"},
        {400, "{\"error\":{\"code\":1}}", "400"},
        {503, "<html>", "503"},
    };
    struct found f;
    assert_int_equal(google_token_read(200, S("{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}"),
                                       1000, &arena, &f, &why),
                     OK);
    assert_str(f.token.value, "ya29.x");
    assert_int_equal(f.expires_ms, 3600000);
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        assert_int_not_equal(google_token_read(BAD[i].status, str_z(BAD[i].text), 0, &arena, &f, &why), OK);
        if (!strstr(why.text, BAD[i].says) || strstr(why.text, "SECRET")) fail_msg("%s: %s", BAD[i].text, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_assertion_is_signed_with_the_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_users_file_asks_with_its_own_token, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_key_file_is_refused_by_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_cannot_sign_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_are_judged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
