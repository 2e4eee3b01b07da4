/* Settle and record: what an attempt used and cost, into the journal, the meters and the metrics. One struct feeds them all. */
#include "priv.h"

/* Nothing told of a side's main cell, and no tokens in the others, is not a told 0. */
static bool is_told(const struct usage *u, enum usage_cell main, uint64_t sum)
{
    return u->quality[main] != USAGE_UNKNOWN || sum > 0;
}

/* Nothing that came was an answer: no HTTP, a redirect, a page for a browser, a stream without one event of the format. An
 * event that is too long to be held is one all the same. */
static bool was_no_answer(const struct exchange *x, enum attempt_end end, enum err code)
{
    if (end != ATTEMPT_GARBAGE || x->passing) return false;
    if (!x->attempt.head_seen || x->attempt.status >= 300) return true;
    if (x->streaming) return !x->wire_stream.started && code != ERR_UPSTREAM_TOO_LARGE;
    struct str body = str_trim(buf_view(&x->held));
    return body.n && body.p[0] != '{';
}

/* A stream whose only word is an error is the refusal that it would have been as a status: with another deployment to turn to it is read as
 * one (begin.c). */
static bool was_refusal(const struct exchange *x, enum attempt_end end)
{
    if (end != ATTEMPT_FAILED || !x->streaming) return end == ATTEMPT_FAILED;
    return !x->wire_stream.tokens_untold && usage_worst(&x->usage, USAGE_INPUT) == USAGE_UNKNOWN && !usage_output(&x->usage);
}

/* Cells that nobody told are estimated and marked so; an answer that was cut keeps the last word it had, as partial. */
static void complete_usage(struct exchange *x, enum attempt_end end, enum err code)
{
    struct usage *u = &x->usage;
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    if (meter == WIRE_METER_NONE) return;
    /* Refused before it generated: nothing is charged, but what was read. */
    if (was_refusal(x, end) || was_no_answer(x, end, code)) {
        if (usage_worst(u, USAGE_INPUT) != USAGE_UNKNOWN) return; /* it told, in a body that says it failed */
        usage_set(u, USAGE_IN_FRESH, x->attempt.verdict.charged ? exchange_input_tokens(x) : 0, USAGE_ESTIMATED);
        usage_set(u, USAGE_OUT_VISIBLE, 0, USAGE_ESTIMATED);
        return;
    }
    if (end != ATTEMPT_OK) usage_make_partial(u);
    if (meter == WIRE_METER_TOLD) return;
    if (!is_told(u, USAGE_IN_FRESH, usage_input(u))) usage_set(u, USAGE_IN_FRESH, exchange_input_tokens(x), USAGE_ESTIMATED);
    if (meter == WIRE_METER_INPUT) return;
    /* Usage told early in a stream (Messages' first word is a cursor) leaves out what was generated after it. */
    uint64_t untold = x->wire_stream.tokens_untold;
    bool told = is_told(u, USAGE_OUT_VISIBLE, usage_output(u)), behind = end != ATTEMPT_OK && untold;
    if (!told || behind) usage_set(u, USAGE_OUT_VISIBLE, u->n[USAGE_OUT_VISIBLE] + untold, USAGE_ESTIMATED);
}

/* Where nothing is estimated the price must stand on something that the provider told, unless all is free. */
static bool is_priced(const struct price *p, const struct usage *u, enum wire_meter meter)
{
    uint64_t any = 0;
    if (!p || !p->known) return false;
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        if (u->quality[c] != USAGE_UNKNOWN && p->per[c]) return true;
        any |= p->per[c];
    }
    return meter != WIRE_METER_TOLD || !any;
}

static uint32_t micros(uint64_t from_ns, uint64_t to_ns)
{
    uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void count(const struct exchange *x, const struct attempt_result *r)
{
    struct board_row *row = x->attempt.deployment->rows[x->wire->format];
    if (!row) return;
    atomic_fetch_add_explicit(&row->attempts, 1, memory_order_relaxed);
    if (r->end != ATTEMPT_OK) atomic_fetch_add_explicit(&row->failed, 1, memory_order_relaxed);
    if (x->dropped) atomic_fetch_add_explicit(&row->dropped_fields, x->dropped, memory_order_relaxed);
    atomic_fetch_add_explicit(&row->input_tokens, usage_input(&r->usage), memory_order_relaxed);
    atomic_fetch_add_explicit(&row->output_tokens, usage_output(&r->usage), memory_order_relaxed);
    atomic_fetch_add_explicit(&row->cached_tokens, r->usage.n[USAGE_IN_CACHE_READ], memory_order_relaxed);
    if (r->cost_known) atomic_fetch_add_explicit(&row->cost_pico, (uint64_t)r->cost, memory_order_relaxed);
    histogram_add(&row->duration, r->duration_us);
    if (r->first_byte_us) histogram_add(&row->first_byte, r->first_byte_us);
}

/* Charged in full all the same; but the provider did not keep to what it was asked, or the owner's assumption is too small. */
static void tell_beyond(const struct exchange *x)
{
    if (!reserve_is_bound(x) || x->pico_spent <= x->hold.pico) return;
    LOG(LOG_WARN, "spend.beyond",
        "the provider billed more than a bound of the request or model allows; if nothing bounds its answers, set the "
        "deployment's "
        "max_output",
        F_Z("request_id", x->id), F_Z("key", x->key->id), F_STR("route", x->route->name), F_INT("reserved_pico", x->hold.pico),
        F_INT("spent_pico", x->pico_spent));
}

void attempt_settle(struct exchange *x, enum attempt_end end, enum err code)
{
    struct attempt *a = &x->attempt;
    if (!a->placed) return;
    a->placed = false;
    if (!a->started) {
        journal_give_back(x->gl->writer, &a->place);
        return;
    }
    a->started = false;
    uint64_t now = clock_mono_ns();
    struct attempt_result r = {
        .end = end,
        .status = (uint16_t)a->status,
        .err = (uint16_t)code,
        .ended_ms = clock_wall_ms(),
        .first_byte_us = a->head_seen ? micros(a->start_ns, a->first_byte_ns) : 0,
        .duration_us = micros(a->start_ns, now),
    };
    if (end != ATTEMPT_NOT_SENT) complete_usage(x, end, code);
    r.usage = x->usage;
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    bool is_refused = x->opaque && end == ATTEMPT_FAILED; /* nothing was begun that could cost */
    r.cost_known = end == ATTEMPT_NOT_SENT || meter == WIRE_METER_NONE || is_refused || is_priced(a->price, &r.usage, meter);
    if (r.cost_known && a->price && end != ATTEMPT_NOT_SENT) r.cost = price_cost(a->price, &r.usage);
    journal_settle(x->gl->writer, &a->place, &r);
    x->tokens_used += usage_input(&r.usage) + usage_output(&r.usage);
    x->pico_spent += r.cost > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)r.cost;
    count(x, &r);
    tell_beyond(x);
}

/* Whatever is still open ends here. */
enum next step_settle(struct exchange *x)
{
    struct attempt *a = &x->attempt;
    if (x->outcome == OUTCOME_GONE) kept_stop(x);
    if (x->outcome == OUTCOME_GONE) calls_stop(x);
    if (a->placed) { /* the client went away, or its request broke, with a call under way */
        bool sent = a->call && http_call_was_sent(a->call);
        relay_stop(x);
        attempt_settle(x, sent ? ATTEMPT_ABORTED : ATTEMPT_NOT_SENT, x->fault.code);
    } else if (x->outcome == OUTCOME_GONE) {
        relay_stop(x);
    }
    if (x->outcome == OUTCOME_FAULT && !x->walk.attempts && !kept_counts(x) && !calls_count(x)) budget_undo(&x->hold);
    else budget_settle(&x->hold, x->tokens_used);
    return NEXT;
}

static void on_safe(struct journal_wait *w) { exchange_resume(CONTAINER_OF(w, struct exchange, safe)); }
static void on_turn_end(struct defer *d) { exchange_resume(CONTAINER_OF(d, struct exchange, later)); }

/* The client's last byte waits here for the record. */
enum next step_record(struct exchange *x)
{
    if (x->outcome == OUTCOME_GONE || !x->walk.attempts) return NEXT;
    if (journal_wait_safe(x->gl->writer, &x->safe, on_safe)) loop_defer(x->gl->loop, &x->later, on_turn_end);
    return WAIT;
}
