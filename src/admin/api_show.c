/* The endpoints that show what is: configuration, status, models, health. Run in lane DESK, but for health, readiness and
 * the API's own description, which the loop answers at once. */
#include "admin/priv.h"

static const char OPENAPI[] =
#include <openapi.inc>
    ;

enum err show_openapi(struct call *c, struct fault *why)
{
    c->content_type = "application/yaml";
    buf_str(&c->out, str_make(OPENAPI, sizeof OPENAPI - 1));
    return OK;
}

enum err show_health(struct call *c, struct fault *why)
{
    buf_str(&c->out, S("{\"status\":\"ok\"}"));
    return OK;
}

static bool gateway_serves(struct board *b)
{
    for (unsigned i = 0; i < BOARD_GATEWAYS; i++)
        if (atomic_load(&b->gateways[i].state) == GATEWAY_SERVING) return true;
    return false;
}

enum err show_ready(struct call *c, struct fault *why)
{
    struct board *b = c->control->board;
    if (atomic_load(&b->generation) == 0)
        return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet; the log tells why");
    if (!atomic_load(&b->ready_spend)) return FAIL(why, ERR_NOT_READY, "the ledger is being read");
    if (!gateway_serves(b)) return FAIL(why, ERR_NOT_READY, "no gateway is serving");
    buf_str(&c->out, S("{\"status\":\"ready\"}"));
    return OK;
}

enum err show_config(struct call *c, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    struct buf values;
    struct json_writer w;
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet: %.200s", d->refused.text);
    buf_init(&values, MIB(32));
    config_show_json(d->config, &values);
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("file"), str_z(d->file));
    json_add_raw(&w, S("data"), buf_view(&values));
    json_put_end(&w);
    json_write_done(&w);
    buf_done(&values);
    return OK;
}

/* ---- status ----------------------------------------------------------------------------------------------------------- */

static void add_i64(struct json_writer *w, const char *name, _Atomic int64_t *value)
{
    json_add_i64(w, str_z(name), atomic_load(value));
}
static void add_u64(struct json_writer *w, const char *name, _Atomic uint64_t *value)
{
    json_add_u64(w, str_z(name), atomic_load(value));
}
static void add_pid(struct json_writer *w, const char *name, _Atomic int32_t *value)
{
    json_add_i64(w, str_z(name), atomic_load(value));
}

static void put_gateway(struct json_writer *w, struct gateway_slot *g)
{
    static const char *const STATES[] = {
        [GATEWAY_FREE] = "free", [GATEWAY_STARTING] = "starting", [GATEWAY_SERVING] = "serving", [GATEWAY_DRAINING] = "draining"};
    uint32_t state = atomic_load(&g->state);
    if (state == GATEWAY_FREE || state >= COUNTOF(STATES)) return;
    json_put_object(w);
    add_pid(w, "pid", &g->pid);
    json_add_str(w, S("state"), str_z(STATES[state]));
    add_u64(w, "generation", &g->generation);
    add_u64(w, "generation_refused", &g->generation_refused);
    add_i64(w, "started_ms", &g->started_ms);
    add_i64(w, "exchanges", &g->exchanges);
    add_i64(w, "memory", &g->memory);
    add_i64(w, "connections", &g->connections);
    add_i64(w, "upstream_open", &g->upstream_open);
    add_i64(w, "upstream_idle", &g->upstream_idle);
    json_put_end(w);
}

static void put_engine(struct json_writer *w, struct engine_row *e)
{
    static const char *const STATES[] = {
        [ENGINE_FREE] = "free",         [ENGINE_STOPPED] = "stopped", [ENGINE_WANTED] = "wanted",
        [ENGINE_STARTING] = "starting", [ENGINE_READY] = "ready",     [ENGINE_FAILED] = "failed"};
    uint32_t state = atomic_load(&e->state);
    if (state == ENGINE_FREE || state >= COUNTOF(STATES)) return;
    json_put_object(w);
    json_add_str(w, S("model"), str_make(e->name, strnlen(e->name, sizeof e->name)));
    json_add_str(w, S("state"), str_z(STATES[state]));
    add_pid(w, "pid", &e->pid);
    json_add_u64(w, S("restarts"), atomic_load(&e->restarts));
    add_i64(w, "memory", &e->rss);
    if (state == ENGINE_FAILED) json_add_str(w, S("why"), str_make(e->fault, strnlen(e->fault, sizeof e->fault)));
    json_put_end(w);
}

static void put_generation(struct json_writer *w, const struct desk *d)
{
    char when[25];
    json_add_object(w, S("generation"));
    json_add_u64(w, S("number"), d->number);
    json_add_str(w, S("hash"), str_z(d->hash));
    if (d->published_ms) {
        clock_rfc3339(d->published_ms, when);
        json_add_str(w, S("published"), str_z(when));
    }
    json_add_str(w, S("file"), str_z(d->file));
    if (d->refused.code != OK) json_add_str(w, S("refused"), str_z(d->refused.text));
    else json_add_null(w, S("refused"));
    json_add_str(w, S("restart_needed"), buf_view(&d->restart_needed));
    json_put_end(w);
}

static void put_processes(struct json_writer *w, struct board *b)
{
    json_add_object(w, S("processes"));
    add_pid(w, "supervisor", &b->supervisor_pid);
    add_pid(w, "control", &b->control_pid);
    add_pid(w, "engine", &b->engine_pid);
    json_put_end(w);
    json_add_array(w, S("gateways"));
    for (unsigned i = 0; i < BOARD_GATEWAYS; i++) put_gateway(w, &b->gateways[i]);
    json_put_end(w);
    json_add_array(w, S("engines"));
    for (unsigned i = 0; i < BOARD_ENGINES; i++) put_engine(w, &b->engines[i]);
    json_put_end(w);
}

static void put_upgrade(struct json_writer *w, struct board *b)
{
    uint64_t refused = atomic_load(&b->counters.upgrades_refused);
    json_add_object(w, S("upgrade"));
    json_add_u64(w, S("refused"), refused);
    if (refused) json_add_str(w, S("why"), str_make(b->upgrade_fault, strnlen(b->upgrade_fault, sizeof b->upgrade_fault)));
    else json_add_null(w, S("why"));
    json_put_end(w);
}

enum err show_status(struct call *c, struct fault *why)
{
    struct board *b = c->control->board;
    struct json_writer w;
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("version"), S(AQUIFER_VERSION));
    json_add_bool(&w, S("ready"), atomic_load(&b->generation) > 0 && atomic_load(&b->ready_spend) && gateway_serves(b));
    put_generation(&w, &c->control->desk);
    put_processes(&w, b);
    put_upgrade(&w, b);
    json_add_object(&w, S("journal"));
    add_i64(&w, "lag", &b->counters.ingest_lag);
    add_i64(&w, "bytes", &b->counters.journal_bytes);
    add_u64(&w, "rows", &b->counters.ingest_rows);
    add_u64(&w, "failures", &b->counters.ingest_failures);
    add_u64(&w, "stalls", &b->counters.journal_stalls);
    json_put_end(&w);
    json_add_object(&w, S("counters"));
    add_u64(&w, "requests", &b->counters.requests);
    add_u64(&w, "reloads", &b->counters.reloads);
    add_u64(&w, "reload_failures", &b->counters.reload_failures);
    add_u64(&w, "gateway_restarts", &b->counters.gateway_restarts);
    add_u64(&w, "control_restarts", &b->counters.control_restarts);
    json_put_end(&w);
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}

/* ---- objects of the file ---------------------------------------------------------------------------------------------- */

static void add_price(struct json_writer *w, const uint64_t *per, uint32_t cells)
{
    struct buf text;
    buf_init(&text, 64);
    json_add_object(w, S("price"));
    for (unsigned i = 0; i < USAGE_CELLS; i++) {
        if (!(cells >> i & 1)) continue;
        money per_unit = usage_cell_side((enum usage_cell)i) == USAGE_UNITS ? 1000 : 1000000;
        buf_clear(&text);
        money_write(&text, (money)per[i] * per_unit);
        json_add_str(w, str_z(usage_cell_name((enum usage_cell)i)), buf_view(&text));
    }
    json_put_end(w);
    buf_done(&text);
}

static const struct catalog_period *period_today(const struct catalog_model *m)
{
    int32_t today = clock_day(clock_wall_ms());
    for (unsigned i = m ? m->n_periods : 0; i > 0; i--)
        if (m->periods[i - 1].from_day <= today) return today <= m->periods[i - 1].to_day ? &m->periods[i - 1] : NULL;
    return NULL;
}

static void put_deployment(struct json_writer *w, const struct desk *d, const struct config_deployment *x)
{
    struct str kind = d->config->providers.at[x->provider_index].kind;
    const struct catalog_model *m = catalog_find(d->catalog, kind, x->model);
    const struct catalog_model *facts = catalog_facts(d->catalog, kind, x->family.n ? x->family : x->model);
    const struct catalog_period *p = period_today(m);
    json_put_object(w);
    json_add_str(w, S("provider"), x->provider);
    json_add_str(w, S("model"), x->model);
    if (x->price.given) add_price(w, x->price.per, x->price.cells);
    else if (p) add_price(w, p->price.per, p->cells);
    else json_add_null(w, S("price"));
    json_add_str(w, S("price_source"), x->price.given ? d->config->file : p ? p->source : S("none"));
    json_add_bool(w, S("allow_unpriced"), x->allow_unpriced);
    json_add_array(w, S("capabilities"));
    for (unsigned bit = 0; facts && capability_name(bit); bit++)
        if (facts->capabilities >> bit & 1) json_put_str(w, str_z(capability_name(bit)));
    json_put_end(w);
    json_put_end(w);
}

static void put_route(struct json_writer *w, const struct desk *d, const struct config_route *r)
{
    struct buf where;
    buf_init(&where, KIB(8));
    buf_fmt(&where, "%.*s:%llu", STR_ARG(d->config->file), (unsigned long long)r->line);
    json_put_object(w);
    json_add_str(w, S("name"), r->name);
    json_add_array(w, S("aliases"));
    for (unsigned i = 0; i < r->aliases.n; i++) json_put_str(w, r->aliases.at[i]);
    json_put_end(w);
    json_add_str(w, S("source"), buf_view(&where));
    json_add_array(w, S("deployments"));
    for (unsigned i = 0; i < r->deployments.n; i++) put_deployment(w, d, &r->deployments.at[i]);
    json_put_end(w);
    json_put_end(w);
    buf_done(&where);
}

enum err show_routes(struct call *c, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    struct json_writer w;
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (unsigned i = 0; i < d->config->routes.n; i++) put_route(&w, d, &d->config->routes.at[i]);
    json_put_end(&w);
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}

enum err show_models(struct call *c, struct fault *why) { return show_routes(c, why); }

enum err show_providers(struct call *c, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    struct json_writer w;
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (unsigned i = 0; i < d->config->providers.n; i++) {
        const struct config_provider *p = &d->config->providers.at[i];
        json_put_object(&w);
        json_add_str(&w, S("name"), p->name);
        json_add_str(&w, S("kind"), p->kind);
        if (p->url.n) json_add_str(&w, S("url"), p->url);
        if (p->key.n) json_add_str(&w, S("key"), p->key); /* a reference */
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}

static enum err refuse(struct call *c, const char *kind, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    struct buf where;
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    buf_init(&where, 256);
    bool found = config_where(d->config, kind, c->parameter, &where);
    enum err got = found ? FAIL(why, ERR_READ_ONLY, "the configuration file owns this %s; change it at %s", kind, buf_z(&where))
                         : FAIL(why, ERR_NOT_FOUND, "there is no %s %.64s; the configuration file owns them: add it in %.150s",
                                kind, c->parameter.p, d->file);
    buf_done(&where);
    return got;
}

enum err refuse_provider(struct call *c, struct fault *why) { return refuse(c, "provider", why); }
enum err refuse_route(struct call *c, struct fault *why) { return refuse(c, "route", why); }
