/* Control's side of the ledger: ingest of living, ended, killed and damaged journals, reports, money, backup and restore. */
#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/ingest.h"
#include "store/fault_vfs.h"

enum { KILLS = 30, SMALL = 49152, SLOTS = (SMALL - SEGMENT_HEAD) / SLOT_BYTES };

static char data[64], dir[96], db[96];
static struct fault why;
static struct board *board;
static struct store *store;
static struct ledger_ingest *ingest;
static struct loop *loop;
static struct journal *journal;
static struct journal_writer *writer;
static int64_t now_ms;

static void open_side(void)
{
    assert_int_equal(store_open(&(struct store_options){.path = db, .busy_ms = 100}, &store, &why), OK);
    assert_int_equal(store_migrate(store, &why), OK);
    assert_int_equal(ledger_ingest_new(dir, store, board, &ingest, &why), OK);
}

static void close_side(void)
{
    ledger_ingest_free(ingest);
    store_close(store);
    ingest = NULL;
    store = NULL;
}

static void open_gateway(void)
{
    struct journal_options o = {.dir = dir, .safety = LEDGER_PROCESS, .stall_ms = 60000, .max_bytes = MIB(64), .segment_bytes = SMALL};
    loop = loop_new();
    assert_int_equal(journal_open(&o, board, &journal, &why), OK);
    assert_int_equal(journal_writer_new(journal, loop, &writer, &why), OK);
}

static void close_gateway(void)
{
    if (!loop) return;
    journal_writer_free(writer);
    journal_close(journal);
    loop_free(loop);
    loop = NULL;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(data, sizeof data, "ledger-test-XXXXXX");
    if (!mkdtemp(data)) return -1;
    snprintf(dir, sizeof dir, "%s/journal", data);
    snprintf(db, sizeof db, "%s/aquifer.db", data);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    now_ms = clock_wall_ms();
    open_side();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[256];
    fault_vfs_plant(0, 0);
    close_gateway();
    if (store) close_side();
    munmap(board, sizeof *board);
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -rf %s", data, data);
    return system(command);
}

/* ---- making records --------------------------------------------------------------------------------------------------- */

static struct journal_place begin_at(uint64_t number, const char *key, const char *route, int64_t started_ms)
{
    static const struct timespec pause = {0, 1000000};
    struct journal_place p;
    struct attempt_start a = {
        .number = 1, .key_id = str_z(key), .route = str_z(route), .provider = S("main"), .model = S("gpt-4o-mini"), .format = S("openai_chat"),
        .key_place = 3, .started_ms = started_ms, .estimate_input = 100, .estimate_output = 50,
        .price = {.known = true, .per = {[USAGE_IN_FRESH] = 150000, [USAGE_OUT_VISIBLE] = 600000}},
    };
    snprintf(a.id, sizeof a.id, "%026llu", (unsigned long long)number);
    memcpy(a.request_id, a.id, sizeof a.id);
    while (journal_take(writer, &p, &why) != OK) nanosleep(&pause, NULL);
    journal_start(writer, &p, &a);
    return p;
}

static struct journal_place begin(uint64_t number) { return begin_at(number, "key1", "fast", now_ms); }

static void end_as(struct journal_place p, enum attempt_end end, uint64_t in, uint64_t out, money cost)
{
    struct attempt_result r = {.end = end, .status = 200, .ended_ms = now_ms + 5, .cost_known = cost >= 0, .cost = cost < 0 ? 0 : cost};
    if (end != ATTEMPT_NOT_SENT) {
        usage_set(&r.usage, USAGE_IN_FRESH, in, USAGE_REPORTED);
        usage_set(&r.usage, USAGE_OUT_VISIBLE, out, USAGE_PARTIAL);
    }
    journal_settle(writer, &p, &r);
}

static void one(uint64_t number) { end_as(begin(number), ATTEMPT_OK, 10, 5, 75000000); }

static uint64_t run(void)
{
    uint64_t rows;
    assert_int_equal(ledger_ingest_run(ingest, &rows, &why), OK);
    return rows;
}

static int64_t count(const char *sql)
{
    int64_t n;
    assert_int_equal(store_get_i64(store, sql, NULL, &n, &why), OK);
    return n;
}

static int64_t attempts(void) { return count("SELECT count(*) FROM attempts"); }

static unsigned files(const char *suffix)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += str_ends(str_z(e->d_name), str_z(suffix));
    closedir(d);
    return n;
}

static void first_file(const char *suffix, char out[512])
{
    DIR *d = opendir(dir);
    out[0] = '\0';
    for (struct dirent *e; (e = readdir(d));)
        if (str_ends(str_z(e->d_name), str_z(suffix))) snprintf(out, 512, "%s/%s", dir, e->d_name);
    closedir(d);
    assert_true(out[0]);
}

static void assert_report(const struct ledger_query *q, const char *want)
{
    struct buf b;
    buf_init(&b, MIB(1));
    assert_int_equal(ledger_report(store, q, &b, &why), OK);
    assert_string_equal(buf_z(&b), want);
    buf_done(&b);
}

/* ---- ingest --------------------------------------------------------------------------------------------------------------- */

static void test_nothing_yet(void **state)
{
    (void)state;
    assert_int_equal(run(), 0);
    assert_report(&(struct ledger_query){.to_day = 100000},
                  "{\"data\":[],\"total\":{\"requests\":0,\"input_tokens\":0,\"output_tokens\":0,\"cost\":0,\"unknown_cost_requests\":0}}");
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
    assert_report(&(struct ledger_query){.to_day = 100000},
                  "{\"data\":["
                  "{\"key\":\"key1\",\"model\":\"fast\",\"day\":\"2026-09-21\",\"requests\":2,\"input_tokens\":1000,\"output_tokens\":1,\"cost\":0.000075,\"unknown_cost_requests\":0},"
                  "{\"key\":\"key1\",\"model\":\"slow \\\"x\\\"\",\"day\":\"2026-09-21\",\"requests\":1,\"input_tokens\":5,\"output_tokens\":6,\"cost\":0,\"unknown_cost_requests\":1},"
                  "{\"key\":\"key2\",\"model\":\"fast\",\"day\":\"2026-09-22\",\"requests\":1,\"input_tokens\":1,\"output_tokens\":2,\"cost\":12,\"unknown_cost_requests\":0}],"
                  "\"total\":{\"requests\":4,\"input_tokens\":1006,\"output_tokens\":9,\"cost\":12.000075,\"unknown_cost_requests\":1}}");
    assert_report(&(struct ledger_query){.to_day = 100000, .key_id = S("key2"), .route = S("slow")},
                  "{\"data\":[],\"total\":{\"requests\":0,\"input_tokens\":0,\"output_tokens\":0,\"cost\":0,\"unknown_cost_requests\":0}}");
    struct buf b, ended;
    char time[25];
    buf_init(&b, MIB(1));
    buf_init(&ended, KIB(1));
    clock_rfc3339(now_ms + 5, time);
    assert_int_equal(ledger_attempts(store, &(struct ledger_query){.to_day = 100000, .key_id = S("key1")}, 1, &b, &why), OK);
    buf_fmt(&ended, "%s",
                        "{\"data\":[{\"id\":\"00000000000000000000000004\",\"request_id\":\"00000000000000000000000004\",\"number\":1,\"key\":\"key1\",\"model\":\"slow \\\"x\\\"\","
                        "\"provider\":\"main\",\"upstream_model\":\"gpt-4o-mini\",\"format\":\"openai_chat\",\"first_byte_us\":0,\"duration_us\":0,\"status\":200,\"input_tokens\":5,"
                        "\"output_tokens\":6,\"tier\":\"\",\"stream\":false,\"started\":\"2026-09-21T14:13:20.000Z\",\"ended\":\"");
    buf_str(&ended, str_z(time));
    buf_str(&ended, S("\",\"end\":\"ok\",\"error\":\"\","
                        "\"usage\":{\"input\":[5,\"reported\"],\"output\":[6,\"partial\"]},\"cost\":null}]}"));
    assert_string_equal(buf_z(&b), buf_z(&ended));
    buf_done(&b);
    buf_done(&ended);
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
    buf_fmt(&want, "\"total\":{\"requests\":%llu,\"input_tokens\":%llu,\"output_tokens\":%llu,\"cost\":", (unsigned long long)requests, (unsigned long long)in, (unsigned long long)out);
    money_write(&want, cost);
    buf_str(&want, S(",\"unknown_cost_requests\":0}}"));
    assert_int_equal(ledger_report(store, &(struct ledger_query){.to_day = 100000}, &b, &why), OK);
    assert_true(str_ends(buf_view(&b), buf_view(&want)));
    buf_done(&b);
    buf_done(&want);
}

static void test_absurd_usage_is_kept_bounded(void **state)
{
    (void)state;
    open_gateway();
    for (uint64_t i = 0; i < 50; i++) end_as(begin(i), ATTEMPT_OK, UINT64_MAX, UINT64_MAX, (money)1 << 110);
    close_gateway();
    assert_int_equal(run(), 50);
    assert_int_equal(count("SELECT sum(cost_micro) FROM attempts WHERE typeof(cost_micro) = 'integer'"), 50 * INT64_C(1000000000000000));
    assert_int_equal(count("SELECT count(*) FROM usage_days WHERE typeof(cost_micro) = 'integer' AND typeof(input_tokens) = 'integer'"), 1);
    assert_int_equal(ledger_check(store, &why), OK);
}

/* ---- killed gateways --------------------------------------------------------------------------------------------------------- */

static void kill_gateway_child(void (*work)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        open_gateway();
        work();
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

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
    assert_int_equal(count("SELECT count(*) FROM attempts WHERE outcome = 7 AND cost_micro = 45 AND cost_rest = 0 AND input_tokens = 100 AND output_tokens = 50"
                           " AND usage = '{\"input\":[100,\"estimated\"],\"output\":[50,\"estimated\"]}'"), 2);
    assert_int_equal(meter_spent_day(&board->keys[3], day), 45000000);
    assert_int_equal(ledger_check(store, &why), OK);
    assert_int_equal(files(SEGMENT_SUFFIX) + files(SEGMENT_NEW), 0);
}

static void test_seed(void **state)
{
    (void)state;
    struct map places;
    static const uint32_t place = 3;
    kill_gateway_child(leave_open);
    assert_int_equal(run(), 3); /* not ready: nothing goes to the meters twice */
    assert_int_equal(meter_spent_day(&board->keys[3], clock_day(now_ms)), 0);
    map_init(&places);
    assert_true(map_add(&places, S("key1"), (void *)(uintptr_t)&place));
    assert_int_equal(ledger_seed_spend(store, board, &places, &why), OK);
    assert_int_equal(atomic_load(&board->ready_spend), 1);
    assert_int_equal(meter_spent_day(&board->keys[3], clock_day(now_ms)), 75000000 + 45000000);
    assert_int_equal(meter_spent_month(&board->keys[3], clock_month(now_ms)), 75000000 + 45000000);
    map_done(&places);
}

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
    assert_int_equal(store_get_i64(store, "SELECT count(*) FROM attempts WHERE outcome = 1 AND cost_micro = 75 AND id BETWEEN ?1 AND ?2",
                                   BINDS(V_TEXT(str_z(first)), V_TEXT(str_z(last))), &n, &why), OK);
    assert_int_equal(n, to - from + 1);
}

/* Gateway and control are killed at any moment, also between insert and removal; what was settled is there exactly once. */
static void test_kill_both_at_any_moment(void **state)
{
    (void)state;
    static const struct timespec pause = {0, 1000000};
    told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t from[KILLS], to[KILLS];
    close_side();
    for (int round = 0; round < KILLS; round++) {
        from[round] = told_from = atomic_load(told) + 2; /* one may be settled and not told */
        uint64_t at = told_from + random_u64() % 400;
        pid_t gateway = fork_victim(gateway_victim), control = fork_victim(control_victim);
        while (atomic_load(told) < at) nanosleep(&pause, NULL);
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

/* ---- damage -------------------------------------------------------------------------------------------------------------------- */

static void damage(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void ten(void)
{
    for (uint64_t i = 0; i < 10; i++) one(told_from + i);
}

static void test_damaged_slot_is_kept_aside(void **state)
{
    (void)state;
    char path[512];
    told_from = 1;
    kill_gateway_child(ten);
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) { /* in the blank spare one nothing changes: only the other has records */
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (str_ends(str_z(path), S(SEGMENT_SUFFIX))) damage(path, SEGMENT_HEAD + 4 * SLOT_BYTES + 20);
    }
    closedir(d);
    assert_int_equal(run(), 9);
    assert_int_equal(run(), 0);
    assert_in_range(files(SEGMENT_BAD), 1, 2);
    assert_int_equal(files(SEGMENT_SUFFIX), 0);
    assert_true(atomic_load(&board->counters.ingest_failures) > 0);
}

static void test_damaged_heads_are_bounded(void **state)
{
    (void)state;
    char path[512];
    mkdir(dir, 0700);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "%s/%026d%s", dir, i, SEGMENT_SUFFIX);
        FILE *f = fopen(path, "w");
        for (int n = 0; n < i * 300; n++) fputc(i * n, f);
        fclose(f);
        assert_int_equal(run(), 0);
    }
    assert_int_equal(files(SEGMENT_BAD), 16);
    assert_int_equal(files(SEGMENT_SUFFIX), 0);
}

static void test_newer_version_is_left(void **state)
{
    (void)state;
    char path[512];
    uint64_t rows;
    struct segment_head h;
    open_gateway();
    one(1);
    close_gateway();
    first_file(SEGMENT_SUFFIX, path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &h, sizeof h, 0), sizeof h);
    h.version = SEGMENT_VERSION + 1;
    h.crc = crc32c(0, &h, offsetof(struct segment_head, crc));
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
    close(fd);
    open_gateway(); /* the others are read all the same */
    one(2);
    assert_int_equal(ledger_ingest_run(ingest, &rows, &why), ERR_PARSE);
    assert_non_null(strstr(why.text, "newer Aquifer"));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(attempts(), 1);
}

/* ---- a database that cannot ------------------------------------------------------------------------------------------------------ */

static void test_locked_database(void **state)
{
    (void)state;
    struct store *other;
    uint64_t rows;
    open_gateway();
    one(1);
    assert_int_equal(store_open(&(struct store_options){.path = db}, &other, &why), OK);
    assert_int_equal(store_begin(other, &why), OK);
    assert_int_equal(ledger_ingest_run(ingest, &rows, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "locked"));
    store_rollback(other);
    store_close(other);
    assert_int_equal(run(), 1);
}

static void fail_every_step(int code)
{
    uint64_t number = 1, rows, steps = 1;
    close_side();
    fault_vfs_install();
    open_side();
    open_gateway();
    for (uint64_t step = 1; step <= steps + 1; step++) {
        for (int i = 0; i < 5; i++) one(number++);
        fault_vfs_plant(step, code);
        enum err e = ledger_ingest_run(ingest, &rows, &why);
        if (fault_vfs_steps() > steps) steps = fault_vfs_steps();
        assert_true(e == OK || e == ERR_STORE);
        assert_int_equal(e == OK ? rows : 5, 5);
        fault_vfs_plant(0, 0);
        run();
        assert_int_equal(attempts(), (int64_t)number - 1);
        assert_int_equal(count("SELECT sum(requests) FROM usage_days"), (int64_t)number - 1);
    }
    assert_true(steps > 2);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void test_full_disk_at_every_step(void **state)
{
    (void)state;
    fail_every_step(SQLITE_FULL);
}

static void test_broken_disk_at_every_step(void **state)
{
    (void)state;
    fail_every_step(SQLITE_IOERR_WRITE);
}

/* ---- retention, backup, restore ---------------------------------------------------------------------------------------------------- */

static void test_retention(void **state)
{
    (void)state;
    uint64_t gone;
    int32_t today = clock_day(now_ms);
    open_gateway();
    for (uint64_t i = 0; i < 10; i++) end_as(begin_at(i, "k", "r", now_ms - (int64_t)i * 86400000), ATTEMPT_OK, 1, 1, 1);
    close_gateway();
    run();
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ledger_retain(store, today - 3, &gone, &why), OK);
        assert_int_equal(gone, 1);
    }
    assert_int_equal(ledger_retain(store, today - 3, &gone, &why), OK);
    assert_int_equal(gone, 0);
    assert_int_equal(attempts(), 4);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void test_check_finds_a_difference(void **state)
{
    (void)state;
    open_gateway();
    one(1);
    run();
    assert_int_equal(ledger_check(store, &why), OK);
    assert_int_equal(store_exec(store, "UPDATE usage_days SET cost_rest = cost_rest + 1", NULL, NULL, &why), OK);
    assert_int_equal(ledger_check(store, &why), ERR_STORE);
}

static void test_backup_and_restore(void **state)
{
    (void)state;
    char copy[128], bad[128];
    snprintf(copy, sizeof copy, "%s/copy.db", data);
    snprintf(bad, sizeof bad, "%s/bad.db", data);
    open_gateway();
    for (uint64_t i = 0; i < 20; i++) one(i);
    assert_int_equal(ledger_backup(ingest, copy, &why), OK); /* while the gateway runs */
    one(20);
    run();
    one(21);
    assert_int_equal(ledger_restore(data, copy, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "stop it first"));
    close_gateway();
    assert_int_equal(ledger_restore(data, copy, &why), ERR_STORE); /* control still has it */
    assert_non_null(strstr(why.text, "stop it first"));
    close_side();
    FILE *f = fopen(bad, "w");
    fputs("not a database", f);
    fclose(f);
    assert_int_equal(ledger_restore(data, bad, &why), ERR_STORE);
    assert_int_equal(access(db, F_OK), 0);
    assert_int_equal(ledger_restore(data, "no-such-file", &why), ERR_STORE);
    assert_int_equal(ledger_restore(data, copy, &why), OK);
    open_side();
    assert_int_equal(attempts(), 20);
    run(); /* the journal stayed: what it still held comes back, once */
    assert_int_equal(count("SELECT count(*) FROM attempts WHERE id LIKE '%21'"), 1);
    assert_int_equal(ledger_check(store, &why), OK);
    close_side();
    f = fopen(db, "w"); /* a damaged database can be replaced */
    for (int i = 0; i < 3000; i++) fputs("damage", f);
    fclose(f);
    assert_int_equal(ledger_restore(data, copy, &why), OK);
    open_side();
    assert_int_equal(attempts(), 20);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_yet),
        CASE(test_living_gateway),
        CASE(test_report_is_exact),
        CASE(test_sums_equal_rows),
        CASE(test_absurd_usage_is_kept_bounded),
        CASE(test_interrupted_is_charged_its_estimate),
        CASE(test_seed),
        CASE(test_kill_both_at_any_moment),
        CASE(test_damaged_slot_is_kept_aside),
        CASE(test_damaged_heads_are_bounded),
        CASE(test_newer_version_is_left),
        CASE(test_locked_database),
        CASE(test_full_disk_at_every_step),
        CASE(test_broken_disk_at_every_step),
        CASE(test_retention),
        CASE(test_check_finds_a_difference),
        CASE(test_backup_and_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
