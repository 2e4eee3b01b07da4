/* The state service without its socket: what is kept, recalled, listed and removed, on a database of its own. */
#include "admin/priv.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct control control;
static struct board_fds fds;
static char path[] = "state_test_XXXXXX";

static int open_world(void **state)
{
    struct store *s;
    struct fault why;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_int_equal(board_create(&control.board, &fds, &why), OK);
    assert_int_equal(store_open(&(struct store_options){.path = path}, &s, &why), OK);
    assert_int_equal(store_migrate(s, &why), OK);
    store_close(s);
    control.reports_path = path;
    atomic_store(&control.state.retention_ms, 1000000);
    atomic_store(&control.state.max_bytes, MIB(1));
    return 0;
}

static int close_world(void **state)
{
    store_close(control.state.store);
    json_tape_done(&control.state.tape);
    json_tape_done(&control.state.item);
    board_close(control.board);
    store_remove(path);
    return 0;
}

struct said {
    enum err got;
    char text[2048], extra[64];
};

/* One question of project `blue`, or of another. */
static struct said say(endpoint_fn *run, const char *project, const char *parameter, const char *query, const char *body)
{
    struct call c = {.control = &control,
                     .project = str_z(project),
                     .parameter = str_z(parameter),
                     .query = str_z(query),
                     .body = str_z(body)};
    struct said said = {0};
    arena_init(&c.arena, KIB(4), MIB(4));
    buf_init(&c.out, MIB(4));
    said.got = run(&c, &c.why);
    snprintf(said.text, sizeof said.text, "%.*s", (int)c.out.n, c.out.p ? c.out.p : "");
    snprintf(said.extra, sizeof said.extra, "%.*s", STR_ARG(c.extra.value));
    buf_done(&c.out);
    arena_done(&c.arena);
    return said;
}

static void keep(const char *id, const char *previous, const char *more)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",%s\"input\":[{\"role\":\"user\",\"content\":\"to "
             "%s\"}],\"output\":[{\"id\":\"msg_%s\",\"type\":\"message\"}],"
             "\"response\":{\"id\":\"%s\",\"status\":\"in_progress\",\"output\":[{\"id\":\"msg_%s\"}],\"store\":true}%s}",
             id, previous, id, id, id, id, more);
    assert_int_equal(say(state_keep, "blue", "", "", body).got, OK);
}

static void test_a_chain_is_recalled_in_its_order(void **state)
{
    keep("a", "", "");
    keep("b", "\"previous\":\"a\",", "");
    assert_string_equal(say(state_recall, "blue", "", "response=b", "").text,
                        "[{\"role\":\"user\",\"content\":\"to a\"},{\"id\":\"msg_a\",\"type\":\"message\"},"
                        "{\"role\":\"user\",\"content\":\"to b\"},{\"id\":\"msg_b\",\"type\":\"message\"}]");
    assert_string_equal(
        say(state_get, "blue", "b", "", "").text,
        "{\"id\":\"b\",\"status\":\"in_progress\",\"output\":[{\"id\":\"msg_b\",\"type\":\"message\"}],\"store\":true}");
}

static void test_nothing_is_another_projects(void **state)
{
    keep("mine", "", "");
    assert_int_equal(say(state_get, "green", "mine", "", "").got, ERR_NOT_FOUND);
    assert_int_equal(say(state_delete, "green", "mine", "", "").got, ERR_NOT_FOUND);
    assert_int_equal(say(state_recall, "green", "", "response=mine", "").got, ERR_NOT_FOUND);
    assert_int_equal(say(state_resolve, "green", "", "", "[{\"type\":\"item_reference\",\"id\":\"msg_mine\"}]").got,
                     ERR_NOT_FOUND);
    assert_string_equal(say(state_resolve, "blue", "", "", "[{\"type\":\"item_reference\",\"id\":\"msg_mine\"},7]").text,
                        "[{\"id\":\"msg_mine\",\"type\":\"message\"},7]");
}

static void test_a_reference_needs_no_type(void **state)
{
    keep("mine", "", "");
    assert_int_equal(say(state_resolve, "green", "", "", "[{\"id\":\"msg_mine\"}]").got, ERR_NOT_FOUND);
    assert_string_equal(
        say(state_resolve, "blue", "", "",
            "[{\"id\":\"msg_mine\"},{\"type\":null,\"id\":\"msg_mine\"},{\"id\":\"a\",\"role\":\"user\"},{\"id\":7},{\"x\":1}]")
            .text,
        "[{\"id\":\"msg_mine\",\"type\":\"message\"},{\"id\":\"msg_mine\",\"type\":\"message\"},{\"id\":\"a\",\"role\":\"user\"},"
        "{\"id\":7},{\"x\":1}]");
}

static void test_an_id_that_another_project_has_is_kept(void **state)
{
    const char *rest =
        "\",\"input\":[{\"type\":\"message\",\"id\":\"msg_same\",\"n\":1},{\"type\":\"message\",\"id\":\"msg_same\"}],"
        "\"output\":[],\"response\":{\"output\":[]}}";
    char text[512];
    snprintf(text, sizeof text, "{\"id\":\"theirs%s", rest);
    assert_int_equal(say(state_keep, "green", "", "", text).got, OK);
    snprintf(text, sizeof text, "{\"id\":\"ours%s", rest);
    assert_int_equal(say(state_keep, "blue", "", "", text).got, OK);
    for (unsigned i = 0; i < 2; i++) { /* one of the two keeps it, in each project */
        struct said said = say(state_input_items, i ? "blue" : "green", i ? "ours" : "theirs", "order=asc", "");
        assert_non_null(strstr(said.text, "[{\"id\":\"msg_same\",\"type\":\"message\",\"n\":1}"));
        assert_null(strstr(strstr(said.text, "msg_same") + 1, "msg_same\",\"type"));
    }
    assert_int_equal(say(state_delete, "green", "theirs", "", "").got, OK);
}

static void test_items_and_wishes_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *items, *path;
    } WRONG[] = {
        {"7", "items[0]:"},
        {"{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"nothing\"}", "items[1].type:"},
        {"{\"type\":\"message\",\"role\":\"king\",\"content\":\"x\"}", "items[0].role:"},
        {"{\"role\":\"user\",\"content\":7}", "items[0].content:"},
        {"{\"type\":\"item_reference\",\"id\":\"msg_mine\"}", "items[0]:"},
    };
    char body[256];
    for (unsigned i = 0; i < COUNTOF(WRONG); i++) {
        struct call c = {.control = &control, .project = S("blue")};
        snprintf(body, sizeof body, "{\"items\":[%s]}", WRONG[i].items);
        c.body = str_z(body);
        arena_init(&c.arena, KIB(4), MIB(4));
        buf_init(&c.out, MIB(4));
        assert_int_equal(talk_create(&c, &c.why), ERR_BAD_REQUEST);
        assert_non_null(strstr(c.why.text, WRONG[i].path));
        buf_done(&c.out);
        arena_done(&c.arena);
    }
    keep("shown", "", "");
    assert_int_equal(say(state_get, "blue", "shown", "include[]=reasoning.encrypted_content", "").got, OK);
    assert_int_equal(say(state_get, "blue", "shown", "include=nothing", "").got, ERR_BAD_REQUEST);
    assert_int_equal(say(state_input_items, "blue", "shown", "include%5B%5D=nothing", "").got, ERR_BAD_REQUEST);
}

static void test_a_hole_is_an_error(void **state)
{
    keep("one", "", "");
    keep("two", "\"previous\":\"one\",", "");
    assert_int_equal(say(state_delete, "blue", "one", "", "").got, OK);
    assert_int_equal(say(state_recall, "blue", "", "response=two", "").got, ERR_NOT_FOUND);
}

static void test_no_more_is_composed_than_is_taken(void **state)
{
    enum { ITEM = KIB(300), TIMES = 20 }; /* say() takes 4 MiB */
    struct buf body;
    buf_init(&body, MIB(1));
    buf_str(&body, S("{\"id\":\"big\",\"input\":[],\"output\":[{\"id\":\"msg_big\",\"x\":\""));
    for (unsigned i = 0; i < ITEM; i++) buf_char(&body, 'x');
    buf_str(&body, S("\"}],\"response\":{\"output\":[]}}"));
    assert_int_equal(say(state_keep, "blue", "", "", buf_z(&body)).got, OK);
    buf_clear(&body);
    for (unsigned i = 0; i < TIMES; i++) buf_fmt(&body, "%s{\"type\":\"item_reference\",\"id\":\"msg_big\"}", i ? "," : "[");
    buf_char(&body, ']');
    assert_int_equal(say(state_resolve, "blue", "", "", buf_z(&body)).got, ERR_BODY_TOO_LARGE);
    buf_clear(&body);
    for (unsigned i = 0; i < 4097; i++) buf_fmt(&body, "%s{\"type\":\"item_reference\",\"id\":\"msg_mine\"}", i ? "," : "[");
    buf_char(&body, ']');
    assert_int_equal(say(state_resolve, "blue", "", "", buf_z(&body)).got, ERR_BAD_REQUEST);
    buf_done(&body);
}

static void test_a_chain_too_deep_is_an_error(void **state)
{
    struct fault why;
    const char *chain =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10002)"
        " INSERT INTO responses (project, id, previous, used_ms, background, body, output_at, bytes)"
        " SELECT 'blue', 'deep' || i, CASE i WHEN 1 THEN NULL ELSE 'deep' || (i - 1) END, 9000000000000, 0, '{}', 1, 1"
        " FROM n";
    assert_int_equal(store_exec(control.state.store, chain, NULL, NULL, &why), OK);
    assert_int_equal(say(state_recall, "blue", "", "response=deep10001", "").got, OK);
    assert_int_equal(say(state_recall, "blue", "", "response=deep10002", "").got, ERR_NOT_FOUND);
    assert_int_equal(store_exec(control.state.store, "DELETE FROM responses WHERE id LIKE 'deep%'", NULL, NULL, &why), OK);
}

static bool was_run;
static unsigned n_done;
static void lane_job_run(struct job *j) { was_run = was_run || j->in_vain; }
static void lane_job_done(struct job *j)
{
    if (++n_done == 3) loop_stop(j->lane->loop);
}

static void test_what_nobody_waits_for_is_not_begun(void **state)
{
    struct loop *loop = loop_new();
    struct lane lane;
    struct job jobs[3] = {0};
    lane_init(&lane, loop, NULL);
    for (unsigned i = 0; i < COUNTOF(jobs); i++) {
        jobs[i].run = lane_job_run;
        jobs[i].done = lane_job_done;
        lane_submit(&lane, &jobs[i]);
    }
    jobs[1].in_vain = true;
    loop_run(loop);
    assert_int_equal(n_done, 3);
    assert_false(was_run);
    loop_free(loop);
}

static unsigned n_dropped;
static void lane_job_drop(struct job *j) { n_dropped++; }
static void lane_job_wait(struct job *j) {}
static void lane_is_idle(struct lane *l) { loop_stop(l->loop); }
static void lane_job_last(struct job *j) { lane_end(j->lane, lane_is_idle); }

/* The last one that runs ends the lane; one behind it is the process' own, and one comes when it has ended. */
static void test_what_waits_at_the_end_is_dropped(void **state)
{
    struct loop *loop = loop_new();
    struct lane lane;
    struct job jobs[4] = {0};
    lane_init(&lane, loop, NULL);
    for (unsigned i = 0; i < COUNTOF(jobs); i++) {
        jobs[i].run = lane_job_wait;
        jobs[i].done = lane_job_last;
        jobs[i].drop = i == 2 ? NULL : lane_job_drop;
        if (i < 3) lane_submit(&lane, &jobs[i]);
    }
    loop_run(loop);
    lane_submit(&lane, &jobs[3]);
    assert_int_equal(n_dropped, 0);
    lane_clear(&lane);
    assert_int_equal(n_dropped, 2);
    assert_null(lane.first);
    loop_free(loop);
}

static void test_thoughts_that_nobody_can_take_up_stay(void **state)
{
    const char *body =
        "{\"id\":\"r\",\"input\":[],\"output\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]},{\"type\":\"reasoning\","
        "\"encrypted_content\":\"x\"}],\"response\":{\"output\":[]}}";
    assert_int_equal(say(state_keep, "blue", "", "", body).got, OK);
    assert_string_equal(say(state_recall, "blue", "", "response=r", "").text,
                        "[{\"type\":\"reasoning\",\"encrypted_content\":\"x\"}]");
}

static void test_a_pinned_one_is_its_providers(void **state)
{
    assert_int_equal(say(state_keep, "blue", "", "", "{\"id\":\"p\",\"deployment\":\"00ff\"}").got, OK);
    struct said said = say(state_get, "blue", "p", "", "");
    assert_int_equal(said.got, OK);
    assert_string_equal(said.extra, "00ff");
    assert_string_equal(said.text, "");
}

static void test_a_run_is_followed_and_cancelled(void **state)
{
    atomic_store(&control.board->gateways[2].state, GATEWAY_SERVING);
    atomic_store(&control.board->gateways[2].started_ms, 77);
    keep("run", "", ",\"runs\":\"2:77\",\"background\":true,\"streams\":true");
    assert_string_equal(
        say(state_events, "blue", "run", "", "[{\"type\":\"x\",\"sequence_number\":0},{\"type\":\"y\",\"sequence_number\":1}]")
            .text,
        "{\"runs\":true}");
    struct said said = say(state_follow, "blue", "run", "after=0", "");
    assert_string_equal(said.text, "event: y\ndata: {\"type\":\"y\",\"sequence_number\":1}\n\n");
    assert_string_equal(said.extra, "1 more");
    assert_int_equal(say(state_cancel, "blue", "run", "", "").got, OK);
    assert_string_equal(say(state_events, "blue", "run", "", "").text, "{\"runs\":false}");
    said = say(state_follow, "blue", "run", "after=1", "");
    assert_string_equal(said.extra, "2 over");
    assert_non_null(
        strstr(said.text, "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"sequence_number\":2,"));
    assert_non_null(strstr(said.text, "\"cancelled\""));
    keep("run", "", ""); /* too late: it stays cancelled */
    assert_non_null(strstr(say(state_get, "blue", "run", "", "").text, "\"cancelled\""));
}

static void test_what_nobody_runs_is_given_up(void **state)
{
    struct fault why;
    keep("lost", "", ",\"runs\":\"2:76\",\"background\":true");
    assert_int_equal(state_sweep(&control, &why), OK);
    assert_non_null(strstr(say(state_get, "blue", "lost", "", "").text, "\"failed\""));
}

static int64_t count(const char *sql)
{
    struct fault why;
    int64_t n;
    assert_int_equal(store_get_i64(control.state.store, sql, NULL, &n, &why), OK);
    return n;
}

#define LATER(id, runs) \
    "{\"id\":\"" id "\"," runs "\"output\":[{\"type\":\"message\",\"id\":\"late_" id "\"}],\"response\":{\"output\":[]}}"

static void test_what_nobody_waits_for_any_more_is_not_begun(void **state)
{
    const char *body = "{\"id\":\"late\",\"input\":[],\"runs\":\"2:77\",\"until\":1,\"output\":[],\"response\":{\"output\":[]}}";
    assert_int_equal(say(state_keep, "blue", "", "", body).got, ERR_REQUEST_TIMEOUT);
    assert_int_equal(say(state_get, "blue", "late", "", "").got, ERR_NOT_FOUND);
    keep("soon", "", ",\"runs\":\"2:77\",\"until\":9000000000000000");
    assert_int_equal(say(state_delete, "blue", "soon", "", "").got, OK);
}

static void test_deleted_while_it_runs_is_deleted(void **state)
{
    keep("gone", "", ",\"runs\":\"2:77\",\"background\":true");
    assert_int_equal(say(state_delete, "blue", "gone", "", "").got, OK);
    assert_int_equal(say(state_keep, "blue", "", "", LATER("gone", "\"runs\":\"2:77\",")).got, ERR_NOT_FOUND);
    assert_int_equal(say(state_keep, "blue", "", "", LATER("gone", "")).got, ERR_NOT_FOUND);
    assert_int_equal(say(state_get, "blue", "gone", "", "").got, ERR_NOT_FOUND);
    assert_int_equal(count("SELECT count(*) FROM state_items WHERE id IN ('msg_gone', 'late_gone')"), 0);
}

static void test_a_conversation_deleted_while_its_response_runs(void **state)
{
    char talk[64] = "", more[128];
    struct said made = say(talk_create, "blue", "", "", "{}");
    snprintf(talk, sizeof talk, "%.45s", made.text + 7); /* {"id":"conv_… */
    snprintf(more, sizeof more, ",\"conversation\":\"%s\",\"runs\":\"2:77\",\"background\":true", talk);
    keep("told", "", more);
    assert_int_equal(say(talk_delete, "blue", talk, "", "").got, OK);
    assert_int_equal(say(state_keep, "blue", "", "", LATER("told", "")).got, OK);
    assert_int_equal(say(state_delete, "blue", "told", "", "").got, OK);
    assert_int_equal(count("SELECT count(*) FROM state_items WHERE id IN ('msg_told', 'late_told')"), 0);
}

static void test_items_of_no_conversation_are_swept(void **state)
{
    struct fault why;
    assert_int_equal(store_exec(control.state.store,
                                "INSERT INTO state_items (response, output, conversation, id, replays, bytes, body)"
                                " VALUES (NULL, 0, 999, 'orphan', 1, 2, '{}')",
                                NULL, NULL, &why),
                     OK);
    control.state.orphans_gone = false;
    assert_int_equal(state_sweep(&control, &why), OK);
    assert_int_equal(count("SELECT count(*) FROM state_items WHERE id = 'orphan'"), 0);
}

static void test_the_oldest_goes_first(void **state)
{
    struct fault why;
    int64_t all = count("SELECT count(*) FROM responses"), bytes = count("SELECT bytes FROM state_size");
    atomic_store(&control.state.max_bytes, (uint64_t)bytes - 1);
    assert_int_equal(state_sweep(&control, &why), OK);
    assert_true(count("SELECT bytes FROM state_size") < bytes);
    assert_true(count("SELECT count(*) FROM responses") < all);
    assert_true(count("SELECT count(*) FROM responses") > 0);
}

static void test_retention_0_removes_all(void **state)
{
    struct fault why;
    atomic_store(&control.state.retention_ms, 0);
    assert_int_equal(state_sweep(&control, &why), OK);
    assert_int_equal(count("SELECT count(*) FROM responses"), 0);
    assert_int_equal(count("SELECT count(*) FROM state_items"), 0);
    assert_int_equal(count("SELECT count(*) FROM response_events"), 0);
    assert_int_equal(count("SELECT bytes FROM state_size"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_is_recalled_in_its_order),
        cmocka_unit_test(test_nothing_is_another_projects),
        cmocka_unit_test(test_a_reference_needs_no_type),
        cmocka_unit_test(test_an_id_that_another_project_has_is_kept),
        cmocka_unit_test(test_items_and_wishes_that_are_none_are_refused),
        cmocka_unit_test(test_a_hole_is_an_error),
        cmocka_unit_test(test_no_more_is_composed_than_is_taken),
        cmocka_unit_test(test_a_chain_too_deep_is_an_error),
        cmocka_unit_test(test_what_nobody_waits_for_is_not_begun),
        cmocka_unit_test(test_what_waits_at_the_end_is_dropped),
        cmocka_unit_test(test_thoughts_that_nobody_can_take_up_stay),
        cmocka_unit_test(test_a_pinned_one_is_its_providers),
        cmocka_unit_test(test_a_run_is_followed_and_cancelled),
        cmocka_unit_test(test_what_nobody_runs_is_given_up),
        cmocka_unit_test(test_what_nobody_waits_for_any_more_is_not_begun),
        cmocka_unit_test(test_deleted_while_it_runs_is_deleted),
        cmocka_unit_test(test_a_conversation_deleted_while_its_response_runs),
        cmocka_unit_test(test_items_of_no_conversation_are_swept),
        cmocka_unit_test(test_the_oldest_goes_first),
        cmocka_unit_test(test_retention_0_removes_all),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
