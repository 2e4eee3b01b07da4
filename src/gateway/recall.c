/* Recall: the step that waits for what is kept of earlier responses, for requests that name it; all others pass without a wait.
 * Requests about kept responses themselves end here with the service's answer. */
#include "gateway/state.h"

#include <stdio.h>
#include <stdlib.h>

struct kept *kept_new(struct exchange *x)
{
    struct kept *k = mem_alloc(sizeof *k);
    size_t most = x->generation->settings.state_max;
    k->exchange = x;
    buf_init(&k->named, x->generation->settings.server.limits.body_max);
    buf_init(&k->body, x->generation->settings.server.limits.body_max);
    buf_init(&k->input, x->generation->settings.server.limits.body_max);
    buf_init(&k->out, SIZE_MAX / 4);
    buf_init(&k->terminal, SIZE_MAX / 4);
    buf_init(&k->call.request, SIZE_MAX / 4);
    buf_init(&k->call.answer, 0);
    responses_gather_init(&k->gather, most);
    sse_init(&k->reader, x->generation->settings.event_max + KIB(4));
    x->kept = k;
    return k;
}

void kept_free(struct exchange *x)
{
    struct kept *k = x->kept;
    if (!k) return;
    x->kept = NULL;
    follow_stop(k);
    talk_release(x->gl->gateway, &k->talk);
    memory_take(x->gl->gateway, -(int64_t)k->counted);
    state_call_done(&k->call);
    buf_done(&k->named);
    buf_done(&k->body);
    buf_done(&k->input);
    buf_done(&k->out);
    buf_done(&k->terminal);
    responses_gather_done(&k->gather);
    sse_done(&k->reader);
    free(k);
}

void kept_unlock(struct exchange *x)
{
    if (x->kept) talk_release(x->gl->gateway, &x->kept->talk);
}

/* What is gathered of an answer is held twice: the question that stores it has it once more. */
enum err kept_count(struct kept *k, struct fault *why)
{
    size_t answer = (k->gather.text.cap + k->terminal.cap) * (k->run ? 1 : 2); /* a run's is stored by it */
    size_t rest = k->gather.places.cap + k->out.cap + k->reader.carry.cap + k->reader.joined.cap;
    size_t bytes = k->named.cap + k->body.cap + k->input.cap + rest + answer;
    if (!memory_take(k->exchange->gl->gateway, (int64_t)bytes - (int64_t)k->counted)) return memory_refuse(why);
    k->counted = bytes;
    return OK;
}

/* What was looked up for nothing cost the same. */
bool kept_counts(const struct exchange *x) { return x->kept && x->kept->asked && err_status(x->fault.code) < 500; }

bool kept_is_busy(const struct exchange *x) { return x->kept && x->kept->call.call; }

void kept_stop(struct exchange *x)
{
    if (!x->kept) return;
    if (x->kept->starts) background_leave(x->kept->starts);
    x->kept->starts = NULL;
    state_call_stop(&x->kept->call);
    follow_stop(x->kept);
}

static void ask(struct exchange *x, struct str method, struct str target)
{
    const struct settings *s = &x->generation->settings;
    size_t most = s->server.limits.body_max, one = s->state_max + KIB(64);
    if (x->endpoint->operation == WIRE_STATE && most < one) most = one; /* what is kept can be shown */
    const struct state_request r = {method, target, x->key->project, s->state_wait_ms, most};
    x->kept->asked = true;
    state_ask(x->gl, &x->kept->call, &r);
}

static void give_up(struct exchange *x)
{
    x->outcome = OUTCOME_FAULT;
    exchange_jump(x, STEP_SETTLE);
}

/* ---- requests about what is kept -------------------------------------------------------------------------------------------- */

/* A deployment by its identity, behind a route that the key may call: then no other is tried. */
static bool find_deployment(struct exchange *x, const char *identity)
{
    const struct generation *g = x->generation;
    char hex[32];
    for (unsigned r = 0; r < g->n_routes; r++) {
        const struct route *route = &g->routes[r];
        for (unsigned i = 0; key_may_call(x->key, route->name) && i < route->n_deployments; i++) {
            snprintf(hex, sizeof hex, "%016llx", (unsigned long long)route->deployments[i].identity);
            if (strcmp(hex, identity) != 0) continue;
            x->route = route;
            x->walk.tried = ~(1ull << i);
            return true;
        }
    }
    return false;
}

/* The provider keeps it (state: upstream): it is asked, and its answer passes as it comes. */
static void forward(struct exchange *x, const struct state_call *c)
{
    const struct http_request *r = x->stream->request;
    struct buf rest;
    buf_init(&rest, KIB(2));
    buf_str(&rest, wire_path_below(r->path));
    wire_put_query(r->query, &rest);
    x->request = (struct wire_request){.operation = WIRE_KEEP, .model = S(KEPT_MODEL), .choices = 1};
    x->wire = wire_ops_get(WIRE_OPENAI_TASKS);
    x->opaque = true;
    bool fits = !rest.over && arena_str(&x->arena, buf_view(&rest), &x->request.rest);
    buf_done(&rest);
    if (fits && find_deployment(x, c->deployment)) {
        exchange_jump(x, STEP_ROUTE);
        return;
    }
    FAIL(&x->fault, ERR_NOT_FOUND, "the provider that keeps this response is not configured any more, or not for this key");
    give_up(x);
}

static void answer_with(struct exchange *x, struct state_call *c)
{
    struct http_field *fields = arena_alloc(&x->arena, (OUR_FIELDS_MAX + 1) * sizeof *fields);
    x->outcome = OUTCOME_FAULT;
    if (!fields) {
        FAIL(&x->fault, ERR_INTERNAL, "the answer does not fit its bounds");
    } else {
        fields[0] = (struct http_field){S("content-type"), S("application/json")};
        x->down = fields;
        x->n_down = 1 + our_fields(x, (struct http_fields){NULL, 0}, fields + 1);
        x->status = c->status;
        buf_done(&x->held);
        x->held = c->answer;
        buf_init(&c->answer, 0);
        x->outcome = OUTCOME_ANSWER;
    }
    exchange_jump(x, STEP_SETTLE);
}

static void on_answered(struct state_call *c, enum err got)
{
    struct exchange *x = CONTAINER_OF(c, struct kept, call)->exchange;
    if (got == OK && c->deployment[0]) {
        forward(x, c);
    } else if (got == OK) {
        answer_with(x, c);
    } else {
        x->fault = c->why;
        give_up(x);
    }
}

/* The value of a query's parameter, as it stands; STR_NONE: none. */
static struct str query_of(const struct http_request *r, struct str name)
{
    struct str rest = r->query, piece, key, value;
    while (rest.n) {
        str_cut(rest, '&', &piece, &rest);
        if (str_cut(piece, '=', &key, &value) && str_eq(key, name)) return value;
    }
    return STR_NONE;
}

/* GET /v1/responses/{id}?stream=true: OpenAI API reference "Get a model response". */
static bool follows(const struct http_request *r, struct str path, struct str *ret_id)
{
    return str_eq(r->method, S("GET")) && wire_path_match(S("/responses/{id}"), path, ret_id) && state_id_is_valid(*ret_id) &&
           str_eq(query_of(r, S("stream")), S("true"));
}

static enum next follow_from(struct exchange *x, struct str id)
{
    struct str after = query_of(x->stream->request, S("starting_after")), kept;
    uint64_t number = 0;
    bool fine = !after.n || (str_u64(after, &number) && number < INT32_MAX);
    if (!fine || !arena_str(&x->arena, id, &kept)) {
        FAIL(&x->fault, ERR_BAD_REQUEST, "starting_after: must be the sequence_number of an event");
        return FAILED;
    }
    follow(x, kept, after.n ? (int64_t)number : -1);
    return WAIT;
}

/* They count as the key's requests. Who cancels or deletes a response is never told to wait. */
static bool writes_talk(const struct http_request *r, struct str path)
{
    return str_starts(path, S("/conversations")) && (str_eq(r->method, S("POST")) || str_eq(r->method, S("DELETE")));
}

static enum next ask_about(struct exchange *x)
{
    const struct http_request *r = x->stream->request;
    struct buf target;
    struct str path = wire_path_below(r->path), id;
    if (writes_talk(r, path) && admit_count(x) != OK) return FAILED;
    struct kept *k = kept_new(x);
    if (follows(r, path, &id)) return follow_from(x, id);
    buf_init(&target, KIB(64));
    buf_str(&target, S("/v1"));
    buf_str(&target, path);
    if (r->query.n) buf_char(&target, '?');
    buf_str(&target, r->query);
    buf_str(&k->call.request, r->body);
    k->call.on_done = on_answered;
    ask(x, r->is_head ? S("GET") : r->method, buf_view(&target));
    buf_done(&target);
    return WAIT;
}

/* ---- requests that continue what is kept ------------------------------------------------------------------------------------- */

/* Counting and compacting continue what is kept, but nothing comes of them that could be. */
static bool is_bare(const struct exchange *x) { return x->endpoint->operation != WIRE_GENERATE; }

static const struct route *route_of(struct exchange *x)
{
    uint32_t model = json_find(&x->gl->tape, 0, S("model"));
    if (!model || !json_is(&x->gl->tape, model, JSON_STRING)) return NULL;
    return generation_route(x->generation, json_text(&x->gl->tape, model));
}

/* Thoughts come back sealed only when that is asked for, and a model that does not think refuses to be asked. What the catalogue does
 * not know thinks when the request wishes it to. The tape has the request. */
static bool wants_sealed(struct exchange *x)
{
    const struct route *route = route_of(x);
    bool said = x->kept->ask.reasons, any = false;
    struct str model = json_text(&x->gl->tape, json_find(&x->gl->tape, 0, S("model")));
    for (unsigned i = 0; route && i < route->n_deployments; i++) {
        const struct deployment *d = &route->deployments[i];
        if (!wire_formats_have(&d->formats, WIRE_OPENAI_RESPONSES)) continue;
        const struct chat_manners *m = deployment_manners(d, model);
        if (m ? !m->reasons : !said) return false;
        any = true;
    }
    return any || said;
}

/* The request as it goes up. Only now is it known to be well formed but for what the route's format says of it. */
static enum err compose(struct exchange *x, struct str earlier)
{
    struct kept *k = x->kept;
    struct http_request *r = x->stream->request;
    TRY(json_scan(&x->gl->tape, r->body, &WIRE_LIMITS, &x->fault));
    const struct responses_compose how = {
        .earlier = earlier, .sealed = wants_sealed(x), .stream = k->run != NULL, .bare = is_bare(x)};
    if (k->keeps) TRY(responses_chain_input(&x->gl->tape, &k->input, &x->fault));
    TRY(responses_chain_compose(&x->gl->tape, &how, &k->body, &x->fault));
    TRY(kept_count(k, &x->fault));
    r->body = buf_view(&k->body);
    return OK;
}

static enum err not_found(struct exchange *x, struct state_call *c)
{
    const struct responses_ask *ask = &x->kept->ask;
    if (c->status == 404 && ask->previous.n)
        return FAIL(&x->fault, ERR_PREVIOUS, "Previous response with id '%.*s' not found.", STR_ARG(ask->previous));
    return state_refused(c, ERR_TALK, &x->gl->tape, &x->fault);
}

/* The caller's exchange only stores and starts it; the one behind does the work. */
static bool begins(const struct kept *k) { return k->ask.background && !k->run && k->tells; }

static enum err take_recalled(struct exchange *x, struct state_call *c)
{
    struct str items = buf_view(&c->answer);
    if (c->status != 200) return not_found(x, c);
    if (c->deployment[0])
        return FAIL(
            &x->fault, ERR_PREVIOUS,
            "Previous response with id '%.*s' is kept by its provider, and this route's are kept here: call the route that "
            "made it",
            STR_ARG(x->kept->ask.previous));
    if (items.n < 2) return FAIL(&x->fault, ERR_RECALL, "what Aquifer keeps of responses was not told whole");
    return begins(x->kept) ? background_start(x) : compose(x, str_make(items.p + 1, items.n - 2));
}

static void on_recalled(struct state_call *c, enum err got)
{
    struct exchange *x = CONTAINER_OF(c, struct kept, call)->exchange;
    if (got == OK && take_recalled(x, c) == OK) {
        state_call_done(c);
        if (!begins(x->kept)) exchange_resume(x);
        return;
    }
    if (got != OK) x->fault = c->why;
    give_up(x);
}

static enum next ask_earlier(struct exchange *x, void (*on_done)(struct state_call *, enum err))
{
    char target[192];
    const struct responses_ask *a = &x->kept->ask;
    struct str id = a->previous.n ? a->previous : a->conversation;
    if (!state_id_is_valid(id)) {
        if (a->previous.n) FAIL(&x->fault, ERR_PREVIOUS, "Previous response with id '%.100s' not found.", "?");
        else FAIL(&x->fault, ERR_TALK, "Conversation with id '%.100s' not found.", "?");
        return FAILED;
    }
    int n = snprintf(target, sizeof target, "/recall?%s=%.*s", a->previous.n ? "response" : "conversation", STR_ARG(id));
    x->kept->call.on_done = on_done;
    ask(x, S("GET"), str_make(target, (size_t)n));
    return WAIT;
}

static enum next go_on(struct exchange *x)
{
    const struct kept *k = x->kept;
    if (k->ask.previous.n || k->ask.conversation.n) return ask_earlier(x, on_recalled);
    if (begins(k)) return background_start(x) == OK ? WAIT : FAILED;
    return compose(x, STR_NONE) == OK ? NEXT : FAILED;
}

/* ---- requests that name kept items ------------------------------------------------------------------------------------------- */

static enum err put_named(struct exchange *x, struct state_call *c)
{
    struct kept *k = x->kept;
    struct http_request *r = x->stream->request;
    const struct json_change change = {JSON_SET, S("input"), buf_view(&c->answer)};
    struct json_edit edits[JSON_EDITS(1)];
    struct str pieces[JSON_PIECES(JSON_EDITS(1))];
    if (c->status != 200) return state_refused(c, ERR_NOT_FOUND, &x->gl->tape, &x->fault);
    TRY(json_scan(&x->gl->tape, r->body, &WIRE_LIMITS, &x->fault));
    size_t n = json_splice(r->body, edits, json_plan(&x->gl->tape, 0, &change, 1, edits), pieces);
    for (size_t i = 0; i < n; i++) buf_str(&k->named, pieces[i]);
    if (k->named.over) return FAIL(&x->fault, ERR_BODY_TOO_LARGE, "the conversation with its earlier items is too long");
    state_call_done(c);
    r->body = buf_view(&k->named);
    return kept_count(k, &x->fault);
}

static void on_named(struct state_call *c, enum err got)
{
    struct exchange *x = CONTAINER_OF(c, struct kept, call)->exchange;
    if (got != OK) x->fault = c->why;
    else got = put_named(x, c);
    enum next next = got == OK ? go_on(x) : FAILED;
    if (next == NEXT) exchange_resume(x);
    else if (next == FAILED) give_up(x);
}

static enum next ask_named(struct exchange *x)
{
    struct buf *out = &x->kept->call.request;
    if (json_scan(&x->gl->tape, x->stream->request->body, &WIRE_LIMITS, &x->fault) != OK) return FAILED;
    buf_char(out, '[');
    if (responses_chain_input(&x->gl->tape, out, &x->fault) != OK) return FAILED;
    buf_char(out, ']');
    x->kept->call.on_done = on_named;
    ask(x, S("POST"), S("/resolve"));
    return WAIT;
}

/* The body and the tape go before the exchange does. */
static bool keep_ids(struct exchange *x, struct responses_ask *a)
{
    return arena_str(&x->arena, a->previous, &a->previous) && arena_str(&x->arena, a->conversation, &a->conversation);
}

static bool make_id(struct exchange *x, struct kept *k)
{
    char id[16 + LEDGER_ID_LEN];
    char random[LEDGER_ID_LEN + 1];
    if (k->run) return arena_str(&x->arena, run_id(k->run), &k->id);
    random_id(random, LEDGER_ID_LEN);
    snprintf(id, sizeof id, "resp_%s", random);
    return arena_str(&x->arena, str_z(id), &k->id);
}

/* Nothing is kept here: who asks for it is told, and no provider keeps it instead. */
static enum err check_off(struct exchange *x, const struct responses_ask *a)
{
    if (a->previous.n) return FAIL(&x->fault, ERR_PREVIOUS, "Previous response not found: responses are not kept here");
    if (a->conversation.n) return FAIL(&x->fault, ERR_TALK, "Conversation not found: conversations are not kept here");
    if (!a->background) return OK;
    return FAIL(&x->fault, ERR_BAD_REQUEST, "background: responses are not kept here; ask without it, streamed if it takes long");
}

static enum next recall(struct exchange *x, struct responses_ask *a)
{
    bool on = x->generation->settings.keeps_state;
    const struct inside *inside = x->stream->request->opener;
    if (!on && check_off(x, a) != OK) return FAILED;
    struct kept *k = kept_new(x);
    k->ask = *a;
    k->tells = on && !is_bare(x);
    k->run = inside ? inside->run : NULL;
    k->keeps = k->tells && a->store && !k->run; /* what runs in the background is stored by its run */
    if (!keep_ids(x, &k->ask) || !make_id(x, k)) {
        FAIL(&x->fault, ERR_LIMIT, "the request's ids are too long");
        return FAILED;
    }
    if (k->keeps && k->ask.conversation.n &&
        talk_claim(x->gl->gateway, x->key->project, k->ask.conversation, &k->talk, &x->fault) != OK)
        return FAILED;
    x->gl->scanned = NULL; /* the body is another one from here on */
    return a->names ? ask_named(x) : go_on(x);
}

/* ---- routes whose providers keep ----------------------------------------------------------------------------------------------- */

/* The one deployment that has it is the only one to be tried. */
static enum err pin(struct exchange *x, struct state_call *c)
{
    const struct kept *k = x->kept;
    char hex[32];
    for (unsigned i = 0; c->status == 200 && c->deployment[0] && i < k->route->n_deployments; i++) {
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)k->route->deployments[i].identity);
        if (strcmp(hex, c->deployment) != 0) continue;
        x->walk.tried = ~(1ull << i);
        return OK;
    }
    return FAIL(&x->fault, ERR_PREVIOUS, "Previous response with id '%.*s' not found.", STR_ARG(k->ask.previous));
}

static void on_pinned(struct state_call *c, enum err got)
{
    struct exchange *x = CONTAINER_OF(c, struct kept, call)->exchange;
    if (got != OK) x->fault = c->why;
    else got = pin(x, c);
    if (got == OK) exchange_resume(x);
    else give_up(x);
}

/* Ids of one account say nothing of whose they are: only what this project had made goes up. */
static enum next recall_upstream(struct exchange *x, const struct responses_ask *a, const struct route *route)
{
    if (a->conversation.n) {
        FAIL(&x->fault, ERR_TALK, "Conversation not found: this route's provider keeps its own, and whose they are is not known");
        return FAILED;
    }
    bool on = x->generation->settings.keeps_state;
    if (!on && check_off(x, a) != OK) return FAILED;
    if (!on) return NEXT;
    struct kept *k = kept_new(x);
    k->ask = *a;
    k->route = route;
    k->pins = k->tells = k->keeps = a->store && !is_bare(x);
    if (!keep_ids(x, &k->ask)) {
        FAIL(&x->fault, ERR_LIMIT, "the request's ids are too long");
        return FAILED;
    }
    if (!a->previous.n) return NEXT;
    x->gl->scanned = NULL; /* others use the tape meanwhile */
    return ask_earlier(x, on_pinned);
}

static enum next look(struct exchange *x)
{
    struct responses_ask a;
    if (admit_scan(x, x->stream->request->body) != OK) return FAILED;
    x->gl->scanned = x;
    if (responses_ask_read(&x->gl->tape, &x->arena, &a, &x->fault) != OK) return FAILED;
    bool keeps = a.store && !is_bare(x);
    if (!keeps && !a.previous.n && !a.conversation.n && !a.names) return NEXT; /* it is whole in itself */
    const struct route *route = route_of(x);
    if (!route) return NEXT; /* admit refuses it */
    const struct inside *inside = x->stream->request->opener;
    if (inside && inside->run) x->hold = background_hold(inside->run);
    bool asks = a.previous.n || a.conversation.n || a.background || a.names;
    if (asks && admit_ahead(x) != OK) return FAILED;
    return route->state_upstream ? recall_upstream(x, &a, route) : recall(x, &a);
}

enum next step_recall(struct exchange *x)
{
    if (signed_check_body(x) != OK) return FAILED;
    if (x->endpoint->operation == WIRE_STATE) return ask_about(x);
    if (x->endpoint->format == WIRE_OPENAI_CHAT) return calls_recall(x);
    bool asks = x->endpoint->format == WIRE_OPENAI_RESPONSES && x->endpoint->operation != WIRE_CONNECT;
    return asks ? look(x) : NEXT;
}
