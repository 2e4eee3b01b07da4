/* Following a response that runs in the background, from any event on: what is stored of its stream is asked for again and again
 * until it is over, so that it does not matter which loop or gateway works on it, or worked. */
#include "gateway/state.h"

#include <stdio.h>

enum { LOOK_MS = 100, PATIENCE = 600 }; /* looks in vain, one after the other, before a follower is told */

static void on_look(struct timer *t);

static void give_up(struct exchange *x, const struct fault *why)
{
    x->fault = *why;
    x->outcome = OUTCOME_FAULT;
    exchange_jump(x, STEP_SETTLE);
}

static void begin(struct exchange *x)
{
    struct http_field fields[OUR_FIELDS_MAX + 1] = {{S("content-type"), S("text/event-stream")}};
    unsigned n = 1 + our_fields(x, (struct http_fields){NULL, 0}, fields + 1);
    if (x->head_sent) return;
    x->head_sent = true;
    x->attempt.status = 200; /* what the log tells */
    x->wrote_ms = loop_now(x->gl->loop);
    http_stream_head(x->stream, 200, (struct http_fields){fields, n}, -1);
}

static void say(struct exchange *x, struct str bytes)
{
    uint64_t now = loop_now(x->gl->loop), every = x->generation->settings.heartbeat_ms;
    bool silent = !bytes.n && every && now - x->wrote_ms >= every && x->wire->heartbeat;
    if (silent) bytes = str_z(x->wire->heartbeat);
    if (!bytes.n) return;
    x->wrote_ms = now;
    http_stream_write(x->stream, bytes);
}

static void on_followed(struct state_call *c, enum err got)
{
    struct kept *k = CONTAINER_OF(c, struct kept, call);
    struct exchange *x = k->exchange;
    struct str number, state;
    uint64_t last;
    if (got == OK && c->status >= 400)
        got = FAIL(&c->why, c->status == 404 ? ERR_NOT_FOUND : ERR_BAD_REQUEST, "%.*s", STR_ARG(state_message(c, &x->gl->tape)));
    if (got == ERR_RECALL && x->head_sent && k->in_vain++ < PATIENCE) { /* control comes back, and it goes on from there */
        timer_set(x->gl->loop, &x->timer, LOOK_MS, on_look);
        return;
    }
    if (got != OK) {
        give_up(x, &c->why);
        return;
    }
    k->in_vain = 0;
    begin(x);
    say(x, buf_view(&c->answer));
    str_cut(str_z(c->follow), ' ', &number, &state);
    if (str_u64(number, &last)) k->after = (int64_t)last;
    if (!str_eq(state, S("over"))) {
        timer_set(x->gl->loop, &x->timer, c->answer.n ? 1 : LOOK_MS, on_look);
        return;
    }
    x->outcome = OUTCOME_STREAM;
    exchange_jump(x, STEP_SETTLE);
}

static void look(struct exchange *x)
{
    struct kept *k = x->kept;
    char target[192];
    must(state_id_is_valid(k->id)); /* it stands in the target as it is */
    int n = snprintf(target, sizeof target, "/follow/%.*s", STR_ARG(k->id));
    if (k->after >= 0) n += snprintf(target + n, sizeof target - (size_t)n, "?after=%lld", (long long)k->after);
    const struct state_request r = {S("GET"), str_make(target, (size_t)n), x->key->project, x->generation->settings.state_wait_ms,
                                    MIB(64)};
    k->call.on_done = on_followed;
    state_ask(x->gl, &k->call, &r);
}

/* A client that does not read is not read for. */
static void on_look(struct timer *t)
{
    struct exchange *x = CONTAINER_OF(t, struct exchange, timer);
    if (!x->stream) return;
    if (http_stream_queued(x->stream) > HTTP_QUEUE_HIGH) timer_set(x->gl->loop, t, LOOK_MS, on_look);
    else look(x);
}

void follow(struct exchange *x, struct str id, int64_t after)
{
    struct kept *k = x->kept;
    k->follows = true;
    k->after = after;
    k->id = id;
    look(x);
}
