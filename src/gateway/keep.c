/* Keep: the answer is told as its caller asked for it, and stored before its last byte goes out, so that whoever has read it whole
 * can continue it. A response that cannot be kept says so itself: `store` is false in it; it is an error only where the caller
 * relies on it, having asked for it by name or continued something kept. */
#include "gateway/state.h"

#include <stdio.h>

struct responses_view kept_view(const struct kept *k, bool stored)
{
    return (struct responses_view){
        .id = k->id,
        .previous = k->ask.previous,
        .conversation = k->ask.conversation,
        .store = stored,
        .background = k->ask.background,
    };
}

void kept_put_event(struct buf *out, struct str name, struct str data)
{
    buf_str(out, S("event: "));
    buf_str(out, name);
    buf_str(out, S("\ndata: "));
    buf_str(out, data);
    buf_str(out, S("\n\n"));
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

/* The response in the tape's event, as the caller shall see it. */
static enum err put_view(struct kept *k, bool stored, struct str output, struct buf *out)
{
    if (k->pins) { /* the provider's own word */
        buf_str(out, k->exchange->gl->tape.src);
        return OK;
    }
    const struct json_tape *t = &k->exchange->gl->tape;
    const struct responses_view view = kept_view(k, stored);
    return responses_view_put(t, json_find(t, 0, S("response")), &view, output, out, &k->exchange->fault);
}

static struct str type_of(const struct json_tape *t) { return json_text(t, json_find(t, 0, S("type"))); }

/* What a run does is kept by it. */
static bool is_stored(const struct kept *k) { return k->keeps || k->run; }

static void put_changed(struct kept *k, const struct sse_event *e)
{
    struct buf changed;
    buf_init(&changed, e->data.n + KIB(4));
    if (put_view(k, is_stored(k), STR_NONE, &changed) == OK)
        kept_put_event(&k->out, type_of(&k->exchange->gl->tape), buf_view(&changed));
    else buf_str(&k->out, e->raw);
    buf_done(&changed);
}

/* Kept back until it is known whether it could be kept. */
static void take_terminal(struct kept *k, const struct sse_event *e)
{
    struct buf items;
    buf_init(&items, k->gather.text.max + KIB(64));
    responses_gather_items(&k->gather, &items);
    buf_clear(&k->terminal);
    k->is_event = true;
    k->has_terminal = put_view(k, is_stored(k), k->gather.over ? STR_NONE : buf_view(&items), &k->terminal) == OK;
    if (!k->has_terminal) buf_str(&k->out, e->raw);
    buf_done(&items);
}

static void take_event(struct kept *k, const struct sse_event *e)
{
    enum responses_event means = RESPONSES_EVENT_PLAIN;
    if (e->has_data) means = responses_gather_event(&k->gather, e->data, &k->exchange->gl->tape);
    if (means == RESPONSES_EVENT_STATE) put_changed(k, e);
    else if (means == RESPONSES_EVENT_LAST) take_terminal(k, e);
    else buf_str(&k->out, e->raw);
}

static void take_events(struct kept *k, struct str bytes)
{
    struct sse_event e;
    struct fault why;
    if (sse_feed(&k->reader, bytes, &why) != OK) return; /* the relay has cut it into events before */
    while (sse_next(&k->reader, &e)) take_event(k, &e);
}

/* The answer goes on to its caller; only what would be kept of it is let go. */
static void watch_memory(struct kept *k)
{
    struct fault why;
    if (k->starved || kept_count(k, &why) == OK) return;
    k->starved = true;
    responses_gather_done(&k->gather);
    responses_gather_init(&k->gather, 0);
    k->gather.over = true;
}

struct str kept_events(struct exchange *x, struct str bytes)
{
    struct kept *k = x->kept;
    if (!k->tells) return bytes;
    buf_clear(&k->out);
    take_events(k, bytes);
    watch_memory(k);
    return buf_view(&k->out);
}

/* ---- whole answers -------------------------------------------------------------------------------------------------------------- */

static enum err take_answer(struct kept *k)
{
    struct exchange *x = k->exchange;
    struct json_tape *t = &x->gl->tape;
    const struct responses_view view = kept_view(k, k->keeps);
    TRY(json_scan(t, buf_view(&x->held), &WIRE_LIMITS, &x->fault));
    responses_gather_answer(&k->gather, t, 0);
    if (k->pins) buf_str(&k->terminal, buf_view(&x->held));
    else TRY(responses_view_put(t, 0, &view, STR_NONE, &k->terminal, &x->fault));
    k->has_terminal = true;
    watch_memory(k);
    return OK;
}

/* It may be a stream that was made of a whole answer. */
enum err kept_answer(struct exchange *x)
{
    struct kept *k = x->kept;
    if (!k->tells) return OK;
    if (x->held.n && x->held.p[0] == '{') return take_answer(k);
    buf_clear(&k->out);
    take_events(k, buf_view(&x->held));
    watch_memory(k);
    return OK;
}

/* ---- keeping ---------------------------------------------------------------------------------------------------------------------- */

static void add_id(struct json_writer *w, const char *name, struct str id)
{
    if (id.n) json_add_str(w, str_z(name), id);
}

static void add_input(struct json_writer *w, struct str items)
{
    json_put_name(w, S("input"));
    json_put_raw(w, S("["));
    buf_str(w->out, items);
    buf_char(w->out, ']');
}

static void add_output(struct json_writer *w, struct responses_gather *g)
{
    json_put_name(w, S("output"));
    json_put_raw(w, S("["));
    responses_gather_items(g, w->out);
    buf_char(w->out, ']');
}

/* The terminal event's response, or the whole answer. */
static struct str object_of(struct kept *k)
{
    struct json_tape *t = &k->exchange->gl->tape;
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 2};
    if (!k->is_event) return buf_view(&k->terminal);
    must(json_scan(t, buf_view(&k->terminal), &limits, NULL) == OK); /* it was, before its members were changed */
    return json_raw(t, json_find(t, 0, S("response")));
}

/* Which deployment has it, under the id that its provider gave. */
static void put_pin(struct kept *k, struct buf *out)
{
    struct json_writer w;
    char hex[32];
    struct json_tape *t = &k->exchange->gl->tape;
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)k->exchange->attempt.deployment->identity);
    must(json_scan(t, buf_view(&k->terminal), &WIRE_LIMITS, NULL) == OK); /* it was read before */
    uint32_t id = json_find(t, k->is_event ? json_find(t, 0, S("response")) : 0, S("id"));
    json_write(&w, out);
    json_put_object(&w);
    json_put_name(&w, S("id"));
    if (id && json_is(t, id, JSON_STRING)) json_put_span(&w, json_text(t, id));
    else json_put_null(&w);
    json_add_str(&w, S("deployment"), str_z(hex));
    json_put_end(&w);
}

static void put_request(struct kept *k, struct buf *out)
{
    struct json_writer w;
    buf_clear(out);
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("id"), k->id);
    add_id(&w, "previous", k->ask.previous);
    add_id(&w, "conversation", k->ask.conversation);
    json_add_bool(&w, S("background"), k->ask.background);
    add_input(&w, buf_view(&k->input));
    add_output(&w, &k->gather);
    json_add_raw(&w, S("response"), object_of(k));
    json_put_end(&w);
}

/* The caller's last bytes, with the terminal event or answer as it was decided. */
static void put_last(struct exchange *x)
{
    struct kept *k = x->kept;
    struct buf *to = x->outcome == OUTCOME_STREAM ? &x->last : &x->held;
    struct buf whole;
    buf_init(&whole, SIZE_MAX / 4);
    if (!k->is_event) {
        buf_str(&whole, buf_view(&k->terminal));
    } else {
        buf_str(&whole, buf_view(&k->out));
        struct json_tape *t = &x->gl->tape;
        must(json_scan(t, buf_view(&k->terminal), &JSON_LIMITS_TOP, NULL) == OK);
        kept_put_event(&whole, type_of(t), buf_view(&k->terminal));
    }
    buf_done(to);
    *to = whole;
}

/* What could not be kept says so. */
static enum err tell_unkept(struct kept *k)
{
    struct exchange *x = k->exchange;
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 3};
    const struct responses_view view = kept_view(k, false);
    struct buf changed;
    struct json_tape *t = &x->gl->tape;
    TRY(json_scan(t, buf_view(&k->terminal), &limits, &x->fault));
    buf_init(&changed, k->terminal.n + KIB(4));
    enum err got = responses_view_put(t, k->is_event ? json_find(t, 0, S("response")) : 0, &view, STR_NONE, &changed, &x->fault);
    buf_done(&k->terminal);
    k->terminal = changed;
    return got;
}

static bool is_relied_on(const struct kept *k) { return k->ask.store_said || k->ask.previous.n || k->ask.conversation.n; }

static void on_kept(struct state_call *c, enum err got)
{
    struct kept *k = CONTAINER_OF(c, struct kept, call);
    struct exchange *x = k->exchange;
    if (got == OK && c->status >= 400) {
        FAIL(&c->why, ERR_RECALL, "the response could not be kept: what it continues was removed meanwhile");
        got = ERR_RECALL;
    }
    if (got != OK && is_relied_on(k)) {
        x->fault = c->why;
        x->outcome = OUTCOME_FAULT;
    } else {
        if (got != OK) ignore_err(tell_unkept(k)); /* a view that was possible before */
        put_last(x);
    }
    exchange_resume(x);
}

static enum next keep(struct exchange *x)
{
    struct kept *k = x->kept;
    const struct state_request r = {S("POST"), S("/keep"), x->key->project, x->generation->settings.state_wait_ms, KIB(64)};
    if (k->starved && k->keeps && is_relied_on(k)) {
        ignore_err(memory_refuse(&x->fault));
        x->outcome = OUTCOME_FAULT;
        return NEXT;
    }
    bool fits = !k->gather.over && k->terminal.n <= x->generation->settings.state_max;
    if (!k->keeps || !fits) {
        if (k->keeps) ignore_err(tell_unkept(k));
        if (k->keeps)
            LOG(LOG_INFO, "state.too_long",
                k->starved ? "there is no memory to keep a response"
                           : "a response is longer than state.max_response and not kept",
                F_Z("request_id", x->id));
        put_last(x);
        return NEXT;
    }
    if (k->pins) put_pin(k, &k->call.request);
    else put_request(k, &k->call.request);
    k->call.on_done = on_kept;
    state_ask(x->gl, &k->call, &r);
    return WAIT;
}

static bool is_good(const struct exchange *x)
{
    if (x->outcome == OUTCOME_ANSWER) return x->status < 300;
    return x->outcome == OUTCOME_STREAM && x->wire_stream.finished && !x->passing;
}

enum next step_keep(struct exchange *x)
{
    struct kept *k = x->kept;
    if (x->calls) return calls_keep(x);
    if (!k || !k->tells || !x->stream || !is_good(x)) return NEXT;
    if (x->outcome == OUTCOME_STREAM) {
        buf_clear(&k->out);
        take_events(k, buf_view(&x->last));
    }
    return k->has_terminal ? keep(x) : NEXT;
}
