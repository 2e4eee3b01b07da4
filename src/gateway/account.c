/* What a vendor's account keeps for its owner: files, uploads, batches. They pass both ways as they come and are never read; which
 * account it is, and who may have what lies there, is decided here (docs/decisions/0014). Called by door and by the steps; owns
 * nothing: the upstream's queue holds what it has not taken. In the gateway process. */
#include "priv.h"

bool account_is(const struct exchange *x) { return wire_manner(x->endpoint->operation)->opaque; }

/* ---- the account ------------------------------------------------------------------------------------------------------------ */

static bool is_open_to(const struct route *kept, const struct exchange *x)
{
    const struct deployment *d = &kept->deployments[0];
    return str_eq(d->provider->files, x->key->project) && wire_formats_have(&d->formats, x->wire->format);
}

/* Among those that a route leads to; NULL: no route was named, any will do. */
static bool is_behind(const struct route *kept, const struct route *route)
{
    for (unsigned i = 0; route && i < route->n_deployments; i++)
        if (route->deployments[i].provider == kept->deployments[0].provider) return true;
    return !route;
}

/* A key for some routes reaches the accounts behind those. */
static bool may_reach(const struct route *kept, const struct exchange *x)
{
    const struct generation *g = x->generation;
    for (unsigned i = 0; x->key->n_routes && i < g->n_routes; i++)
        if (key_may_call(x->key, g->routes[i].name) && is_behind(kept, &g->routes[i])) return true;
    return !x->key->n_routes;
}

static enum err find_account(struct exchange *x)
{
    const struct generation *g = x->generation;
    struct str asked = str_trim(http_field_get(x->stream->request->fields, S("x-aquifer-route")));
    const struct route *route = asked.n ? generation_route(g, asked) : NULL;
    if (asked.n && (!route || !(key_may_call(x->key, asked) || key_may_call(x->key, route->name))))
        return FAIL(&x->fault, ERR_MODEL_UNKNOWN,
                    "x-aquifer-route: there is no '%.*s' for this key; GET /v1/models lists what it may call",
                    (int)(asked.n < 80 ? asked.n : 80), asked.p);
    for (unsigned i = 0; i < g->n_kept && !x->route; i++)
        if (is_open_to(&g->kept[i], x) && is_behind(&g->kept[i], route) && may_reach(&g->kept[i], x)) x->route = &g->kept[i];
    if (x->route) return OK;
    return FAIL(&x->fault, ERR_NOT_FOUND,
                "no provider%s keeps files and batches of the project '%.*s' in this format: one of them needs `files: %.*s`",
                asked.n ? " of that route" : "", STR_ARG(x->key->project), STR_ARG(x->key->project));
}

/* What a batch asks for is in a file that nobody here reads: neither its models nor its cost are known. */
static enum err check_batch(struct exchange *x)
{
    enum provider_batches who = x->route->deployments[0].provider->batches;
    const struct key_limits *l = &x->key->limits;
    if (x->endpoint->operation != WIRE_BATCH) return OK;
    if (who == BATCHES_OFF) return FAIL(&x->fault, ERR_ROUTE_DENIED, "no batches are started at this provider (batches: off)");
    if (x->key->n_routes)
        return FAIL(&x->fault, ERR_ROUTE_DENIED,
                    "this key may call some routes only, and a batch may ask for any model: use a key for all routes");
    if (who == BATCHES_UNCAPPED && (l->spend_day >= 0 || l->spend_month >= 0))
        return FAIL(
            &x->fault, ERR_ROUTE_DENIED,
            "this key has a spend cap, and nobody knows the cost of a batch when it starts: use a key without one, or set "
            "`batches: all` at the provider");
    return OK;
}

/* ---- admit -------------------------------------------------------------------------------------------------------------------- */

/* The path of an id goes up as it stands. */
static bool is_plain(struct str path)
{
    size_t at;
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("/_.-", c))) return false;
    }
    return path.n <= 512 && !str_find(path, S(".."), &at);
}

/* Below /v1, which stands in the provider's own address or in its path. */
static enum err account_path(struct exchange *x)
{
    const struct http_request *r = x->stream->request;
    struct str below = wire_path_below(r->path);
    struct buf rest;
    if (!is_plain(r->path) || !below.n) return FAIL(&x->fault, ERR_NOT_FOUND, "the path has something in it that no id has");
    buf_init(&rest, KIB(2));
    buf_str(&rest, below);
    wire_put_query(r->query, &rest);
    bool kept = !rest.over && arena_str(&x->arena, buf_view(&rest), &x->request.rest);
    buf_done(&rest);
    return kept ? OK : FAIL(&x->fault, ERR_LIMIT, "the query is too long");
}

enum err account_admit(struct exchange *x)
{
    const struct budget_wish wish = {.now_ms = clock_wall_ms()};
    struct gateway *g = x->gl->gateway;
    if (x->body_proof != BODY_FREE)
        return FAIL(&x->fault, ERR_SIGNATURE_FORM,
                    "a body that is passed on as it comes cannot be signed: send UNSIGNED-PAYLOAD as its digest, or a key");
    x->request = (struct wire_request){.operation = x->endpoint->operation, .model = S(KEPT_MODEL), .choices = 1};
    TRY(find_account(x));
    TRY(check_batch(x));
    TRY(account_path(x));
    struct key_meter *m = &g->board->keys[x->key->place % BOARD_KEYS];
    return budget_reserve(m, g->slot_number, &x->key->limits, &wish, &x->hold, &x->fault);
}

/* ---- the body on its way up ------------------------------------------------------------------------------------------------- */

bool account_has_body(const struct exchange *x) { return str_eq(x->stream->request->method, S("POST")); }

void account_fill(const struct exchange *x, struct http_call_request *r)
{
    r->method = x->stream->request->method;
    if (x->stream->request->is_head) r->method = S("GET");
    r->is_fed = !x->kept && account_has_body(x); /* kept: it is whole, and empty */
    r->fed_length = http_stream_body_length(x->stream);
}

static bool goes_up(const struct exchange *x) { return x->step == STEP_RELAY && x->attempt.call; }

void account_feed(struct exchange *x, struct str bytes)
{
    if (goes_up(x) && http_call_feed(x->attempt.call, bytes) > HTTP_QUEUE_HIGH) http_stream_rest_body(x->stream, true);
}

void account_end(struct exchange *x)
{
    if (goes_up(x)) http_call_feed_end(x->attempt.call);
}

void account_hungry(struct exchange *x)
{
    if (x->stream) http_stream_rest_body(x->stream, false);
}

/* ---- files in other requests ------------------------------------------------------------------------------------------------- */

/* Members that name what an account keeps. A schema's property of such a name has an object behind it. */
static const struct str NAMES[] = {{"file_id", 7},           {"file_ids", 8},  {"input_file_id", 13}, {"vector_store_id", 15},
                                   {"vector_store_ids", 16}, {"container", 9}, {"container_id", 12}};

static bool is_name(const struct json_tape *t, uint32_t at)
{
    const struct json_node *value = json_node(t, at + 1);
    if (!(json_node(t, at)->flags & JSON_KEY) || (value->type != JSON_STRING && value->type != JSON_ARRAY)) return false;
    for (unsigned i = 0; i < COUNTOF(NAMES); i++)
        if (json_eq(t, at, NAMES[i])) return true;
    return false;
}

/* A form's files are in it; of JSON whatever is not read names something. */
static bool names_files(struct str body)
{
    struct json_tape t;
    bool found = false;
    json_tape_init(&t, 0);
    if (json_scan(&t, body, &JSON_LIMITS, NULL) == OK)
        for (uint32_t at = 0; at + 1 < t.n && !found; at++) found = is_name(&t, at);
    json_tape_done(&t);
    return found;
}

/* An account that keeps one project's files serves all, but only that one may name what lies there. */
enum err account_check_files(struct exchange *x)
{
    const struct deployment *d = x->attempt.deployment;
    if (!d->provider->files.n || d->client_key || str_eq(d->provider->files, x->key->project)) return OK;
    if (wire_manner(x->request.operation)->form || !names_files(x->stream->request->body)) return OK;
    return FAIL(&x->fault, ERR_ROUTE_DENIED,
                "the files at this provider are another project's: send the file's content instead of its id");
}
