/* Control's side of the ledger in trouble: damage, a database that cannot, retention, backup and restore. */
#include "ledger/test.h"

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
    for (uint64_t i = 1; i <= 10; i++) one(i);
}

static void test_damaged_slot_is_kept_aside(void **state)
{
    (void)state;
    char path[512];
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
    assert_non_null(strstr(why.text, "end it first"));
    close_gateway();
    assert_int_equal(ledger_restore(data, copy, &why), ERR_STORE); /* control still has it */
    assert_non_null(strstr(why.text, "end it first"));
    close_side();
    FILE *f = fopen(bad, "w");
    fputs("not a database", f);
    fclose(f);
    assert_int_equal(ledger_restore(data, bad, &why), ERR_BAD_REQUEST);
    assert_int_equal(access(db, F_OK), 0);
    assert_int_equal(ledger_restore(data, "no-such-file", &why), ERR_BAD_REQUEST);
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
