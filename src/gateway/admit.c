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
    return reserve_worst(x);
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
    if (reserve_worst(x) != OK) return FAILED;
    if (x->route->total_ms) x->deadline_ns = x->arrived_ns + (uint64_t)x->route->total_ms * 1000000;
    return NEXT;
}
