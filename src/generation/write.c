/* From configuration, catalogue and keys to the document that gateways load. Called by control. Deterministic: the same
 * input gives the same bytes, so that nothing is published when nothing changed. Holds no secrets but digests. */
#include <stdio.h>

#include "catalog/catalog.h"
#include "config/config.h"
#include "generation/priv.h"

struct writing {
    const struct generation_source *source;
    struct json_writer w;
    struct str kinds[16]; /* vendors whose whole catalogue goes along */
    unsigned n_kinds;
};

static void add_strs(struct json_writer *w, const char *name, const struct str *at, unsigned n)
{
    if (n == 0) return;
    json_add_array(w, str_z(name));
    for (unsigned i = 0; i < n; i++) json_put_str(w, at[i]);
    json_put_end(w);
}

static void add_text(struct json_writer *w, const char *name, struct str s)
{
    if (s.n) json_add_str(w, str_z(name), s);
}

static void put_settings(struct json_writer *w, const struct config *c)
{
    const struct {
        const char *name;
        uint64_t value;
    } NUMBERS[] = {
        {"head", c->limits.head},
        {"fields", c->limits.fields},
        {"body", c->limits.body},
        {"upload", c->limits.upload},
        {"inflate_ratio", c->limits.inflate_ratio},
        {"h2_streams", c->limits.h2_streams},
        {"client_head_ms", c->client_timeouts.head},
        {"client_body_ms", c->client_timeouts.body},
        {"client_idle_ms", c->client_timeouts.idle},
        {"client_write_ms", c->client_timeouts.write},
        {"journal_stall_ms", c->ledger.stall},
        {"journal_max_bytes", c->ledger.max_bytes},
        {"journal_segment_bytes", c->ledger.segment},
        {"memory_max", c->memory_max},
        {"memory_percent", c->memory_percent},
        {"heartbeat_ms", c->heartbeat},
        {"drain_ms", c->drain},
        {"answer_hold_max", c->limits.answer},
        {"event_max", c->limits.event},
        {"websocket_age_ms", c->limits.websocket_age},
        {"attempts_max", c->limits.attempts},
        {"assume_output", c->assume_output},
        {"log_level", c->log.level},
        {"state_retention_ms", c->state.retention},
        {"state_max", c->state.max_response},
        {"state_wait_ms", c->state.wait},
    };
    struct buf dir, seal, state;
    buf_init(&dir, KIB(8));
    buf_init(&state, KIB(8));
    buf_init(&seal, KIB(8));
    buf_fmt(&dir, "%.*s/journal", STR_ARG(c->data));
    buf_fmt(&state, "%.*s/run/state.sock", STR_ARG(c->data));
    seal_reference(c, &seal);
    json_add_object(w, S("settings"));
    for (size_t i = 0; i < COUNTOF(NUMBERS); i++) json_add_u64(w, str_z(NUMBERS[i].name), NUMBERS[i].value);
    json_add_str(w, S("journal_dir"), buf_view(&dir));
    json_add_str(w, S("seal_key"), buf_view(&seal));
    json_add_str(w, S("state_socket"), buf_view(&state));
    json_add_bool(w, S("journal_process"), c->ledger.safety == LEDGER_PROCESS);
    json_add_bool(w, S("journal_release"), c->ledger.on_stall == LEDGER_RELEASE);
    json_add_bool(w, S("proxy_protocol"), c->proxy_protocol);
    json_add_bool(w, S("access_log"), c->log.access);
    add_text(w, "path_prefix", c->path_prefix);
    add_strs(w, "trusted_proxies", c->trusted_proxies.at, c->trusted_proxies.n);
    json_put_end(w);
    buf_done(&dir);
    buf_done(&seal);
    buf_done(&state);
}

static void put_headers(struct json_writer *w, const struct config_field *at, unsigned n)
{
    if (n == 0) return;
    json_add_array(w, S("headers"));
    for (unsigned i = 0; i < n; i++) {
        json_put_object(w);
        json_add_str(w, S("name"), at[i].name);
        json_add_str(w, S("value"), at[i].value);
        json_put_end(w);
    }
    json_put_end(w);
}

static void add_url(struct json_writer *w, const struct config_provider *p)
{
    struct buf url;
    if (p->url.n || !p->how->aws_url) {
        add_text(w, "url", p->url);
        return;
    }
    struct str form = str_z(p->how->aws_url);
    size_t at = 0;
    must(str_find(form, S("REGION"), &at));
    buf_init(&url, KIB(1));
    buf_fmt(&url, "%.*s%.*s%s", (int)at, form.p, STR_ARG(p->region), form.p + at + 6);
    json_add_str(w, S("url"), buf_view(&url));
    buf_done(&url);
}

void found_seal(const struct seal_key *k, struct str provider, const struct found *f, struct buf *ret_hex)
{
    struct buf plain, sealed, what;
    buf_init(&plain, KIB(32));
    buf_init(&sealed, KIB(32));
    buf_init(&what, 256);
    buf_fmt(&what, FOUND_PURPOSE "%.*s", STR_ARG(provider));
    buf_fmt(&plain, "%.*s\n%.*s\n%.*s", STR_ARG(f->access_key), STR_ARG(f->secret_key.value), STR_ARG(f->token.value));
    must(buf_reserve(&sealed, plain.n + SEAL_MORE));
    seal_close(k, buf_view(&what), buf_view(&plain), (uint8_t *)sealed.p);
    for (size_t i = 0; i < plain.n + SEAL_MORE; i++) buf_fmt(ret_hex, "%02x", (unsigned char)sealed.p[i]);
    explicit_bzero(plain.p, plain.cap);
    buf_done(&plain);
    buf_done(&sealed);
    buf_done(&what);
}

static void add_found(struct json_writer *w, const struct generation_source *s, const struct config_provider *p)
{
    if (!config_finds(p)) return;
    json_add_bool(w, S("aws_awaited"), true);
    for (size_t i = 0; i < s->n_found; i++)
        if (str_eq(s->found[i].provider, p->name)) json_add_str(w, S("aws_sealed"), s->found[i].hex);
}

static void put_provider(struct json_writer *w, const struct generation_source *s, const struct config_provider *p)
{
    json_put_object(w);
    json_add_str(w, S("name"), p->name);
    json_add_str(w, S("kind"), p->kind);
    add_url(w, p);
    add_text(w, "key", p->key);
    add_text(w, "api_version", p->api_version);
    add_text(w, "files", p->files);
    if (p->files.n) json_add_u64(w, S("batches"), p->batches);
    add_strs(w, "betas", p->betas.at, p->betas.n);
    add_text(w, "region", p->region);
    add_text(w, "access_key", p->access_key);
    add_text(w, "secret_key", p->secret_key);
    add_text(w, "session_token", p->session_token);
    add_found(w, s, p);
    add_text(w, "ca_file", p->ca_file);
    add_text(w, "proxy", p->proxy);
    json_add_u64(w, S("connect_ms"), p->timeouts.connect);
    json_add_u64(w, S("first_byte_ms"), p->timeouts.first_byte);
    json_add_u64(w, S("gap_ms"), p->timeouts.gap);
    json_add_u64(w, S("total_ms"), p->timeouts.total);
    put_headers(w, p->headers.at, p->headers.n);
    json_put_end(w);
}

/* ---- prices ----------------------------------------------------------------------------------------------------------- */

static void put_period(struct json_writer *w, int32_t from_day, const uint64_t *per)
{
    json_put_object(w);
    if (from_day != INT32_MIN) json_add_i64(w, S("from_ms"), (int64_t)from_day * 86400000);
    if (per) json_add_object(w, S("per"));
    for (unsigned c = 0; per && c < USAGE_CELLS; c++)
        if (per[c]) json_add_u64(w, str_z(usage_cell_name((enum usage_cell)c)), per[c]);
    if (per) json_put_end(w);
    json_put_end(w);
}

/* A period that ends without a next one beginning there is followed by one without a price. */
static void put_periods(struct json_writer *w, const struct catalog_model *m)
{
    if (m->n_periods == 0) return;
    json_add_array(w, S("prices"));
    for (unsigned i = 0; i < m->n_periods; i++) {
        const struct catalog_period *p = &m->periods[i], *next = i + 1 < m->n_periods ? p + 1 : NULL;
        put_period(w, p->from_day, p->price.per);
        if (p->to_day != INT32_MAX && (!next || next->from_day > p->to_day + 1)) put_period(w, p->to_day + 1, NULL);
    }
    json_put_end(w);
}

static void put_own_price(struct json_writer *w, const struct config_price *p)
{
    json_add_array(w, S("prices"));
    put_period(w, INT32_MIN, p->per);
    json_put_end(w);
}

static void put_facts(struct json_writer *w, struct str name, const struct catalog_model *m, bool priced)
{
    json_put_object(w);
    json_add_str(w, S("name"), name);
    if (m->max_output) json_add_u64(w, S("max_output"), m->max_output);
    if (m->context) json_add_u64(w, S("context"), m->context);
    if (priced) put_periods(w, m);
    json_put_end(w);
}

/* Of other vendors the limits only: a cloud sells their models at prices of its own. */
static void put_catalog(struct json_writer *w, const struct catalog *c, struct str vendor)
{
    const struct catalog_model *m;
    struct str name;
    unsigned at = 0;
    json_put_object(w);
    json_add_array(w, S("models"));
    while (catalog_next(c, STR_NONE, &at, &name, &m)) {
        bool own = str_eq(m->vendor, vendor);
        if (own || catalog_facts(c, vendor, name) == m) put_facts(w, name, m, own);
    }
    json_put_end(w);
    json_put_end(w);
}

static void put_family(struct json_writer *w, const struct catalog_family *f)
{
    const struct chat_manners *m = &f->manners;
    json_put_object(w);
    add_strs(w, "match", f->match, f->n_match);
    if (m->reasons) json_add_bool(w, S("reasons"), true);
    if (m->adaptive) json_add_bool(w, S("adaptive"), true);
    if (m->one_sampler) json_add_bool(w, S("one_sampler"), true);
    if (m->no_stop) json_add_bool(w, S("no_stop"), true);
    if (m->no_schema) json_add_bool(w, S("no_schema"), true);
    if (m->json_alone) json_add_bool(w, S("json_alone"), true);
    if (m->stops_max) json_add_u64(w, S("stops_max"), m->stops_max);
    if (m->no_prefill) json_add_bool(w, S("no_prefill"), true);
    if (m->later_system) json_add_bool(w, S("later_system"), true);
    json_add_u64(w, S("fixed_sampling"), m->fixed_sampling);
    json_add_u64(w, S("off"), m->off);
    json_add_u64(w, S("over"), m->over);
    json_add_u64(w, S("efforts"), m->efforts);
    json_add_u64(w, S("budget_min"), m->budget_min);
    json_add_u64(w, S("budget_max"), m->budget_max);
    if (m->max_output) json_add_u64(w, S("max_output"), m->max_output);
    json_add_array(w, S("scale"));
    for (unsigned i = 0; i < EFFORTS; i++) json_put_u64(w, m->scale[i]);
    json_put_end(w);
    json_put_end(w);
}

static void put_families(struct json_writer *w, const struct catalog *c)
{
    const struct catalog_family *f;
    unsigned at = 0;
    json_add_array(w, S("families"));
    while (catalog_next_family(c, &at, &f)) put_family(w, f);
    json_put_end(w);
}

/* ---- routes ----------------------------------------------------------------------------------------------------------- */

static unsigned kind_number(struct writing *g, struct str kind)
{
    unsigned i = 0;
    while (i < g->n_kinds && !str_eq(g->kinds[i], kind)) i++;
    if (i == g->n_kinds && i < COUNTOF(g->kinds)) g->kinds[g->n_kinds++] = kind;
    return i;
}

static void put_defaults(struct json_writer *w, const struct config_deployment *d)
{
    if (d->defaults.n == 0) return;
    json_add_array(w, S("defaults"));
    for (unsigned i = 0; i < d->defaults.n; i++) {
        json_put_object(w);
        json_add_str(w, S("name"), d->defaults.at[i].name);
        json_add_raw(w, S("value"), d->defaults.at[i].json);
        json_put_end(w);
    }
    json_put_end(w);
}

static void warn_unpriced(const struct config *c, const struct config_route *r, const struct config_deployment *d)
{
    char where[64];
    snprintf(where, sizeof where, "line %llu", (unsigned long long)d->line);
    LOG(LOG_WARN, "price.unknown", "nobody told a price for this deployment: it is refused until one is set, or allow_unpriced",
        F_STR("route", r->name), F_STR("provider", d->provider), F_STR("model", d->model), F_STR("file", c->file),
        F_Z("at", where));
}

static bool has_family(const struct catalog *c, struct str id)
{
    const struct catalog_family *f;
    unsigned at = 0;
    while (catalog_next_family(c, &at, &f))
        for (unsigned i = 0; i < f->n_match; i++)
            if (catalog_matches(f->match[i], id)) return true;
    return false;
}

static void warn_family(const struct config *c, const struct config_route *r, const struct config_deployment *d)
{
    char where[64];
    snprintf(where, sizeof where, "line %llu", (unsigned long long)d->line);
    LOG(LOG_WARN, "family.unknown", "no family of the catalogue knows this id: the model gets what is safe for all",
        F_STR("route", r->name), F_STR("family", d->family), F_STR("file", c->file), F_Z("at", where));
}

static void put_formats(struct json_writer *w, const struct wire_formats *list)
{
    json_add_array(w, S("formats"));
    for (unsigned i = 0; i < list->n; i++) json_put_str(w, str_z(wire_format_name((enum wire_format)list->at[i])));
    json_put_end(w);
}

static void put_quirks(struct json_writer *w, uint32_t bits)
{
    if (!bits) return;
    json_add_array(w, S("quirks"));
    for (unsigned i = 0; i < WIRE_QUIRKS_N; i++)
        if (bits & 1u << i) json_put_str(w, str_z(wire_quirk_name((enum wire_quirk_bit)i)));
    json_put_end(w);
}

/* What is known of the model behind it: the family's word, where somebody told it, since the name may say nothing. */
static const struct catalog_model *find_facts(const struct catalog *c, struct str kind, const struct config_deployment *d)
{
    const struct catalog_model *m = d->family.n ? catalog_facts(c, kind, d->family) : NULL;
    return m || str_eq(d->model, S("*")) ? m : catalog_facts(c, kind, d->model);
}

static void put_limits(struct json_writer *w, const struct config_deployment *d, const struct catalog_model *facts)
{
    uint64_t max_output = d->max_output != CONFIG_UNSET ? d->max_output : facts ? facts->max_output : 0;
    uint64_t context = d->context != CONFIG_UNSET ? d->context : facts ? facts->context : 0;
    if (max_output) json_add_u64(w, S("max_output"), max_output);
    if (context) json_add_u64(w, S("context"), context);
}

static void put_deployment(struct writing *g, const struct config_route *r, const struct config_deployment *d)
{
    const struct config *c = g->source->config;
    struct json_writer *w = &g->w;
    struct str kind = c->providers.at[d->provider_index].kind;
    bool any = str_eq(d->model, S("*"));
    const struct catalog_model *m = any ? NULL : catalog_find(g->source->catalog, kind, d->model);
    json_put_object(w);
    json_add_u64(w, S("provider"), d->provider_index);
    put_formats(w, &d->speaks);
    put_quirks(w, d->quirk_bits);
    json_add_str(w, S("model"), d->model);
    add_text(w, "family", d->family);
    if (d->family.n && !has_family(g->source->catalog, d->family)) warn_family(c, r, d);
    add_text(w, "region", d->region);
    add_text(w, "tier", d->tier);
    if (any) json_add_u64(w, S("catalog"), kind_number(g, kind));
    if (d->price.given) put_own_price(w, &d->price);
    else if (m && m->n_periods) put_periods(w, m);
    else if (!any && !d->allow_unpriced) warn_unpriced(c, r, d);
    if (d->allow_unpriced) json_add_bool(w, S("allow_unpriced"), true);
    if (d->key == CONFIG_KEY_CLIENT) json_add_bool(w, S("client_key"), true);
    put_limits(w, d, find_facts(g->source->catalog, kind, d));
    put_headers(w, d->headers.at, d->headers.n);
    put_defaults(w, d);
    add_strs(w, "drop", d->drop.at, d->drop.n);
    json_put_end(w);
}

static void put_route(struct writing *g, const struct config_route *r)
{
    struct json_writer *w = &g->w;
    json_put_object(w);
    json_add_str(w, S("name"), r->name);
    add_strs(w, "aliases", r->aliases.at, r->aliases.n);
    add_text(w, "display_name", r->display_name);
    add_text(w, "description", r->description);
    if (r->total) json_add_u64(w, S("total_ms"), r->total);
    if (r->state == CONFIG_STATE_UPSTREAM) json_add_bool(w, S("state_upstream"), true);
    json_add_i64(w, S("created_s"), g->source->created_s);
    json_add_array(w, S("deployments"));
    for (unsigned i = 0; i < r->deployments.n; i++) put_deployment(g, r, &r->deployments.at[i]);
    json_put_end(w);
    json_put_end(w);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

enum { BYTES_MAX = AWS_SEALED_LEN };
_Static_assert(KEY_DIGEST_LEN <= BYTES_MAX, "what a key has as bytes");

static void add_bytes(struct json_writer *w, const char *name, const uint8_t *bytes, unsigned n)
{
    char hex[2 * BYTES_MAX + 1];
    for (unsigned i = 0; i < n; i++) snprintf(hex + (size_t)2 * i, 3, "%02x", bytes[i]);
    json_add_str(w, str_z(name), str_z(hex));
}

static void put_key(struct json_writer *w, const struct key *k)
{
    json_put_object(w);
    json_add_str(w, S("id"), str_z(k->id));
    json_add_str(w, S("name"), k->name);
    add_bytes(w, "digest", k->digest, KEY_DIGEST_LEN);
    if (k->has_aws) add_bytes(w, "aws_secret", k->aws_sealed, AWS_SEALED_LEN);
    if (k->old_until_ms) {
        add_bytes(w, "old_digest", k->old_digest, KEY_DIGEST_LEN);
        if (k->has_aws_old) add_bytes(w, "aws_old_secret", k->aws_old_sealed, AWS_SEALED_LEN);
        json_add_i64(w, S("old_until_ms"), k->old_until_ms);
    }
    if (k->expires_ms) json_add_i64(w, S("expires_ms"), k->expires_ms);
    if (k->revoked) json_add_bool(w, S("revoked"), true);
    add_strs(w, "routes", k->routes, k->n_routes);
    if (k->limits.requests_per_minute) json_add_u64(w, S("requests_per_minute"), k->limits.requests_per_minute);
    if (k->limits.tokens_per_minute) json_add_u64(w, S("tokens_per_minute"), k->limits.tokens_per_minute);
    if (k->limits.concurrency) json_add_u64(w, S("concurrency"), k->limits.concurrency);
    if (k->limits.spend_day >= 0) json_add_i64(w, S("spend_day"), k->limits.spend_day);
    if (k->limits.spend_month >= 0) json_add_i64(w, S("spend_month"), k->limits.spend_month);
    json_add_u64(w, S("place"), k->place);
    if (k->project.n && !str_eq(k->project, S(PROJECT_DEFAULT))) json_add_str(w, S("project"), k->project);
    json_put_end(w);
}

/* ---- the whole -------------------------------------------------------------------------------------------------------- */

static void put_all(struct writing *g)
{
    const struct generation_source *s = g->source;
    struct json_writer *w = &g->w;
    json_put_object(w);
    json_add_u64(w, S("number"), s->number);
    json_add_u64(w, S("format"), GENERATION_FORMAT);
    put_settings(w, s->config);
    json_add_array(w, S("providers"));
    for (unsigned i = 0; i < s->config->providers.n; i++) put_provider(w, s, &s->config->providers.at[i]);
    json_put_end(w);
    json_add_array(w, S("routes"));
    for (unsigned i = 0; i < s->config->routes.n; i++) put_route(g, &s->config->routes.at[i]);
    json_put_end(w);
    put_families(w, s->catalog);
    json_add_array(w, S("catalogs"));
    for (unsigned i = 0; i < g->n_kinds; i++) put_catalog(w, s->catalog, g->kinds[i]);
    json_put_end(w);
    json_add_array(w, S("keys"));
    for (size_t i = 0; i < s->n_keys; i++) put_key(w, &s->keys[i]);
    json_put_end(w);
    json_put_end(w);
}

enum err generation_write(const struct generation_source *s, struct buf *out, struct fault *why)
{
    struct writing g = {.source = s};
    must(s->number > 0);
    json_write(&g.w, out);
    put_all(&g);
    if (!json_write_done(&g.w))
        return FAIL(why, ERR_LIMIT, "the generation is too large: %zu keys, %u routes", s->n_keys, s->config->routes.n);
    return OK;
}

/* The number is the first member: all behind its comma must be equal. */
bool generation_is_same(struct str a, struct str b)
{
    struct str head, a_rest, b_rest;
    return str_cut(a, ',', &head, &a_rest) && str_cut(b, ',', &head, &b_rest) && str_eq(a_rest, b_rest);
}
