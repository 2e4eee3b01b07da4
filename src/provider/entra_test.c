/* Access tokens of Microsoft Entra: what is asked, byte by byte, answers that are judged, and no fault that repeats a secret. */
#include <stdio.h>

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

static void an_application_asks_with_its_secret(void **state)
{
    (void)state;
    const struct entra_app app = {entra_cloud_of(STR_NONE), S("contoso.example"), S("c-1"), {S("s~1&=")}, {STR_NONE}};
    struct buf out;
    buf_init(&out, KIB(4));
    assert_int_equal(entra_app_check(&app, &why), OK);
    entra_token_body(&app, &out);
    assert_str(buf_view(&out), "grant_type=client_credentials&client_id=c-1&"
                               "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=s~1%26%3D");
    buf_done(&out);
}

static void an_application_asks_with_a_federated_token(void **state)
{
    (void)state;
    const struct entra_app app = {entra_cloud_of(STR_NONE), S("t"), S("c"), {STR_NONE}, {S("eyJh.e30.sig")}};
    struct buf out;
    buf_init(&out, KIB(4));
    assert_int_equal(entra_app_check(&app, &why), OK);
    entra_token_body(&app, &out);
    assert_str(buf_view(&out),
               "grant_type=client_credentials&client_id=c&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&"
               "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
               "client_assertion=eyJh.e30.sig");
    buf_done(&out);
}

static void a_managed_identity_is_asked_for_the_resource(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB(4));
    struct entra_app app = {.cloud = entra_cloud_of(S("https://r.openai.azure.com/openai/v1"))};
    entra_identity_query("2018-02-01", &app, &out);
    assert_str(buf_view(&out), "?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com");
    buf_clear(&out);
    app.client_id = S("id");
    entra_identity_query("2019-08-01", &app, &out);
    assert_str(buf_view(&out), "?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=id");
    buf_done(&out);
}

static void every_cloud_has_its_own_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *url, *scope, *authority;
    } CASES[] = {
        {"https://r.openai.azure.com/openai/v1", "azure.com", "https://login.microsoftonline.com"},
        {"https://r.openai.azure.us:443/openai", "azure.us", "https://login.microsoftonline.us"},
        {"https://R.OpenAI.Azure.US/openai/v1", "azure.us", "https://login.microsoftonline.us"},
        {"https://r.openai.azure.cn", "azure.cn", "https://login.chinacloudapi.cn"},
        {"https://proxy.example/r.openai.azure.us", "azure.com", "https://login.microsoftonline.com"},
        {"https://notazure.us/openai", "azure.com", "https://login.microsoftonline.com"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        const struct entra_app app = {entra_cloud_of(str_z(CASES[i].url)), S("t"), S("c"), {S("s")}, {STR_NONE}};
        struct buf out;
        char want[128];
        buf_init(&out, KIB(4));
        entra_token_body(&app, &out);
        snprintf(want, sizeof want, "&scope=https%%3A%%2F%%2Fcognitiveservices.%s%%2F.default&", CASES[i].scope);
        if (!strstr(buf_z(&out), want)) fail_msg("%s: %s", CASES[i].url, buf_z(&out));
        assert_string_equal(app.cloud->authority, CASES[i].authority);
        buf_done(&out);
    }
}

static void what_is_no_application_is_refused_by_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        struct str tenant, client_id, secret, assertion;
        const char *says;
    } BAD[] = {
        {{"", 0}, {"c", 1}, {"SECRET", 6}, {"", 0}, "tenant"},
        {{"a/../b", 6}, {"c", 1}, {"SECRET", 6}, {"", 0}, "tenant"},
        {{"..", 2}, {"c", 1}, {"SECRET", 6}, {"", 0}, "tenant"},
        {{"t", 1}, {"", 0}, {"SECRET", 6}, {"", 0}, "client id"},
        {{"t", 1}, {"c d", 3}, {"SECRET", 6}, {"", 0}, "client id"},
        {{"t", 1}, {"c", 1}, {"", 0}, {"", 0}, "neither"},
        {{"t", 1}, {"c", 1}, {"SECRET", 6}, {"SECRET", 6}, "both"},
        {{"t", 1}, {"c", 1}, {"SECRET\n", 7}, {"", 0}, "client secret"},
        {{"t", 1}, {"c", 1}, {"", 0}, {"SECRET\r", 7}, "federated token"},
    };
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        const struct entra_app app = {
            entra_cloud_of(STR_NONE), BAD[i].tenant, BAD[i].client_id, {BAD[i].secret}, {BAD[i].assertion}};
        assert_int_equal(entra_app_check(&app, &why), ERR_CONFIG);
        if (!strstr(why.text, BAD[i].says) || strstr(why.text, "SECRET")) fail_msg("%u: %s", i, why.text);
    }
}

static void tokens_are_taken_with_their_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expires_ms;
    } GOOD[] = {
        {"{\"access_token\":\"eyJ.x\",\"expires_in\":3599,\"ext_expires_in\":3599,\"token_type\":\"Bearer\"}", 4599000},
        {"{\"access_token\":\"eyJ.x\",\"expires_in\":\"86399\",\"expires_on\":\"9\",\"token_type\":\"Bearer\"}", 87399000},
        {"{\"access_token\":\"eyJ.x\",\"expires_on\":\"1500\",\"token_type\":\"Bearer\",\"client_id\":\"c\"}", 1500000},
        {"{\"access_token\":\"eyJ.x\",\"expires_on\":1500,\"token_type\":\"bearer\"}", 1500000},
    };
    struct found f;
    for (unsigned i = 0; i < COUNTOF(GOOD); i++) {
        assert_int_equal(entra_token_read(200, str_z(GOOD[i].text), 1000000, &arena, &f, &why), OK);
        assert_str(f.token.value, "eyJ.x");
        assert_int_equal(f.expires_ms, GOOD[i].expires_ms);
    }
}

static void other_answers_are_refused_with_what_to_do(void **state)
{
    (void)state;
#define TOKEN "\"access_token\":\"eyJ.SECRET\",\"token_type\":\"Bearer\""
    static const struct {
        int status;
        const char *text, *says;
    } BAD[] = {
        {200, "", "JSON object"},
        {200, "[]", "JSON object"},
        {200, "{\"token_type\":\"Bearer\",\"expires_in\":1}", "access_token"},
        {200, "{\"access_token\":\"SECRET\",\"token_type\":\"Bearer\",\"expires_in\":1}", "JWT"},
        {200, "{\"access_token\":\"eyJ.SECRET\\n\",\"token_type\":\"Bearer\",\"expires_in\":1}", "JWT"},
        {200, "{\"access_token\":\"eyJ.SECRET\",\"token_type\":\"pop\",\"expires_in\":1}", "token_type"},
        {200, "{" TOKEN "}", "expires_in"},
        {200, "{" TOKEN ",\"expires_in\":0}", "expires_in"},
        {200, "{" TOKEN ",\"expires_in\":\"soon\"}", "expires_in"},
        {200, "{" TOKEN ",\"expires_in\":172801}", "expires_in"},
        {200, "{" TOKEN ",\"expires_on\":\"1000\"}", "expires_on"},
        {200, "{" TOKEN ",\"expires_on\":\"06/20/2026 02:57:58 PM +00:00\"}", "expires_on"},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret.\\r\\nTrace ID: 1\"}",
         "not its id"},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: expired\"}", "new client secret"},
        {400, "{\"error\":\"invalid_request\",\"error_description\":\"AADSTS700211: no\"}", "federated credential"},
        {400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}", "managed identity"},
        {400, "{\"error\":{\"code\":1}}", "400"},
        {503, "<html>", "503"},
    };
#undef TOKEN
    struct found f;
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        assert_int_not_equal(entra_token_read(BAD[i].status, str_z(BAD[i].text), 1000000, &arena, &f, &why), OK);
        bool clean = !strstr(why.text, "SECRET") && !strstr(why.text, "Trace") && !strchr(why.text, '\n');
        if (!strstr(why.text, BAD[i].says) || !clean) fail_msg("%s: %s", BAD[i].text, why.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_application_asks_with_its_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(an_application_asks_with_a_federated_token, setup, teardown),
        cmocka_unit_test_setup_teardown(a_managed_identity_is_asked_for_the_resource, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cloud_has_its_own_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_application_is_refused_by_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_are_taken_with_their_end, setup, teardown),
        cmocka_unit_test_setup_teardown(other_answers_are_refused_with_what_to_do, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
