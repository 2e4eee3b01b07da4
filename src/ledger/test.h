/* What the tests of control's side share: a data directory with both sides on it, and making records by the journal.
 * Only this room's *_test.c files use it. Everything lives from set_up to tear_down of one test. */
#pragma once

#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
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
#include "store/test.h"

enum { SMALL = 61440, SLOTS = (SMALL - SEGMENT_HEAD) / SLOT_BYTES };

UNUSED static char data[64], dir[96], db[96];
UNUSED static struct fault why;
UNUSED static struct board *board;
UNUSED static struct store *store;
UNUSED static struct ledger_ingest *ingest;
UNUSED static struct loop *loop;
UNUSED static struct journal *journal;
UNUSED static struct journal_writer *writer;
UNUSED static int64_t now_ms;

UNUSED static void open_side(void)
{
    assert_int_equal(store_open(&(struct store_options){.path = db, .busy_ms = 100}, &store, &why), OK);
    assert_int_equal(store_migrate(store, &why), OK);
    assert_int_equal(ledger_ingest_new(dir, store, board, &ingest, &why), OK);
}

UNUSED static void close_side(void)
{
    ledger_ingest_free(ingest);
    store_close(store);
    ingest = NULL;
    store = NULL;
}

UNUSED static void open_gateway(void)
{
    struct journal_options o = {
        .dir = dir, .safety = LEDGER_PROCESS, .stall_ms = 60000, .max_bytes = MIB(64), .segment_bytes = SMALL};
    loop = loop_new();
    assert_int_equal(journal_open(&o, board, &journal, &why), OK);
    assert_int_equal(journal_writer_new(journal, loop, &writer, &why), OK);
}

UNUSED static void close_gateway(void)
{
    if (!loop) return;
    journal_writer_free(writer);
    journal_close(journal);
    loop_free(loop);
    loop = NULL;
}

/* What is spent is counted by days: a test that crosses midnight (UTC) would look for it in yesterday's. */
UNUSED static void await_a_day_with_room(void)
{
    enum { DAY_MS = 86400000, ROOM_MS = 20000 };
    static const struct timespec pause = {0, 50000000};
    while (DAY_MS - clock_wall_ms() % DAY_MS < ROOM_MS) nanosleep(&pause, NULL);
}

UNUSED static int set_up(void **state)
{
    (void)state;
    await_a_day_with_room();
    snprintf(data, sizeof data, "ledger-test-XXXXXX");
    if (!mkdtemp(data)) return -1;
    snprintf(dir, sizeof dir, "%s/journal", data);
    snprintf(db, sizeof db, "%s/aquifer.db", data);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    now_ms = clock_wall_ms();
    open_side();
    return 0;
}

UNUSED static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    fault_vfs_plant(0, 0);
    close_gateway();
    if (store) close_side();
    munmap(board, sizeof *board);
    return nftw(data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- making records --------------------------------------------------------------------------------------------------- */

UNUSED static struct journal_place begin_at(uint64_t number, const char *key, const char *route, int64_t started_ms)
{
    static const struct timespec pause = {0, 1000000};
    struct journal_place p;
    struct attempt_start a = {
        .number = 1,
        .key_id = str_z(key),
        .route = str_z(route),
        .provider = S("main"),
        .model = S("gpt-4o-mini"),
        .format = S("openai_chat"),
        .key_place = 3,
        .started_ms = started_ms,
        .estimate_input = 100,
        .estimate_output = 50,
        .price = {.known = true, .per = {[USAGE_IN_FRESH] = 150000, [USAGE_OUT_VISIBLE] = 600000}},
    };
    snprintf(a.id, sizeof a.id, "%026llu", (unsigned long long)number);
    memcpy(a.request_id, a.id, sizeof a.id);
    while (journal_take(writer, &p, &why) != OK) nanosleep(&pause, NULL);
    journal_start(writer, &p, &a);
    return p;
}

UNUSED static struct journal_place begin(uint64_t number) { return begin_at(number, "key1", "fast", now_ms); }

UNUSED static void end_as(struct journal_place p, enum attempt_end end, uint64_t in, uint64_t out, money cost)
{
    struct attempt_result r = {
        .end = end, .status = 200, .ended_ms = now_ms + 5, .cost_known = cost >= 0, .cost = cost < 0 ? 0 : cost};
    if (end != ATTEMPT_NOT_SENT) {
        usage_set(&r.usage, USAGE_IN_FRESH, in, USAGE_REPORTED);
        usage_set(&r.usage, USAGE_OUT_VISIBLE, out, USAGE_PARTIAL);
    }
    journal_settle(writer, &p, &r);
}

UNUSED static void one(uint64_t number) { end_as(begin(number), ATTEMPT_OK, 10, 5, 75000000); }

UNUSED static uint64_t run(void)
{
    uint64_t rows;
    assert_int_equal(ledger_ingest_run(ingest, &rows, &why), OK);
    return rows;
}

UNUSED static int64_t count(const char *sql)
{
    int64_t n;
    assert_int_equal(store_get_i64(store, sql, NULL, &n, &why), OK);
    return n;
}

UNUSED static int64_t attempts(void) { return count("SELECT count(*) FROM attempts"); }

UNUSED static unsigned files(const char *suffix)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += str_ends(str_z(e->d_name), str_z(suffix));
    closedir(d);
    return n;
}

UNUSED static void first_file(const char *suffix, char out[512])
{
    DIR *d = opendir(dir);
    out[0] = '\0';
    for (struct dirent *e; (e = readdir(d));)
        if (str_ends(str_z(e->d_name), str_z(suffix))) snprintf(out, 512, "%s/%s", dir, e->d_name);
    closedir(d);
    assert_true(out[0]);
}

UNUSED static void assert_report(const struct ledger_query *q, const char *want)
{
    struct buf b;
    buf_init(&b, MIB(1));
    assert_int_equal(ledger_report(store, q, &b, &why), OK);
    assert_string_equal(buf_z(&b), want);
    buf_done(&b);
}

/* A gateway that does its work and is killed. */
UNUSED static void kill_gateway_child(void (*work)(void))
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
