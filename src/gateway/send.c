/* Route and send: chooses the next deployment, wakes its engine when it is local, splices the body and starts the call. */
#include "priv.h"

#include <stdio.h>

/* ---- route ----------------------------------------------------------------------------------------------------------- */

static uint64_t left_ms(const struct exchange *x)
{
    if (!x->deadline_ns) return UINT32_MAX;
    uint64_t now = clock_mono_ns();
    return x->deadline_ns > now ? (x->deadline_ns - now) / 1000000 : 0;
}

/* Not every kind of provider that speaks a format has all of its calls; a count may be told in another format. */
static bool can_do(const struct exchange *x)
{
    const struct wire_formats *formats = &x->attempt.deployment->formats;
    bool generates = x->request.operation == WIRE_GENERATE || x->request.operation == WIRE_COMPACT; /* of a summary */
    if (generates) return true;
    if (x->request.operation != WIRE_COUNT_TOKENS && !wire_is_embed(x->request.operation)) return can_call(x, x->wire->format);
    for (unsigned i = 0; i < formats->n; i++)
        if (can_call_as(x, (enum wire_format)formats->at[i], operation_in(x, (enum wire_format)formats->at[i]))) return true;
    return false;
}

/* Why deployments were passed over. */
struct passed {
    bool unpriced, unable, unbound;
    const char *lacks; /* of a local model */
};

/* The next one that can do the call and is priced, or may go without; NULL: none left. */
static const struct deployment *choose(struct exchange *x, int64_t now_ms, struct passed *ret_passed)
{
    const struct deployment *d;
    *ret_passed = (struct passed){0};
    translation_free(x);
    while ((d = route_choose(x->route, wire_reach(x->wire->format, x->request.operation), &x->walk, now_ms))) {
        x->attempt = (struct attempt){.deployment = d,
                                      .wire = x->wire,
                                      .operation = x->request.operation,
                                      .price = deployment_price_of(d, x->request.model, now_ms)};
        const char *lacks = able_lacks(x, d);
        bool able = !lacks && can_do(x), priced = x->attempt.price && x->attempt.price->known;
        if (able && (priced || (d->allow_unpriced && !reserve_is_bound(x)))) return d;
        x->walk.attempts--;
        ret_passed->unable |= !able;
        if (lacks) ret_passed->lacks = lacks;
        ret_passed->unbound |= able && d->allow_unpriced;
        ret_passed->unpriced |= able && !d->allow_unpriced;
    }
    return NULL;
}

static enum next nothing_left(struct exchange *x, const struct passed *passed)
{
    if (x->outcome != OUTCOME_NONE) { /* an earlier attempt's end is the answer */
        x->step = STEP_SETTLE;
        return MOVED;
    }
    if (passed->unpriced)
        FAIL(&x->fault, ERR_MODEL_UNPRICED,
             "'%.*s' has no price in force: give its deployment a price, or allow_unpriced: true to serve it with unknown cost",
             STR_ARG(x->request.model));
    else if (passed->unbound) ignore_err(reserve_refuse_unpriced(x));
    else if (passed->lacks) ignore_err(able_refuse(x, passed->lacks));
    else if (passed->unable)
        FAIL(&x->fault, ERR_FORMAT_UNSUPPORTED, "no provider of '%.*s' can do this call: %.*s", STR_ARG(x->request.model),
             STR_ARG(str_z(x->endpoint->path)));
    else FAIL(&x->fault, ERR_OVERLOADED, "no deployment of '%.*s' can be tried now", STR_ARG(x->request.model));
    return FAILED;
}

static void engine_wait(struct exchange *x);

static void on_engine_time(struct timer *t) { engine_wait(CONTAINER_OF(t, struct exchange, timer)); }

/* Waits for the local engine, which starts on demand. The next deployment is tried when it cannot. */
static void engine_wait(struct exchange *x)
{
    enum { LOOK_MS = 20 };
    struct gateway *g = x->gl->gateway;
    struct str model = x->attempt.deployment->model;
    struct engine_row *e = board_engine_find(g->board, model);
    uint32_t state = e ? atomic_load(&e->state) : ENGINE_STOPPED;
    uint64_t now = loop_now(x->gl->loop);
    if (e) atomic_store(&e->wanted_ms, clock_wall_ms());
    const char *lacks = able_lacks(x, x->attempt.deployment);
    if (lacks) { /* the engine did not know its models yet when this one was chosen */
        ignore_err(able_refuse(x, lacks));
        x->outcome = OUTCOME_FAULT;
        exchange_jump(x, STEP_ROUTE);
        return;
    }
    if (state == ENGINE_READY) {
        exchange_resume(x);
        return;
    }
    /* The engine has looked through its models and this one is not among them. */
    bool absent = !e && atomic_load(&g->board->engine_pid);
    if (absent || state == ENGINE_FAILED || now >= x->engine_deadline) {
        FAIL(&x->fault, ERR_ENGINE, "the local model '%.*s' is not ready: %.150s", STR_ARG(model),
             absent                   ? "it is not on this machine; see the models directory (engine.models_dir)"
             : state == ENGINE_FAILED ? e->fault
                                      : "its engine did not start in time; its log lines tell why");
        x->fault.retry_after_s = absent ? 0 : 10;
        x->outcome = OUTCOME_FAULT;
        route_failed(x->attempt.deployment, 0, clock_wall_ms());
        exchange_jump(x, STEP_ROUTE);
        return;
    }
    if (state == ENGINE_STOPPED) bell_ring(&g->fds, BELL_ENGINE);
    timer_set(x->gl->loop, &x->timer, LOOK_MS, on_engine_time);
}

static bool is_local(const struct deployment *d) { return !d->provider->origin; }

static uint64_t patience_ms(const struct exchange *x)
{
    uint64_t patience = x->attempt.deployment->provider->deadlines.first_byte_ms, left = left_ms(x);
    if (!patience) patience = 600000;
    return patience < left ? patience : left;
}

uint64_t route_patience_ms(const struct exchange *x)
{
    const struct route_walk *w = &x->walk;
    bool more = w->attempts < x->generation->settings.attempts_max &&
                route_has_more(x->route, wire_reach(x->wire->format, x->request.operation), w, clock_wall_ms());
    return more || w->attempts > 1 ? patience_ms(x) : 0;
}

enum next step_route(struct exchange *x)
{
    struct passed passed = {0};
    const struct deployment *d = NULL;
    bool more = x->walk.attempts < x->generation->settings.attempts_max && left_ms(x) > 0;
    if (more) d = choose(x, clock_wall_ms(), &passed);
    if (!d) return nothing_left(x, &passed);
    if (x->walk.attempts > 1) atomic_fetch_add_explicit(&x->gl->gateway->board->counters.retries, 1, memory_order_relaxed);
    if (!is_local(d)) return NEXT;
    x->engine_deadline = loop_now(x->gl->loop) + patience_ms(x);
    engine_wait(x);
    return WAIT;
}

/* ---- send: where to and with what credential ---------------------------------------------------------------------------- */

static struct http_origin *engine_origin(struct gateway_loop *gl, const struct engine_row *e)
{
    unsigned i = (unsigned)(e - gl->gateway->board->engines);
    uint32_t port = atomic_load(&e->port);
    if (gl->engines[i] && gl->engine_ports[i] == port) return gl->engines[i];
    http_origin_unref(gl->engines[i]);
    gl->engines[i] = NULL;
    char url[40];
    struct str base;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    const struct http_origin_options o = {.url = str_z(url)};
    if (http_origin_new(&o, &gl->engines[i], &base, NULL) != OK) return NULL;
    gl->engine_ports[i] = port;
    return gl->engines[i];
}

struct destination {
    struct http_origin *origin;
    struct secret key;
    struct str base_path;
};

static bool find_destination(struct exchange *x, struct destination *ret_to)
{
    const struct provider *p = x->attempt.deployment->provider;
    *ret_to = (struct destination){p->origin, p->key, p->base_path};
    if (p->origin) return true;
    struct engine_row *e = board_engine_find(x->gl->gateway->board, x->attempt.deployment->model);
    if (!e || atomic_load(&e->state) != ENGINE_READY) return false;
    *ret_to = (struct destination){engine_origin(x->gl, e), {str_z(e->key)}, STR_NONE};
    return ret_to->origin != NULL;
}

/* ---- send: fields ---------------------------------------------------------------------------------------------------------- */

#define UP_FIELDS_MAX 96
struct up_fields {
    struct http_field at[UP_FIELDS_MAX];
    size_t n;
};

static void put_field(struct up_fields *up, struct str name, struct str value)
{
    if (up->n < UP_FIELDS_MAX) up->at[up->n++] = (struct http_field){name, value};
}

/* Ours replace the caller's of the same name. */
static void set_field(struct up_fields *up, struct str name, struct str value)
{
    size_t kept = 0;
    for (size_t i = 0; i < up->n; i++)
        if (!str_eq(up->at[i].name, name)) up->at[kept++] = up->at[i];
    up->n = kept;
    put_field(up, name, value);
}

static bool has_field(const struct up_fields *up, struct str name)
{
    for (size_t i = 0; i < up->n; i++)
        if (str_eq(up->at[i].name, name)) return true;
    return false;
}

/* ---- send: Vertex AI's dialect of Messages ------------------------------------------------------------------------------------ */

#define VERSION_FIELD "anthropic-version"
#define VERTEX_VERSION S("vertex-2023-10-16") /* means the field's first version */

static bool goes_to_vertex(const struct exchange *x)
{
    return x->attempt.wire->format == WIRE_ANTHROPIC_MESSAGES && x->attempt.deployment->provider->kind->vertex_bodies;
}

static bool is_vertex_version(struct str version) { return str_starts(version, S("vertex-")); }

/* What a caller of Vertex AI's says in the body and Anthropic takes as fields. */
static void put_body_fields(struct exchange *x, struct up_fields *up)
{
    struct str betas;
    if (!x->request.version.n || !wire_is_vertex(x->endpoint)) return;
    if (!is_vertex_version(x->request.version)) set_field(up, S(VERSION_FIELD), x->request.version);
    if (betas_of_body(x, x->request.betas, &betas)) put_field(up, S("anthropic-beta"), betas);
}

/* The caller's version of Messages, as Vertex AI names it; later ones than the first have one name everywhere. */
static struct str vertex_version(const struct exchange *x)
{
    struct str given = x->attempt.crossing    ? STR_NONE
                       : x->request.version.n ? x->request.version
                                              : str_trim(http_field_get(x->stream->request->fields, S(VERSION_FIELD)));
    return given.n && !str_eq(given, S("2023-06-01")) ? given : VERTEX_VERSION;
}

static bool quote(struct exchange *x, struct str text, struct str *ret_quoted)
{
    struct buf *room = &x->gl->room;
    size_t at = room->n;
    buf_char(room, '"');
    json_escape(room, text);
    buf_char(room, '"');
    return arena_str(&x->arena, str_from(buf_view(room), at), ret_quoted);
}

/* None when the body is as the provider wants it. False: the arena is full. */
static bool dialect_changes(struct exchange *x, struct json_change ret_changes[WIRE_DIALECT_CHANGES], size_t *ret_n)
{
    struct wire_dialect d = {.from_vertex = !x->attempt.translation && wire_is_vertex(x->endpoint),
                             .to_vertex = goes_to_vertex(x)};
    *ret_n = 0;
    if (!d.from_vertex && !d.to_vertex) return true;
    if (!quote(x, upstream_model(x), &d.model) || !quote(x, vertex_version(x), &d.version)) return false;
    *ret_n = wire_dialect_changes(&x->request, &d, ret_changes);
    return true;
}

_Static_assert(DOOR_CREDENTIALS <= PROVIDER_FIELDS_MAX, "all of them fit");
/* In the caller's own format they go as they came, since a vendor may have several kinds of them; else as this kind wants one. */
static unsigned client_credentials(struct exchange *x, struct http_field *ret_fields)
{
    const struct http_request *r = x->stream->request;
    if (!x->attempt.crossing) return door_client_fields(r, ret_fields);
    return x->attempt.deployment->provider->kind->credentials((struct secret){door_client_key(r)}, &x->gl->room, ret_fields);
}

/* The table of the format, but for what stands in the body, what a body has that does not go up, and what of our account is used. */
static bool goes_up(const struct exchange *x, struct str name)
{
    bool listed = x->attempt.crossing ? wire_header_crosses(name) : wire_header_goes_up(name);
    if (goes_to_vertex(x) && str_eq(name, S(VERSION_FIELD))) return false;
    if (x->opaque && !account_has_body(x) && str_eq(name, S("content-type"))) return false;
    return listed && (x->attempt.deployment->client_key || !wire_header_picks_account(name));
}

static void put_fields(struct exchange *x, struct secret key, struct up_fields *up)
{
    const struct deployment *d = x->attempt.deployment;
    struct http_fields theirs = x->stream->request->fields;
    bool versioned = goes_to_vertex(x); /* then the version stands in the body */
    for (size_t i = 0; i < theirs.n; i++)
        if (goes_up(x, theirs.at[i].name)) put_field(up, theirs.at[i].name, theirs.at[i].value);
    if (!versioned && !x->attempt.crossing) put_body_fields(x, up);
    if (!x->opaque && !has_field(up, S("content-type"))) put_field(up, S("content-type"), S("application/json"));
    struct str beta;
    if (betas_add_system(x, &beta)) put_field(up, S("anthropic-beta"), beta);
    if (x->attempt.crossing && translate_betas(x->attempt.translation).n)
        put_field(up, S("anthropic-beta"), translate_betas(x->attempt.translation));
    put_field(up, S("accept-encoding"), S("identity")); /* usage is read from the answer */
    if (x->attempt.wire->format == WIRE_ANTHROPIC_MESSAGES)
        for (const struct http_field *f = d->provider->kind->messages_fields; f->name.p; f++)
            if (!has_field(up, f->name)) put_field(up, f->name, f->value);
    struct http_field credentials[PROVIDER_FIELDS_MAX]; /* none when calls are signed: there is no key then */
    unsigned n =
        d->client_key ? client_credentials(x, credentials) : d->provider->kind->credentials(key, &x->gl->room, credentials);
    for (unsigned i = 0; i < n; i++) put_field(up, credentials[i].name, credentials[i].value);
    for (unsigned i = 0; i < d->provider->n_headers; i++)
        set_field(up, d->provider->headers[i].name, d->provider->headers[i].value);
    for (unsigned i = 0; i < d->n_headers; i++) set_field(up, d->headers[i].name, d->headers[i].value);
}

/* ---- send: the body -------------------------------------------------------------------------------------------------------- */

/* Defaults and drops of the deployment, up to this many each (the configuration checks it). */
#define CHANGES_MAX 32
#define CHANGES_ALL (WIRE_DIALECT_CHANGES + CHANGES_MAX)
#define EDITS_MAX (WIRE_EDITS + JSON_EDITS(CHANGES_ALL))

static struct str body_of(const struct exchange *x)
{
    return x->attempt.translation ? translate_body(x->attempt.translation) : x->stream->request->body;
}

static bool is_changed(const struct json_change *changes, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(changes[i].name, name)) return true;
    return false;
}

/* `changes` holds `n` that come first: what the configuration says of the same members is moot. */
static unsigned planned_edits(struct exchange *x, struct json_change *changes, size_t n, struct json_edit *ret_edits)
{
    const struct deployment *d = x->attempt.deployment;
    if (d->n_defaults + d->n_drop + n == 0 || wire_manner(x->request.operation)->form) return 0;
    struct json_tape *t = &x->gl->tape;
    must(json_scan(t, body_of(x), &JSON_LIMITS_TOP, NULL) == OK); /* admit accepted it, or we wrote it */
    for (unsigned i = 0; i < d->n_drop && n < CHANGES_ALL; i++) {
        if (is_changed(changes, n, d->drop[i]) || !json_find(t, 0, d->drop[i])) continue;
        changes[n++] = (struct json_change){JSON_DROP, d->drop[i], STR_NONE};
        x->dropped++;
    }
    for (unsigned i = 0; i < d->n_defaults && n < CHANGES_ALL; i++)
        if (!is_changed(changes, n, d->defaults[i].name))
            changes[n++] = (struct json_change){JSON_DEFAULT, d->defaults[i].name, d->defaults[i].raw};
    return (unsigned)json_plan(t, 0, changes, n, ret_edits);
}

struct str upstream_model(const struct exchange *x)
{
    struct str model = x->attempt.deployment->model;
    return str_eq(model, S("*")) ? x->request.model : model;
}

enum wire_operation operation_in(const struct exchange *x, enum wire_format f)
{
    bool retold = wire_is_embed(x->request.operation) && (f != x->wire->format || x->request.operation == WIRE_EMBED_BATCH);
    return retold ? wire_embed_operation(f) : x->attempt.operation;
}

bool can_call(const struct exchange *x, enum wire_format f) { return can_call_as(x, f, x->attempt.operation); }

bool can_call_as(const struct exchange *x, enum wire_format f, enum wire_operation op)
{
    char room[512];
    struct buf path = {.p = room, .cap = sizeof room, .max = sizeof room};
    const struct provider_call call = {f, op, upstream_model(x), x->request.stream, x->attempt.deployment->provider->api_version};
    return x->attempt.deployment->provider->kind->path(&call, &path);
}

/* A body that has no model, since the path had it (Azure) or it needs none, gets one for whoever reads it there. */
static bool quote_member(struct exchange *x, struct str model, struct str *ret_member)
{
    struct buf member;
    struct str quoted;
    if (!quote(x, model, &quoted)) return false;
    buf_init(&member, quoted.n + 16);
    buf_fmt(&member, "\"model\":%.*s,", STR_ARG(quoted));
    bool kept = !member.over && arena_str(&x->arena, buf_view(&member), ret_member);
    buf_done(&member);
    return kept;
}

/* The same of a form: a part of its own, before all others. */
static bool quote_part(struct exchange *x, struct str model, struct str *ret_part)
{
    struct buf part;
    struct str boundary = x->request.boundary;
    buf_init(&part, boundary.n + model.n + 80);
    buf_fmt(&part, "--%.*s\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n%.*s\r\n", STR_ARG(boundary), STR_ARG(model));
    bool kept = !part.over && arena_str(&x->arena, buf_view(&part), ret_part);
    buf_done(&part);
    return kept;
}

/* What takes the place of the model in the body. STR_NONE: it stays. */
static bool quote_model(struct exchange *x, struct str *ret_quoted)
{
    struct str model = upstream_model(x);
    *ret_quoted = STR_NONE;
    bool deployed = x->endpoint->in_path == PATH_MODEL && x->wire->format != WIRE_GEMINI_GENERATE;
    bool form = wire_manner(x->request.operation)->form;
    if (deployed && form && x->request.boundary.n) return quote_part(x, model, ret_quoted);
    if (!x->request.model_n && x->request.model_at) return quote_member(x, model, ret_quoted);
    if (str_eq(model, x->request.model) && !deployed) return true;
    return quote(x, model, ret_quoted);
}

static size_t splice(struct exchange *x, struct str *ret_pieces, struct json_edit *edits)
{
    struct json_change changes[CHANGES_ALL];
    struct str quoted;
    size_t n_changes;
    unsigned n = 0;
    if (!quote_model(x, &quoted) || !dialect_changes(x, changes, &n_changes)) return 0;
    if (!x->attempt.translation && !is_changed(changes, n_changes, S("model"))) n = x->wire->edits(&x->request, quoted, edits);
    x->dropped = 0;
    n += planned_edits(x, changes, n_changes, edits + n);
    json_sort_edits(edits, n);
    return json_splice(body_of(x), edits, n, ret_pieces);
}

/* ---- send: the journal and the call ------------------------------------------------------------------------------------------ */

static enum err take_place(struct exchange *x)
{
    enum err e = journal_take(x->gl->writer, &x->attempt.place, &x->fault);
    x->attempt.placed = e == OK;
    return e;
}

static uint64_t output_estimate(const struct exchange *x)
{
    return x->request.max_output ? x->request.max_output : x->generation->settings.assume_output * x->request.choices;
}

static void mark_open(struct exchange *x)
{
    struct attempt *a = &x->attempt;
    const struct deployment *d = a->deployment;
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    struct attempt_start start = {
        .number = (uint8_t)x->walk.attempts,
        .stream = x->request.stream,
        .key_id = str_z(x->key->id),
        .route = x->route->name,
        .provider = d->provider->name,
        .model = upstream_model(x),
        .format = str_z(x->wire->name),
        .key_place = x->key->place,
        .started_ms = clock_wall_ms(),
        .estimate_input = meter != WIRE_METER_NONE ? x->request.input_bound / 4 : 0,
        .estimate_output = meter == WIRE_METER_BOTH ? output_estimate(x) : 0,
        .reserved_pico = x->hold.pico,
    };
    if (a->price) start.price = *a->price;
    random_id_next(x->gl->attempt_id, LEDGER_ID_LEN, start.started_ms);
    memcpy(start.id, x->gl->attempt_id, sizeof start.id);
    memcpy(start.request_id, x->id, sizeof start.request_id);
    journal_start(x->gl->writer, &a->place, &start);
    a->started = true;
}

static struct http_deadlines deadlines_of(const struct exchange *x)
{
    struct http_deadlines d = x->attempt.deployment->provider->deadlines;
    uint64_t left = left_ms(x);
    if (x->deadline_ns && (d.first_byte_ms == 0 || d.first_byte_ms > left)) d.first_byte_ms = left ? (uint32_t)left : 1;
    return d;
}

/* After all fields of the call are there; what is signed must not change any more. */
static enum err sign(struct exchange *x, const struct destination *to, const struct http_call_request *r, struct up_fields *up,
                     struct sigv4_signed *room)
{
    const struct provider *p = x->attempt.deployment->provider;
    const struct sigv4_request request = {r->method, r->target, STR_NONE, to->origin->authority, {up->at, up->n}};
    const struct sigv4_signer signer = {p->aws, p->region, str_z(p->kind->aws_service), clock_wall_ms()};
    sigv4_hash_pieces(r->pieces, r->n_pieces, room->body);
    TRY(sigv4_sign(&request, str_make(room->body, SIGV4_HASH), &signer, &x->gl->room, room, &x->fault));
    for (unsigned i = 0; i < room->n; i++) set_field(up, room->fields[i].name, room->fields[i].value);
    return OK;
}

static enum err start_call(struct exchange *x, const struct destination *to)
{
    struct attempt *a = &x->attempt;
    struct up_fields up; /* 3 KB: only what is put in is written */
    struct json_edit edits[EDITS_MAX];
    struct str pieces[JSON_PIECES(EDITS_MAX)];
    struct buf *room = &x->gl->room;
    const struct provider_call call = {
        a->wire->format, a->operation, upstream_model(x), x->request.stream, a->deployment->provider->api_version,
        x->request.rest};
    char target_room[1024]; /* a model's name with all its bytes escaped, and the path around it */
    struct buf target = {.p = target_room, .cap = sizeof target_room, .max = sizeof target_room};
    buf_str(&target, to->base_path);
    if (!a->deployment->provider->kind->path(&call, &target))
        return FAIL(&x->fault, ERR_FORMAT_UNSUPPORTED, "a provider of kind %s cannot do this call",
                    a->deployment->provider->kind->name);
    if (!a->crossing && !x->opaque && a->deployment->provider->kind->takes_query)
        wire_put_query(x->stream->request->query, &target);
    size_t n_pieces = x->opaque ? 0 : splice(x, pieces, edits);
    buf_clear(room);
    up.n = 0;
    put_fields(x, to->key, &up);
    if (target.over || room->over || (!x->opaque && n_pieces == 0))
        return FAIL(&x->fault, ERR_INTERNAL, "the call does not fit its bounds");
    struct http_call_request r = {S("POST"), buf_view(&target), {up.at, 0}, pieces, n_pieces, false, 0};
    if (x->opaque) account_fill(x, &r);
    if (upload_streams(x)) upload_fill(x, &r);
    struct sigv4_signed signature;
    if (a->deployment->provider->aws.access_key.n) TRY(sign(x, to, &r, &up, &signature));
    r.fields.n = up.n;
    mark_open(x);
    a->start_ns = clock_mono_ns();
    x->usage = (struct usage){0};
    const struct http_deadlines d = deadlines_of(x);
    a->call = http_call_start(x->gl->client, to->origin, &r, &d, &gateway_relay, x);
    if (upload_streams(x)) upload_start(x, pieces, n_pieces);
    return OK;
}

/* Credentials that control finds may not be there yet, or not any more. */
static bool has_credentials(struct exchange *x)
{
    const struct provider *p = x->attempt.deployment->provider;
    if (!p->awaited || p->aws.access_key.n || p->key.value.n || x->attempt.deployment->client_key) return true;
    FAIL(&x->fault, ERR_UPSTREAM_ERROR,
         "there are no credentials for the provider %.*s yet; the log (credentials.failed) tells why", STR_ARG(p->name));
    return false;
}

static bool has_client_key(struct exchange *x)
{
    if (!x->attempt.deployment->client_key || door_client_key(x->stream->request).n) return true;
    if (signed_is(x->stream->request)) {
        FAIL(&x->fault, ERR_KEY_MISSING,
             "'%.*s' is called with your own key of its vendor, and a signed request has none: its signature is for Aquifer "
             "alone; "
             "send that key instead as its SDK does, and Aquifer's key as x-aquifer-key",
             STR_ARG(x->request.model));
        return false;
    }
    FAIL(&x->fault, ERR_KEY_MISSING,
         "'%.*s' is called with your own key of its vendor: send that one as its SDK does, and Aquifer's key as x-aquifer-key",
         STR_ARG(x->request.model));
    return false;
}

static enum err choose_road(struct exchange *x)
{
    bool same = wire_formats_have(&x->attempt.deployment->formats, x->wire->format) && can_call(x, x->wire->format);
    if (x->request.operation == WIRE_COMPACT) {
        same = same && !(x->attempt.deployment->quirks & QUIRK_NO_COMPACT);
        if (!same) x->attempt.operation = WIRE_GENERATE; /* of a summary */
    }
    if (x->request.operation == WIRE_EMBED_BATCH) same = false; /* each of its requests names the model */
    if (same && translate_leaves_chat(x)) {
        x->gl->translates = true;
        return OK;
    }
    x->gl->translates = !same;
    if (!same) return translate_request(x);
    TRY(able_check_body(x));
    return translate_sealed(x);
}

enum next step_send(struct exchange *x)
{
    struct destination to;
    if (!has_credentials(x) || !has_client_key(x)) {
        x->outcome = OUTCOME_FAULT;
        x->step = STEP_ROUTE;
        return MOVED;
    }
    if (!find_destination(x, &to)) {
        FAIL(&x->fault, ERR_ENGINE, "the local model '%.*s' went away", STR_ARG(x->attempt.deployment->model));
        x->outcome = OUTCOME_FAULT;
        x->step = STEP_ROUTE;
        return MOVED;
    }
    if (account_check_files(x) != OK) return FAILED;
    if (upload_streams(x)) upload_show(x);
    if (!x->opaque && choose_road(x) != OK) {
        if (x->fault.code != ERR_FORMAT_UNSUPPORTED) return FAILED;
        x->outcome = OUTCOME_FAULT; /* unless another deployment can express it */
        x->step = STEP_ROUTE;
        return MOVED;
    }
    if (take_place(x) != OK) return FAILED;
    if (start_call(x, &to) != OK) return FAILED;
    x->outcome = OUTCOME_NONE;
    return NEXT;
}
