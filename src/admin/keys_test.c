/* The body of a new key: what is taken, and that each mistake is told. */
#include "admin/priv.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum err read_body(const char *json, struct key_request *r, struct json_doc **doc, struct str routes[KEY_ROUTES_MAX],
                          struct fault *why)
{
    assert_int_equal(json_doc_read(S("body"), str_z(json), doc, why), OK);
    return key_request_read(*doc, r, routes, why);
}

static void everything_is_taken(void **state)
{
    struct key_request r;
    struct json_doc *doc;
    struct str routes[KEY_ROUTES_MAX];
    struct fault why = {0};
    const char *body = "{\"name\":\"team a\",\"project\":\"blue/2\",\"expires\":\"90d\",\"routes\":[\"fast\",\"claude-*\"],"
                       "\"limits\":{\"requests_per_minute\":60,\"tokens_per_minute\":1000,\"concurrency\":2,\"spend_day\":\"1."
                       "50\",\"spend_month\":20},"
                       "\"metadata\":{\"owner\":\"x \\\"y\\\"\"},\"aws\":true}";
    if (read_body(body, &r, &doc, routes, &why) != OK) fail_msg("%s", why.text);
    assert_str(r.name, "team a");
    assert_str(r.project, "blue/2");
    assert_true(r.expires_ms > clock_wall_ms() + 89ll * 86400000);
    assert_int_equal(r.n_routes, 2);
    assert_str(r.routes[1], "claude-*");
    assert_int_equal(r.limits.requests_per_minute, 60);
    assert_true(r.limits.spend_day == 1500000000000 && r.limits.spend_month == 20000000000000);
    assert_true(r.aws);
    assert_str(r.metadata, "{\"owner\":\"x \\\"y\\\"\"}");
    key_request_done(&r);
    json_doc_free(doc);
}

static void absent_limits_are_none_and_zero_is_zero(void **state)
{
    struct key_request r;
    struct json_doc *doc;
    struct str routes[KEY_ROUTES_MAX];
    struct fault why;
    assert_int_equal(read_body("{\"name\":\"n\"}", &r, &doc, routes, &why), OK);
    assert_true(r.limits.spend_day == -1 && r.limits.spend_month == -1 && r.expires_ms == 0 && r.n_routes == 0 &&
                r.metadata.n == 0);
    key_request_done(&r);
    json_doc_free(doc);
    assert_int_equal(read_body("{\"name\":\"n\",\"limits\":{\"spend_day\":0,\"spend_month\":null}}", &r, &doc, routes, &why), OK);
    assert_true(r.limits.spend_day == 0 && r.limits.spend_month == -1);
    key_request_done(&r);
    json_doc_free(doc);
}

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *body, *want;
    } CASES[] = {
        {"[]", "must be"},
        {"{}", "name"},
        {"{\"name\":\"\"}", "name must have 1 to 128 bytes"},
        {"{\"name\":\"a\\u0007\"}", "control character"},
        {"{\"name\":1}", "name"},
        {"{\"name\":\"n\",\"nmae\":1}", "nmae"},
        {"{\"name\":\"n\",\"expires\":\"soon\"}", "expires must be a time"},
        {"{\"name\":\"n\",\"expires\":\"2001-01-01T00:00:00Z\"}", "in the past"},
        {"{\"name\":\"n\",\"routes\":\"fast\"}", "routes"},
        {"{\"name\":\"n\",\"routes\":[\"a b\"]}", "routes[0] is not the name of a route"},
        {"{\"name\":\"n\",\"routes\":[\"a\",\"*a\"]}", "routes[1] is not the name of a route"},
        {"{\"name\":\"n\",\"limits\":{\"rpm\":1}}", "rpm"},
        {"{\"name\":\"n\",\"limits\":{\"concurrency\":0}}", "limits.concurrency must be 1 to"},
        {"{\"name\":\"n\",\"limits\":{\"requests_per_minute\":-1}}", "requests_per_minute"},
        {"{\"name\":\"n\",\"limits\":{\"spend_day\":\"1e3\"}}", "limits.spend_day must be dollars"},
        {"{\"name\":\"n\",\"limits\":{\"spend_day\":1e3}}", "limits.spend_day must be dollars"},
        {"{\"name\":\"n\",\"limits\":{\"spend_month\":\"-1\"}}", "limits.spend_month must be dollars"},
        {"{\"name\":\"n\",\"limits\":{\"spend_month\":\"2000000\"}}", "at most 1000000"},
        {"{\"name\":\"n\",\"metadata\":{\"a\":1}}", "metadata"},
        {"{\"name\":\"n\",\"aws\":\"yes\"}", "aws"},
        {"{\"name\":\"n\",\"project\":\"\"}", "project must be a name"},
        {"{\"name\":\"n\",\"project\":\"a b\"}", "project must be a name"},
        {"{\"name\":\"n\",\"project\":7}", "project"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct key_request r;
        struct json_doc *doc;
        struct str routes[KEY_ROUTES_MAX];
        struct fault why = {0};
        assert_int_equal(read_body(CASES[i].body, &r, &doc, routes, &why), ERR_BAD_REQUEST);
        if (!strstr(why.text, CASES[i].want)) fail_msg("%s: \"%s\" lacks \"%s\"", CASES[i].body, why.text, CASES[i].want);
        key_request_done(&r);
        json_doc_free(doc);
    }
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void a_file_that_is_being_written_is_not_read(void **state)
{
    char path[] = "desk_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct desk d = {.file = path};
    put_file(path, "listen");
    assert_false(desk_files_changed(&d)); /* it has only just changed */
    put_file(path, "listen: 1");
    assert_false(desk_files_changed(&d)); /* and again */
    assert_true(desk_files_changed(&d));  /* now it rests */
    d.seen = d.looked;
    assert_false(desk_files_changed(&d));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken),
        cmocka_unit_test(absent_limits_are_none_and_zero_is_zero),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(a_file_that_is_being_written_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
