/* The gateway's journal: places, waiting for the disk, stalls and failures of the disk, threads, and kill -9. */
#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/priv.h"

enum { SMALL = 61440, SLOTS = (SMALL - SEGMENT_HEAD) / SLOT_BYTES };

static char base_dir[64], dir[96];
static struct fault why;
static struct board *board;
static struct journal_options options;

static int set_up(void **state)
{
    (void)state;
    snprintf(base_dir, sizeof base_dir, "journal-test-XXXXXX");
    if (!mkdtemp(base_dir)) return -1;
    snprintf(dir, sizeof dir, "%s/journal", base_dir);
    options = (struct journal_options){.dir = dir, .stall_ms = 60000, .max_bytes = MIB(8), .segment_bytes = SMALL};
    board = mem_alloc(sizeof *board);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", base_dir);
    free(board);
    return system(command);
}

static struct journal *open_journal(enum ledger_safety safety)
{
    struct journal *j;
    options.safety = safety;
    assert_int_equal(journal_open(&options, board, &j, &why), OK);
    return j;
}

static struct journal_writer *new_writer(struct journal *j, struct loop *l)
{
    struct journal_writer *w;
    assert_int_equal(journal_writer_new(j, l, &w, &why), OK);
    return w;
}

static void nap(void)
{
    static const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

static void take(struct journal_writer *w, struct journal_place *p)
{
    while (journal_take(w, p, &why) != OK) nap(); /* the keeper prepares the next one */
}

static void start(struct journal_writer *w, struct journal_place *p, uint64_t number)
{
    struct attempt_start a = {
        .number = 1, .key_id = S("k"), .route = S("r"), .provider = S("p"), .model = S("m"), .format = S("f")};
    snprintf(a.id, sizeof a.id, "%026llu", (unsigned long long)number);
    memcpy(a.request_id, a.id, sizeof a.id);
    journal_start(w, p, &a);
}

static void settle(struct journal_writer *w, struct journal_place *p)
{
    struct attempt_result r = {.end = ATTEMPT_OK, .status = 200};
    usage_set(&r.usage, USAGE_IN_FRESH, 5, USAGE_REPORTED);
    journal_settle(w, p, &r);
}

static void record_one(struct journal_writer *w, uint64_t number)
{
    struct journal_place p;
    take(w, &p);
    start(w, &p, number);
    settle(w, &p);
}

struct found {
    unsigned files, blank, open, settled, torn, sealed;
    unsigned char seen[100000]; /* settled, by number */
};

static void look_at(const char *name, struct found *f)
{
    char path[512];
    struct record r;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    char *map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    struct segment_head *h = (struct segment_head *)(void *)map;
    assert_int_equal(segment_head_check(h, (uint64_t)size, &why), OK);
    f->files++;
    f->sealed += atomic_load(&h->sealed);
    for (uint32_t i = 0; i < h->n_slots; i++) {
        enum slot_state s = slot_read(slot_at(map, i), &r);
        if (s != SLOT_BLANK) assert_true(i < atomic_load(&h->limit));
        f->blank += s == SLOT_BLANK;
        f->open += s == SLOT_OPEN;
        f->torn += s == SLOT_TORN;
        f->settled += s == SLOT_SETTLED;
        if (s == SLOT_SETTLED) f->seen[strtoul(r.start.id, NULL, 10) % sizeof f->seen]++;
    }
    munmap(map, (size_t)size);
}

static struct found *look(void)
{
    struct found *f = mem_alloc(sizeof *f);
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (str_ends(str_z(e->d_name), S(SEGMENT_SUFFIX))) look_at(e->d_name, f);
    closedir(d);
    return f;
}

static void test_places(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    struct journal_place open, back;
    struct journal_wait wait;
    assert_true(journal_has_space(w));
    take(w, &open);
    start(w, &open, 1);
    take(w, &back);
    journal_give_back(w, &back);
    for (uint64_t i = 2; i < 2 + 3 * SLOTS; i++) record_one(w, i);
    assert_true(journal_wait_safe(w, &wait, NULL));
    struct found *f = look();
    assert_int_equal(f->open, 1);
    assert_int_equal(f->settled, 3 * SLOTS);
    for (uint64_t i = 2; i < 2 + 3 * SLOTS; i++) assert_int_equal(f->seen[i], 1);
    free(f);
    settle(w, &open);
    assert_int_equal(atomic_load(&board->counters.ingest_lag), 3 * SLOTS + 1);
    journal_writer_free(w);
    journal_close(j);
    f = look();
    assert_int_equal(f->open, 0);
    assert_int_equal(f->settled, 3 * SLOTS + 1);
    assert_int_equal(f->sealed, f->files); /* spare ones are gone, the others sealed */
    free(f);
    loop_free(l);
}

/* In one turn of the loop no time passes: the limit moves in ever longer steps, never beyond the segment. */
static void test_limit_moves_by_longer_steps(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct journal_place p;
    options.segment_bytes = MIB(2);
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    const struct segment_head *head = (const struct segment_head *)(const void *)w->segment->map;
    for (uint32_t step = SEGMENT_STEP, end = step, i = 0; i < w->segment->n_slots; i++) {
        if (i == end) end += step = step < SEGMENT_STEP_MOST ? 2 * step : SEGMENT_STEP_MOST;
        take(w, &p);
        assert_int_equal(atomic_load(&head->limit), end < w->segment->n_slots ? end : w->segment->n_slots);
    }
    journal_writer_free(w);
    journal_close(j);
    loop_free(l);
}

static void test_full(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct journal_place p;
    options.max_bytes = 3 * SMALL;
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    for (uint64_t i = 0; i < 3 * SLOTS; i++) record_one(w, i);
    assert_false(journal_has_space(w));
    assert_int_equal(journal_take(w, &p, &why), ERR_JOURNAL_FULL);
    assert_non_null(strstr(why.text, "ledger.max_bytes"));
    assert_true(why.retry_after_s > 0);
    options.max_bytes = MIB(8); /* a reload gives it room: it goes on by itself */
    journal_set_options(j, &options);
    record_one(w, 3 * SLOTS);
    journal_writer_free(w);
    journal_close(j);
    loop_free(l);
}

/* ---- waiting on a loop --------------------------------------------------------------------------------------------------- */

struct user {
    struct journal_wait wait;
    struct defer begin;
    struct loop *loop;
    struct journal_writer *writer;
    unsigned left, safe;
};

static void user_on_safe(struct journal_wait *wait);

static void user_go(struct user *u)
{
    while (u->left) {
        u->left--;
        record_one(u->writer, u->left);
        if (!journal_wait_safe(u->writer, &u->wait, user_on_safe)) return;
        u->safe++;
    }
    loop_stop(u->loop);
}

static void user_on_safe(struct journal_wait *wait)
{
    struct user *u = CONTAINER_OF(wait, struct user, wait);
    u->safe++;
    user_go(u);
}

static void user_begin(struct defer *d) { user_go(CONTAINER_OF(d, struct user, begin)); }

static void *user_run(void *at)
{
    struct user *u = at;
    loop_defer(u->loop, &u->begin, user_begin);
    loop_run(u->loop);
    return NULL;
}

static void test_loops_wait_for_the_disk(void **state)
{
    (void)state;
    struct journal *j = open_journal(LEDGER_DISK);
    struct user users[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        struct loop *l = loop_new();
        users[i] = (struct user){.loop = l, .writer = new_writer(j, l), .left = 150};
        assert_int_equal(pthread_create(&threads[i], NULL, user_run, &users[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(users[i].safe, 150);
        journal_writer_free(users[i].writer);
        loop_free(users[i].loop);
    }
    journal_close(j);
    struct found *f = look();
    assert_int_equal(f->settled, 450);
    free(f);
}

/* ---- a disk that fails or hangs --------------------------------------------------------------------------------------------- */

static _Atomic int sync_error; /* errno of every sync; -1: it hangs */
static _Atomic unsigned syncs_failed;

static int bad_sync(int fd)
{
    while (atomic_load(&sync_error) == -1) nap();
    if (atomic_load(&sync_error) == 0) return fdatasync(fd);
    atomic_fetch_add(&syncs_failed, 1);
    errno = atomic_load(&sync_error);
    return -1;
}

static struct user *bad_disk_user(struct journal **ret_journal, int error)
{
    struct user *u = mem_alloc(sizeof *u);
    atomic_store(&sync_error, 0);
    journal_disk.sync = bad_sync;
    u->loop = loop_new();
    *ret_journal = open_journal(LEDGER_DISK);
    u->writer = new_writer(*ret_journal, u->loop);
    u->left = 20;
    while (atomic_load(&(*ret_journal)->n_spares) == 0) nap();
    atomic_store(&syncs_failed, 0);
    atomic_store(&sync_error, error);
    return u;
}

static void bad_disk_end(struct journal *j, struct user *u)
{
    atomic_store(&sync_error, 0);
    journal_writer_free(u->writer);
    journal_close(j);
    journal_disk.sync = fdatasync;
    loop_free(u->loop);
    struct found *f = look();
    assert_int_equal(f->settled, 20);
    free(f);
    free(u);
}

/* Hold: nothing is called safe while syncs fail; when the disk is well again all go on. */
static void hold_until_well(int error)
{
    struct journal *j;
    struct user *u = bad_disk_user(&j, error);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, user_run, u), 0);
    while (atomic_load(&board->counters.journal_stalls) == 0) nap();
    for (int i = 0; i < 20; i++) nap();
    assert_int_equal(atomic_load(&u->writer->safe), 0);
    atomic_store(&sync_error, 0);
    pthread_join(thread, NULL);
    assert_int_equal(u->safe, 20);
    assert_int_equal(atomic_load(&board->counters.journal_released), 0);
    bad_disk_end(j, u);
}

static void test_broken_disk_holds(void **state)
{
    (void)state;
    hold_until_well(EIO);
    assert_true(atomic_load(&syncs_failed) > 0);
}

static void test_full_disk_holds(void **state)
{
    (void)state;
    hold_until_well(ENOSPC);
}

static void test_hung_disk_holds(void **state)
{
    (void)state;
    options.stall_ms = 5;
    hold_until_well(-1);
}

static void release(int error)
{
    struct journal *j;
    options.on_stall = LEDGER_RELEASE;
    struct user *u = bad_disk_user(&j, error);
    user_run(u); /* ends although no sync does */
    assert_int_equal(u->safe, 20);
    assert_int_equal(atomic_load(&u->writer->safe), 0);
    assert_int_equal(atomic_load(&board->counters.journal_released), 20);
    assert_true(atomic_load(&board->counters.journal_stalls) > 0);
    bad_disk_end(j, u);
}

static void test_broken_disk_releases(void **state)
{
    (void)state;
    release(EIO);
}

static void test_hung_disk_releases(void **state)
{
    (void)state;
    options.stall_ms = 5;
    release(-1);
}

static _Atomic unsigned allocations_left;
static int allocate_some(int fd, off_t at, off_t n)
{
    if (allocations_left == 0) return ENOSPC;
    allocations_left--;
    return posix_fallocate(fd, at, n);
}
static _Atomic unsigned writes_left;
static ssize_t write_some(int fd, const void *p, size_t n, off_t at)
{
    if (writes_left-- > 0) return pwrite(fd, p, n, at);
    writes_left = 0;
    errno = EIO;
    return -1;
}
static _Atomic unsigned renames_left;
static int rename_some(const char *from, const char *to)
{
    if (renames_left-- > 0) return rename(from, to);
    renames_left = 0;
    errno = EDQUOT;
    return -1;
}

/* No new segment can be made: what is there is used up, then new exchanges are refused; later it goes on by itself. */
static void no_new_segment(void)
{
    struct loop *l = loop_new();
    struct journal_place p;
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    for (uint64_t i = 0; i < SLOTS; i++) record_one(w, i);
    assert_int_equal(journal_take(w, &p, &why), ERR_JOURNAL_FULL);
    allocations_left = writes_left = renames_left = 1000000;
    record_one(w, SLOTS);
    journal_writer_free(w);
    journal_close(j);
    loop_free(l);
    struct found *f = look();
    assert_int_equal(f->settled, SLOTS + 1);
    assert_int_equal(f->torn, 0);
    free(f);
}

static void test_no_space_for_segments(void **state)
{
    (void)state;
    allocations_left = 1;
    journal_disk.allocate = allocate_some;
    no_new_segment();
    journal_disk.allocate = posix_fallocate;
}

static void test_no_write_for_segments(void **state)
{
    (void)state;
    writes_left = 1;
    journal_disk.write_at = write_some;
    no_new_segment();
    journal_disk.write_at = pwrite;
}

static void test_no_name_for_segments(void **state)
{
    (void)state;
    renames_left = 1;
    journal_disk.rename = rename_some;
    no_new_segment();
    journal_disk.rename = rename;
}

static void test_no_first_segment(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct journal_writer *w;
    struct journal *j = open_journal(LEDGER_PROCESS);
    journal_disk.allocate = allocate_some;
    allocations_left = 0;
    assert_int_equal(journal_writer_new(j, l, &w, &why), ERR_JOURNAL_FULL);
    assert_non_null(strstr(why.text, dir));
    journal_disk.allocate = posix_fallocate;
    journal_close(j);
    loop_free(l);
    struct found *f = look();
    assert_int_equal(f->files, 0);
    free(f);
}

static void test_cancelled_wait_is_not_called(void **state)
{
    (void)state;
    struct journal *j;
    struct user *u = bad_disk_user(&j, EIO);
    struct journal_wait waits[3];
    for (uint64_t i = 0; i < 3; i++) {
        record_one(u->writer, 10 + i);
        u->left--;
        assert_false(journal_wait_safe(u->writer, &waits[i], NULL)); /* a call would crash */
    }
    journal_wait_cancel(u->writer, &waits[1]);
    journal_wait_cancel(u->writer, &waits[2]);
    journal_wait_cancel(u->writer, &waits[2]);
    journal_wait_cancel(u->writer, &waits[0]);
    u->left = 17 - 7;
    atomic_store(&sync_error, 0);
    user_run(u);
    assert_int_equal(u->safe, 10);
    for (uint64_t i = 0; i < 7; i++) record_one(u->writer, 13 + i);
    bad_disk_end(j, u);
}

static void count_call(struct journal_wait *wait)
{
    struct user *u = CONTAINER_OF(wait, struct user, wait);
    u->safe++;
}

/* The gateway ends while its disk hangs. */
static void test_waiting_ones_are_let_go(void **state)
{
    (void)state;
    struct journal *j;
    struct user *u = bad_disk_user(&j, EIO);
    for (uint64_t i = 0; i < 20; i++) record_one(u->writer, i);
    assert_false(journal_wait_safe(u->writer, &u->wait, count_call));
    journal_writer_let_go(u->writer);
    assert_int_equal(u->safe, 1);
    journal_writer_let_go(u->writer);
    assert_int_equal(u->safe, 1);
    bad_disk_end(j, u);
}

/* ---- kill -9 ------------------------------------------------------------------------------------------------------------------ */

/* A gateway that settles records as fast as it can, and tells each one's number after journal_settle returned. */
static void victim(_Atomic uint64_t *told)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct loop *l = loop_new();
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    for (uint64_t i = 1;; i++) {
        record_one(w, i);
        atomic_store(told, i);
    }
}

static void kill_one(_Atomic uint64_t *told, uint64_t at)
{
    int status;
    atomic_store(told, 0);
    pid_t pid = fork();
    if (pid == 0) victim(told);
    while (atomic_load(told) < at) nap();
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    uint64_t n = atomic_load(told);
    struct found *f = look();
    for (uint64_t i = 1; i <= n; i++) assert_int_equal(f->seen[i], 1);
    assert_in_range(f->settled, n, n + 1);
    assert_true(f->torn == 0 && f->open <= 1);
    free(f);
    assert_int_equal(tear_down(NULL) | set_up(NULL), 0);
}

static void test_kill_at_any_moment(void **state)
{
    (void)state;
    _Atomic uint64_t *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 50; round++) kill_one(told, 1 + random_u64() % 500);
    munmap(told, 4096);
}

/* The lock tells control whether the writer lives. */
static void test_lock_ends_with_the_writer(void **state)
{
    (void)state;
    char path[512] = "";
    struct loop *l = loop_new();
    struct journal *j = open_journal(LEDGER_PROCESS);
    struct journal_writer *w = new_writer(j, l);
    record_one(w, 1);
    snprintf(path, sizeof path, "%s/%s%s", dir, w->segment->id, SEGMENT_SUFFIX);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    journal_writer_free(w);
    journal_close(j);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    loop_free(l);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        CASE(test_places),
        CASE(test_limit_moves_by_longer_steps),
        CASE(test_full),
        CASE(test_loops_wait_for_the_disk),
        CASE(test_broken_disk_holds),
        CASE(test_full_disk_holds),
        CASE(test_hung_disk_holds),
        CASE(test_broken_disk_releases),
        CASE(test_hung_disk_releases),
        CASE(test_no_space_for_segments),
        CASE(test_no_write_for_segments),
        CASE(test_no_name_for_segments),
        CASE(test_no_first_segment),
        CASE(test_cancelled_wait_is_not_called),
        CASE(test_waiting_ones_are_let_go),
        CASE(test_kill_at_any_moment),
        CASE(test_lock_ends_with_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
