/* State of tool calls for callers of Chat Completions, whose format has no place for it: what a model thought before it called is
 * kept by project and call id when the answer goes out, and asked for when the calls' results come. Steps recall and keep send Chat's
 * requests here; translate takes and gives the texts. Only where a route leads to another format and the request has tools: all
 * others never ask. What cannot be kept or found is lost, as it is without. */
#include "gateway/state.h"

#include <stdlib.h>

enum { KEPT_MAX = 2 << 20 };

struct calls {
    struct exchange *exchange;
    struct state_call call;
    bool recalled;   /* call.answer is an object of what is known of the calls whose results the request brings */
    bool asked;      /* the service was: the request counts, whatever becomes of it */
    struct buf keep; /* the same of the answer's calls */
    size_t counted;  /* of `keep`, and of the question that it becomes, told to the memory ceiling */
};

static void calls_new(struct exchange *x)
{
    struct calls *k = mem_alloc(sizeof *k);
    k->exchange = x;
    buf_init(&k->call.request, SIZE_MAX / 4);
    buf_init(&k->call.answer, 0);
    buf_init(&k->keep, KEPT_MAX);
    x->calls = k;
}

void calls_free(struct exchange *x)
{
    struct calls *k = x->calls;
    if (!k) return;
    x->calls = NULL;
    memory_take(x->gl->gateway, -(int64_t)k->counted);
    state_call_done(&k->call);
    buf_done(&k->keep);
    free(k);
}

bool calls_count(const struct exchange *x) { return x->calls && x->calls->asked && err_status(x->fault.code) < 500; }

bool calls_are_busy(const struct exchange *x) { return x->calls && x->calls->call.call; }

void calls_stop(struct exchange *x)
{
    if (x->calls) state_call_stop(&x->calls->call);
}

static void ask(struct exchange *x, const char *target, size_t answer_max)
{
    const struct state_request r = {S("POST"), str_z(target), x->key->project, x->generation->settings.state_wait_ms, answer_max};
    state_ask(x->gl, &x->calls->call, &r);
}

/* ---- recall ---------------------------------------------------------------------------------------------------------------- */

static bool has_tools(const struct json_tape *t)
{
    uint32_t tools = json_find(t, 0, S("tools"));
    return tools && json_is(t, tools, JSON_ARRAY) && json_count(t, tools);
}

static bool leads_elsewhere(struct exchange *x)
{
    const struct json_tape *t = &x->gl->tape;
    uint32_t model = json_find(t, 0, S("model"));
    bool named = model && json_is(t, model, JSON_STRING);
    const struct route *route = named ? generation_route(x->generation, json_text(t, model)) : NULL;
    for (unsigned i = 0; route && i < route->n_deployments; i++)
        if (!wire_formats_have(&route->deployments[i].formats, WIRE_OPENAI_CHAT)) return true;
    return false;
}

static bool is_role(const struct json_tape *t, uint32_t message, struct str role)
{
    uint32_t at = json_find(t, message, S("role"));
    return at && json_eq(t, at, role);
}

/* A vendor wants back what belongs to the turn under way: since the user spoke. */
static uint32_t turn_of(const struct json_tape *t, uint32_t messages)
{
    uint32_t one, first = 0;
    for (struct json_iter it = json_each(t, messages); json_next(t, &it, &one);) {
        if (!json_is(t, one, JSON_OBJECT) || is_role(t, one, S("user"))) first = 0;
        else if (!first) first = one;
    }
    return first;
}

/* The newest ids that were met, as values of the tape. */
struct newest {
    uint32_t at[CHAT_CALLS_ASKED];
    unsigned n; /* met */
};

static void note_ids(const struct json_tape *t, uint32_t message, struct newest *ids)
{
    uint32_t list = json_is(t, message, JSON_OBJECT) ? json_find(t, message, S("tool_calls")) : 0, call;
    if (!list || !json_is(t, list, JSON_ARRAY)) return;
    for (struct json_iter it = json_each(t, list); json_next(t, &it, &call);) {
        uint32_t id = json_is(t, call, JSON_OBJECT) ? json_find(t, call, S("id")) : 0;
        if (!id || !json_is(t, id, JSON_STRING) || !chat_call_id_is_plain(json_text(t, id))) continue;
        ids->at[ids->n++ % CHAT_CALLS_ASKED] = id;
    }
}

/* The newest first: what vendors insist on is the last call's state, and what is too much for one answer is left off behind. */
static unsigned put_ids(const struct json_tape *t, struct buf *out)
{
    uint32_t messages = json_find(t, 0, S("messages")), one, first;
    struct newest ids = {.n = 0};
    struct json_writer w;
    if (!messages || !json_is(t, messages, JSON_ARRAY) || !(first = turn_of(t, messages))) return 0;
    for (struct json_iter it = json_each(t, messages); json_next(t, &it, &one);)
        if (one >= first) note_ids(t, one, &ids);
    json_write(&w, out);
    json_put_array(&w);
    for (unsigned n = 0; n < ids.n && n < CHAT_CALLS_ASKED; n++)
        json_put_span(&w, json_text(t, ids.at[(ids.n - 1 - n) % CHAT_CALLS_ASKED]));
    json_put_end(&w);
    return json_write_done(&w) ? ids.n : 0;
}

static void on_recalled(struct state_call *c, enum err got)
{
    struct calls *k = CONTAINER_OF(c, struct calls, call);
    struct exchange *x = k->exchange;
    k->recalled = got == OK && c->status == 200;
    if (got == ERR_OVERLOADED) {
        x->fault = c->why;
        x->outcome = OUTCOME_FAULT;
        exchange_jump(x, STEP_SETTLE);
        return;
    }
    if (!k->recalled) state_call_done(c);
    exchange_resume(x);
}

enum next calls_recall(struct exchange *x)
{
    struct json_limits all = WIRE_LIMITS;
    struct json_tape *t = &x->gl->tape;
    all.record_depth = JSON_DEPTH_MAX;
    if (!x->generation->settings.keeps_state || !x->key->seal || x->endpoint->operation != WIRE_GENERATE) return NEXT;
    if (admit_scan(x, x->stream->request->body) != OK) return FAILED;
    x->gl->scanned = x;
    if (!has_tools(t) || !leads_elsewhere(x)) return NEXT;
    if (!json_tape_holds(t, x->stream->request->body, &all) && json_scan(t, x->stream->request->body, &all, NULL) != OK) {
        x->gl->scanned = NULL; /* more values than a tape takes: admit's own scan takes fewer */
        return NEXT;
    }
    calls_new(x);
    if (!put_ids(t, &x->calls->call.request)) {
        buf_done(&x->calls->call.request);
        return NEXT;
    }
    if (admit_ahead(x) != OK) return FAILED;
    x->gl->scanned = NULL;
    x->calls->asked = true;
    x->calls->call.on_done = on_recalled;
    ask(x, "/calls/recall", CHAT_CALLS_BYTES);
    return WAIT;
}

enum err calls_restore(struct exchange *x, struct chat *c)
{
    struct json_tape *t = &x->gl->tape;
    if (!x->calls || !x->calls->recalled) return OK;
    if (json_scan(t, buf_view(&x->calls->call.answer), &JSON_LIMITS, NULL) != OK) return OK;
    return chat_calls_restore(c, t, &x->fault);
}

/* ---- keep ------------------------------------------------------------------------------------------------------------------ */

static bool count_keep(struct calls *k)
{
    if (!memory_take(k->exchange->gl->gateway, (int64_t)k->keep.cap - (int64_t)k->counted)) return false;
    k->counted = k->keep.cap;
    return true;
}

void calls_gather(struct exchange *x, struct chat_answer *a, struct chat_origin origin)
{
    struct calls *k = x->calls;
    buf_clear(&k->keep);
    if (!chat_calls_keep(a, x->key->seal, origin, &k->keep) || !count_keep(k)) buf_done(&k->keep);
}

static void on_kept(struct state_call *c, enum err got)
{
    struct exchange *x = CONTAINER_OF(c, struct calls, call)->exchange;
    if (got == OK && c->status >= 400)
        LOG(LOG_WARN, "state.unkept", "the state of tool calls was refused", F_Z("request_id", x->id));
    exchange_resume(x);
}

enum next calls_keep(struct exchange *x)
{
    struct calls *k = x->calls;
    bool good = x->outcome == OUTCOME_ANSWER ? x->status < 300 : x->outcome == OUTCOME_STREAM && x->wire_stream.finished;
    if (!k->keep.n || !x->stream || !good) return NEXT;
    buf_done(&k->call.request);
    k->call.request = k->keep;
    buf_init(&k->keep, KEPT_MAX);
    k->call.on_done = on_kept;
    k->recalled = false;
    ask(x, "/calls/keep", KIB(64));
    return WAIT;
}
