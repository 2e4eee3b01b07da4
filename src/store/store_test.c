/* The store: values, transactions, migrations, copies, and every failure of the disk in turn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/test.h"
#include "store/priv.h"

static char dir[64], path[96], copy[96];
static struct fault why;

static struct store *open_store(void)
{
    struct store *s;
    assert_int_equal(store_open(&(struct store_options){.path = path, .busy_ms = 50}, &s, &why), OK);
    return s;
}

static struct store *open_migrated(void)
{
    struct store *s = open_store();
    assert_int_equal(store_migrate(s, &why), OK);
    return s;
}

static int set_up_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "store-test-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/aquifer.db", dir);
    snprintf(copy, sizeof copy, "%s/copy.db", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    fault_vfs_plant(0, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void put(struct store *s, const char *name, const char *value)
{
    assert_int_equal(store_exec(s, "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)",
                                BINDS(V_TEXT(str_z(name)), V_TEXT(str_z(value))), NULL, &why),
                     OK);
}

static int64_t count(struct store *s)
{
    int64_t n;
    assert_int_equal(store_get_i64(s, "SELECT count(*) FROM settings", NULL, &n, &why), OK);
    return n;
}

static void test_values_come_back(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_rows rows;
    bool more;
    assert_int_equal(store_query(s, "SELECT ?1, ?2, ?3, ?4, ?5",
                                 BINDS(V_I64(INT64_MIN), V_TEXT(S("a\0b")), V_BLOB(S("\xff\0")), V_NULL, V_TEXT(STR_NONE)), &rows,
                                 &why),
                     OK);
    assert_int_equal(store_next(&rows, &more, &why), OK);
    assert_true(more);
    assert_true(store_i64(&rows, 0) == INT64_MIN);
    assert_true(str_eq(store_text(&rows, 1), S("a\0b")));
    assert_true(str_eq(store_blob(&rows, 2), S("\xff\0")));
    assert_true(store_is_null(&rows, 3));
    assert_int_equal(store_i64(&rows, 3), 0);
    assert_int_equal(store_text(&rows, 3).n, 0);
    assert_false(store_is_null(&rows, 4));
    assert_int_equal(store_next(&rows, &more, &why), OK);
    assert_false(more);
    store_rows_done(&rows);
    store_close(s);
}

/* Settings named by numbers from `at` on. */
struct numbers {
    struct store_feed feed;
    int at, end;
    char name[16];
};

static bool next_number(struct store_feed *feed, struct store_value *ret_values)
{
    struct numbers *n = CONTAINER_OF(feed, struct numbers, feed);
    if (n->at == n->end) return false;
    snprintf(n->name, sizeof n->name, "%d", n->at++);
    ret_values[0] = V_TEXT(str_z(n->name));
    ret_values[1] = n->at % 2 ? V_I64(n->at) : V_BLOB(STR_NONE);
    return true;
}

static enum err feed(struct store *s, const char *sql, int from, int to, uint64_t *ret_changed)
{
    struct numbers n = {.feed = {next_number}, .at = from, .end = to};
    return store_exec_feed(s, sql, &n.feed, ret_changed, &why);
}

static void test_many_rows_at_once(void **state)
{
    (void)state;
    static const char all[] = "INSERT INTO settings (name, value) SELECT c1, c2 FROM feed";
    static const char others[] = "INSERT OR IGNORE INTO settings (name, value) SELECT c1, c2 FROM feed";
    struct store *s = open_migrated();
    uint64_t changed;
    int64_t before = count(s);
    assert_int_equal(store_begin(s, &why), OK);
    assert_int_equal(feed(s, all, 0, 1000, &changed), OK);
    assert_int_equal(changed, 1000);
    assert_int_equal(feed(s, all, 990, 1010, &changed), ERR_EXISTS);
    assert_int_equal(count(s), before + 1000); /* none of them, and the transaction goes on */
    assert_int_equal(feed(s, others, 990, 1010, &changed), OK);
    assert_int_equal(changed, 10);
    assert_int_equal(feed(s, all, 0, 0, &changed), OK);
    assert_int_equal(changed, 0);
    assert_int_equal(store_commit(s, &why), OK);
    assert_int_equal(count(s), before + 1010);
    int64_t n;
    assert_int_equal(store_get_i64(s, "SELECT value FROM settings WHERE name = '42'", NULL, &n, &why), OK);
    assert_int_equal(n, 43);
    assert_int_equal(store_get_i64(s, "SELECT length(value) FROM settings WHERE name = '41'", NULL, &n, &why), OK);
    assert_int_equal(n, 0);
    store_close(s);
}

/* No statement finds rows of another one's there, and no schema names it. */
static void test_the_feed_is_empty_by_itself(void **state)
{
    (void)state;
    struct store *s = open_migrated();
    int64_t n;
    assert_int_equal(feed(s, "INSERT INTO settings (name, value) SELECT c1, c2 FROM feed", 0, 3, NULL), OK);
    assert_int_equal(store_get_i64(s, "SELECT count(*) FROM feed", NULL, &n, &why), OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_get_i64(s, "SELECT count(*) FROM sqlite_schema WHERE name = 'feed'", NULL, &n, &why), OK);
    assert_int_equal(n, 0);
    store_close(s);
}

static void test_rows_within_rows(void **state)
{
    (void)state;
    static const char sql[] = "SELECT value FROM settings ORDER BY name";
    struct store *s = open_migrated();
    struct store_rows outer, inner;
    bool more;
    put(s, "a", "1");
    put(s, "b", "2");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(store_query(s, sql, NULL, &outer, &why), OK);
        assert_int_equal(store_next(&outer, &more, &why), OK);
        assert_int_equal(store_query(s, sql, NULL, &inner, &why), OK);
        assert_int_equal(store_next(&inner, &more, &why), OK);
        assert_true(str_eq(store_text(&inner, 0), S("1")));
        store_rows_done(&inner);
        assert_int_equal(store_next(&outer, &more, &why), OK);
        assert_true(str_eq(store_text(&outer, 0), S("2")));
        store_rows_done(&outer);
    }
    store_close(s);
}

static void test_transactions(void **state)
{
    (void)state;
    struct store *s = open_migrated();
    uint64_t changed;
    assert_int_equal(store_begin(s, &why), OK);
    put(s, "a", "1");
    store_rollback(s);
    store_rollback(s);
    assert_int_equal(count(s), 0);
    assert_int_equal(store_begin(s, &why), OK);
    put(s, "a", "1");
    assert_int_equal(store_commit(s, &why), OK);
    store_close(s);
    s = open_migrated();
    assert_int_equal(count(s), 1);
    assert_int_equal(store_exec(s, "INSERT INTO settings (name, value) VALUES ('a', '2')", NULL, NULL, &why), ERR_EXISTS);
    assert_int_equal(store_exec(s, "INSERT OR IGNORE INTO settings (name, value) VALUES ('a', '2')", NULL, &changed, &why), OK);
    assert_int_equal(changed, 0);
    assert_int_equal(store_exec(s, "DELETE FROM settings", NULL, &changed, &why), OK);
    assert_int_equal(changed, 1);
    assert_int_equal(store_exec(s, "SELECT nonsense", NULL, NULL, &why), ERR_STORE);
    store_close(s);
}

static void test_mode_is_private(void **state)
{
    (void)state;
    struct stat st;
    store_close(open_migrated());
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_migrates_and_refuses_newer(void **state)
{
    (void)state;
    uint32_t version;
    struct store *s = open_store();
    assert_int_equal(store_version(s, &version, &why), OK);
    assert_int_equal(version, 0);
    assert_int_equal(store_migrate(s, &why), OK);
    assert_int_equal(store_migrate(s, &why), OK);
    assert_int_equal(store_version(s, &version, &why), OK);
    assert_int_equal(version, store_version_newest);
    assert_int_equal(
        store_exec(s, "INSERT INTO migrations (number, name, applied_ms) VALUES (9999, 'later', 0)", NULL, NULL, &why), OK);
    assert_int_equal(store_migrate(s, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "newer Aquifer"));
    store_close(s);
}

static void run_migration(struct store *s, const struct migration *m)
{
    for (size_t i = 0; i < MIGRATION_STEPS && m->sql[i]; i++) assert_int_equal(store_exec(s, m->sql[i], NULL, NULL, &why), OK);
    assert_int_equal(store_exec(s, "INSERT INTO migrations (number, name, applied_ms) VALUES (?1, 'm', 0)",
                                BINDS(V_I64(m->number)), NULL, &why),
                     OK);
}

/* As a program before version 4 wrote it: every kind of quality, a count beyond SQLite's numbers, and none at all. */
static void write_long_rows(struct store *s)
{
    static const char *const ROWS[] = {
        "INSERT INTO attempts VALUES (20000, 'a1', 'r1', 1, 'k', 'fast', 'main', 'm', 'openai_chat', 1, 1000, 1250, 7, 8, 1, "
        "200, 0,"
        " 3, 4, '{\"input\":[18446744073709551615,\"reported\"],\"input_audio\":[0,\"partial\"],"
        "\"code_execution\":[2,\"estimated\"]}', 'flex', 5, 6)",
        "INSERT INTO attempts VALUES (20000, 'a2', 'r1', 2, 'k', 'fast', 'main', 'm', 'openai_chat', 0, 2000, 1999, 0, 8, 3, 0, "
        "5,"
        " 0, 0, '{}', '', NULL, NULL)",
        "INSERT INTO attempts VALUES (20001, 'a1', 'r2', 1, 'k', 'slow', 'main', 'm', 'openai_chat', 0, 3000, 3000, 0, 8, 1, "
        "200, 0,"
        " 0, 0, '{\"output\":[1,\"reported\"]}', '', 0, 1)",
    };
    for (size_t i = 0; i < COUNTOF(ROWS); i++) assert_int_equal(store_exec(s, ROWS[i], NULL, NULL, &why), OK);
}

/* Every column of them, in order. */
static void assert_long_rows(struct store *s)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more = true;
    struct buf all;
    int64_t sources;
    buf_init(&all, KIB(4));
    assert_int_equal(store_query(s, "SELECT * FROM attempts ORDER BY day, id", NULL, &rows, &why), OK);
    while (store_next(&rows, &more, &why) == OK && more) {
        for (unsigned c = 0; c < 23; c++) {
            buf_str(&all, store_text(&rows, c));
            buf_char(&all, c < 22 ? '|' : '\n');
        }
    }
    assert_string_equal(buf_z(&all), "20000|a1|r1|1|k|fast|main|m|openai_chat|1|1000|1250|7|8|1|200|0|3|4|"
                                     "0r18446744073709551615 5p0 20e2|flex|5|6\n"
                                     "20000|a2|r1|2|k|fast|main|m|openai_chat|0|2000|1999|0|8|3|0|5|0|0||||\n"
                                     "20001|a1|r2|1|k|slow|main|m|openai_chat|0|3000|3000|0|8|1|200|0|0|0|11r1||0|1\n");
    buf_done(&all);
    assert_int_equal(store_get_i64(s, "SELECT count(*) FROM sources", NULL, &sources, &why), OK);
    assert_int_equal(sources, 2);
}

/* As programs before version 8 wrote it: told, estimated as none, interrupted without a price, not sent. */
static void write_short_rows(struct store *s)
{
    static const char *const ROWS[] = {
        "INSERT INTO sources (day, key_id, route, provider, model, format) VALUES (20000, 'k', 'fast', 'main', 'm', "
        "'openai_chat')",
        "INSERT INTO attempt_rows SELECT 20000, 'a1', 'r1', id, 1, 1, 0, 0, 0, 0, 1, 200, 0, 3, 4, '0r3 11e4', '', 5, 6 FROM "
        "sources",
        "INSERT INTO attempt_rows SELECT 20000, 'a2', 'r2', id, 1, 1, 0, 0, 0, 0, 2, 500, 0, 0, 0, '0e0 11e0', '', 0, 0 FROM "
        "sources",
        "INSERT INTO attempt_rows SELECT 20000, 'a3', 'r3', id, 1, 1, 0, 0, 0, 0, 7, 0, 0, 30, 40, '0e30 11e40', '', NULL, NULL"
        " FROM sources",
        "INSERT INTO attempt_rows SELECT 20000, 'a4', 'r4', id, 1, 1, 0, 0, 0, 0, 3, 0, 0, 9, 9, '0e9 11e9', '', NULL, NULL FROM "
        "sources",
    };
    for (size_t i = 0; i < COUNTOF(ROWS); i++) assert_int_equal(store_exec(s, ROWS[i], NULL, NULL, &why), OK);
}

static void assert_doubt(struct store *s, const char *expected)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more = false;
    assert_int_equal(
        store_query(s,
                    "SELECT estimated || ' ' || interrupted || ' ' || estimated_input || ' ' || estimated_output || ' ' ||"
                    " estimated_micro || ' ' || estimated_rest || ' ' || unknown_input || ' ' || unknown_output"
                    " FROM usage_days WHERE day = 20000",
                    NULL, &rows, &why),
        OK);
    assert_int_equal(store_next(&rows, &more, &why), OK);
    assert_true(more);
    assert_true(str_eq(store_text(&rows, 0), str_z(expected)));
}

/* From each version that there ever was, with a key, a day and attempts in it, as its program left it. */
static void test_comes_forward_from_every_version(void **state)
{
    (void)state;
    static const char TABLE[] =
        "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ms INTEGER NOT NULL)";
    static const char *const WRITTEN[] = {
        "INSERT INTO keys (id, name, digest, created_ms, place) VALUES ('k', 'n', x'01', 1, 3)",
        ("INSERT INTO usage_days (day, key_id, route, requests, input_tokens, output_tokens, cost_micro, cost_rest, unknown_cost)"
         " VALUES (20000, 'k', 'fast', 2, 3, 4, 5, 6, 0)"),
        "INSERT INTO segments (id, position) VALUES ('s', 7)",
    };
    int64_t n;
    for (uint32_t version = 1; version <= store_version_newest; version++) {
        struct store *s = open_store();
        assert_int_equal(store_exec(s, TABLE, NULL, NULL, &why), OK);
        for (uint32_t m = 0; m < version; m++) run_migration(s, &migrations[m]);
        for (size_t i = 0; i < COUNTOF(WRITTEN); i++) assert_int_equal(store_exec(s, WRITTEN[i], NULL, NULL, &why), OK);
        if (version < 4) write_long_rows(s);
        else if (version < 8) write_short_rows(s);
        assert_int_equal(store_migrate(s, &why), OK);
        if (version < 4) assert_long_rows(s);
        assert_doubt(s, version < 4 ? "1 0 3 4 5 6 0 0" : version < 8 ? "2 1 33 44 5 6 30 40" : "0 0 0 0 0 0 0 0");
        assert_int_equal(store_get_i64(s, "SELECT max(number) FROM migrations", NULL, &n, &why), OK);
        assert_int_equal(n, store_version_newest);
        assert_int_equal(
            store_get_i64(s, "SELECT place + (SELECT position FROM segments WHERE done IS NULL) FROM keys", NULL, &n, &why), OK);
        assert_int_equal(n, 10);
        store_close(s);
        store_remove(path);
    }
}

static void test_migration_numbers_have_no_gap(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_migrations; i++) assert_int_equal(migrations[i].number, i + 1);
    assert_int_equal(store_version_newest, n_migrations);
}

static void test_foreign_and_damaged_files(void **state)
{
    (void)state;
    struct store *s = open_store();
    assert_int_equal(store_exec(s, "CREATE TABLE theirs (a)", NULL, NULL, &why), OK);
    assert_int_equal(store_migrate(s, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "another program"));
    store_close(s);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 100; i++) fputs("this is not a database, it is a poem about one\n", f);
    fclose(f);
    assert_int_equal(store_open(&(struct store_options){.path = path}, &s, &why), ERR_STORE);
    assert_null(s);
    assert_non_null(strstr(why.text, "restore"));
}

static void test_missing_directory(void **state)
{
    (void)state;
    struct store *s;
    assert_int_equal(store_open(&(struct store_options){.path = "no-such-directory/a.db"}, &s, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "no-such-directory"));
    assert_int_equal(store_open(&(struct store_options){.path = path, .read_only = true}, &s, &why), ERR_STORE);
}

static void test_locked_by_another(void **state)
{
    (void)state;
    struct store *a = open_migrated(), *b = open_store();
    assert_int_equal(store_begin(a, &why), OK);
    put(a, "a", "1");
    assert_int_equal(count(b), 0); /* readers go on */
    assert_int_equal(store_begin(b, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "locked"));
    assert_int_equal(store_commit(a, &why), OK);
    assert_int_equal(store_begin(b, &why), OK);
    put(b, "b", "1");
    assert_int_equal(store_commit(b, &why), OK);
    assert_int_equal(count(a), 2);
    store_close(a);
    store_close(b);
}

/* Root may write anywhere: the child gives that up before it looks at a read-only directory. */
static int read_only_child(void)
{
    struct store *s;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 2;
    if (store_open(&(struct store_options){.path = path}, &s, &why) != ERR_STORE) return 3;
    return strstr(why.text, path) ? 0 : 4;
}

static void test_read_only_directory(void **state)
{
    (void)state;
    int status;
    assert_int_equal(chmod(dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) _exit(read_only_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_copy_in_use(void **state)
{
    (void)state;
    struct store *s = open_migrated(), *other = open_store();
    for (int i = 0; i < 200; i++) put(s, random_u64() & 1 ? "a" : "b", "x");
    put(s, "c", "x");
    assert_int_equal(store_begin(other, &why), OK);
    put(other, "not yet", "x");
    assert_int_equal(store_backup(s, copy, &why), OK);
    assert_int_equal(store_backup(s, copy, &why), ERR_STORE); /* never over an older copy */
    store_rollback(other);
    int64_t n = count(s);
    store_close(s);
    store_close(other);
    assert_int_equal(store_open(&(struct store_options){.path = copy}, &s, &why), OK);
    assert_int_equal(count(s), n);
    assert_int_equal(store_check(s, &why), OK);
    store_close(s);
}

static void test_check_finds_damage(void **state)
{
    (void)state;
    struct store *s = open_migrated();
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %d", i);
        put(s, name, "a value of some length, so that the table has a few pages to lose");
    }
    store_close(s);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, -4096 * 4, SEEK_END);
    for (int i = 0; i < 4096 * 3; i++) fputc(0x5a, f);
    fclose(f);
    s = open_store();
    assert_int_equal(store_check(s, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "damaged"));
    store_close(s);
}

/* The whole life of a database, stopping at the first failure. */
static enum err live(struct fault *ret_why)
{
    struct store *s;
    TRY(store_open(&(struct store_options){.path = path, .busy_ms = 50}, &s, ret_why));
    enum err e = store_migrate(s, ret_why);
    if (e == OK) e = store_begin(s, ret_why);
    for (int i = 0; e == OK && i < 40; i++)
        e = store_exec(s, "INSERT INTO settings (name, value) VALUES (?1, ?2)", BINDS(V_I64(i), V_TEXT(S("value"))), NULL,
                       ret_why);
    if (e == OK) e = store_commit(s, ret_why);
    if (e == OK) e = store_backup(s, copy, ret_why);
    store_rollback(s);
    store_close(s);
    return e;
}

/* With the failure gone: whole, all or nothing, and it goes on by itself. */
static void recovers(bool was_ok)
{
    fault_vfs_plant(0, 0);
    struct store *s = open_migrated();
    int64_t n = count(s);
    assert_true(n == 0 || n == 40);
    assert_true(!was_ok || n == 40);
    assert_int_equal(store_check(s, &why), OK);
    put(s, "after", "x");
    assert_int_equal(count(s), n + 1);
    store_close(s);
}

static void fail_every_step(int code)
{
    fault_vfs_install();
    fault_vfs_plant(0, 0);
    assert_int_equal(live(&why), OK);
    uint64_t n = fault_vfs_steps();
    assert_true(n > 10);
    remove_dir(NULL);
    unsigned failed = 0;
    for (uint64_t step = 1; step <= n; step++) {
        assert_int_equal(set_up_dir(NULL), 0);
        fault_vfs_plant(step, code);
        enum err e = live(&why);
        failed += e != OK;
        assert_true(e == OK || e == ERR_STORE);
        assert_true(e == OK || why.text[0]);
        assert_true(e == OK || access(copy, F_OK) != 0);
        recovers(e == OK);
        remove_dir(NULL);
    }
    assert_true(failed > n / 2);
    assert_int_equal(set_up_dir(NULL), 0);
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

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_values_come_back),
        CASE(test_many_rows_at_once),
        CASE(test_the_feed_is_empty_by_itself),
        CASE(test_rows_within_rows),
        CASE(test_transactions),
        CASE(test_mode_is_private),
        CASE(test_migrates_and_refuses_newer),
        CASE(test_migration_numbers_have_no_gap),
        CASE(test_comes_forward_from_every_version),
        CASE(test_foreign_and_damaged_files),
        CASE(test_missing_directory),
        CASE(test_locked_by_another),
        CASE(test_read_only_directory),
        CASE(test_copy_in_use),
        CASE(test_check_finds_damage),
        CASE(test_full_disk_at_every_step),
        CASE(test_broken_disk_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
