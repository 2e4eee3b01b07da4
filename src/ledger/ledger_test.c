/* Control's side of the ledger: living, ended and killed gateways, reports and money. */
#include "ledger/test.h"

#include <sched.h>

/* ---- ingest --------------------------------------------------------------------------------------------------------------- */

static void test_nothing_yet(void **state)
{
    (void)state;
    assert_int_equal(run(), 0);
    assert_report(&(struct ledger_query){.to_day = 100000},
                  "{\"data\":[],\"total\":{\"requests\":0,\"input_tokens\":0,\"output_tokens\":0,\"cost\":0}}");
}

static void test_living_gateway(void **state)
{
    (void)state;
    open_gateway();
    struct journal_place open = begin(1);
    one(2);
    one(3);
    assert_int_equal(run(), 2);
    assert_int_equal(run(), 0);
    assert_int_equal(atomic_load(&board->counters.ingest_lag), 0);
    end_as(open, ATTEMPT_CUT, 7, 1, -1);
    assert_int_equal(atomic_load(&board->counters.ingest_lag), 1);
    close_side(); /* a control that starts again */
    open_side();
    assert_int_equal(run(), 1);
    for (uint64_t i = 4; i < 4 + 3 * SLOTS; i++) one(i);
    assert_int_equal(run(), 3 * SLOTS);
    close_gateway();
    assert_int_equal(run(), 0);
    assert_int_equal(attempts(), 3 + 3 * SLOTS);
    assert_int_equal(files(SEGMENT_SUFFIX) + files(SEGMENT_NEW), 0);
    assert_int_equal(count("SELECT count(*) FROM segments"), 0);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void test_report_is_exact(void **state)
{
    (void)state;
    int64_t day1 = 1790000000000, day2 = day1 + 86400000;
    open_gateway();
    end_as(begin_at(1, "key1", "fast", day1), ATTEMPT_OK, 1000, 1, 75000000);
    end_as(begin_at(2, "key1", "fast", day1), ATTEMPT_FAILED, 0, 0, 0);
    end_as(begin_at(3, "key1", "fast", day1), ATTEMPT_NOT_SENT, 0, 0, 0);
    end_as(begin_at(4, "key1", "slow \"x\"", day1), ATTEMPT_OK, 5, 6, -1);
    end_as(begin_at(5, "key2", "fast", day2), ATTEMPT_OK, 1, 2, 12 * MONEY_DOLLAR);
    close_gateway();
    assert_int_equal(run(), 5);
    assert_report(
        &(struct ledger_query){.to_day = 100000},
        "{\"data\":["
        "{\"key\":\"key1\",\"model\":\"fast\",\"day\":\"2026-09-21\",\"requests\":2,\"input_tokens\":1000,\"output_tokens\":1,"
        "\"cost\":0.000075},"
        "{\"key\":\"key1\",\"model\":\"slow "
        "\\\"x\\\"\",\"day\":\"2026-09-21\",\"requests\":1,\"input_tokens\":5,\"output_tokens\":6,\"cost\":0,"
        "\"unknown_cost_requests\":1,\"unknown_cost_input_tokens\":5,\"unknown_cost_output_tokens\":6},"
        "{\"key\":\"key2\",\"model\":\"fast\",\"day\":\"2026-09-22\",\"requests\":1,\"input_tokens\":1,\"output_tokens\":2,"
        "\"cost\":12}],"
        "\"total\":{\"requests\":4,\"input_tokens\":1006,\"output_tokens\":9,\"cost\":12.000075,"
        "\"unknown_cost_requests\":1,\"unknown_cost_input_tokens\":5,\"unknown_cost_output_tokens\":6}}");
    assert_report(&(struct ledger_query){.to_day = 100000, .key_id = S("key2"), .route = S("slow")},
                  "{\"data\":[],\"total\":{\"requests\":0,\"input_tokens\":0,\"output_tokens\":0,\"cost\":0}}");
    static const char add[] = "INSERT INTO keys (id, name, digest, created_ms, place, project) VALUES ('key1', 'n', x'01', 1, 1, "
                              "NULL), ('key2', 'n', x'01', 1, 2, 'blue')";
    assert_int_equal(store_exec(store, add, NULL, NULL, &why), OK);
    assert_report(&(struct ledger_query){.to_day = 100000, .project = S("blue")},
                  "{\"data\":[{\"key\":\"key2\",\"model\":\"fast\",\"day\":\"2026-09-22\",\"requests\":1,\"input_tokens\":1,"
                  "\"output_tokens\":2,\"cost\":12}],"
                  "\"total\":{\"requests\":1,\"input_tokens\":1,\"output_tokens\":2,\"cost\":12}}");
    struct buf b, ended;
    char time[25];
    buf_init(&b, MIB(1));
    buf_init(&ended, KIB(1));
    clock_rfc3339(now_ms + 5, time);
    assert_int_equal(ledger_attempts(store, &(struct ledger_query){.to_day = 100000, .key_id = S("key1")}, 1, &b, &why), OK);
    buf_fmt(&ended, "%s",
            "{\"data\":[{\"id\":\"00000000000000000000000004\",\"request_id\":\"00000000000000000000000004\",\"number\":1,"
            "\"key\":\"key1\",\"model\":\"slow \\\"x\\\"\","
            "\"provider\":\"main\",\"upstream_model\":\"gpt-4o-mini\",\"format\":\"openai_chat\",\"first_byte_us\":0,\"duration_"
            "us\":0,\"status\":200,\"input_tokens\":5,"
            "\"output_tokens\":6,\"tier\":\"\",\"stream\":false,\"started\":\"2026-09-21T14:13:20.000Z\",\"ended\":\"");
    buf_str(&ended, str_z(time));
    buf_str(&ended, S("\",\"end\":\"ok\",\"error\":\"\","
                      "\"usage\":{\"input\":[5,\"reported\"],\"output\":[6,\"partial\"]},\"cost\":null}]}"));
    assert_string_equal(buf_z(&b), buf_z(&ended));
    buf_done(&b);
    buf_done(&ended);
}

static void end_estimated(struct journal_place p, enum attempt_end end, uint64_t out, money cost)
{
    struct attempt_result r = {.end = end, .ended_ms = now_ms, .cost_known = cost >= 0, .cost = cost < 0 ? 0 : cost};
    usage_set(&r.usage, USAGE_IN_FRESH, 10, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_OUT_VISIBLE, out, USAGE_ESTIMATED);
    journal_settle(writer, &p, &r);
}

/* An estimate of none makes no sum uncertain. What no price was known for is told in tokens. */
static void test_report_tells_what_is_estimated(void **state)
{
    (void)state;
    int64_t day = 1790000000000;
    open_gateway();
    end_as(begin_at(1, "key1", "fast", day), ATTEMPT_OK, 1000, 1, 75000000);
    end_estimated(begin_at(2, "key1", "fast", day), ATTEMPT_ABORTED, 20, 1999999);
    end_estimated(begin_at(3, "key1", "fast", day), ATTEMPT_CUT, 30, 2000001);
    end_estimated(begin_at(4, "key1", "fast", day), ATTEMPT_FAILED, 0, 7);
    end_estimated(begin_at(5, "key1", "fast", day), ATTEMPT_OK, 40, -1);
    end_estimated(begin_at(6, "key1", "fast", day), ATTEMPT_NOT_SENT, 50, -1);
    close_gateway();
    assert_int_equal(run(), 6);
#define DOUBTFUL                                                                                                           \
    "\"requests\":5,\"input_tokens\":1040,\"output_tokens\":91,\"cost\":0.000079000007,\"estimated_requests\":3,"          \
    "\"interrupted_requests\":0,\"estimated_input_tokens\":30,\"estimated_output_tokens\":90,\"estimated_cost\":0.000004," \
    "\"unknown_cost_requests\":1,\"unknown_cost_input_tokens\":10,\"unknown_cost_output_tokens\":40}"
    assert_report(&(struct ledger_query){.to_day = 100000},
                  "{\"data\":[{\"key\":\"key1\",\"model\":\"fast\",\"day\":\"2026-09-21\"," DOUBTFUL "],\"total\":{" DOUBTFUL
                  "}");
    assert_int_equal(ledger_check(store, &why), OK);
    static const char less[] = "UPDATE usage_days SET estimated_micro = estimated_micro - 1";
    assert_int_equal(store_exec(store, less, NULL, NULL, &why), OK);
    assert_int_equal(ledger_check(store, &why), ERR_STORE);
}

/* Random attempts; the report's total equals sums kept beside, to the last digit. */
static void test_sums_equal_rows(void **state)
{
    (void)state;
    static const char *const KEYS[] = {"a", "b", "c"}, *const ROUTES[] = {"x", "y/z", "a/x"};
    uint64_t requests = 0, in = 0, out = 0;
    money cost = 0;
    open_gateway();
    for (uint64_t i = 0; i < 1500; i++) {
        uint64_t r = random_u64(), n_in = r >> 40, n_out = r >> 50;
        money c = (money)(random_u64() >> 8) * 1000;
        end_as(begin_at(i, KEYS[r % 3], ROUTES[r / 3 % 3], now_ms - (int64_t)(r / 9 % 5) * 86400000), ATTEMPT_OK, n_in, n_out, c);
        requests++, in += n_in, out += n_out, cost += c;
        if (r % 97 == 0) run();
    }
    close_gateway();
    run();
    assert_int_equal(ledger_check(store, &why), OK);
    struct buf b, want;
    buf_init(&b, MIB(1));
    buf_init(&want, KIB(1));
    buf_fmt(&want,
            "\"total\":{\"requests\":%llu,\"input_tokens\":%llu,\"output_tokens\":%llu,\"cost\":", (unsigned long long)requests,
            (unsigned long long)in, (unsigned long long)out);
    money_write(&want, cost);
    buf_str(&want, S("}}"));
    assert_int_equal(ledger_report(store, &(struct ledger_query){.to_day = 100000}, &b, &why), OK);
    assert_true(str_ends(buf_view(&b), buf_view(&want)));
    buf_done(&b);
    buf_done(&want);
}

/* In place of libc's, for this whole program. */
static unsigned gave_way;

int sched_yield(void)
{
    gave_way++;
    return 0;
}

/* However much there is to read, no event loop on the same processor waits for all of it. */
static void test_many_rows_give_way(void **state)
{
    (void)state;
    enum { ALL = 600, STINT = 256 };
    open_gateway();
    for (uint64_t i = 0; i < ALL; i++) one(i);
    close_gateway();
    gave_way = 0;
    assert_int_equal(run(), ALL);
    assert_int_equal(gave_way, ALL / STINT);
    assert_int_equal(run(), 0);
    assert_int_equal(gave_way, ALL / STINT);
}

/* What a batch holds may be known in part, when the place where reading goes on is lost. */
static void test_known_rows_beside_new_ones(void **state)
{
    (void)state;
    enum { KNOWN = 7, ALL = 20 };
    open_gateway();
    for (uint64_t i = 0; i < KNOWN; i++) one(2 * i);
    assert_int_equal(run(), KNOWN);
    assert_int_equal(store_exec(store, "DELETE FROM segments", NULL, NULL, &why), OK);
    close_side();
    open_side();
    for (uint64_t i = KNOWN; i < ALL; i++) one(2 * i);
    assert_int_equal(run(), ALL - KNOWN);
    assert_int_equal(run(), 0);
    assert_int_equal(count("SELECT count(*) FROM attempts"), ALL);
    assert_int_equal(count("SELECT sum(requests) FROM usage_days"), ALL);
    assert_int_equal(atomic_load(&board->counters.ingest_rows), ALL);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void test_absurd_usage_is_kept_bounded(void **state)
{
    (void)state;
    open_gateway();
    for (uint64_t i = 0; i < 50; i++) end_as(begin(i), ATTEMPT_OK, UINT64_MAX, UINT64_MAX, (money)1 << 110);
    close_gateway();
    assert_int_equal(run(), 50);
    assert_int_equal(count("SELECT sum(cost_micro) FROM attempts WHERE typeof(cost_micro) = 'integer'"),
                     50 * INT64_C(1000000000000000));
    assert_int_equal(
        count("SELECT count(*) FROM usage_days WHERE typeof(cost_micro) = 'integer' AND typeof(input_tokens) = 'integer'"), 1);
    assert_int_equal(ledger_check(store, &why), OK);
}

/* ---- killed gateways --------------------------------------------------------------------------------------------------------- */

static void leave_open(void)
{
    one(1);
    begin(2);
    begin_at(3, "key1", "fast", now_ms - 40 * INT64_C(86400000)); /* of a day that no cap asks for */
}

static void test_interrupted_is_charged_its_estimate(void **state)
{
    (void)state;
    int32_t day = clock_day(now_ms);
    atomic_store(&board->ready_spend, 1);
    kill_gateway_child(leave_open);
    assert_int_equal(run(), 3);
    assert_int_equal(run(), 0);
    assert_int_equal(count("SELECT count(*) FROM attempts WHERE outcome = 7 AND cost_micro = 45 AND cost_rest = 0 AND "
                           "input_tokens = 100 AND output_tokens = 50"
                           " AND usage = '0e100 11e50'"),
                     2);
    assert_int_equal(count("SELECT sum(interrupted) FROM usage_days WHERE estimated = interrupted AND estimated_micro = 45"), 2);
    assert_int_equal(meter_spent_day(&board->keys[3], day), 75000000 + 45000000);
    assert_int_equal(ledger_check(store, &why), OK);
    assert_int_equal(files(SEGMENT_SUFFIX) + files(SEGMENT_NEW), 0);
}

static void test_seed(void **state)
{
    (void)state;
    struct map places;
    static const uint32_t place = 3;
    kill_gateway_child(leave_open);
    assert_int_equal(run(), 3); /* not ready: what the gateway entered is all */
    assert_int_equal(meter_spent_day(&board->keys[3], clock_day(now_ms)), 75000000);
    map_init(&places);
    assert_true(map_add(&places, S("key1"), (void *)(uintptr_t)&place));
    assert_int_equal(ledger_seed_spend(store, board, &places, &why), OK);
    assert_int_equal(atomic_load(&board->ready_spend), 1);
    assert_int_equal(meter_spent_day(&board->keys[3], clock_day(now_ms)), 75000000 + 45000000);
    assert_int_equal(meter_spent_month(&board->keys[3], clock_month(now_ms)), 75000000 + 45000000);
    map_done(&places);
}

/* The segment that has records; the other one was only made ahead. */
static void used_segment(char out[512])
{
    uint32_t crc;
    out[0] = '\0';
    DIR *d = opendir(dir);
    for (struct dirent *e; !out[0] && (e = readdir(d));) {
        if (!str_ends(str_z(e->d_name), S(SEGMENT_SUFFIX))) continue;
        snprintf(out, 512, "%s/%s", dir, e->d_name);
        int fd = open(out, O_RDONLY | O_CLOEXEC);
        if (pread(fd, &crc, sizeof crc, SEGMENT_HEAD) != sizeof crc || !crc) out[0] = '\0';
        close(fd);
    }
    closedir(d);
    assert_true(out[0]);
}

/* The same mark that the gateway sets, taken back in the file: as if it had been killed before it. */
static void unmark(uint32_t slot)
{
    char path[512], zero = 0;
    used_segment(path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, &zero, 1, SEGMENT_HEAD + (off_t)slot * SLOT_BYTES + SLOT_ENTERED), 1);
    close(fd);
}

static int64_t spent(void)
{
    int64_t day = meter_spent_day(&board->keys[3], clock_day(now_ms));
    assert_int_equal(meter_spent_month(&board->keys[3], clock_month(now_ms)), day);
    return day;
}

static void two(void)
{
    one(1);
    one(2);
}

/* Killed when the record was stored and its money not entered: ingest enters it, once. */
static void test_settled_and_not_entered_is_entered_once(void **state)
{
    (void)state;
    atomic_store(&board->ready_spend, 1);
    kill_gateway_child(two);
    assert_int_equal(spent(), 2 * 75000000);
    meter_add_spent(&board->keys[3], clock_day(now_ms), clock_month(now_ms), -75000000);
    unmark(1);
    assert_int_equal(run(), 2);
    assert_int_equal(spent(), 2 * 75000000);
    assert_int_equal(run(), 0);
    assert_int_equal(spent(), 2 * 75000000);
}

/* A control that was killed between its commit and the meter: the rows are known to the next one, the money is not. */
static void test_owed_money_survives_control(void **state)
{
    (void)state;
    char path[512], aside[576];
    atomic_store(&board->ready_spend, 1);
    kill_gateway_child(leave_open);
    used_segment(path);
    snprintf(aside, sizeof aside, "%s/aside", data);
    assert_int_equal(link(path, aside), 0);
    assert_int_equal(run(), 3);
    assert_int_equal(spent(), 75000000 + 45000000);
    assert_int_equal(link(aside, path), 0); /* marked already: nothing is owed */
    close_side();
    open_side();
    assert_int_equal(run(), 0);
    assert_int_equal(spent(), 75000000 + 45000000);
    assert_int_equal(link(aside, path), 0); /* as a kill after the commit leaves it */
    unmark(1);
    meter_add_spent(&board->keys[3], clock_day(now_ms), clock_month(now_ms), -45000000);
    close_side();
    open_side();
    assert_int_equal(run(), 0);
    assert_int_equal(spent(), 75000000 + 45000000);
}

/* The record is there, the meter not yet: a living writer is left to it. */
static void test_a_living_gateway_enters_its_own(void **state)
{
    (void)state;
    atomic_store(&board->ready_spend, 1);
    open_gateway();
    two();
    unmark(0);
    assert_int_equal(run(), 1);
    assert_int_equal(spent(), 2 * 75000000);
    close_gateway(); /* it never came to it */
    assert_int_equal(run(), 1);
    assert_int_equal(spent(), 3 * 75000000);
}

/* A gateway whose supervisor died drains on the old board: the new one's meters get its money from ingest. */
static void test_another_boards_gateway_is_entered_here(void **state)
{
    (void)state;
    atomic_store(&board->ready_spend, 1);
    open_gateway();
    two();
    /* The gateway keeps the old one; control and its meters stand on a new one. */
    struct board *old = board;
    close_side();
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board->id = 7;
    atomic_store(&board->ready_spend, 1);
    open_side();
    assert_int_equal(run(), 2);
    assert_int_equal(spent(), 2 * 75000000);
    assert_int_equal(run(), 0);
    close_side();
    open_side();
    assert_int_equal(run(), 0);
    assert_int_equal(spent(), 2 * 75000000);
    close_gateway();
    munmap(old, sizeof *old);
}

enum { KILLS = 30 };

static _Atomic uint64_t *told; /* shared: settled so far, by number */
static uint64_t told_from;

static void settle_for_ever(void)
{
    for (uint64_t i = told_from;; i++) {
        one(i);
        atomic_store(told, i);
    }
}

static pid_t fork_victim(void (*work)(void))
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    _exit(0);
}

static void gateway_victim(void)
{
    open_gateway();
    settle_for_ever();
}

static void control_victim(void)
{
    open_side();
    for (;;) run();
}

static void await_told(uint64_t at, pid_t gateway)
{
    static const struct timespec pause = {0, 1000000};
    while (atomic_load(told) < at) {
        assert_int_equal(waitpid(gateway, NULL, WNOHANG), 0);
        nanosleep(&pause, NULL);
    }
}

static void end_victim(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Every number of the round whose settle had returned has one row, with its sums. */
static void assert_round(uint64_t from, uint64_t to)
{
    char first[32], last[32];
    int64_t n;
    snprintf(first, sizeof first, "%026llu", (unsigned long long)from);
    snprintf(last, sizeof last, "%026llu", (unsigned long long)to);
    assert_int_equal(store_get_i64(store,
                                   "SELECT count(*) FROM attempts WHERE outcome = 1 AND cost_micro = 75 AND id BETWEEN ?1 AND ?2",
                                   BINDS(V_TEXT(str_z(first)), V_TEXT(str_z(last))), &n, &why),
                     OK);
    assert_int_equal(n, to - from + 1);
}

/* Gateway and control are killed at any moment: the meter never has less than the rows say, and at most one attempt more
 * for each kill (between the meter and the mark). */
static void test_the_meter_never_falls_behind(void **state)
{
    (void)state;
    told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    atomic_store(&board->ready_spend, 1);
    close_side();
    for (int round = 0; round < KILLS; round++) {
        told_from = atomic_load(told) + 2;
        uint64_t at = told_from + random_u64() % 400;
        pid_t gateway = fork_victim(gateway_victim), control = fork_victim(control_victim);
        await_told(at, gateway);
        end_victim(gateway);
        end_victim(control);
    }
    open_side();
    run();
    int64_t rows = count("SELECT sum(cost_micro) FROM attempts") * 1000000, most = rows + 2 * KILLS * INT64_C(75000000);
    int64_t day = meter_spent_day(&board->keys[3], clock_day(now_ms));
    int64_t month = meter_spent_month(&board->keys[3], clock_month(now_ms));
    assert_true(rows > 0 && day >= rows && day <= most && month >= rows && month <= most);
    munmap((void *)(uintptr_t)told, 4096);
}

/* Gateway and control are killed at any moment, also between insert and removal; what was settled is there exactly once. */
static void test_kill_both_at_any_moment(void **state)
{
    (void)state;
    told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t from[KILLS], to[KILLS];
    close_side();
    for (int round = 0; round < KILLS; round++) {
        from[round] = told_from = atomic_load(told) + 2; /* one may be settled and not told */
        uint64_t at = told_from + random_u64() % 400;
        pid_t gateway = fork_victim(gateway_victim), control = fork_victim(control_victim);
        await_told(at, gateway);
        end_victim(round & 1 ? gateway : control);
        end_victim(round & 1 ? control : gateway);
        to[round] = atomic_load(told);
    }
    open_side();
    run();
    assert_int_equal(files(SEGMENT_SUFFIX) + files(SEGMENT_NEW) + files(SEGMENT_BAD), 0);
    assert_int_equal(ledger_check(store, &why), OK);
    for (int round = 0; round < KILLS; round++) assert_round(from[round], to[round]);
    assert_true(count("SELECT count(*) FROM attempts WHERE outcome = 7") <= KILLS);
    assert_int_equal(count("SELECT sum(requests) FROM usage_days"), attempts());
    munmap((void *)(uintptr_t)told, 4096);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_yet),
        CASE(test_living_gateway),
        CASE(test_report_is_exact),
        CASE(test_report_tells_what_is_estimated),
        CASE(test_sums_equal_rows),
        CASE(test_many_rows_give_way),
        CASE(test_known_rows_beside_new_ones),
        CASE(test_absurd_usage_is_kept_bounded),
        CASE(test_interrupted_is_charged_its_estimate),
        CASE(test_seed),
        CASE(test_settled_and_not_entered_is_entered_once),
        CASE(test_owed_money_survives_control),
        CASE(test_a_living_gateway_enters_its_own),
        CASE(test_another_boards_gateway_is_entered_here),
        CASE(test_the_meter_never_falls_behind),
        CASE(test_kill_both_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
