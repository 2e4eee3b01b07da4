/* What a row costs control: `ingest_bench DIR` (an empty directory) writes attempts into a journal there, as a busy loop does
 * between two turns of control, has them put into a database, and prints nanoseconds of processor time per row. Not a test. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ledger/ledger.h"
#include "store/store.h"

enum { BURST = 6000, BURSTS = 30 };

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void one(struct journal_writer *w)
{
    static char id[LEDGER_ID_LEN + 1];
    static const struct timespec pause = {0, 2000000};
    struct journal_place place;
    struct fault why;
    struct attempt_start start = {
        .number = 1,
        .key_id = S("0123456789ab"),
        .route = S("fast"),
        .provider = S("main"),
        .model = S("gpt-4o-mini"),
        .format = S("openai_chat"),
        .started_ms = clock_wall_ms(),
    };
    struct attempt_result r = {
        .end = ATTEMPT_OK, .status = 200, .ended_ms = start.started_ms, .cost_known = true, .cost = 75000000};
    random_id(start.request_id, LEDGER_ID_LEN);
    random_id_next(id, LEDGER_ID_LEN, start.started_ms);
    memcpy(start.id, id, sizeof start.id);
    usage_set(&r.usage, USAGE_IN_FRESH, 230, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_IN_CACHE_READ, 0, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_OUT_VISIBLE, 120, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_OUT_REASONING, 0, USAGE_REPORTED);
    while (journal_take(w, &place, &why) != OK) nanosleep(&pause, NULL);
    journal_start(w, &place, &start);
    journal_settle(w, &place, &r);
}

static void check(enum err e, const struct fault *why)
{
    if (e == OK) return;
    fprintf(stderr, "%s\n", why->text);
    exit(1);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : ".";
    char path[4096], db[4096];
    struct journal *j;
    struct journal_writer *w;
    struct store *s;
    struct ledger_ingest *in;
    struct fault why;
    struct board *board = mem_alloc(sizeof *board);
    struct loop *loop = loop_new();
    snprintf(path, sizeof path, "%s/journal", dir);
    snprintf(db, sizeof db, "%s/aquifer.db", dir);
    struct journal_options o = {.dir = path, .safety = LEDGER_PROCESS, .stall_ms = 1000, .max_bytes = MIB(4096)};
    check(journal_open(&o, board, &j, &why), &why);
    check(journal_writer_new(j, loop, &w, &why), &why);
    check(store_open(&(struct store_options){.path = db}, &s, &why), &why);
    check(store_migrate(s, &why), &why);
    check(ledger_ingest_new(path, s, board, &in, &why), &why);
    uint64_t spent = 0, rows, all = 0;
    for (int b = 0; b < BURSTS; b++) {
        for (int i = 0; i < BURST; i++) one(w);
        uint64_t since = cpu_ns();
        check(ledger_ingest_run(in, &rows, &why), &why);
        spent += cpu_ns() - since;
        all += rows;
    }
    printf("%llu rows, %.0f ns of processor time each\n", (unsigned long long)all, (double)spent / (double)all);
    ledger_ingest_free(in);
    store_close(s);
    journal_writer_free(w);
    journal_close(j);
    loop_free(loop);
    free(board);
    return 0;
}
