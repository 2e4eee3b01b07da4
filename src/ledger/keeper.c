/* The journal's two threads. The sync thread makes records safe: one group of fdatasync at a time, the next one starts when
 * it has ended and somebody waits whose loop has nothing else to do. The keeper prepares segments ahead of need and tells when a sync takes too long: the thread
 * that is stuck in it cannot. Started by journal_open. Gateway. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "ledger/priv.h"

enum { RETRY_MS = 500, FAILED_SYNC_PAUSE_MS = 100, LAST_TRIES = 10 };

/* ---- waking ---------------------------------------------------------------------------------------------------------- */

/* Whoever kicks has changed something before and looks at the sleeper's mark after; the sleeper does it the other way
 * round: one of the two sees the other. A thread that is awake costs its kicker one load. */
static void kick(struct journal *j, pthread_cond_t *wake)
{
    pthread_mutex_lock(&j->lock);
    pthread_cond_signal(wake);
    pthread_mutex_unlock(&j->lock);
}

void sync_kick(struct journal *j)
{
    atomic_store(&j->kicked, true);
    if (atomic_load(&j->sync_sleep) != AWAKE) kick(j, &j->sync_wake);
}

void keeper_kick(struct journal *j)
{
    if (atomic_load(&j->keeper_sleep) != AWAKE) kick(j, &j->keeper_wake);
}

/* A keeper that dozes looks at the sync by itself in time. */
static void keeper_kick_sound(struct journal *j)
{
    if (atomic_load(&j->keeper_sleep) == SOUND) kick(j, &j->keeper_wake);
}

/* Under the lock. ms 0: until somebody kicks. */
static void sleep_for(struct journal *j, pthread_cond_t *wake, uint32_t ms)
{
    struct timespec at;
    if (ms == 0) {
        pthread_cond_wait(wake, &j->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + (uint64_t)ms * 1000000u;
    at.tv_sec += (time_t)(ns / 1000000000u);
    at.tv_nsec = (long)(ns % 1000000000u);
    pthread_cond_timedwait(wake, &j->lock, &at);
}

/* ---- sync -------------------------------------------------------------------------------------------------------------- */

/* Under the lock: the tickets that the coming sync will make safe, read before the segments' marks are taken off. */
static void group_begin(struct journal *j)
{
    for (uint32_t i = 0; i < j->n_writers; i++)
        j->writers[i]->syncing = atomic_load_explicit(&j->writers[i]->settled, memory_order_acquire);
    bool disk = atomic_load(&j->disk);
    for (struct journal_segment *s = j->segments; s; s = s->next) s->syncing = disk && atomic_exchange(&s->dirty, false);
    atomic_store(&j->sync_since_ns, clock_mono_ns());
}

/* Under the lock. Whoever still waits is posted as well, and its loop kicks again once it has nothing else to do: so more
 * records share the next sync than if this thread began it at once. */
static void group_end(struct journal *j)
{
    atomic_store(&j->kicked, false);
    atomic_store(&j->sync_since_ns, 0);
    atomic_store(&j->stalled, false);
    for (uint32_t i = 0; i < j->n_writers; i++) {
        struct journal_writer *w = j->writers[i];
        uint64_t before = atomic_load(&w->safe);
        if (w->syncing > before) atomic_store(&w->safe, w->syncing);
        if (atomic_load(&w->wanted) > before) writer_post(w);
    }
}

static struct journal_segment *syncing_next(struct journal *j, struct journal_segment *after)
{
    pthread_mutex_lock(&j->lock);
    struct journal_segment *s = after ? after->next : j->segments;
    while (s && !s->syncing) s = s->next;
    pthread_mutex_unlock(&j->lock);
    return s;
}

static void tell_failure(struct journal *j, int error)
{
    if (j->board) atomic_fetch_add(&j->board->counters.journal_stalls, 1);
    LOG(LOG_ERROR, "journal.sync_failed",
        "a sync of the ledger's journal failed; it is tried again until it succeeds, records wait for it or are released as "
        "ledger.on_stall says",
        F_Z("error", strerror(error)), F_Z("directory", j->dir));
}

static void stall_begin(struct journal *j);

/* New segments are put at the list's head by the loops, and only this thread takes one out: the walk is safe. The journal
 * that cannot be made safe is a stall; nothing of the group counts as safe before all of it is. */
static int group_sync(struct journal *j)
{
    int error = atomic_exchange(&j->dir_dirty, false) ? journal_dir_sync(j->dir) : 0;
    if (error) atomic_store(&j->dir_dirty, true);
    for (struct journal_segment *s = syncing_next(j, NULL); s; s = syncing_next(j, s)) {
        int failed = segment_sync(s);
        s->syncing = failed != 0;
        if (failed) error = failed;
    }
    return error;
}

static void group_failed(struct journal *j, int error, bool first)
{
    if (first) tell_failure(j, error);
    pthread_mutex_lock(&j->lock);
    stall_begin(j);
    if (!j->stop) sleep_for(j, &j->sync_wake, FAILED_SYNC_PAUSE_MS);
    pthread_mutex_unlock(&j->lock);
}

static struct journal_segment *retired_take(struct journal *j)
{
    for (struct journal_segment **at = &j->segments; *at; at = &(*at)->next) {
        struct journal_segment *s = *at;
        bool done = s->retired && (!atomic_load(&j->disk) || !atomic_load(&s->dirty));
        if (!done) continue;
        *at = s->next;
        return s;
    }
    return NULL;
}

/* Unmapping and closing happen outside of the lock: no loop waits for them. */
static void close_retired(struct journal *j)
{
    for (;;) {
        pthread_mutex_lock(&j->lock);
        struct journal_segment *s = retired_take(j);
        pthread_mutex_unlock(&j->lock);
        if (!s) return;
        segment_close(j, s);
    }
}

/* Returns false when the journal closes and its disk stays broken: then the kernel keeps what it can. */
static bool sync_once(struct journal *j)
{
    bool stop = false;
    atomic_store(&j->retired_some, false);
    pthread_mutex_lock(&j->lock);
    group_begin(j);
    pthread_mutex_unlock(&j->lock);
    keeper_kick_sound(j);
    for (int error, tries = 0; (error = group_sync(j)) != 0; tries++) {
        group_failed(j, error, tries == 0);
        pthread_mutex_lock(&j->lock);
        stop = j->stop && tries >= LAST_TRIES;
        pthread_mutex_unlock(&j->lock);
        if (stop) return false;
    }
    pthread_mutex_lock(&j->lock);
    group_end(j);
    pthread_mutex_unlock(&j->lock);
    close_retired(j);
    return true;
}

static bool sync_awaits_work(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    for (;;) {
        atomic_store(&j->sync_sleep, SOUND);
        if (j->stop || atomic_load(&j->kicked) || atomic_load(&j->retired_some)) break;
        sleep_for(j, &j->sync_wake, 0);
    }
    atomic_store(&j->sync_sleep, AWAKE);
    bool stop = j->stop;
    pthread_mutex_unlock(&j->lock);
    return !stop;
}

static void close_all(struct journal *j)
{
    while (j->segments) {
        struct journal_segment *s = j->segments;
        j->segments = s->next;
        segment_close(j, s);
    }
}

void *sync_run(void *journal)
{
    struct journal *j = journal;
    while (sync_awaits_work(j) && sync_once(j)) continue;
    ignore_err(sync_once(j) ? OK : ERR_IO);
    close_all(j);
    return NULL;
}

/* ---- keeper: stalls ------------------------------------------------------------------------------------------------------ */

/* Under the lock. With on_stall: release all that wait go on; without, the mark only tells. */
static void stall_begin(struct journal *j)
{
    atomic_store(&j->stalled, true);
    if (!atomic_load(&j->release)) return;
    for (uint32_t i = 0; i < j->n_writers; i++) {
        struct journal_writer *w = j->writers[i];
        atomic_store(&w->released, atomic_load(&w->settled));
        writer_post(w);
    }
}

static void check_stall(struct journal *j)
{
    uint64_t since = atomic_load(&j->sync_since_ns), limit = (uint64_t)atomic_load(&j->stall_ms) * 1000000u;
    if (!since || clock_mono_ns() - since < limit) return;
    if (!atomic_load(&j->stalled)) {
        if (j->board) atomic_fetch_add(&j->board->counters.journal_stalls, 1);
        LOG(LOG_ERROR, "journal.stall", "the disk does not finish a sync of the ledger's journal",
            F_UINT("stall_ms", atomic_load(&j->stall_ms)), F_BOOL("release", atomic_load(&j->release)), F_Z("directory", j->dir));
    }
    pthread_mutex_lock(&j->lock);
    if (atomic_load(&j->sync_since_ns) == since) stall_begin(j);
    pthread_mutex_unlock(&j->lock);
}

/* ---- keeper: segments ------------------------------------------------------------------------------------------------------ */

static bool wants_spare(struct journal *j) { return atomic_load(&j->n_spares) < j->n_writers; }

static void tell_make(struct journal *j, const struct fault *why)
{
    if (!atomic_load(&j->make_failed)) LOG(LOG_ERROR, "journal.no_segment", why->text, F_Z("directory", j->dir));
    atomic_store(&j->make_failed, true);
}

static bool make_spare(struct journal *j)
{
    struct fault why = {0};
    struct journal_segment *s;
    uint64_t used = journal_dir_bytes(j->dir);
    if (j->board) atomic_store(&j->board->counters.journal_bytes, (int64_t)used);
    if (used + j->segment_bytes > atomic_load(&j->max_bytes)) {
        fault_set(&why, ERR_JOURNAL_FULL, HERE, "the journal has reached ledger.max_bytes: raise it, or let control read it");
        tell_make(j, &why);
        return false;
    }
    if (segment_make(j, atomic_load(&j->disk), &s, &why) != OK) {
        tell_make(j, &why);
        return false;
    }
    atomic_store(&j->make_failed, false);
    pthread_mutex_lock(&j->lock);
    s->next = j->spares;
    j->spares = s;
    atomic_fetch_add(&j->n_spares, 1);
    atomic_store(&j->full, false);
    pthread_mutex_unlock(&j->lock);
    return true;
}

/* While syncs run the keeper looks at them twice per stall time, and for space as often as without: a long stall time is no
 * reason to find freed space late. Without either it sleeps until a segment is wanted. */
static uint32_t nap_ms(struct journal *j, bool watch, bool wants)
{
    uint32_t half = atomic_load(&j->stall_ms) / 2 + 1;
    if (!watch) return wants ? RETRY_MS : 0;
    return wants && half > RETRY_MS ? RETRY_MS : half;
}

static void keeper_sleep(struct journal *j)
{
    atomic_store(&j->keeper_sleep, SOUND);
    bool watch = atomic_load(&j->sync_since_ns), wants = wants_spare(j);
    if (wants && !atomic_load(&j->make_failed)) return;
    if (watch || wants) atomic_store(&j->keeper_sleep, DOZE);
    sleep_for(j, &j->keeper_wake, nap_ms(j, watch, wants));
}

void *keeper_run(void *journal)
{
    struct journal *j = journal;
    pthread_mutex_lock(&j->lock);
    while (!j->stop) {
        bool make = wants_spare(j);
        pthread_mutex_unlock(&j->lock);
        if (make) make = make_spare(j);
        check_stall(j);
        pthread_mutex_lock(&j->lock);
        if (make || j->stop) continue;
        keeper_sleep(j);
        atomic_store(&j->keeper_sleep, AWAKE);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}
