/* The API's frame: finding the endpoint, who may call it, running it in its lane, and one shape of answers and errors.
 * Runs on the loop but for api_run(). Owns the calls. */
#include "admin/priv.h"

#include <stdlib.h>

enum { ARENA_MAX = MIB(4), STATE_ARENA_MAX = MIB(256), OUT_MAX = MIB(256), LOOK_MS = 1, PATIENCE_MS = 3000 };

const struct endpoint endpoints[] = {
    {"GET", "/healthz", show_health, .open = true, .on_loop = true, .on_metrics = true},
    {"GET", "/readyz", show_ready, .open = true, .on_loop = true, .on_metrics = true},
    {"GET", "/metrics", show_metrics, LANE_DESK, .on_metrics = true},
    {"GET", "/admin/v1/openapi.yaml", show_openapi, .open = true, .on_loop = true},
    {"GET", "/admin/v1/keys", key_list, LANE_DESK},
    {"POST", "/admin/v1/keys", key_create, LANE_DESK, .publishes = true},
    {"GET", "/admin/v1/keys/{}", key_get, LANE_DESK},
    {"DELETE", "/admin/v1/keys/{}", key_revoke, LANE_DESK, .publishes = true, .must_hold = true},
    {"POST", "/admin/v1/keys/{}/rotate", key_rotate, LANE_DESK, .publishes = true},
    {"GET", "/admin/v1/usage", report_usage, LANE_REPORTS, .ingest_first = true},
    {"GET", "/admin/v1/attempts", report_attempts, LANE_REPORTS, .ingest_first = true},
    {"POST", "/admin/v1/backup", report_backup, LANE_REPORTS, .ingest_first = true},
    {"POST", "/admin/v1/restore", restore_check, LANE_REPORTS, .then = restore_take, .publishes = true, .must_hold = true},
    {"GET", "/admin/v1/config", show_config, LANE_DESK},
    {"GET", "/admin/v1/status", show_status, LANE_DESK},
    {"GET", "/admin/v1/models", show_models, LANE_DESK},
    {"GET", "/admin/v1/providers", show_providers, LANE_DESK},
    {"PUT", "/admin/v1/providers/{}", refuse_provider, LANE_DESK},
    {"DELETE", "/admin/v1/providers/{}", refuse_provider, LANE_DESK},
    {"GET", "/admin/v1/routes", show_routes, LANE_DESK},
    {"PUT", "/admin/v1/routes/{}", refuse_route, LANE_DESK},
    {"DELETE", "/admin/v1/routes/{}", refuse_route, LANE_DESK},
};
const size_t n_endpoints = COUNTOF(endpoints);

/* ---- finding ---------------------------------------------------------------------------------------------------------- */

/* Each "{}" of the pattern stands for one segment, the last part of a pattern for all that is left of it. */
static bool path_matches(struct str pattern, struct str path, struct str ret_parameters[2])
{
    unsigned n = 0;
    size_t hole;
    ret_parameters[0] = ret_parameters[1] = STR_NONE;
    while (n < 2 && str_find(pattern, S("{}"), &hole)) {
        if (!str_starts(path, str_make(pattern.p, hole))) return false;
        struct str rest = str_from(path, hole), segment;
        str_cut(rest, '/', &segment, &path);
        if (!segment.n) return false;
        ret_parameters[n++] = segment;
        path = str_from(rest, segment.n);
        pattern = str_from(pattern, hole + 2);
    }
    return str_eq(pattern, path);
}

static enum err find(struct call *c, const struct face *f, const struct http_request *r, struct fault *why)
{
    bool path_known = false;
    const struct endpoint *all = f->is_state ? state_endpoints : endpoints;
    size_t n = f->is_state ? n_state_endpoints : n_endpoints;
    struct str method = r->is_head ? S("GET") : r->method, parameters[2];
    for (size_t i = 0; i < n; i++) {
        if (f->metrics_only && !all[i].on_metrics) continue;
        if (!path_matches(str_z(all[i].path), r->path, parameters)) continue;
        path_known = true;
        if (!str_eq(str_z(all[i].method), method)) continue;
        c->endpoint = &all[i];
        if (arena_str(&c->arena, parameters[0], &c->parameter) && arena_str(&c->arena, parameters[1], &c->second)) return OK;
        return FAIL(why, ERR_LIMIT, "the path is too long");
    }
    if (path_known)
        return FAIL(why, ERR_METHOD, "this path knows no %.*s", (int)(r->method.n < 20 ? r->method.n : 20), r->method.p);
    return FAIL(why, ERR_NOT_FOUND, "there is nothing at this path; GET /admin/v1/openapi.yaml tells what there is");
}

static struct str bearer(struct http_fields fields)
{
    struct str value = http_field_get(fields, S("authorization"));
    if (value.n > 7 && str_eq_nocase(str_make(value.p, 7), S("bearer "))) return str_trim(str_from(value, 7));
    return http_field_get(fields, S("x-api-key"));
}

/* Digests are compared, in constant time: neither the key's length nor its beginning shows in the time it takes. */
static enum err authenticate(const struct face *f, const struct endpoint *e, const struct http_request *r, struct fault *why)
{
    const struct control *c = f->control;
    uint8_t digest[KEY_DIGEST_LEN];
    struct str given = bearer(r->fields);
    if (f->is_state) return OK; /* nobody but this user can open its socket */
    if (e->open || (f->metrics_only && !c->metrics_key.set)) return OK;
    if (given.n == 0) return FAIL(why, ERR_KEY_MISSING, "send the admin key as Authorization: Bearer …");
    key_digest((struct secret){given}, digest);
    bool good = c->admin_key.set && key_digest_is(digest, c->admin_key.digest);
    if (f->metrics_only && c->metrics_key.set && key_digest_is(digest, c->metrics_key.digest)) good = true;
    if (good) return OK;
    return FAIL(why, ERR_KEY_INVALID, "this is not the admin key: it is what the configuration's admin.key names");
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void put_error(struct call *c)
{
    struct json_writer w;
    buf_clear(&c->out);
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_str(&w, S("code"), str_z(err_code(c->why.code)));
    json_add_str(&w, S("message"), str_z(c->why.text));
    json_add_str(&w, S("request_id"), str_z(c->request_id));
    json_put_end(&w);
    json_put_end(&w);
    must(json_write_done(&w));
    c->status = err_status(c->why.code);
    c->content_type = "application/json";
}

static void answer(struct call *c)
{
    struct http_field fields[6] = {
        {S("content-type"), str_z(c->content_type)},
        {S("x-request-id"), str_z(c->request_id)},
        {S("cache-control"), S("no-store")},
    };
    size_t n = 3;
    if (c->extra.name.n) fields[n++] = c->extra;
    if (c->status == 401) fields[n++] = (struct http_field){S("www-authenticate"), S("Bearer realm=\"aquifer\"")};
    if (c->status >= 400 && c->why.code != OK && !err_can_retry(c->why.code))
        fields[n++] = (struct http_field){S("x-should-retry"), S("false")};
    bool usual = c->is_state ? c->status < 500 : c->endpoint && c->endpoint->on_loop; /* probes ask often */
    if (c->status >= 400 && !usual)
        LOG(c->status >= 500 ? LOG_ERROR : LOG_INFO, "admin.refused", c->why.text, F_Z("request", c->request_id),
            F_STR("method", c->method), F_INT("status", c->status));
    if (c->stream) http_stream_answer(c->stream, c->status, (struct http_fields){fields, n}, buf_view(&c->out));
}

static void call_free(struct call *c)
{
    if (c->body.n) explicit_bzero((void *)(uintptr_t)c->body.p, c->body.n);
    if (c->out.cap) explicit_bzero(c->out.p, c->out.cap); /* it may show a new key */
    buf_done(&c->out);
    arena_done(&c->arena);
    free(c);
}

static void conclude(struct call *c, enum err got)
{
    if (got == OK && c->out.over) got = FAIL(&c->why, ERR_LIMIT, "the answer is too large; ask for less");
    if (got != OK && c->is_state) state_put_error(c);
    else if (got != OK) put_error(c);
    answer(c);
}

/* ---- waiting for the gateways ------------------------------------------------------------------------------------------ */

/* A key that is shown works, and one that is revoked does not, from the answer on. */
static bool is_in_force(struct board *b, uint64_t number)
{
    for (unsigned i = 0; i < BOARD_GATEWAYS; i++) {
        struct gateway_slot *g = &b->gateways[i];
        if (atomic_load(&g->state) != GATEWAY_FREE && atomic_load(&g->generation) < number) return false;
    }
    return true;
}

static void on_wait(struct timer *t)
{
    struct call *c = CONTAINER_OF(t, struct call, wait);
    struct control *in = c->control;
    if (is_in_force(in->board, c->awaits)) {
        conclude(c, c->why.code);
        return;
    }
    if (loop_now(in->loop) < c->give_up_ms) {
        timer_set(in->loop, t, LOOK_MS, on_wait);
        return;
    }
    LOG(LOG_WARN, "generation.slow", "a gateway does not take up the newest generation; its log tells why",
        F_UINT("number", c->awaits), F_Z("request", c->request_id));
    if (c->endpoint->must_hold)
        FAIL(&c->why, ERR_NOT_READY, "the change is stored and published, but a gateway has not taken it up yet: try again");
    conclude(c, c->why.code);
}

/* ---- lanes ------------------------------------------------------------------------------------------------------------ */

static void api_run(struct job *j)
{
    struct call *c = CONTAINER_OF(j, struct call, job);
    c->why.code = c->endpoint->run(c, &c->why);
}

static void then_run(struct job *j)
{
    struct call *c = CONTAINER_OF(j, struct call, job);
    c->why.code = c->endpoint->then(c, &c->why);
}

static void api_done(struct job *j)
{
    struct call *c = CONTAINER_OF(j, struct call, job);
    if (c->why.code == OK && c->endpoint->then && !c->went_on) {
        c->went_on = true;
        j->run = then_run;
        lane_submit(&c->control->lanes[LANE_DESK], j);
        return;
    }
    c->in_lane = false;
    if (c->endpoint->publishes && c->why.code == OK && c->stream) {
        c->awaits = c->control->desk.number; /* the lane stands still */
        c->give_up_ms = loop_now(c->control->loop) + PATIENCE_MS;
        on_wait(&c->wait);
        return;
    }
    conclude(c, c->why.code);
    if (!c->stream) call_free(c);
}

/* The process ends, and its streams are gone. */
static void api_drop(struct job *j) { call_free(CONTAINER_OF(j, struct call, job)); }

static void submit(struct call *c)
{
    c->job.run = api_run;
    c->job.done = api_done;
    lane_submit(&c->control->lanes[c->endpoint->lane], &c->job);
}

static void ingest_run(struct job *j)
{
    struct call *c = CONTAINER_OF(j, struct call, job);
    c->why.code = desk_ingest(&c->control->desk, &c->why);
}

static void ingest_done(struct job *j)
{
    struct call *c = CONTAINER_OF(j, struct call, job);
    if (c->why.code == OK) submit(c);
    else api_done(j);
}

static void start(struct call *c)
{
    if (c->endpoint->on_loop) {
        conclude(c, c->why.code = c->endpoint->run(c, &c->why));
        return;
    }
    c->in_lane = true;
    c->job.drop = api_drop;
    if (!c->endpoint->ingest_first) {
        submit(c);
        return;
    }
    c->job.run = ingest_run;
    c->job.done = ingest_done;
    lane_submit(&c->control->lanes[LANE_DESK], &c->job);
}

/* ---- the server's side ------------------------------------------------------------------------------------------------ */

static struct call *call_new(struct http_stream *s, struct face *f)
{
    struct call *c = mem_alloc(sizeof *c);
    c->control = f->control;
    c->stream = s;
    c->status = 200;
    c->content_type = "application/json";
    c->is_state = f->is_state;
    arena_init(&c->arena, KIB(4), f->is_state ? STATE_ARENA_MAX : ARENA_MAX);
    buf_init(&c->out, OUT_MAX);
    random_id(c->request_id, LEDGER_ID_LEN);
    s->user = c;
    if (s->request && !arena_str(&c->arena, s->request->method, &c->method)) c->method = STR_NONE;
    return c;
}

/* The gateway takes no more than it says; an error always fits. */
static void bound_answer(struct call *c, const struct http_request *r)
{
    enum { LEAST = KIB(8) };
    uint64_t most;
    if (!str_u64(http_field_get(r->fields, S("x-aquifer-most")), &most) || most > OUT_MAX) return;
    buf_init(&c->out, most > LEAST ? (size_t)most : LEAST);
}

static bool on_head(struct http_stream *s, void *user)
{
    struct face *f = user;
    struct call *c = call_new(s, f);
    enum err got = find(c, f, s->request, &c->why);
    if (got == OK) got = authenticate(f, c->endpoint, s->request, &c->why);
    if (got == OK && !arena_str(&c->arena, s->request->query, &c->query)) got = FAIL(&c->why, ERR_LIMIT, "the query is too long");
    if (got == OK && !arena_str(&c->arena, http_field_get(s->request->fields, S("x-aquifer-project")), &c->project))
        got = FAIL(&c->why, ERR_LIMIT, "the project's name is too long");
    if (got == OK && f->is_state) bound_answer(c, s->request);
    if (got != OK) conclude(c, got);
    return got == OK;
}

static void on_request(struct http_stream *s, void *user)
{
    struct call *c = s->user;
    if (arena_str(&c->arena, s->request->body, &c->body)) start(c);
    else conclude(c, FAIL(&c->why, ERR_BODY_TOO_LARGE, "the body is too long"));
}

static void on_bad(struct http_stream *s, const struct fault *why, void *user)
{
    struct call *c = s->user ? s->user : call_new(s, user);
    c->why = *why;
    conclude(c, why->code);
}

static void on_writable(struct http_stream *s, void *user) {}

static void on_closed(struct http_stream *s, bool complete, void *user)
{
    struct call *c = s->user;
    if (!c) return;
    c->stream = NULL;
    timer_cancel(c->control->loop, &c->wait);
    if (c->is_state) c->job.in_vain = true; /* what it waited for was told as failed, or its caller is gone */
    if (!c->in_lane) call_free(c);
}

const struct http_handler api_handler = {
    .on_head = on_head,
    .on_request = on_request,
    .on_bad = on_bad,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* ---- what endpoints share --------------------------------------------------------------------------------------------- */

static int hex(char c)
{
    const char *at = c ? strchr("0123456789abcdef", c | 32) : NULL;
    return at ? (int)(at - "0123456789abcdef") : -1;
}

static enum err decode(struct call *c, struct str s, struct str *ret_value, struct fault *why)
{
    char *out = arena_alloc(&c->arena, s.n + 1);
    size_t n = 0;
    if (!out) return FAIL(why, ERR_LIMIT, "the query is too long");
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high >= 0 ? hex(s.p[i + 2]) : -1;
        if (s.p[i] == '%' && low < 0) return FAIL(why, ERR_BAD_REQUEST, "the query has a broken %%-escape");
        out[n++] = s.p[i] == '%' ? (char)(high << 4 | low) : s.p[i] == '+' ? ' ' : s.p[i];
        if (s.p[i] == '%') i += 2;
    }
    *ret_value = str_make(out, n);
    if (!str_is_utf8(*ret_value, NULL) || memchr(out, '\0', n))
        return FAIL(why, ERR_BAD_REQUEST, "the query is not text in UTF-8");
    return OK;
}

enum err call_query(struct call *c, const char *name, struct str *ret_value, struct fault *why)
{
    struct str rest = c->query, part, key, value;
    *ret_value = STR_NONE;
    while (rest.n) {
        str_cut(rest, '&', &part, &rest);
        str_cut(part, '=', &key, &value);
        if (str_eq(key, str_z(name))) return decode(c, value, ret_value, why);
    }
    return OK;
}

enum err call_document(struct call *c, struct json_doc **ret_doc, struct fault *why)
{
    if (c->body.n == 0) return FAIL(why, ERR_BAD_REQUEST, "the request has no body; send a JSON object");
    return json_doc_read(S("body"), c->body, ret_doc, why);
}
