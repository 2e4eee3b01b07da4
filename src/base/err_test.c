/* Tests of the error table and of faults; must() is watched in a child. */
#include "base/test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_table(void **state)
{
    for (enum err e = OK; e < ERR_COUNT; e++) {
        assert_true(err_code(e)[0] != '\0');
        assert_true(e == OK || err_status(e) >= 400);
        assert_true((e == OK) == (err_class_of(e) == CLASS_NONE));
        for (enum err other = OK; other < e; other++) assert_string_not_equal(err_code(e), err_code(other));
    }
    assert_int_equal(err_status(ERR_RATE_REQUESTS), 429);
    assert_int_equal(err_class_of(ERR_SPEND_DAY), CLASS_BILLING);
    assert_false(err_can_retry(ERR_BAD_JSON));
    assert_true(err_can_retry(ERR_OVERLOADED));
}

static enum err born(struct fault *why) { return FAIL(why, ERR_PARSE, "line %d", 7); }
static enum err passed_on(struct fault *why)
{
    TRY(born(why));
    return OK;
}

static void test_fault(void **state)
{
    struct fault why = {.retry_after_s = 9};
    assert_int_equal(passed_on(&why), ERR_PARSE);
    assert_int_equal(why.code, ERR_PARSE);
    assert_string_equal(why.text, "line 7");
    assert_int_equal(why.retry_after_s, 0);
    assert_non_null(strstr(why.where, "err_test.c:"));
    assert_int_equal(passed_on(NULL), ERR_PARSE);
}

/* A text that is too long ends at a whole character, wherever the cut falls. */
static void test_fault_cut(void **state)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct buf text;
        buf_init(&text, 1000);
        buf_add(&text, "xxx", shift);
        for (int i = 0; i < 100; i++) buf_str(&text, S("\xf0\x9f\x98\x80"));
        struct fault why;
        assert_int_equal(FAIL(&why, ERR_PARSE, "%s", buf_z(&text)), ERR_PARSE);
        assert_true(str_is_utf8(str_z(why.text), NULL));
        assert_true(strlen(why.text) >= sizeof why.text - 4);
        buf_done(&text);
    }
}

static void test_must(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        must(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "1 + 1 == 3"));
    assert_non_null(strstr(text, "err_test.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_fault),
        cmocka_unit_test(test_fault_cut),
        cmocka_unit_test(test_must),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
