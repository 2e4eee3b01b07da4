/* A backup into the place of a database that is in use: what is counted, what is never turned back, and every way to be
 * interrupted in it. */
#include "ledger/test.h"

static char copy[128], backup[128], former[128];

enum { UNIT = 75000000, PLACE = 3 };

static void add_key(const char *id, int64_t place)
{
    assert_int_equal(store_exec(store, "INSERT INTO keys (id, name, digest, created_ms, place) VALUES (?1, 'n', x'01', 1, ?2)",
                                BINDS(V_TEXT(str_z(id)), V_I64(place)), NULL, &why),
                     OK);
}

static int64_t spent(void) { return meter_spent_day(&board->keys[PLACE], clock_day(now_ms)) / UNIT; }

static int set_up_backup(void **state)
{
    if (set_up(state)) return -1;
    snprintf(backup, sizeof backup, "%s/backup.db", data);
    snprintf(copy, sizeof copy, "%s/" LEDGER_RESTORING "-1", data);
    snprintf(former, sizeof former, "%s/aquifer.db.before-restore", data);
    atomic_store(&board->ready_spend, 1);
    add_key("key1", PLACE);
    open_gateway();
    for (uint64_t i = 1; i <= 10; i++) one(i);
    assert_int_equal(ledger_backup(ingest, backup, &why), OK);
    for (uint64_t i = 11; i <= 15; i++) one(i);
    run();
    return 0;
}

static void start_again(void)
{
    close_side();
    open_side();
}

static void test_counts_each_once(void **state)
{
    (void)state;
    struct journal_place open = begin(16);
    one(17);
    run();
    one(18); /* not booked when the restore comes */
    assert_int_equal(ledger_restore_check(data, backup, copy, &why), OK);
    assert_int_equal(ledger_restore_take(ingest, data, copy, &why), OK);
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(access(former, F_OK), 0);
    ledger_ingest_free(ingest);
    assert_int_equal(ledger_ingest_new(dir, store, board, &ingest, &why), OK);
    assert_int_equal(attempts(), 10);
    assert_int_equal(run(), 1);
    end_as(open, ATTEMPT_OK, 10, 5, UNIT);
    assert_int_equal(run(), 1);
    for (int i = 0; i < 2; i++) { /* also by the control that comes after one that was killed */
        assert_int_equal(ledger_correct_spend(store, board, &why), OK);
        assert_int_equal(spent(), 12);
        start_again();
        assert_int_equal(run(), 0);
    }
    close_gateway();
    run();
    assert_int_equal(attempts(), 12);
    assert_int_equal(ledger_check(store, &why), OK);
    assert_int_equal(files(SEGMENT_SUFFIX), 0);
    assert_int_equal(count("SELECT count(*) FROM segments"), 0);
}

static void test_killed_before_the_meters_were_moved(void **state)
{
    (void)state;
    assert_int_equal(ledger_restore_check(data, backup, copy, &why), OK);
    assert_int_equal(ledger_restore_take(ingest, data, copy, &why), OK);
    assert_int_equal(spent(), 15);
    assert_int_equal(count("SELECT count(*) FROM spend_corrections"), 1);
    start_again();
    assert_int_equal(ledger_correct_spend(store, board, &why), OK);
    assert_int_equal(spent(), 10);
    assert_int_equal(meter_spent_month(&board->keys[PLACE], clock_month(now_ms)) / UNIT, 10);
    /* Killed before the rows went away: they count once all the same. */
    assert_int_equal(store_exec(store,
                                "INSERT INTO spend_corrections (number, place, day, day_micro, day_rest, month_micro, month_rest)"
                                " VALUES (?1, ?2, ?3, -5, 0, -5, 0)",
                                BINDS(V_I64(atomic_load(&board->corrected) >> 32), V_I64(PLACE), V_I64(clock_day(now_ms))), NULL,
                                &why),
                     OK);
    assert_int_equal(ledger_correct_spend(store, board, &why), OK);
    assert_int_equal(spent(), 10);
    assert_int_equal(count("SELECT count(*) FROM spend_corrections"), 0);
}

static void test_back_and_forth(void **state)
{
    (void)state;
    char newer[140];
    snprintf(newer, sizeof newer, "%s/newer.db", data);
    assert_int_equal(ledger_backup(ingest, newer, &why), OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ledger_restore_check(data, i % 2 ? newer : backup, copy, &why), OK);
        assert_int_equal(ledger_restore_take(ingest, data, copy, &why), OK);
        start_again();
        assert_int_equal(ledger_correct_spend(store, board, &why), OK);
        assert_int_equal(run(), 0);
        assert_int_equal(attempts(), i % 2 ? 15 : 10);
        assert_int_equal(spent(), i % 2 ? 15 : 10);
    }
    one(16);
    assert_int_equal(run(), 1);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void test_keys_are_not_turned_back(void **state)
{
    (void)state;
    add_key("later", 4);
    assert_int_equal(store_exec(store, "UPDATE keys SET revoked_ms = 77, digest = x'02' WHERE id = 'key1'", NULL, NULL, &why),
                     OK);
    assert_int_equal(ledger_restore_check(data, backup, copy, &why), OK);
    assert_int_equal(ledger_restore_take(ingest, data, copy, &why), OK);
    assert_int_equal(count("SELECT count(*) FROM keys WHERE id = 'key1' AND revoked_ms = 77 AND digest = x'02'"), 1);
    assert_int_equal(count("SELECT count(*) FROM keys WHERE id = 'later' AND revoked_ms > 0 AND place = 4"), 1);
}

static void test_wrong_backups_change_nothing(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/wrong.db", data);
    FILE *f = fopen(path, "w");
    fputs("not a database, but of some length, as a torn download would be", f);
    fclose(f);
    assert_int_equal(ledger_restore_check(data, path, copy, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why.text, "wrong.db is no backup: it is not a database"));
    assert_int_equal(truncate(path, 0), 0); /* to SQLite an empty database; to us no backup */
    assert_int_equal(ledger_restore_check(data, path, copy, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why.text, "empty"));
    assert_int_equal(ledger_restore_take(ingest, data, copy, &why), ERR_STORE); /* a copy that went away */
    assert_int_equal(ledger_restore_check(data, data, copy, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why.text, "not a file"));
    assert_int_equal(ledger_restore_check(data, "no-such-file", copy, &why), ERR_BAD_REQUEST);
    assert_int_equal(access(copy, F_OK), -1);
    struct store *s; /* one whose sums were touched */
    assert_int_equal(store_open(&(struct store_options){.path = backup}, &s, &why), OK);
    assert_int_equal(store_exec(s, "UPDATE usage_days SET requests = requests + 1", NULL, NULL, &why), OK);
    store_close(s);
    assert_int_equal(ledger_restore_check(data, backup, copy, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "sums differ"));
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(attempts(), 15);
}

static void test_pages_of_another_size(void **state)
{
    (void)state;
    sqlite3 *db_of_backup;
    assert_int_equal(sqlite3_open(backup, &db_of_backup), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db_of_backup, "PRAGMA page_size = 4096; VACUUM", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db_of_backup);
    assert_int_equal(ledger_restore_check(data, backup, copy, &why), OK);
    assert_int_equal(ledger_restore_take(ingest, data, copy, &why), OK);
    assert_int_equal(attempts(), 10);
    assert_int_equal(ledger_check(store, &why), OK);
}

static void fail_every_step(int code)
{
    uint64_t step = 1;
    close_side();
    fault_vfs_install();
    open_side();
    for (;; step++) {
        assert_int_equal(ledger_restore_check(data, backup, copy, &why), OK);
        fault_vfs_plant(step, code);
        enum err e = ledger_restore_take(ingest, data, copy, &why);
        bool none_failed = fault_vfs_steps() < step;
        fault_vfs_plant(0, 0);
        start_again();
        ledger_restore_sweep(data);
        assert_int_equal(ledger_check(store, &why), OK);
        if (none_failed) break;
        if (e == OK) break; /* what failed came after the change was whole */
        assert_int_equal(e, ERR_STORE);
        assert_int_equal(attempts(), 15);
        assert_int_equal(run(), 0);
    }
    assert_true(step > 5);
    assert_int_equal(attempts(), 10);
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

/* ---- killed in the middle ------------------------------------------------------------------------------------------------ */

enum { KILLS = 25 };

static void restore_until_killed(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open_side();
    for (;;) {
        ledger_restore_sweep(data);
        if (ledger_restore_check(data, backup, copy, &why) != OK || ledger_restore_take(ingest, data, copy, &why) != OK) _exit(1);
        start_again();
    }
}

static void test_killed_at_any_moment(void **state)
{
    (void)state;
    unsigned seed = 7;
    int status;
    close_gateway();
    run();
    close_side();
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = fork();
        if (pid == 0) restore_until_killed();
        struct timespec pause = {0, 1000000L * (rand_r(&seed) % 60)};
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        ledger_restore_sweep(data);
        open_side();
        assert_int_equal(ledger_check(store, &why), OK);
        int64_t n = attempts();
        assert_true(n == 10 || n == 15);
        assert_int_equal(run(), 0);
        close_side();
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up_backup, tear_down)

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        CASE(test_counts_each_once),         CASE(test_killed_before_the_meters_were_moved), CASE(test_back_and_forth),
        CASE(test_keys_are_not_turned_back), CASE(test_wrong_backups_change_nothing),        CASE(test_pages_of_another_size),
        CASE(test_full_disk_at_every_step),  CASE(test_broken_disk_at_every_step),           CASE(test_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
