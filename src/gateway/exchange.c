/* The exchange: its journey as a table in the order of travel, the driver, and its lifetime. The only way back is from
 * send or relay to route, before the first byte has gone to the client. */
#include "priv.h"

#include <stdlib.h>

static const struct {
    const char *name;
    enum next (*start)(struct exchange *x);
} JOURNEY[STEPS] = {
    [STEP_AUTHENTICATE] = {"authenticate", step_authenticate},
    [STEP_READ] = {"read", step_read},
    [STEP_RECALL] = {"recall", step_recall},
    [STEP_ADMIT] = {"admit", step_admit},
    [STEP_ROUTE] = {"route", step_route},
    [STEP_SEND] = {"send", step_send},
    [STEP_RELAY] = {"relay", step_relay},
    [STEP_SETTLE] = {"settle", step_settle},
    [STEP_RECORD] = {"record", step_record},
    [STEP_KEEP] = {"keep", step_keep},
    [STEP_FINISH] = {"finish", step_finish},
};

const char *step_name(enum step_id step) { return JOURNEY[step].name; }

/* Runs steps until one waits or the last is done; x may be gone when it returns. A step that is resumed or sent
 * elsewhere while it is being started only moves x->step: the driver below it goes on from there. */
static void drive(struct exchange *x)
{
    if (x->driving) return;
    x->driving = true;
    enum next next;
    do {
        x->moved = false;
        next = JOURNEY[x->step].start(x);
        if (next == WAIT && x->moved) next = MOVED;
        if (next == NEXT) x->step++;
        if (next == FAILED) {
            x->outcome = OUTCOME_FAULT;
            x->step = STEP_SETTLE;
        }
    } while (next == NEXT || next == FAILED || next == MOVED);
    x->driving = false;
    if (next == FINISHED) exchange_release(x);
}

void exchange_begin(struct exchange *x)
{
    x->step = STEP_AUTHENTICATE;
    drive(x);
}

void exchange_resume(struct exchange *x)
{
    x->step++;
    x->moved = true;
    drive(x);
}

void exchange_jump(struct exchange *x, enum step_id step)
{
    must(step == STEP_SETTLE || (step == STEP_ROUTE && !x->head_sent));
    x->step = (unsigned char)step;
    x->moved = true;
    drive(x);
}

/* A waiting stream holds a model's name and a peer's address; a held answer brings its own piece. */
enum { ARENA_CHUNK = 128, ARENA_MAX = 64 * 1024, SPARE_MAX = 256 };

enum { CALLER_ID_MAX = 64 };

/* The caller's own name for this request, for the log alone: whoever searches by it finds ours beside it. */
static void keep_caller_id(struct exchange *x)
{
    struct http_fields fields = x->stream->request->fields;
    struct str id = http_field_get(fields, S("x-client-request-id"));
    if (!id.n) id = http_field_get(fields, S("x-request-id"));
    if (id.n > CALLER_ID_MAX) id.n = CALLER_ID_MAX;
    if (id.n && !arena_str(&x->arena, id, &x->caller_id)) x->caller_id = STR_NONE;
}

struct exchange *exchange_new(struct gateway_loop *gl, struct http_stream *s)
{
    struct exchange *x = gl->spare;
    if (x) {
        gl->spare = x->next_spare;
        gl->n_spare--;
        memset(x, 0, sizeof *x);
    } else {
        x = mem_alloc(sizeof *x);
    }
    x->gl = gl;
    x->stream = s;
    x->generation = gl->generation;
    generation_ref(x->generation);
    arena_init(&x->arena, ARENA_CHUNK, ARENA_MAX);
    buf_init(&x->last, x->generation->settings.event_max + KIB(4));
    buf_init(&x->held, x->generation->settings.answer_hold_max);
    random_id(x->id, LEDGER_ID_LEN);
    x->arrived_ns = clock_mono_ns();
    if (!arena_str(&x->arena, s->request->peer, &x->peer)) x->peer = STR_NONE;
    if (x->generation->settings.access_log) keep_caller_id(x);
    s->user = x;
    atomic_fetch_add_explicit(&gl->gateway->slot->exchanges, 1, memory_order_relaxed);
    return x;
}

void exchange_release(struct exchange *x)
{
    if (x->stream || x->attempt.call || x->safe.queued || x->later.queued || x->driving || kept_is_busy(x) || calls_are_busy(x))
        return;
    struct gateway_loop *gl = x->gl;
    timer_cancel(gl->loop, &x->timer);
    if (x->streaming) framing_done(&x->inflow);
    else buf_done(&x->held);
    buf_done(&x->last);
    translation_free(x);
    kept_free(x);
    calls_free(x);
    upload_free(x);
    arena_done(&x->arena);
    generation_unref(x->generation);
    atomic_fetch_sub_explicit(&gl->gateway->slot->exchanges, 1, memory_order_relaxed);
    if (gl->n_spare == SPARE_MAX) {
        free(x);
        return;
    }
    x->next_spare = gl->spare;
    gl->spare = x;
    gl->n_spare++;
}
