/* What an account keeps: its endpoints, and what of a query goes up. */
#include "base/test.h"
#include "wire/wire.h"

static void queries_that_go_up(void **state)
{
    static const struct {
        const char *query, *want;
    } CASES[] = {
        {"", ""},
        {"beta=true", "?beta=true"},
        {"key=aq_secret&limit=20&after=file-1", "?limit=20&after=file-1"},
        {"limit=1&&order=", "?limit=1&order="},
        {"limit=1 2&after=a/b&before=%41", "?before=%41"},
        {"Limit=1&limits=2", ""},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct buf out;
        buf_init(&out, KIB(1));
        wire_put_query(str_z(CASES[i].query), &out);
        assert_string_equal(buf_z(&out), CASES[i].want);
        buf_done(&out);
    }
}

static void what_accounts_keep(void **state)
{
    static const struct {
        const char *method, *path;
        int operation; /* -1: no such path */
    } CASES[] = {
        {"POST", "/v1/files", WIRE_KEEP},
        {"GET", "/v1/files/file-1/content", WIRE_KEEP},
        {"DELETE", "/openai/v1/files/file-1", WIRE_KEEP},
        {"POST", "/v1/batches", WIRE_BATCH},
        {"POST", "/v1/batches/b/cancel", WIRE_KEEP},
        {"POST", "/v1/messages/batches", WIRE_BATCH},
        {"GET", "/anthropic/v1/messages/batches/b/results", WIRE_KEEP},
        {"GET", "/v1/files/a/b", -1},
        {"PUT", "/v1/files", -1},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        bool wrong;
        const struct wire_endpoint *e = wire_endpoint_find(str_z(CASES[i].method), str_z(CASES[i].path), &wrong);
        if (CASES[i].operation < 0) assert_null(e);
        else if (!e || (int)e->operation != CASES[i].operation) fail_msg("%s %s", CASES[i].method, CASES[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queries_that_go_up), cmocka_unit_test(what_accounts_keep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
