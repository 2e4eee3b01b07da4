/* The life of one local model as a state machine: when to start, to stop, to give up for a while. Pure: facts in, one
 * act out; the manager carries it out. Times are monotonic milliseconds. */
#include "engine/priv.h"

#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_MAX_MS 60000u
#define FAILURES_SHOWN 3u     /* so many in a row are shown as FAILED; fewer look like a slow start */
#define SOUND_AFTER_MS 60000u /* ready so long: earlier failures are forgiven */
#define GRACE_MS 5000u        /* from SIGTERM to SIGKILL */
#define DEAF_MAX 3u           /* health checks in a row without an answer */

static uint64_t backoff_ms(unsigned failures)
{
    unsigned shift = failures > 6 ? 6 : failures - 1;
    uint64_t ms = (uint64_t)BACKOFF_FIRST_MS << shift;
    return ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : ms;
}

static bool is_wanted(const struct life *l, const struct life_rules *r, const struct life_facts *f)
{
    if (!f->wanted || f->wanted == l->served) return false;
    return !r->idle_ms || f->unused_ms < r->idle_ms;
}

static enum life_act end_child(struct life *l, uint64_t now)
{
    l->phase = PHASE_ENDING;
    l->since = now;
    return ACT_TERM;
}

static enum life_act tick_absent(struct life *l, const struct life_rules *r, const struct life_facts *f)
{
    if (!is_wanted(l, r, f)) {
        if (f->now < l->retry) return ACT_NONE;
        l->failures = 0;
        l->state = ENGINE_STOPPED;
        return ACT_NONE;
    }
    if (f->now < l->retry) return ACT_NONE;
    return ACT_START;
}

static enum life_act tick_ready(struct life *l, const struct life_rules *r, const struct life_facts *f)
{
    if (l->failures && f->now - l->since >= SOUND_AFTER_MS) l->failures = 0;
    if (f->busy) l->busy = f->now;
    if (!r->idle_ms || f->unused_ms < r->idle_ms || f->now - l->busy < r->idle_ms) return ACT_NONE;
    life_leave(l, f);
    return ACT_NONE;
}

/* One tick between "no longer ready" on the board and the end: who read READY a moment ago is still served. */
static enum life_act tick_leaving(struct life *l, const struct life_facts *f)
{
    if (f->wanted == l->served && !f->busy) return end_child(l, f->now);
    l->phase = PHASE_UP;
    l->state = ENGINE_READY;
    l->busy = f->now;
    l->served = 0;
    return ACT_NONE;
}

enum life_act life_tick(struct life *l, const struct life_rules *r, const struct life_facts *f)
{
    switch (l->phase) {
    case PHASE_ABSENT: return tick_absent(l, r, f);
    case PHASE_LOADING: return f->now - l->since < r->start_ms ? ACT_NONE : ACT_KILL_SLOW;
    case PHASE_UP: return tick_ready(l, r, f);
    case PHASE_LEAVING: return tick_leaving(l, f);
    case PHASE_ENDING: return f->now - l->since < GRACE_MS ? ACT_NONE : ACT_KILL;
    }
    return ACT_NONE;
}

void life_leave(struct life *l, const struct life_facts *f)
{
    l->phase = PHASE_LEAVING;
    l->state = ENGINE_STOPPED;
    l->served = f->wanted;
}

enum life_act life_end(struct life *l, uint64_t now, int64_t wanted)
{
    if (l->phase == PHASE_ABSENT || l->phase == PHASE_ENDING) return ACT_NONE;
    l->state = ENGINE_STOPPED;
    l->served = wanted;
    return end_child(l, now);
}

void life_started(struct life *l, uint64_t now)
{
    l->phase = PHASE_LOADING;
    l->state = ENGINE_STARTING;
    l->since = now;
    l->deaf = 0;
}

void life_waits(struct life *l)
{
    if (l->state != ENGINE_FAILED) l->state = ENGINE_WANTED;
}

void life_healthy(struct life *l, uint64_t now)
{
    l->deaf = 0;
    if (l->phase != PHASE_LOADING) return;
    l->phase = PHASE_UP;
    l->state = ENGINE_READY;
    l->since = l->busy = now;
}

enum life_act life_deaf(struct life *l)
{
    if (l->phase != PHASE_UP) return ACT_NONE; /* while it loads nothing else is to be expected */
    return ++l->deaf < DEAF_MAX ? ACT_NONE : ACT_KILL_DEAF;
}

void life_failed(struct life *l, uint64_t now)
{
    l->phase = PHASE_ABSENT;
    l->failures++;
    l->retry = now + backoff_ms(l->failures);
    l->state = l->failures >= FAILURES_SHOWN ? ENGINE_FAILED : ENGINE_WANTED;
}

void life_refused(struct life *l, uint64_t now)
{
    life_failed(l, now);
    l->state = ENGINE_FAILED;
}

void life_gone(struct life *l, uint64_t now)
{
    if (l->phase != PHASE_ENDING) {
        life_failed(l, now);
        return;
    }
    l->phase = PHASE_ABSENT;
    l->state = ENGINE_STOPPED;
    l->failures = 0;
    l->retry = 0;
}
