/* Admit: the whole body is checked, the route found, the key's rights and means held against it. Nothing has been sent when
 * it refuses. */
#include "priv.h"

#include <stdio.h>

static void unknown_model(struct exchange *x)
{
    struct str near[3];
    unsigned n = generation_nearest(x->generation, x->key, x->request.model, near);
    struct buf names;
    buf_init(&names, KIB(1));
    for (unsigned i = 0; i < n; i++) buf_fmt(&names, "%s'%.*s'", i ? ", " : "", STR_ARG(near[i]));
    FAIL(&x->fault, ERR_MODEL_UNKNOWN, "no model '%.*s' here%s%s; GET /v1/models lists what this key may call",
         STR_ARG(x->request.model), n ? "; the nearest names are " : "", buf_z(&names));
    buf_done(&names);
}

/* By its name, for this key. */
static enum err find_named(struct exchange *x)
{
    x->route = generation_route(x->generation, x->request.model);
    if (!x->route) {
        unknown_model(x);
        return x->fault.code;
    }
    if (!key_may_call(x->key, x->request.model) && !key_may_call(x->key, x->route->name))
        return FAIL(&x->fault, ERR_ROUTE_DENIED, "this key may not call '%.*s'; GET /v1/models lists what it may",
                    STR_ARG(x->request.model));
    return OK;
}

static enum err find_route(struct exchange *x)
{
    TRY(find_named(x));
    if (!route_speaks(x->route, wire_reach(x->wire->format, x->endpoint->operation)))
        return FAIL(&x->fault, ERR_FORMAT_UNSUPPORTED,
                    "no provider of '%.*s' speaks %s for this call: call it in a format that one of them speaks, or give the "
                    "route a provider that does",
                    STR_ARG(x->request.model), x->wire->name);
    return OK;
}

/* The dearest of the tokens that may come, so that no answer costs more than was reserved. */
static uint64_t dearest(const struct price *p, enum usage_side side)
{
    uint64_t most = 0;
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (usage_cell_side((enum usage_cell)c) == side && p->per[c] > most) most = p->per[c];
    return most;
}

static uint64_t output_bound(const struct exchange *x, const struct deployment *d)
{
    uint64_t asked = x->request.max_output, most = deployment_max_output(d, x->request.model);
    if (most && __builtin_mul_overflow(most, x->request.choices, &most)) most = UINT64_MAX;
    if (asked && most) return asked < most ? asked : most;
    if (asked || most) return asked ? asked : most;
    return x->generation->settings.assume_output * x->request.choices;
}

static int64_t to_pico(money m) { return m > INT64_MAX ? INT64_MAX : (int64_t)m; }

/* Members whose value stands for more input than its bytes: what the provider fetches or keeps. In a text their quotes would
 * have backslashes, so a hit is a name (or a value that says the same). `plain`: an object there is not meant (a schema's
 * property; a picture whose address is within). */
static const struct {
    const char *name;
    bool plain;
} REFERENCES[] = {
    {"\"url\"", true},           {"\"image_url\"", true}, {"\"file_id\"", true},       {"\"file_url\"", true},
    {"\"fileUri\"", true},       {"\"file_uri\"", true},  {"\"s3Location\"", false},   {"\"container\"", false},
    {"\"conversation\"", false}, {"\"prompt\"", false},   {"\"cachedContent\"", true}, {"\"previous_response_id\"", true},
};

/* Behind the name: nothing but a data URL says itself what it is. */
static bool is_inline(const char *at, size_t n)
{
    static const char data[] = "data:";
    size_t i = 0;
    while (i < n && (at[i] == ':' || at[i] == ' ' || at[i] == '"')) i++;
    return n - i >= sizeof data - 1 && memcmp(at + i, data, sizeof data - 1) == 0;
}

static bool refers(struct str body, const char *name, bool plain)
{
    size_t len = strlen(name);
    for (const char *at = body.p, *end = body.p + body.n; (at = memmem(at, (size_t)(end - at), name, len));) {
        at += len;
        size_t near = end - at < 4 ? (size_t)(end - at) : 4;
        bool object = plain && memchr(at, '{', near);
        if (!object && !is_inline(at, (size_t)(end - at))) return true;
    }
    return false;
}

static bool has_references(const struct exchange *x)
{
    for (unsigned i = 0; i < COUNTOF(REFERENCES); i++)
        if (refers(x->stream->request->body, REFERENCES[i].name, REFERENCES[i].plain)) return true;
    return false;
}

/* How much input may be charged. A provider adds a prompt of its own for tools; what is fetched or kept there fills at most
 * the model's context, which is taken as large when nobody told it. */
enum input_reach { REACH_BYTES, REACH_CONTEXT };
static uint64_t input_bound(const struct exchange *x, const struct deployment *d, enum input_reach reach)
{
    enum { CONTEXT_MOST = 2000000, TOOL_PROMPT = 2048 };
    uint64_t bound = x->request.input_bound + TOOL_PROMPT, context;
    struct str body = x->stream->request->body;
    if (reach == REACH_BYTES) return memmem(body.p, body.n, "\"tools\"", 7) ? bound : x->request.input_bound;
    context = deployment_context(d, x->request.model);
    if (!context) context = CONTEXT_MOST;
    return bound > context ? bound : context; /* looks at no byte of the body: this is every capped request's way */
}

static int64_t worst_cost(const struct exchange *x, int64_t now_ms, enum input_reach reach)
{
    money worst = 0;
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    for (unsigned i = 0; i < x->route->n_deployments; i++) {
        const struct deployment *d = &x->route->deployments[i];
        const struct price *p = deployment_price_of(d, x->request.model, now_ms);
        if (!p) continue;
        money cost = (money)dearest(p, USAGE_INPUT) * input_bound(x, d, reach);
        if (meter != WIRE_METER_INPUT) cost += (money)dearest(p, USAGE_OUTPUT) * output_bound(x, d);
        if (meter == WIRE_METER_TOLD) cost += (money)p->per[USAGE_UNIT_IMAGE] * x->request.choices;
        if (cost > worst) worst = cost;
    }
    return to_pico(worst);
}

enum { BYTES_PER_TOKEN = 4 };

static bool is_capped(const struct exchange *x) { return x->key->limits.spend_day >= 0 || x->key->limits.spend_month >= 0; }

/* What was taken ahead stays taken: were it given back first, another request could come between. */
static enum err take(struct exchange *x, const struct budget_wish *wish)
{
    struct gateway *g = x->gl->gateway;
    struct key_meter *m = &g->board->keys[x->key->place % BOARD_KEYS];
    if (x->hold.meter == m) return budget_widen(&x->hold, &x->key->limits, wish, &x->fault);
    return budget_reserve(m, g->slot_number, &x->key->limits, wish, &x->hold, &x->fault);
}

/* Against a cap the whole context is reserved where there is money for it; looking through the body for what refers to more
 * than itself comes only when there is not. */
static enum err reserve(struct exchange *x)
{
    int64_t now_ms = clock_wall_ms();
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    struct budget_wish wish = {.now_ms = now_ms};
    if (meter != WIRE_METER_NONE) {
        uint64_t output = x->request.max_output ? x->request.max_output : x->generation->settings.assume_output;
        if (meter == WIRE_METER_INPUT) output = 0;
        if (__builtin_add_overflow(x->request.input_bound / BYTES_PER_TOKEN, output, &wish.tokens)) wish.tokens = UINT64_MAX;
        if (is_capped(x)) wish.pico = worst_cost(x, now_ms, REACH_CONTEXT);
    }
    enum err e = take(x, &wish);
    if ((e != ERR_SPEND_DAY && e != ERR_SPEND_MONTH) || has_references(x)) return e;
    wish.pico = worst_cost(x, now_ms, REACH_BYTES);
    return take(x, &wish);
}

static enum err keep_names(struct exchange *x)
{
    struct str model;
    if (!arena_str(&x->arena, x->request.model, &model)) return FAIL(&x->fault, ERR_LIMIT, "model: too long");
    x->request.model = model; /* the body goes before the exchange does */
    return OK;
}

/* With all that is in it where a translation is to be expected, which would have to look at the whole text again. A body of more
 * values than a tape takes is no error of this road. */
enum err admit_scan(struct exchange *x, struct str body)
{
    struct json_tape *t = &x->gl->tape;
    struct json_limits all = WIRE_LIMITS;
    all.record_depth = JSON_DEPTH_MAX;
    if (x->gl->translates && json_scan(t, body, &all, NULL) == OK) return OK;
    return json_scan(t, body, &WIRE_LIMITS, &x->fault);
}

static enum err read_request(struct exchange *x)
{
    const struct http_request *r = x->stream->request;
    enum wire_operation op = x->endpoint->operation;
    if (upload_streams(x)) return OK; /* was read while it came */
    if (wire_manner(op)->form)
        return x->wire->read_form(op, http_field_get(r->fields, S("content-type")), r->body, &x->request, &x->fault);
    bool scanned = x->gl->scanned == x;
    x->gl->scanned = NULL;
    if (!scanned) TRY(admit_scan(x, r->body));
    bool marked = x->gl->tape.marked;
    TRY(x->wire->read(op, &x->gl->tape, &x->arena, &x->request, &x->fault));
    x->request.marked = marked;
    return OK;
}

static enum err check_journal(struct exchange *x)
{
    if (journal_has_space(x->gl->writer)) return OK;
    FAIL(&x->fault, ERR_JOURNAL_FULL, "the ledger's journal has no space left: free the disk or raise ledger.max_bytes");
    x->fault.retry_after_s = 5;
    return x->fault.code;
}

/* Before what is kept is asked: else who may not have an answer, or not so many, could keep the service busy all the same. The
 * tape has the body. */
enum err admit_ahead(struct exchange *x)
{
    x->gl->scanned = x;
    TRY(read_request(x));
    TRY(wire_read_path(x->endpoint, x->stream->request->path, &x->arena, &x->request, &x->fault));
    TRY(keep_names(x));
    TRY(find_route(x));
    if (socket_warms(x)) return OK;
    TRY(check_journal(x));
    return reserve(x);
}

enum err admit_count(struct exchange *x)
{
    const struct budget_wish wish = {.now_ms = clock_wall_ms()};
    struct gateway *g = x->gl->gateway;
    struct key_meter *m = &g->board->keys[x->key->place % BOARD_KEYS];
    return budget_reserve(m, g->slot_number, &x->key->limits, &wish, &x->hold, &x->fault);
}

static enum next answered(struct exchange *x)
{
    x->step = STEP_SETTLE;
    return MOVED;
}

/* All that the key may call, or the one that the path names. */
static enum next list_models(struct exchange *x)
{
    struct str path = x->stream->request->path;
    bool one = x->endpoint->in_path == PATH_MODEL;
    if (one && wire_read_path(x->endpoint, path, &x->arena, &x->request, &x->fault) != OK) return FAILED;
    if (one && find_named(x) != OK) return FAILED;
    models_answer(x);
    return answered(x);
}

enum next step_admit(struct exchange *x)
{
    if (x->opaque) return check_journal(x) == OK && account_admit(x) == OK ? NEXT : FAILED;
    if (x->endpoint->operation == WIRE_LIST_MODELS) return list_models(x);
    if (x->endpoint->operation == WIRE_CONNECT) return socket_check(x) == OK ? answered(x) : FAILED;
    if (read_request(x) != OK) return FAILED;
    if (wire_read_path(x->endpoint, x->stream->request->path, &x->arena, &x->request, &x->fault) != OK) return FAILED;
    if (keep_names(x) != OK || find_route(x) != OK) return FAILED;
    if (socket_warms(x)) return socket_warm(x) == OK ? answered(x) : FAILED;
    if (check_journal(x) != OK) return FAILED;
    if (reserve(x) != OK) return FAILED;
    if (x->route->total_ms) x->deadline_ns = x->arrived_ns + (uint64_t)x->route->total_ms * 1000000;
    return NEXT;
}
