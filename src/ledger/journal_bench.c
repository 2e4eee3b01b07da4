/* What a record costs: `journal_bench DIR` prints nanoseconds of one loop's processor time per take + start + settle, and
 * the latency of one settled record until the disk has it, beside a bare fdatasync into a preallocated file. Not a test. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ledger/ledger.h"

enum { BURST = 2000, BURSTS = 100, SYNCS = 500 };

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct attempt_start START = {
    .id = "0123456789abcdefghjkmnpqrs",
    .request_id = "0123456789abcdefghjkmnpqrs",
    .number = 1,
    .key_id = {"k0123456789abcdef", 17},
    .route = {"fast", 4},
    .provider = {"main", 4},
    .model = {"gpt-4o-mini", 11},
    .format = {"openai_chat", 11},
};

static struct attempt_result result(void)
{
    struct attempt_result r = {.end = ATTEMPT_OK, .status = 200, .cost_known = true, .cost = 75000000};
    usage_set(&r.usage, USAGE_IN_FRESH, 1000, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_IN_CACHE_READ, 0, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_OUT_VISIBLE, 300, USAGE_REPORTED);
    return r;
}

static void one(struct journal_writer *w)
{
    static const struct timespec pause = {0, 2000000};
    struct journal_place place;
    struct fault why;
    struct attempt_result r = result();
    while (journal_take(w, &place, &why) != OK) nanosleep(&pause, NULL);
    journal_start(w, &place, &START);
    journal_settle(w, &place, &r);
}

static struct waiting {
    struct journal_wait wait;
    struct journal_writer *writer;
    struct loop *loop;
    uint64_t since, sum;
    unsigned n;
} waiting;

static void begin(void);
static void on_safe(struct journal_wait *w)
{
    (void)w;
    waiting.sum += clock_mono_ns() - waiting.since;
    if (++waiting.n == SYNCS) loop_stop(waiting.loop);
    else begin();
}

static void begin(void)
{
    waiting.since = clock_mono_ns();
    one(waiting.writer);
    if (journal_wait_safe(waiting.writer, &waiting.wait, on_safe)) abort();
}

static uint64_t bare_sync(const char *dir)
{
    char path[4096], block[512] = {1};
    snprintf(path, sizeof path, "%s/bare", dir);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < 8192; i++)
        if (pwrite(fd, block, 512, i * 512) < 0) abort();
    fdatasync(fd);
    uint64_t since = clock_mono_ns();
    for (int i = 0; i < SYNCS; i++)
        if (pwrite(fd, block, 512, i * 512) < 0 || fdatasync(fd) < 0) abort();
    uint64_t sum = clock_mono_ns() - since;
    close(fd);
    unlink(path);
    return sum / SYNCS;
}

static void start_wait(struct defer *d)
{
    (void)d;
    begin();
}

int main(int argc, char **argv)
{
    struct journal *j;
    struct fault why;
    struct defer first = {0};
    const char *dir = argc > 1 ? argv[1] : ".";
    char path[4096];
    snprintf(path, sizeof path, "%s/journal", dir);
    struct journal_options o = {.dir = path, .safety = LEDGER_PROCESS, .stall_ms = 1000, .max_bytes = MIB(4096)};
    waiting.loop = loop_new();
    if (journal_open(&o, NULL, &j, &why) != OK || journal_writer_new(j, waiting.loop, &waiting.writer, &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    uint64_t thread = 0, process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int b = 0; b < BURSTS; b++) {
        uint64_t since = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BURST; i++) one(waiting.writer);
        thread += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - since;
    }
    process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process;
    printf("process: %.1f ns of the loop per record, %.1f ns of all threads\n", (double)thread / (BURST * BURSTS),
           (double)process / (BURST * BURSTS));
    o.safety = LEDGER_DISK;
    journal_set_options(j, &o);
    one(waiting.writer);
    process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    loop_defer(waiting.loop, &first, start_wait);
    loop_run(waiting.loop);
    process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process;
    printf("disk: %.1f us until safe, one in flight (bare fdatasync of 512 bytes: %.1f us); %.1f us of processor time\n",
           (double)waiting.sum / SYNCS / 1e3, (double)bare_sync(dir) / 1e3, (double)process / SYNCS / 1e3);
    journal_writer_free(waiting.writer);
    journal_close(j);
    loop_free(waiting.loop);
    return 0;
}
