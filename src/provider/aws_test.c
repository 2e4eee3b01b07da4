/* AWS credentials from outside: what each source says is read, mistakes and strange addresses are refused, no fault repeats a
 * secret. */
#include "base/test.h"
#include "provider/provider.h"

static struct arena arena;
static struct fault why;

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

static void a_profile_is_found_in_its_file(void **state)
{
    (void)state;
    static const char FILE_TEXT[] = "# comment\n[default]\naws_access_key_id=AKDEFAULT\r\naws_secret_access_key = s/e+c=r\n\n"
                                    "[ other ]\n; comment\nregion = x\nAWS_ACCESS_KEY_ID = AKOTHER\naws_secret_access_key=two\n"
                                    "aws_session_token = tok==\n[empty]\n[half]\naws_access_key_id = AK\n";
    struct found f;
    assert_int_equal(aws_profile_read(str_z(FILE_TEXT), S("default"), &arena, &f, &why), OK);
    assert_str(f.access_key, "AKDEFAULT");
    assert_str(f.secret_key.value, "s/e+c=r");
    assert_int_equal(f.token.value.n, 0);
    assert_int_equal(aws_profile_read(str_z(FILE_TEXT), S("other"), &arena, &f, &why), OK);
    assert_str(f.access_key, "AKOTHER");
    assert_str(f.token.value, "tok==");
    assert_int_equal(aws_profile_read(str_z(FILE_TEXT), S("absent"), &arena, &f, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, "no profile absent"));
    assert_int_equal(aws_profile_read(str_z(FILE_TEXT), S("empty"), &arena, &f, &why), ERR_CONFIG);
    assert_int_equal(aws_profile_read(str_z(FILE_TEXT), S("half"), &arena, &f, &why), ERR_CONFIG);
    assert_int_equal(aws_profile_read(S("["), S(""), &arena, &f, &why), ERR_CONFIG);
}

static void an_answer_in_json(void **state)
{
    (void)state;
    struct found f;
    assert_int_equal(aws_json_read(S("{\"Code\":\"Success\",\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"se\",\"Token\":\"to\","
                                     "\"Expiration\":\"2026-11-23T13:00:00Z\",\"Type\":\"AWS-HMAC\"}"),
                                   &arena, &f, &why),
                     OK);
    assert_str(f.access_key, "AK");
    assert_str(f.token.value, "to");
    assert_int_equal(f.expires_ms, 1795438800000);
    assert_int_equal(aws_json_read(S("{\"Code\":\"AssumeRoleUnauthorizedAccess\"}"), &arena, &f, &why), ERR_UPSTREAM_ERROR);
    static const char *const BAD[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"AccessKeyId\":\"AK\"}",
                                      "{\"AccessKeyId\":1,\"SecretAccessKey\":\"s\"}",
                                      "{\"AccessKeyId\":\"A K\",\"SecretAccessKey\":\"hush\"}",
                                      "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"hush\\nhush\"}",
                                      "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"hush\",\"Token\":\"hush\\r\"}",
                                      "{\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"hush\",\"Expiration\":\"soon\"}"};
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        assert_int_not_equal(aws_json_read(str_z(BAD[i]), &arena, &f, &why), OK);
        assert_null(strstr(why.text, "hush"));
    }
}

static void an_answer_of_sts(void **state)
{
    (void)state;
    struct found f;
    static const char XML[] =
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
        "<AssumeRoleWithWebIdentityResult><Audience>a</Audience><Credentials>\n<SessionToken>to/k</SessionToken>"
        "<SecretAccessKey>se</SecretAccessKey><Expiration>2026-11-23T13:00:00Z</Expiration>"
        "<AccessKeyId>ASIA1</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>";
    assert_int_equal(aws_sts_read(str_z(XML), &arena, &f, &why), OK);
    assert_str(f.access_key, "ASIA1");
    assert_str(f.secret_key.value, "se");
    assert_str(f.token.value, "to/k");
    assert_int_equal(f.expires_ms, 1795438800000);
    assert_int_equal(aws_sts_read(S("<ErrorResponse/>"), &arena, &f, &why), ERR_UPSTREAM_GARBAGE);
    assert_int_equal(aws_sts_read(S("<Credentials><AccessKeyId>A</Credentials>"), &arena, &f, &why), ERR_CONFIG);
    for (size_t n = 0; n < sizeof XML - 1; n++) ignore_err(aws_sts_read(str_make(XML, n), &arena, &f, &why));
}

static void what_sts_is_asked(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB(4));
    aws_sts_body(S("arn:aws:iam::1:role/r"), S("s"), S("a.b+c="), &out);
    assert_str(buf_view(&out), "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
                               "RoleSessionName=s&WebIdentityToken=a.b%2Bc%3D");
    buf_done(&out);
}

static void only_these_addresses_are_asked(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"https://sts.us-east-1.amazonaws.com",
                                       "http://169.254.169.254",
                                       "http://169.254.170.2/v2/x?a",
                                       "http://169.254.170.23:80/v1/credentials",
                                       "http://[fd00:ec2::254]/latest",
                                       "http://[fd00:ec2:0::23]",
                                       "http://127.0.0.1:99/",
                                       "http://169.254.131.2:8081/msi/token",
                                       "http://169.254.255.2:8081/msi/token",
                                       "http://[::1]:1"};
    static const char *const BAD[] = {"http://sts.amazonaws.com",
                                      "http://localhost/",
                                      "http://169.254.169.253",
                                      "http://10.0.0.1",
                                      "http://169.254.144.1",
                                      "http://169.253.129.1",
                                      "http://127.0.0.1.example.com",
                                      "http://127.0.0.1@example.com/",
                                      "ftp://127.0.0.1",
                                      "http://",
                                      "http://[fd00:ec2::25]",
                                      "",
                                      "http://2852039166/",
                                      "http://0x7f.1"};
    for (unsigned i = 0; i < COUNTOF(GOOD); i++) assert_true(source_url_is_allowed(str_z(GOOD[i])));
    for (unsigned i = 0; i < COUNTOF(BAD); i++) assert_false(source_url_is_allowed(str_z(BAD[i])));
}

static void they_are_renewed_in_time(void **state)
{
    (void)state;
    struct found f = {.expires_ms = 0};
    assert_int_equal(found_refresh_ms(&f, 1000), 60000);
    f.expires_ms = 3600000;
    assert_int_equal(found_refresh_ms(&f, 0), 3300000);
    assert_int_equal(found_refresh_ms(&f, 3500000), 50000);
    assert_int_equal(found_refresh_ms(&f, 4000000), 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_profile_is_found_in_its_file), TEST(an_answer_in_json),        TEST(an_answer_of_sts), TEST(what_sts_is_asked),
        TEST(only_these_addresses_are_asked), TEST(they_are_renewed_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
