/* Tests of the log: what a person and what a machine reads, and that nothing can forge a line or print a secret. */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int ends[2];
static char line[20000];

/* What was written since the last look; each line is one write, so it is whole. */
static const char *logged(void)
{
    ssize_t n = read(ends[0], line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

static int open_pipe(void **state) { return pipe2(ends, O_NONBLOCK); }
static int close_pipe(void **state) { return close(ends[0]) | close(ends[1]); }

static void test_text(void **state)
{
    log_setup("gateway", LOG_TEXT, LOG_INFO, ends[1]);
    LOG(LOG_INFO, "exchange.done", "done", F_Z("key", "k1"), F_INT("cost", -5), F_UINT("bytes", UINT64_MAX), F_BOOL("ok", true));
    assert_string_equal(logged() + 24, " INFO gateway exchange.done done key=k1 cost=-5 bytes=18446744073709551615 ok=true\n");
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    LOG(LOG_WARN, "a.b", "no fields");
    assert_string_equal(logged() + 24, " WARN gateway a.b no fields\n");
    LOG(LOG_INFO, "a.b", "t", F_Z("empty", ""), F_Z("two", "a b"), F_Z("quote", "a\"b\\"), F_Z("eq", "a=b"));
    assert_string_equal(logged() + 24, " INFO gateway a.b t empty=\"\" two=\"a b\" quote=\"a\\\"b\\\\\" eq=\"a=b\"\n");
}

static void test_json(void **state)
{
    log_setup("control", LOG_JSON, LOG_DEBUG, ends[1]);
    LOG(LOG_DEBUG, "a.b", "say \"hi\"", F_Z("key", "k\xc3\xa9"), F_INT("n", 5), F_BOOL("ok", false));
    assert_non_null(strstr(logged(),
                           "\",\"level\":\"debug\",\"process\":\"control\",\"event\":\"a.b\",\"text\":\"say \\\"hi\\\"\","
                           "\"key\":\"k\xc3\xa9\",\"n\":5,\"ok\":false}\n"));
    assert_memory_equal(line, "{\"time\":\"20", 11);
}

static void test_threshold(void **state)
{
    log_setup("gateway", LOG_TEXT, LOG_WARN, ends[1]);
    LOG(LOG_INFO, "a.b", "quiet");
    assert_string_equal(logged(), "");
    LOG(LOG_ERROR, "a.b", "loud");
    assert_non_null(strstr(logged(), " ERROR "));
    enum log_level level = LOG_ERROR;
    assert_true(log_parse_level(S("debug"), &level) && level == LOG_DEBUG);
    assert_false(log_parse_level(S("DEBUG"), &level));
    assert_false(log_parse_level(S(""), &level));
}

static void test_forging(void **state)
{
    const char *evil = "a\n2026 ERROR \x1b[2J\x9b\xc2\x9b\xe2\x80\xae\x7f\r\t";
    log_setup("gateway", LOG_TEXT, LOG_INFO, ends[1]);
    LOG(LOG_INFO, "a.b", evil, F_Z("v", evil));
    const char *safe = "a\\n2026 ERROR \\x1b[2J\\x9b\\x9b\\u202e\\x7f\\r\\t";
    char want[300];
    snprintf(want, sizeof want, " INFO gateway a.b %s v=\"%s\"\n", safe, safe);
    assert_string_equal(logged() + 24, want);
    log_setup("gateway", LOG_JSON, LOG_INFO, ends[1]);
    LOG(LOG_INFO, "a.b", "t", F_Z("v", evil));
    assert_non_null(strstr(logged(), "\"v\":\"a\\n2026 ERROR \\u001b[2J\\ufffd\\u009b\\u202e\\u007f\\r\\t\"}\n"));
}

static void test_secret(void **state)
{
    struct secret key = {S("aq_very_secret")};
    for (enum log_format format = LOG_TEXT; format <= LOG_JSON; format++) {
        log_setup("gateway", format, LOG_INFO, ends[1]);
        LOG(LOG_INFO, "a.b", "t", F_SECRET("key", key), F_SECRET("none", (struct secret){STR_NONE}));
        assert_null(strstr(logged(), "very"));
        assert_non_null(strstr(line, "[secret]"));
        assert_non_null(strstr(line, "[none]"));
    }
}

/* Whatever the length, a line is bounded, ends in one newline, and a JSON one is closed; a cut one says so. */
static void test_cut(void **state)
{
    char *value = mem_alloc(9001);
    for (size_t n = 7900; n < 8300; n++) {
        memset(value, '\x01', n); /* each becomes six bytes, or four */
        memset(value, 'a', n - 5);
        for (enum log_format format = LOG_TEXT; format <= LOG_JSON; format++) {
            log_setup("gateway", format, LOG_INFO, ends[1]);
            LOG(LOG_INFO, "a.b", "t", F_STR("value", str_make(value, n)), F_INT("last", 12345));
            size_t len = strlen(logged());
            assert_true(len > 7000 && len <= 8192);
            assert_ptr_equal(strchr(line, '\n'), line + len - 1);
            bool cut = strstr(line, format == LOG_TEXT ? " cut=true\n" : ",\"cut\":true}\n");
            bool whole = strstr(line, "12345");
            assert_true(cut != whole);
            assert_true(format == LOG_TEXT || line[len - 2] == '}');
            assert_true(format == LOG_TEXT || strstr(line, whole ? "\",\"last\":" : "\",\"cut\":"));
        }
    }
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),    cmocka_unit_test(test_json),   cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_forging), cmocka_unit_test(test_secret), cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests_name("log", tests, open_pipe, close_pipe);
}
