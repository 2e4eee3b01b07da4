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
        {"POST", "/openai/files", WIRE_KEEP},
        {"GET", "/openai/files/file-1/content", WIRE_KEEP},
        {"POST", "/openai/batches", WIRE_BATCH},
        {"POST", "/openai/responses", WIRE_GENERATE},
        {"POST", "/openai/responses/compact", WIRE_COMPACT},
        {"DELETE", "/openai/responses/resp_1", WIRE_STATE},
        {"GET", "/openai/models", WIRE_LIST_MODELS},
        {"GET", "/openai/models/one", WIRE_LIST_MODELS},
        {"GET", "/openai/v1/models/one", WIRE_LIST_MODELS},
        {"POST", "/openai/deployments/one/images/edits", WIRE_IMAGE_EDIT},
        {"POST", "/openai/deployments/one/audio/transcriptions", WIRE_TRANSCRIBE},
        {"POST", "/openai/deployments/one/audio/translations", WIRE_TRANSLATE_AUDIO},
        {"POST", "/openai/models/one:generateContent", -1},
        {"POST", "/openai/messages", -1},
        {"POST", "/openai/responsesx", -1},
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

static void below_the_version(void **state)
{
    static const struct {
        const char *path, *below; /* NULL: none */
    } CASES[] = {
        {"/v1/files/f", "/files/f"},           {"/openai/v1/files/f", "/files/f"}, {"/openai/files/f", "/files/f"},
        {"/anthropic/v1/files/f", "/files/f"}, {"/openai/models", "/models"},      {"/openai/deployments/d/x", NULL},
        {"/model/m/converse", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct str below = wire_path_below(str_z(CASES[i].path));
        if (!str_eq(below, str_z(CASES[i].below))) fail_msg("%s: %.*s", CASES[i].path, STR_ARG(below));
    }
}

/* A name of the path is read under every name that the path has. */
static void models_of_every_path(void **state)
{
    static const char *const PATHS[] = {"/v1/models/a%2Fb", "/openai/v1/models/a%2Fb", "/openai/models/a/b"};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(PATHS); i++) {
        struct arena a;
        struct wire_request r = {0};
        bool wrong;
        arena_init(&a, KIB(4), KIB(16));
        const struct wire_endpoint *e = wire_endpoint_find(S("GET"), str_z(PATHS[i]), &wrong);
        assert_non_null(e);
        assert_int_equal(wire_read_path(e, str_z(PATHS[i]), &a, &r, NULL), OK);
        assert_true(str_eq(r.model, S("a/b")));
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queries_that_go_up), cmocka_unit_test(what_accounts_keep),
                                       cmocka_unit_test(below_the_version), cmocka_unit_test(models_of_every_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
