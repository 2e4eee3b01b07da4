/* Origins: what a URL may say, what makes two of them the same, and that no secret shows. */
#include "http/client.h"

#include "base/test.h"

static enum err make(const char *url, const char *proxy, struct http_origin **ret_origin, struct str *ret_base, struct fault *why)
{
    struct http_origin_options o = {.url = str_z(url), .proxy = str_z(proxy)};
    return http_origin_new(&o, ret_origin, ret_base, why);
}

static void reads_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *key, *host, *authority, *base;
    } CASES[] = {
        {"http://127.0.0.1:9000/v1", "http://127.0.0.1:9000", "127.0.0.1", "127.0.0.1:9000", "/v1"},
        {"https://API.Example.com", "https://api.example.com:443", "api.example.com", "api.example.com", ""},
        {"https://api.example.com:443/", "https://api.example.com:443", "api.example.com", "api.example.com", ""},
        {"http://[::1]:8080/a/b/", "http://[::1]:8080", "::1", "[::1]:8080", "/a/b"},
        {"http://[::1]", "http://[::1]:80", "::1", "[::1]", ""},
        {"https://a_b.internal:8443//", "https://a_b.internal:8443", "a_b.internal", "a_b.internal:8443", ""},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct http_origin *o;
        struct str base;
        struct fault why;
        assert_int_equal(make(CASES[i].url, "", &o, &base, &why), OK);
        assert_true(str_eq(o->key, str_z(CASES[i].key)));
        assert_true(str_eq(o->host, str_z(CASES[i].host)));
        assert_true(str_eq(o->authority, str_z(CASES[i].authority)));
        assert_true(str_eq(base, str_z(CASES[i].base)));
        assert_int_equal(o->tls != NULL, CASES[i].url[4] == 's');
        http_origin_unref(o);
    }
}

static void refuses_what_is_no_url(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "api.example.com",
        "ftp://a",
        "http://",
        "http://:80",
        "http://a:0",
        "http://a:65536",
        "http://a:8x",
        "http://a:",
        "http://a b",
        "http://a/b c",
        "http://a/?x=1",
        "http://a/#x",
        "http://a?x",
        "http://[::1",
        "http://[::g]",
        "http://[::1]x",
        "http://-a",
        "http://.a",
        "http://a\r\nHost: b",
        "http://a/\r\n",
        "http://::1/",
        "http://a\\b/",
    };
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct http_origin *o;
        struct str base;
        struct fault why;
        assert_int_equal(make(BAD[i], "", &o, &base, &why), ERR_CONFIG);
        assert_true(strlen(why.text) > 10);
    }
}

static void secrets_do_not_show(void **state)
{
    (void)state;
    struct http_origin *a, *b, *c;
    struct str base;
    struct fault why;
    assert_int_equal(make("https://me:hush@a", "", &a, &base, &why), ERR_CONFIG);
    assert_null(strstr(why.text, "hush"));
    assert_int_equal(make("http://a", "http://me:hush@nowhere", &a, &base, &why), ERR_CONFIG);
    assert_null(strstr(why.text, "hush"));
    assert_int_equal(make("http://a", "http://me:hush@p.example:3128", &a, &base, &why), OK);
    assert_int_equal(make("http://a", "http://me:hush@p.example:3128/", &b, &base, &why), OK);
    assert_int_equal(make("http://a", "http://me:hush2@p.example:3128", &c, &base, &why), OK);
    assert_str(a->proxy_authorization, "Basic bWU6aHVzaA==");
    assert_str(a->proxy_host, "p.example");
    assert_int_equal(a->proxy_port, 3128);
    assert_true(str_eq(a->key, b->key));
    assert_false(str_eq(a->key, c->key)); /* another password is another pool */
    size_t at;
    assert_false(str_find(a->key, S("hush"), &at));
    assert_false(str_find(a->key, S("bWU6"), &at));
    http_origin_unref(a);
    http_origin_unref(b);
    http_origin_unref(c);
}

static void refuses_what_is_no_proxy(void **state)
{
    (void)state;
    static const char *const BAD[] = {"p.example:3128",    "https://p.example:3128", "http://p.example",
                                      "http://me:%zz@p:1", "http://me:%4",           "http://:1",
                                      "socks5://p:1"};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct http_origin *o;
        struct str base;
        struct fault why;
        assert_int_equal(make("http://a", BAD[i], &o, &base, &why), ERR_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(secrets_do_not_show),
        cmocka_unit_test(refuses_what_is_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
