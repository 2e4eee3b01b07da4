/* The beginning of a stream: the client's head, and the signs of life behind it. While another deployment may take over, the head waits
 * for the first event of a real answer, since some providers say 200 and then that they cannot. Called by relay; owns x->waits. */
#include "priv.h"

/* What may come before an answer: pings, comments, and twice a response that repeats instructions and tools. */
enum { EARLY_MAX = 256 * 1024 };

/* ---- heartbeats --------------------------------------------------------------------------------------------------------- */

static void on_heartbeat(struct timer *t)
{
    struct exchange *x = CONTAINER_OF(t, struct exchange, timer);
    uint64_t every = x->generation->settings.heartbeat_ms, now = loop_now(x->gl->loop);
    if (!x->stream || !every) return;
    /* Only whole events were ever written, so we stand between two; a client that does not read needs no sign of life. */
    if (now - x->wrote_ms >= every && http_stream_queued(x->stream) == 0) {
        buf_clear(&x->gl->room);
        if (x->wants_array) buf_str(&x->gl->room, array_heartbeat(x));
        else if (x->wire->heartbeat) buf_str(&x->gl->room, str_z(x->wire->heartbeat));
        else x->wire->put_heartbeat(&x->gl->room);
        http_stream_write(x->stream, buf_view(&x->gl->room));
        buf_clear(&x->gl->room);
        x->wrote_ms = now;
    }
    timer_set(x->gl->loop, &x->timer, every - (now - x->wrote_ms < every ? now - x->wrote_ms : 0), on_heartbeat);
}

/* ---- the head ------------------------------------------------------------------------------------------------------------- */

static void send_head(struct exchange *x, int status, struct http_fields fields)
{
    uint32_t every = x->generation->settings.heartbeat_ms;
    http_stream_head(x->stream, status, fields, -1);
    http_stream_release_request(x->stream);
    if (x->attempt.translation) translate_sent(x->attempt.translation);
    x->head_sent = true;
    x->wrote_ms = loop_now(x->gl->loop);
    if (every && (x->wire->heartbeat || x->wire->put_heartbeat)) timer_set(x->gl->loop, &x->timer, every, on_heartbeat);
}

void begin_release(struct exchange *x)
{
    if (!x->waits) return;
    x->waits = false;
    timer_cancel(x->gl->loop, &x->timer);
    send_head(x, x->status, (struct http_fields){x->down, x->n_down});
    relay_write(x, buf_view(&x->last));
    buf_clear(&x->last);
}

static void on_patience_end(struct timer *t) { begin_release(CONTAINER_OF(t, struct exchange, timer)); }

/* Keeps the head for later. False: it goes at once. */
static bool keep_head(struct exchange *x, int status, struct http_fields theirs)
{
    uint64_t patience = route_patience_ms(x);
    x->status = status;
    if (!patience || !down_keep(x, theirs)) return false;
    if (x->attempt.crossing && translate_losses_field(x, &x->down[x->n_down])) x->n_down++;
    x->waits = true;
    timer_set(x->gl->loop, &x->timer, patience, on_patience_end);
    return true;
}

void begin_stream(struct exchange *x, int status, struct http_fields theirs)
{
    struct http_field fields[DOWN_FIELDS_MAX];
    size_t n = 0;
    if (!keep_head(x, status, theirs)) {
        n = down_fields(x, theirs, str_z(x->wire->stream_type), fields, DOWN_FIELDS_MAX - 1);
        if (x->attempt.crossing && translate_losses_field(x, &fields[n])) n++;
    }
    if (x->attempt.crossing && translate_begin(x) != OK) {
        x->waits = false;
        relay_fail(x, ATTEMPT_GARBAGE);
        return;
    }
    if (!x->waits) send_head(x, status, (struct http_fields){fields, n});
    x->streaming = true;
    x->halves = (struct wire_halves){0};
    x->wire_stream = (struct wire_stream){
        .format = x->wire->format,
        .hide_usage = x->request.usage_edit.with.n > 0,
        .usage = &x->usage,
    };
    buf_done(&x->held); /* what an earlier attempt's provider said */
    framing_start(&x->inflow, x->attempt.wire, x->generation->settings.event_max);
}

/* ---- while it waits ----------------------------------------------------------------------------------------------------------- */

bool begin_keeps(struct exchange *x, struct str bytes)
{
    if (x->last.n + bytes.n > EARLY_MAX) {
        begin_release(x);
        return false;
    }
    buf_str(&x->last, bytes);
    return true;
}

void begin_undo(struct exchange *x)
{
    if (!x->waits) return;
    x->waits = x->streaming = false;
    framing_done(&x->inflow);
    buf_init(&x->held, x->generation->settings.answer_hold_max);
    buf_clear(&x->last);
}

/* As if the provider had refused with the status that its error means. */
static void refuse_late(struct exchange *x, const struct framed *e)
{
    const struct wire_frame frame = {e->event.name, e->event.data, e->exception, e->message};
    struct chat_error *error = arena_alloc(&x->arena, sizeof *error);
    struct chat_error spare;
    struct buf body;
    if (!error) error = &spare; /* then nobody needs it beyond this call */
    buf_init(&body, x->generation->settings.answer_hold_max);
    wire_read_refusal(x->attempt.wire, &frame, &x->gl->tape, &x->arena, error);
    wire_put_refusal(x->attempt.wire, &frame, &x->gl->tape, error, str_z(x->id), &body);
    relay_stop(x); /* the event's bytes go with the call */
    begin_undo(x);
    buf_done(&x->held);
    x->held = body;
    if (!x->attempt.crossing) down_failed(x, error->class);
    else if (error != &spare) translate_refused(x, error);
    relay_refused(x, error->status);
}

/* The provider has said that it is at it: the client needs to know no later than by the heartbeat that he would get, were it told. */
static void hurry(struct exchange *x)
{
    uint64_t every = x->generation->settings.heartbeat_ms, patience = route_patience_ms(x);
    uint64_t gone = (clock_mono_ns() - x->attempt.first_byte_ns) / 1000000, left = patience > gone ? patience - gone : 1;
    if (every) timer_set(x->gl->loop, &x->timer, every < left ? every : left, on_patience_end);
}

bool begin_look(struct exchange *x, const struct framed *e)
{
    struct usage usage = {0};
    struct wire_stream seen = {.format = x->attempt.wire->format, .usage = &usage};
    struct wire_step step = {.error = e->exception};
    if (!e->exception) x->attempt.wire->event(&seen, &e->event, &x->gl->tape, &step);
    if (step.starts || step.last) begin_release(x);
    else if (seen.started && !x->wire_stream.started) hurry(x);
    if (!step.error) return true;
    x->usage = usage;
    refuse_late(x, e);
    return false;
}
