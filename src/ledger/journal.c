/* The gateway's side of the ledger: places are taken, started and settled in mapped memory, and whoever must not go on
 * before the disk has it waits for a ticket. Called by the gateway's loops. Owns the writers; no system call per record. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ledger/priv.h"

enum { LIMIT_QUICK_MS = 250 };

/* ---- open and close ---------------------------------------------------------------------------------------------------- */

static void check_options(const struct journal_options *o)
{
    must(o->segment_bytes % 4096 == 0 && o->segment_bytes >= SEGMENT_HEAD + SEGMENT_STEP * SLOT_BYTES);
}

void journal_set_options(struct journal *j, const struct journal_options *o)
{
    atomic_store(&j->disk, o->safety == LEDGER_DISK);
    atomic_store(&j->release, o->on_stall == LEDGER_RELEASE);
    atomic_store(&j->stall_ms, o->stall_ms ? o->stall_ms : 1);
    atomic_store(&j->max_bytes, o->max_bytes);
}

/* The threads take no signals: those are for the loops. */
static enum err start_threads(struct journal *j, struct fault *why)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&j->sync_thread, NULL, sync_run, j);
    if (!error) error = pthread_create(&j->keeper_thread, NULL, keeper_run, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? FAIL(why, ERR_IO, "cannot start the journal's threads: %s", strerror(error)) : OK;
}

static void init_wakes(struct journal *j)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->sync_wake, &monotonic);
    pthread_cond_init(&j->keeper_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum err journal_open(const struct journal_options *o, struct board *b, struct journal **ret_journal, struct fault *why)
{
    if (strlen(o->dir) >= PATH_ROOM - 64) return FAIL(why, ERR_CONFIG, "the journal directory's name is too long");
    if (mkdir(o->dir, 0700) < 0 && errno != EEXIST)
        return FAIL(why, ERR_IO, "cannot create the journal directory %s: %s", o->dir, strerror(errno));
    struct journal *j = mem_alloc(sizeof *j);
    snprintf(j->dir, sizeof j->dir, "%s", o->dir);
    j->board = b;
    j->segment_bytes = o->segment_bytes ? o->segment_bytes : MIB(4);
    journal_set_options(j, o);
    check_options(&(struct journal_options){.segment_bytes = j->segment_bytes});
    init_wakes(j);
    TRY(start_threads(j, why));
    *ret_journal = j;
    return OK;
}

static void stop_threads(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->stop = true;
    pthread_cond_signal(&j->sync_wake);
    pthread_cond_signal(&j->keeper_wake);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->keeper_thread, NULL);
    pthread_join(j->sync_thread, NULL);
}

void journal_close(struct journal *j)
{
    if (!j) return;
    must(j->n_writers == 0);
    stop_threads(j);
    for (struct journal_segment *s = j->spares, *next; s; s = next) {
        next = s->next;
        segment_close(j, s);
    }
    pthread_cond_destroy(&j->sync_wake);
    pthread_cond_destroy(&j->keeper_wake);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* ---- writers -------------------------------------------------------------------------------------------------------------- */

static void segment_adopt(struct journal_writer *w, struct journal_segment *s)
{
    s->writer = w;
    s->next = w->journal->segments;
    w->journal->segments = s;
    w->segment = s;
}

static bool there_is_room(const struct journal *j)
{
    return journal_dir_bytes(j->dir) + j->segment_bytes <= atomic_load(&j->max_bytes);
}

/* The first segment is made here and not by the keeper, so that start-up waits for no sync. */
enum err journal_writer_new(struct journal *j, struct loop *l, struct journal_writer **ret_writer, struct fault *why)
{
    struct journal_segment *s;
    if (!there_is_room(j))
        return FAIL(why, ERR_JOURNAL_FULL, "the journal in %s has reached ledger.max_bytes: raise it, or let control read it",
                    j->dir);
    TRY(segment_make(j, false, &s, why));
    struct journal_writer *w = mem_alloc(sizeof *w);
    w->journal = j;
    w->loop = l;
    w->waits_end = &w->waits;
    pthread_mutex_lock(&j->lock);
    must(j->n_writers < JOURNAL_WRITERS);
    w->number = j->n_writers;
    j->writers[j->n_writers++] = w;
    segment_adopt(w, s);
    pthread_mutex_unlock(&j->lock);
    keeper_kick(j);
    *ret_writer = w;
    return OK;
}

/* An orderly end. With a slot still open the seal stays off: control finds it open and calls it interrupted. */
static void segment_retire(struct journal *j, struct journal_segment *s)
{
    struct segment_head *head = (struct segment_head *)(void *)s->map;
    if (s->open == 0) atomic_store_explicit(&head->sealed, 1, memory_order_release);
    atomic_store(&s->dirty, true);
    pthread_mutex_lock(&j->lock);
    s->retired = true;
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->retired_some, true);
    sync_kick(j);
}

/* What this writer has left; collected first, as a retired segment may be freed at any moment. */
static size_t segments_of(struct journal_writer *w, struct journal_segment **out, size_t room)
{
    struct journal *j = w->journal;
    size_t n = 0;
    pthread_mutex_lock(&j->lock);
    for (struct journal_segment *s = j->segments; s && n < room; s = s->next)
        if (s->writer == w && !s->retired) out[n++] = s;
    pthread_mutex_unlock(&j->lock);
    return n;
}

/* The sync thread may be looking at the writer: it lets go of all writers under the lock. */
void journal_writer_free(struct journal_writer *w)
{
    struct journal *j = w->journal;
    struct journal_segment *left[64];
    must(w->waits == NULL);
    loop_undefer(w->loop, &w->kick);
    for (size_t n; (n = segments_of(w, left, COUNTOF(left)));)
        for (size_t i = 0; i < n; i++) segment_retire(j, left[i]);
    pthread_mutex_lock(&j->lock);
    j->writers[w->number] = j->writers[--j->n_writers];
    j->writers[w->number]->number = w->number;
    j->writers[j->n_writers] = NULL;
    pthread_mutex_unlock(&j->lock);
    if (!atomic_load(&w->posted)) free(w);
    else w->gone = true; /* its last post is on the way to the loop */
}

/* ---- places ----------------------------------------------------------------------------------------------------------------- */

static struct journal_segment *spare_take(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    struct journal_segment *s = j->spares;
    if (s) {
        j->spares = s->next;
        atomic_fetch_sub(&j->n_spares, 1);
    }
    pthread_mutex_unlock(&j->lock);
    return s;
}

static bool segment_next(struct journal_writer *w)
{
    struct journal *j = w->journal;
    struct journal_segment *s = spare_take(j), *old = w->segment;
    keeper_kick(j);
    if (!s) return false;
    pthread_mutex_lock(&j->lock);
    segment_adopt(w, s);
    pthread_mutex_unlock(&j->lock);
    old->full = true;
    if (old->open == 0) segment_retire(j, old);
    else segment_rest(old);
    return true;
}

/* Each move dirties the header's page, which costs a sync a write of its own; each slot below the limit is looked at by ingest
 * at every turn. So whoever is quick at taking slots moves in longer steps. */
static void limit_move(struct journal_writer *w, struct journal_segment *s)
{
    struct segment_head *head = (struct segment_head *)(void *)s->map;
    uint64_t now = loop_now(w->loop);
    bool quick = w->limit_step && now - w->limit_moved_ms < LIMIT_QUICK_MS;
    w->limit_step = !quick ? SEGMENT_STEP : w->limit_step < SEGMENT_STEP_MOST ? 2 * w->limit_step : SEGMENT_STEP_MOST;
    w->limit_moved_ms = now;
    uint32_t left = s->n_slots - s->next_slot;
    s->limit += w->limit_step < left ? w->limit_step : left;
    atomic_store_explicit(&head->limit, s->limit, memory_order_release);
}

/* A writer has used up its segment: without a spare one, and when none can be made, the journal is full for all. Under the lock,
 * against the keeper, who takes the mark off when it has made one. */
static void notice_full(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    if (!j->spares) atomic_store(&j->full, true);
    pthread_mutex_unlock(&j->lock);
}

enum err journal_take(struct journal_writer *w, struct journal_place *ret_place, struct fault *why)
{
    struct journal_segment *s = w->segment;
    if (UNLIKELY(s->next_slot == s->n_slots)) {
        if (!segment_next(w)) {
            fault_set(
                why, ERR_JOURNAL_FULL, HERE,
                "the ledger's journal in %s has no space left: free the disk or raise ledger.max_bytes, it goes on by itself",
                w->journal->dir);
            if (why) why->retry_after_s = 1;
            return ERR_JOURNAL_FULL;
        }
        s = w->segment;
    }
    if (UNLIKELY(s->next_slot == s->limit)) limit_move(w, s);
    *ret_place = (struct journal_place){s, s->next_slot++};
    s->open++;
    if (UNLIKELY(s->next_slot == s->n_slots)) notice_full(w->journal);
    return OK;
}

/* All loops say the same at the same time: what one of them has left is for exchanges that run, not for new ones. */
bool journal_has_space(const struct journal_writer *w)
{
    struct journal *j = w->journal;
    if (atomic_load_explicit(&j->n_spares, memory_order_relaxed) > 0) return true;
    if (w->segment->next_slot < w->segment->n_slots)
        return !atomic_load_explicit(&j->full, memory_order_relaxed) || !atomic_load(&j->make_failed);
    notice_full(j);
    return false;
}

static void place_done(struct journal_writer *w, struct journal_place *p)
{
    struct journal_segment *s = p->segment;
    p->segment = NULL;
    if (--s->open == 0 && s->full) segment_retire(w->journal, s);
}

/* The last place is used again; one in the middle stays blank, which ingest passes over. */
void journal_give_back(struct journal_writer *w, struct journal_place *p)
{
    struct journal_segment *s = p->segment;
    if (p->index + 1 == s->next_slot) s->next_slot--;
    place_done(w, p);
}

void journal_start(struct journal_writer *w, struct journal_place *p, const struct attempt_start *a)
{
    (void)w;
    slot_start(slot_at(p->segment->map, p->index), a);
    atomic_store_explicit(&p->segment->dirty, true, memory_order_release);
}

/* The day and month that the attempt began in: those of its row. */
static void enter_money(struct board *b, const char *slot, const struct attempt_result *r)
{
    uint32_t place;
    int64_t started_ms;
    if (!r->cost_known || r->cost <= 0) return;
    slot_account(slot, &place, &started_ms);
    if (place >= BOARD_KEYS) return;
    int64_t pico = r->cost > INT64_MAX ? INT64_MAX : (int64_t)r->cost;
    meter_add_spent(&b->keys[place], clock_day(started_ms), clock_month(started_ms), pico);
}

void journal_settle(struct journal_writer *w, struct journal_place *p, const struct attempt_result *r)
{
    struct journal *j = w->journal;
    char *slot = slot_at(p->segment->map, p->index);
    slot_settle(slot, r);
    if (j->board) enter_money(j->board, slot, r);
    slot_enter(slot);
    atomic_store_explicit(&p->segment->dirty, true, memory_order_release);
    atomic_store_explicit(&w->settled, atomic_load_explicit(&w->settled, memory_order_relaxed) + 1, memory_order_release);
    if (j->board) atomic_fetch_add_explicit(&j->board->counters.ingest_lag, 1, memory_order_relaxed);
    place_done(w, p);
}

/* ---- waiting for the disk ------------------------------------------------------------------------------------------------------ */

static void count_released(struct journal *j)
{
    if (j->board) atomic_fetch_add_explicit(&j->board->counters.journal_released, 1, memory_order_relaxed);
}

static void on_idle(struct defer *d) { sync_kick(CONTAINER_OF(d, struct journal_writer, kick)->journal); }

/* When the loop has nothing else to do: all that it settles until then goes with one sync. */
static void sync_later(struct journal_writer *w) { loop_when_idle(w->loop, &w->kick, on_idle); }

bool journal_wait_safe(struct journal_writer *w, struct journal_wait *wait, void (*on_safe)(struct journal_wait *))
{
    struct journal *j = w->journal;
    uint64_t ticket = atomic_load_explicit(&w->settled, memory_order_relaxed);
    if (!atomic_load_explicit(&j->disk, memory_order_relaxed)) return true;
    if (atomic_load_explicit(&w->safe, memory_order_acquire) >= ticket) return true;
    atomic_store(&w->wanted, ticket);
    if (atomic_load(&w->safe) >= ticket) return true; /* a sync ended meanwhile and did not see that we wait */
    sync_later(w);
    if (atomic_load_explicit(&j->stalled, memory_order_relaxed) && atomic_load(&j->release)) {
        count_released(j);
        return true;
    }
    *wait = (struct journal_wait){.ticket = ticket, .on_safe = on_safe, .queued = true};
    *w->waits_end = wait;
    w->waits_end = &wait->next;
    return false;
}

void journal_wait_cancel(struct journal_writer *w, struct journal_wait *wait)
{
    if (!wait->queued) return;
    for (struct journal_wait **at = &w->waits; *at; at = &(*at)->next) {
        if (*at != wait) continue;
        *at = wait->next;
        if (w->waits_end == &wait->next) w->waits_end = at;
        break;
    }
    wait->queued = false;
}

static struct journal_wait *wait_pop(struct journal_writer *w, uint64_t up_to)
{
    struct journal_wait *first = w->waits;
    if (!first || first->ticket > up_to) return NULL;
    w->waits = first->next;
    if (!w->waits) w->waits_end = &w->waits;
    first->queued = false;
    return first;
}

/* On the writer's loop, at most once per sync. Whoever is called may wait, cancel or settle again. */
static void on_posted(struct post *p)
{
    struct journal_writer *w = CONTAINER_OF(p, struct journal_writer, post);
    atomic_store(&w->posted, false);
    if (w->gone) {
        free(w);
        return;
    }
    uint64_t safe = atomic_load(&w->safe), released = atomic_load(&w->released);
    for (struct journal_wait *wait; (wait = wait_pop(w, safe > released ? safe : released));) {
        if (wait->ticket > safe) count_released(w->journal);
        wait->on_safe(wait);
    }
    if (w->waits) sync_later(w);
}

void journal_writer_let_go(struct journal_writer *w)
{
    for (struct journal_wait *wait; (wait = wait_pop(w, UINT64_MAX));) wait->on_safe(wait);
}

void writer_post(struct journal_writer *w)
{
    if (!atomic_exchange(&w->posted, true)) loop_post(w->loop, &w->post, on_posted);
}
