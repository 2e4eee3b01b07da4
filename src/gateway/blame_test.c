/* Failures in words: the caller hears whose fault it was and never an address, a credential or an account; the log hears it all. */
#include "gateway/test.h"

#include <fcntl.h>

static int ends[2];
static char text[10000];

static const char *logged(void)
{
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int open_log(void **state)
{
    if (pipe2(ends, O_NONBLOCK)) return -1;
    log_setup("gateway", LOG_TEXT, LOG_INFO, ends[1]);
    return set_up(state);
}

static int close_log(void **state) { return tear_down(state) | close(ends[0]) | close(ends[1]); }

static void a_call_that_failed_is_told_without_its_address(void **state)
{
    static const struct {
        enum err code;
        const char *why, *told;
    } CASES[] = {
        {ERR_UPSTREAM_DNS, "vendor.internal:443: no such host", "the provider 'main': its name cannot be resolved"},
        {ERR_UPSTREAM_CONNECT, "10.1.2.3:443: Connection refused", "the provider 'main': it cannot be reached"},
        {ERR_UPSTREAM_TLS, "10.1.2.3:443: bad certificate", "the provider 'main': its certificate or its TLS is not acceptable"},
        {ERR_UPSTREAM_CUT, "10.1.2.3:443: closed in the middle", "the provider 'main': closed in the middle"},
        {ERR_UPSTREAM_TIMEOUT, "[fd00::1]:8080: no answer in 5 s", "the provider 'main': no answer in 5 s"},
        {ERR_UPSTREAM_GARBAGE, "a stream that is none: x", "the provider 'main': a stream that is none: x"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct fault why = {.code = CASES[i].code};
        snprintf(why.text, sizeof why.text, "%s", CASES[i].why);
        blame_call(&x, &why);
        assert_int_equal(x.fault.code, CASES[i].code);
        assert_string_equal(x.fault.text, CASES[i].told);
        assert_non_null(strstr(logged(), CASES[i].why));
    }
}

static void a_fault_of_ours_is_told_as_it_is(void **state)
{
    struct fault why;
    FAIL(&why, ERR_LIMIT, "too much: of it");
    blame_call(&x, &why);
    assert_int_equal(x.fault.code, ERR_LIMIT);
    assert_string_equal(x.fault.text, "too much: of it");
}

static void refuse_with(const char *words)
{
    buf_clear(&x.held);
    buf_fmt(&x.held, "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\"}}", words);
    x.status = 401;
    blame_account(&x);
    assert_int_equal(x.fault.code, ERR_UPSTREAM_AUTH);
    assert_null(strstr(x.fault.text, "SECRET"));
    assert_null(strstr(x.fault.text, "org-77"));
    assert_non_null(strstr(x.fault.text, "'main'"));
}

static void a_credential_that_is_repeated_is_in_no_log(void **state)
{
    static struct header of_provider = {S("x-team"), S("SECRET-team")}, of_deployment = {S("x-more"), S("SECRET-more")};
    static const char *const WORDS[] = {"SECRET-key", "SECRET-session", "SECRET-aws", "SECRET-team", "SECRET-more"};
    provider.key.value = S("SECRET-key");
    provider.aws.session_token.value = S("SECRET-session");
    provider.aws.secret_key.value = S("SECRET-aws");
    provider.headers = &of_provider;
    deployment.headers = &of_deployment;
    provider.n_headers = deployment.n_headers = 1;
    for (unsigned i = 0; i < COUNTOF(WORDS); i++) {
        char words[300];
        snprintf(words, sizeof words, "org-77 is no friend of %s, nor of SECRET-key", WORDS[i]);
        refuse_with(words);
        assert_null(strstr(logged(), "SECRET"));
        assert_non_null(strstr(text, "org-77 is no friend of"));
    }
    char words[300] = "";    /* and where the words are cut off, no part of it stays */
    memset(words, 'a', 172); /* behind "invalid_request_error: " */
    memcpy(words + 172, "SECRET-key", 10);
    refuse_with(words);
    assert_null(strstr(logged(), "SEC"));
}

/* An empty value, or one that stands in every sentence, must not take the words away. */
static void what_is_hardly_secret_cuts_nothing(void **state)
{
    static struct header one = {S("x-mode"), S("no")};
    provider.headers = &one;
    provider.n_headers = 1;
    refuse_with("there is no such account");
    assert_non_null(strstr(logged(), "there is no such account"));
}

static void the_providers_word_is_bounded(void **state)
{
    char words[1000] = "";
    memset(words, 'w', sizeof words - 1);
    x.status = 500;
    buf_fmt(&x.held, "{\"error\":{\"message\":\"%s\"}}", words);
    blame_answer(&x);
    assert_int_equal(x.fault.code, ERR_UPSTREAM_ERROR);
    assert_true(strlen(x.fault.text) < 250);
    assert_non_null(strstr(x.fault.text, "the provider answered 500: "));
    assert_int_equal(loop.room.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_that_failed_is_told_without_its_address, open_log, close_log),
        cmocka_unit_test_setup_teardown(a_fault_of_ours_is_told_as_it_is, open_log, close_log),
        cmocka_unit_test_setup_teardown(a_credential_that_is_repeated_is_in_no_log, open_log, close_log),
        cmocka_unit_test_setup_teardown(what_is_hardly_secret_cuts_nothing, open_log, close_log),
        cmocka_unit_test_setup_teardown(the_providers_word_is_bounded, open_log, close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
