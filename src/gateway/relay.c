/* Relay: the provider's answer on its way to the client. Streams pass event by event, as whole events; other answers are
 * held until they are whole. Ends in settle, or back at route when the next deployment may be tried. */
#include "priv.h"

enum { ERROR_BODY_MAX = 256 * 1024, LINGER_MS = 1000, TAIL_BYTES = 16 * 1024 };

static struct exchange *exchange_of(void *user) { return user; }

enum next step_relay(struct exchange *x)
{
    (void)x;
    return WAIT;
}

/* ---- ends ------------------------------------------------------------------------------------------------------------- */

/* The call is over or cancelled; the attempt is settled; what now? */
static void go_on(struct exchange *x, bool may_try_next)
{
    exchange_jump(x, may_try_next && !x->head_sent && !x->opaque && !upload_let_go(x) ? STEP_ROUTE : STEP_SETTLE);
}

static void drop_call(struct exchange *x)
{
    struct http_call *call = x->attempt.call;
    x->attempt.call = NULL;
    if (call) http_call_cancel(call);
}

void relay_stop(struct exchange *x)
{
    timer_cancel(x->gl->loop, &x->timer);
    loop_undefer(x->gl->loop, &x->later);
    drop_call(x);
}

static enum attempt_end end_of(enum err code)
{
    if (code == ERR_UPSTREAM_TIMEOUT) return ATTEMPT_TIMEOUT;
    if (code == ERR_UPSTREAM_GARBAGE || code == ERR_UPSTREAM_TOO_LARGE) return ATTEMPT_GARBAGE;
    return ATTEMPT_CUT;
}

void relay_fail(struct exchange *x, enum attempt_end end)
{
    bool passing = x->passing;
    relay_stop(x);
    if (x->head_sent) atomic_fetch_add_explicit(&x->gl->gateway->board->counters.streams_cut, 1, memory_order_relaxed);
    route_failed(x->attempt.deployment, 0, clock_wall_ms());
    attempt_settle(x, end, x->fault.code);
    begin_undo(x);
    x->outcome = passing ? OUTCOME_BREAK : OUTCOME_FAULT;
    go_on(x, true);
}

/* Rather a little early, since the wall clock may lag: what came in that moment came after it. */
static int64_t began_ms(const struct attempt *a)
{
    enum { LAG_MS = 5 };
    return clock_wall_ms() - (int64_t)((clock_mono_ns() - a->start_ns) / 1000000) - LAG_MS;
}

/* It worked; whatever it used up rests until it is back. */
static void succeeded(struct exchange *x)
{
    const struct attempt *a = &x->attempt;
    route_succeeded(a->deployment, began_ms(a));
    if (a->rest_ms) route_rest(a->deployment, a->rest_ms, clock_wall_ms());
}

/* ---- head --------------------------------------------------------------------------------------------------------------- */

static bool is_stream_of(const struct wire_ops *wire, struct http_fields fields)
{
    struct str type = http_field_get(fields, S("content-type"));
    struct str head, rest;
    str_cut(type, ';', &head, &rest);
    return str_eq_nocase(str_trim(head), str_z(wire->stream_type));
}

static bool is_encoded(struct http_fields fields)
{
    struct str coding = str_trim(http_field_get(fields, S("content-encoding")));
    return coding.n && !str_eq_nocase(coding, S("identity"));
}

static void begin_passing(struct exchange *x);

/* Sound, and events that nobody here reads. */
static bool passes(const struct exchange *x, struct http_fields fields)
{
    if (x->opaque) return true;
    if (upload_streams(x) && is_stream_of(x->attempt.wire, fields)) return true; /* `stream` may stand behind the file */
    return !x->attempt.wire->event && (x->request.stream || wire_manner(x->request.operation)->passes);
}

static void take_headroom(struct exchange *x, struct http_fields fields)
{
    struct board_row *row = x->attempt.deployment->rows[x->wire->format];
    struct provider_headroom room;
    provider_headroom(fields, clock_wall_ms(), &room);
    x->attempt.rest_ms = room.rest_ms;
    if (row && room.requests >= 0) atomic_store_explicit(&row->requests_left, room.requests + 1, memory_order_relaxed);
    if (row && room.tokens >= 0) atomic_store_explicit(&row->tokens_left, room.tokens + 1, memory_order_relaxed);
}

static void on_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    (void)c;
    struct exchange *x = exchange_of(user);
    struct attempt *a = &x->attempt;
    a->head_seen = true;
    a->status = status;
    a->first_byte_ns = clock_mono_ns();
    provider_judge(status, fields, clock_wall_ms(), &a->verdict);
    if (!a->deployment->client_key) take_headroom(x, fields);
    if (is_encoded(fields)) {
        FAIL(&x->fault, ERR_UPSTREAM_GARBAGE, "the provider compressed its answer though that was not asked for");
        relay_fail(x, ATTEMPT_GARBAGE);
        return;
    }
    if (status >= 300 && status < 400) {
        FAIL(&x->fault, ERR_UPSTREAM_GARBAGE, "the provider answered with a redirect (%d), which is never followed", status);
        relay_fail(x, ATTEMPT_GARBAGE);
        return;
    }
    if (status < 300 && x->request.stream && a->wire->event && is_stream_of(a->wire, fields)) {
        begin_stream(x, status, fields);
        return;
    }
    x->status = status;
    buf_clear(&x->held);
    if (down_keep(x, fields)) {
        if (status < 300 && passes(x, fields)) begin_passing(x);
        return;
    }
    FAIL(&x->fault, ERR_UPSTREAM_TOO_LARGE, "the provider's answer has too many or too long header fields");
    relay_fail(x, ATTEMPT_GARBAGE);
}

/* ---- streams ---------------------------------------------------------------------------------------------------------------- */

void relay_write(struct exchange *x, struct str bytes)
{
    if (x->waits && begin_keeps(x, bytes)) return;
    if (x->kept && x->streaming) bytes = kept_events(x, bytes);
    if (!bytes.n) return;
    x->wrote_ms = loop_now(x->gl->loop);
    if (x->streaming) bytes = array_events(x, bytes);
    if (http_stream_write(x->stream, bytes) <= HTTP_QUEUE_HIGH || x->paused || !x->attempt.call) return;
    x->paused = true;
    http_call_pause(x->attempt.call);
}

void relay_writable(struct exchange *x)
{
    if (!x->paused || !x->attempt.call) return;
    x->paused = false;
    http_call_resume(x->attempt.call);
}

/* Puts whole events that lie side by side in one received piece into one write. */
struct run {
    struct str received, bytes;
    unsigned events; /* whole ones */
};

static void run_flush(struct exchange *x, struct run *r)
{
    relay_write(x, r->bytes);
    r->bytes = STR_NONE;
}

static void run_add(struct exchange *x, struct run *r, struct str raw)
{
    bool inside = raw.p >= r->received.p && raw.p + raw.n <= r->received.p + r->received.n;
    if (r->bytes.n && r->bytes.p + r->bytes.n == raw.p) {
        r->bytes.n += raw.n;
        return;
    }
    run_flush(x, r);
    r->bytes = raw;
    if (!inside) run_flush(x, r); /* the reader's own copy lives until its next call only */
}

static void end_stream(struct exchange *x);

/* The stream is whole; the call's own end usually comes with the same bytes, and then the connection can be used again. */
static void on_relay_end(struct defer *d) { end_stream(CONTAINER_OF(d, struct exchange, later)); }

static void keep_last(struct exchange *x, struct str raw)
{
    buf_str(&x->last, raw);
    x->relay_done = true;
    loop_defer(x->gl->loop, &x->later, on_relay_end);
}

/* In a field that clients skip (llama.cpp's `error:`) the end of the stream would be a cut to them: it is told as the format has it. */
static void keep_error(struct exchange *x, const struct framed *e)
{
    const struct wire_frame frame = {e->event.name, e->event.data, e->exception, e->message};
    struct chat_error error;
    if (x->inflow.binary || !str_starts(e->event.raw, S("error:"))) {
        keep_last(x, e->event.raw);
        return;
    }
    wire_read_refusal(x->wire, &frame, &x->gl->tape, &x->arena, &error);
    buf_str(&x->last, S("data: "));
    x->wire->translator->write_error(&error, str_z(x->id), &x->last);
    keep_last(x, S("\n\n"));
}

/* What a translated stream has become since the last write. */
static void flush_translated(struct exchange *x)
{
    relay_write(x, buf_view(&x->gl->room));
    buf_clear(&x->gl->room);
}

static void finish_translated(struct exchange *x)
{
    x->relay_done = true;
    loop_defer(x->gl->loop, &x->later, on_relay_end);
}

static bool take_translated(struct exchange *x, const struct framed *e)
{
    enum { ROOM_HIGH = 16 * 1024 };
    bool last;
    enum err err = translate_event(x, e, &x->gl->room, &last);
    if (err != OK || last || x->gl->room.n > ROOM_HIGH) flush_translated(x);
    if (err != OK) relay_fail(x, ATTEMPT_GARBAGE);
    else if (last) finish_translated(x);
    return err == OK && !last;
}

/* An event that is no JSON by itself may end or begin with half a character: it passes as it came. */
static void look_again(struct exchange *x, const struct sse_event *e, struct wire_step *step)
{
    struct sse_event whole = *e;
    struct buf mended;
    buf_init(&mended, e->data.n + sizeof x->halves.high);
    if (wire_join_halves(&x->halves, e->data, &mended)) {
        whole.data = buf_view(&mended);
        x->wire->event(&x->wire_stream, &whole, &x->gl->tape, step);
    }
    buf_done(&mended);
}

/* One event. False: no more are wanted. */
static bool take_event(struct exchange *x, const struct framed *framed, struct run *run)
{
    const struct sse_event *e = &framed->event;
    struct wire_step step = {.error = framed->exception};
    if (x->waits && !begin_look(x, framed)) return false;
    if (x->attempt.crossing) return take_translated(x, framed);
    if (!framed->exception) x->wire->event(&x->wire_stream, e, &x->gl->tape, &step);
    if (step.garbage) look_again(x, e, &step);
    if (step.garbage) {
        run_flush(x, run);
        FAIL(&x->fault, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not one of this format");
        relay_fail(x, ATTEMPT_GARBAGE);
        return false;
    }
    if (step.last || step.error) {
        run_flush(x, run);
        if (step.error) keep_error(x, framed);
        else keep_last(x, e->raw);
        return false;
    }
    if (!step.hide) run_add(x, run, e->raw);
    return true;
}

/* The events that are whole. False: no more are wanted. */
static bool take_events(struct exchange *x, struct run *run)
{
    struct framed e;
    bool got;
    enum err err;
    while ((err = framing_next(&x->inflow, &e, &got, &x->fault)) == OK && got) {
        run->events++;
        if (!take_event(x, &e, run)) return false;
    }
    run_flush(x, run);
    if (x->attempt.crossing) flush_translated(x);
    if (err != OK) relay_fail(x, ATTEMPT_GARBAGE);
    return err == OK;
}

/* Did an event get whole? */
static bool relay_events(struct exchange *x, struct str bytes)
{
    struct run run = {.received = bytes};
    if (x->relay_done) return false; /* behind the last event nothing counts */
    if (framing_feed(&x->inflow, bytes, &x->fault) != OK) {
        relay_fail(x, ATTEMPT_GARBAGE);
        return false;
    }
    buf_clear(&x->gl->room);
    take_events(x, &run);
    return run.events > 0;
}

/* The client gets its end now; the call may linger for its own, so that the connection is kept. */
static void on_linger(struct timer *t)
{
    struct exchange *x = CONTAINER_OF(t, struct exchange, timer);
    drop_call(x);
    exchange_release(x);
}

static void end_stream(struct exchange *x)
{
    bool good = x->wire_stream.finished;
    loop_undefer(x->gl->loop, &x->later);
    timer_cancel(x->gl->loop, &x->timer);
    if (x->attempt.call) timer_set(x->gl->loop, &x->timer, LINGER_MS, on_linger);
    if (good) succeeded(x);
    else route_failed(x->attempt.deployment, 0, clock_wall_ms());
    attempt_settle(x, good ? ATTEMPT_OK : ATTEMPT_FAILED, good ? OK : ERR_UPSTREAM_ERROR);
    x->outcome = OUTCOME_STREAM;
    exchange_jump(x, STEP_SETTLE);
}

/* ---- held answers -------------------------------------------------------------------------------------------------------------- */

/* Of what passes the end is kept: the usage stands there. */
static void keep_tail(struct exchange *x, struct str bytes)
{
    struct str kept = buf_view(&x->held);
    if (kept.n + bytes.n > 2 * TAIL_BYTES) {
        size_t keep = bytes.n >= TAIL_BYTES ? 0 : TAIL_BYTES - bytes.n;
        if (keep < kept.n) buf_drop_head(&x->held, kept.n - keep);
    }
    buf_str(&x->held, bytes.n > TAIL_BYTES ? str_from(bytes, bytes.n - TAIL_BYTES) : bytes);
}

/* Too long to hold: from here on it passes as it comes, and a break shows as a broken transfer. */
static void begin_passing(struct exchange *x)
{
    http_stream_head(x->stream, x->status, (struct http_fields){x->down, x->n_down}, -1);
    http_stream_release_request(x->stream);
    x->head_sent = x->passing = true;
    struct buf held = x->held;
    buf_init(&x->held, 4 * TAIL_BYTES);
    x->wire_stream.tokens_untold = held.n / 4;
    keep_tail(x, buf_view(&held));
    relay_write(x, buf_view(&held));
    buf_done(&held);
}

static void pass(struct exchange *x, struct str bytes)
{
    x->wire_stream.tokens_untold += bytes.n / 4;
    keep_tail(x, bytes);
    relay_write(x, bytes);
}

/* It came whole, as far as its transfer tells. Without a usage in its tail the estimate stays. */
static void end_passing(struct exchange *x)
{
    if (!x->opaque && wire_manner(x->request.operation)->meter != WIRE_METER_NONE)
        wire_read_tail(x->wire, buf_view(&x->held), &x->gl->tape, &x->gl->room, &x->usage);
    succeeded(x);
    attempt_settle(x, ATTEMPT_OK, OK);
    x->outcome = OUTCOME_STREAM;
    exchange_jump(x, STEP_SETTLE);
}

/* Some providers send blanks while the model works at an answer: as long as its first byte may take, they keep it alive. */
static bool has_only_begun(const struct exchange *x)
{
    enum { BLANKS_MAX = 64 * 1024 };
    uint64_t most = x->attempt.deployment->provider->deadlines.first_byte_ms;
    struct str held = buf_view(&x->held);
    size_t blanks = 0;
    if (held.n > BLANKS_MAX || clock_mono_ns() - x->attempt.first_byte_ns >= most * 1000000) return false;
    while (blanks < held.n && memchr(" \t\r\n", held.p[blanks], 4)) blanks++;
    return blanks == held.n;
}

/* True: the provider may well take its time yet. */
static bool hold(struct exchange *x, struct str bytes)
{
    bool failed = x->status >= 300;
    size_t max = failed ? ERROR_BODY_MAX : x->held.max;
    if (!x->passing && x->held.n + bytes.n > max) {
        if (x->attempt.crossing && !failed) {
            FAIL(&x->fault, ERR_UPSTREAM_TOO_LARGE,
                 "the provider's answer is longer than limits.answer, and one that must be translated is held whole");
            relay_fail(x, ATTEMPT_GARBAGE);
            return false;
        }
        if (failed) { /* an error text of that size helps nobody: it ends here */
            FAIL(&x->fault, ERR_UPSTREAM_TOO_LARGE, "the provider's error answer (%d) is too long", x->status);
            relay_fail(x, ATTEMPT_FAILED);
            return false;
        }
        begin_passing(x);
    }
    if (x->passing) {
        pass(x, bytes);
        return false;
    }
    buf_str(&x->held, bytes);
    return has_only_begun(x);
}

static bool on_body(struct http_call *c, struct str bytes, void *user)
{
    (void)c;
    struct exchange *x = exchange_of(user);
    return x->streaming ? relay_events(x, bytes) : hold(x, bytes);
}

/* It is our credential that is not taken: the caller's is good, and whatever he would read of it is wrong. A 401 says the same to
 * everybody, a 403 may hang on what was asked. */
static void refused_us(struct exchange *x)
{
    struct attempt *a = &x->attempt;
    if (x->status != 403) route_failed(a->deployment, 0, clock_wall_ms());
    attempt_settle(x, ATTEMPT_FAILED, ERR_UPSTREAM_AUTH);
    blame_account(x);
    x->outcome = OUTCOME_FAULT;
    go_on(x, true);
}

/* The provider refused or failed: its word is the answer unless another deployment does better. */
static void refused(struct exchange *x)
{
    struct attempt *a = &x->attempt;
    bool is_callers = a->deployment->client_key && x->status < 500; /* his quota, nobody else's */
    if (a->verdict.account && !is_callers) {
        refused_us(x);
        return;
    }
    if (a->verdict.rest && !is_callers) route_failed(a->deployment, a->verdict.retry_after_ms, clock_wall_ms());
    attempt_settle(x, ATTEMPT_FAILED, ERR_UPSTREAM_ERROR);
    if (x->attempt.crossing) translate_error(x);
    else if (a->deployment->provider->kind->chat_errors) translate_chat_error(x);
    down_refused(x);
    x->outcome = OUTCOME_ANSWER;
    go_on(x, a->verdict.try_next);
}

/* An answer that says another status than its head does: as if the head had said so. */
static void end_failed(struct exchange *x, int status)
{
    struct attempt *a = &x->attempt;
    x->status = a->status = status;
    provider_judge(status, (struct http_fields){x->down, x->n_down}, clock_wall_ms(), &a->verdict);
    provider_judge_body(status, buf_view(&x->held), &x->gl->tape, &a->verdict);
    refused(x);
}

void relay_refused(struct exchange *x, int status)
{
    x->status = status;
    blame_answer(x);
    end_failed(x, status);
}

static void end_refused(struct exchange *x)
{
    int status = provider_true_status(x->attempt.deployment->provider->kind, x->status, buf_view(&x->held));
    blame_answer(x);
    if (status != x->status) {
        end_failed(x, status);
        return;
    }
    provider_judge_body(x->status, buf_view(&x->held), &x->gl->tape, &x->attempt.verdict);
    refused(x);
}

static enum err read_held(struct exchange *x)
{
    if (x->attempt.crossing) return translate_answer(x);
    return x->wire->answer(x->request.operation, buf_view(&x->held), &x->gl->tape, &x->usage, &x->fault);
}

static void end_held(struct exchange *x)
{
    if (read_held(x) != OK) {
        int status = x->attempt.translation ? translate_failure(x) : 0;
        if (status) end_failed(x, status);
        else relay_fail(x, ATTEMPT_GARBAGE);
        return;
    }
    x->wire_stream.tokens_untold = x->held.n / 4;
    if (x->kept && kept_answer(x) != OK) {
        relay_fail(x, ATTEMPT_GARBAGE);
        return;
    }
    succeeded(x);
    attempt_settle(x, ATTEMPT_OK, OK);
    x->outcome = OUTCOME_ANSWER;
    exchange_jump(x, STEP_SETTLE);
}

/* ---- the call's end -------------------------------------------------------------------------------------------------------------- */

/* What waited for the transfer's end. False: it was the end of the attempt, and perhaps another one is under way. */
static bool relay_rest(struct exchange *x)
{
    struct run run = {0};
    buf_clear(&x->gl->room);
    if (framing_finish(&x->inflow, &x->fault) == OK) return take_events(x, &run) || x->relay_done;
    relay_fail(x, ATTEMPT_GARBAGE);
    return false;
}

/* The transfer's close is the last event of some formats. */
static bool end_translated(struct exchange *x)
{
    bool last = false;
    buf_clear(&x->gl->room);
    enum err e = translate_end(x, &x->gl->room, &last);
    flush_translated(x);
    x->relay_done = last;
    if (e != OK) relay_fail(x, e == ERR_UPSTREAM_CUT ? ATTEMPT_CUT : ATTEMPT_GARBAGE);
    return e == OK;
}

static void end_events(struct exchange *x)
{
    if (!x->relay_done && !relay_rest(x)) return;
    bool begun = !x->waits;
    if (begun && !x->relay_done && x->attempt.crossing && !end_translated(x)) return;
    if (begun && !x->attempt.crossing && x->wire->end && x->wire->end(&x->wire_stream))
        x->relay_done = x->wire_stream.finished = true;
    if (x->relay_done) {
        end_stream(x);
        return;
    }
    FAIL(&x->fault, ERR_UPSTREAM_CUT, "the provider's stream ended without its last event");
    relay_fail(x, ATTEMPT_CUT);
}

static void on_end(struct http_call *c, void *user)
{
    (void)c;
    struct exchange *x = exchange_of(user);
    x->attempt.call = NULL;
    if (x->step != STEP_RELAY) { /* it lingered */
        timer_cancel(x->gl->loop, &x->timer);
        exchange_release(x);
    } else if (x->streaming) {
        end_events(x);
    } else if (x->passing) {
        end_passing(x);
    } else if (x->status >= 300) {
        end_refused(x);
    } else {
        end_held(x);
    }
}

static void on_fail(struct http_call *c, const struct fault *why, void *user)
{
    struct exchange *x = exchange_of(user);
    bool sent = http_call_was_sent(c);
    x->attempt.call = NULL;
    if (x->step != STEP_RELAY) {
        timer_cancel(x->gl->loop, &x->timer);
        exchange_release(x);
        return;
    }
    if (x->relay_done) { /* the stream was whole before its transfer broke */
        end_stream(x);
        return;
    }
    blame_call(x, why);
    relay_fail(x, sent ? end_of(why->code) : ATTEMPT_NOT_SENT);
}

static void on_hungry(struct http_call *c, void *user)
{
    (void)c;
    struct exchange *x = exchange_of(user);
    if (x->upload) upload_flow(x);
    else account_hungry(x);
}

const struct http_call_handler gateway_relay = {
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_fail = on_fail,
    .on_hungry = on_hungry,
};
