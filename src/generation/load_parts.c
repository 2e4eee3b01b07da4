/* The parts of a generation: settings, providers, routes, keys. Called by load.c; everything lands in the generation's
 * arena. Secrets are resolved here, in the gateway, from the references that the file holds. */
#include "generation/priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

/* ---- settings --------------------------------------------------------------------------------------------------------- */

static uint64_t number_in(const char *path, const char *label)
{
    char line[256];
    uint64_t value = 0;
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in)) {
        struct str s = str_trim(str_make(line, strcspn(line, "\n")));
        if (!str_starts(s, str_z(label))) continue;
        s = str_trim(str_from(s, strlen(label)));
        if (str_u64(str_make(s.p, strspn(s.p, "0123456789")), &value)) break;
    }
    if (in) fclose(in);
    return value;
}

/* What there is: the cgroup's limit (version 2, else 1), or the machine's memory. */
static uint64_t memory_there_is(void)
{
    uint64_t all = number_in("/proc/meminfo", "MemTotal:") * 1024;
    uint64_t group = number_in("/sys/fs/cgroup/memory.max", "");
    if (!group) group = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", "");
    if (!all) all = MIB(1024);
    return group && group < all ? group : all;
}

static void load_limits(struct load *l, uint32_t o, struct http_limits *limits)
{
    http_limits_default(limits);
    limits->head_max = load_u64(l, o, "head", limits->head_max);
    limits->fields_max = (unsigned)load_u64(l, o, "fields", limits->fields_max);
    limits->body_max = load_u64(l, o, "body", limits->body_max);
    limits->pass_max = load_u64(l, o, "upload", limits->pass_max);
    limits->inflate_ratio = (unsigned)load_u64(l, o, "inflate_ratio", limits->inflate_ratio);
    limits->h2_streams_max = (unsigned)load_u64(l, o, "h2_streams", limits->h2_streams_max);
    limits->head_ms = (uint32_t)load_u64(l, o, "client_head_ms", limits->head_ms);
    limits->body_gap_ms = (uint32_t)load_u64(l, o, "client_body_ms", limits->body_gap_ms);
    limits->idle_ms = (uint32_t)load_u64(l, o, "client_idle_ms", limits->idle_ms);
    limits->write_gap_ms = (uint32_t)load_u64(l, o, "client_write_ms", limits->write_gap_ms);
}

static void load_trusted(struct load *l, uint32_t o, struct http_server_options *server)
{
    unsigned n;
    struct str *cidrs = load_strs(l, o, "trusted_proxies", &n);
    struct http_network *networks = n ? load_alloc(l, n * sizeof *networks) : NULL;
    for (unsigned i = 0; networks && i < n; i++)
        if (http_network_parse(cidrs[i], &networks[i], NULL) != OK) l->bad = true;
    server->trusted = networks;
    server->n_trusted = networks ? n : 0;
}

static void load_journal(struct load *l, uint32_t o, struct journal_options *j)
{
    j->dir = load_str(l, o, "journal_dir").p;
    if (!j->dir) l->bad = true;
    j->safety = load_flag(l, o, "journal_process") ? LEDGER_PROCESS : LEDGER_DISK;
    j->on_stall = load_flag(l, o, "journal_release") ? LEDGER_RELEASE : LEDGER_HOLD;
    j->stall_ms = (uint32_t)load_u64(l, o, "journal_stall_ms", 1000);
    j->max_bytes = load_u64(l, o, "journal_max_bytes", MIB(1024));
    j->segment_bytes = (uint32_t)load_u64(l, o, "journal_segment_bytes", MIB(4));
}

void load_settings(struct load *l, uint32_t o)
{
    struct settings *s = &l->g->settings;
    uint64_t percent = load_u64(l, o, "memory_percent", 75), level = load_u64(l, o, "log_level", LOG_INFO);
    load_limits(l, o, &s->server.limits);
    load_trusted(l, o, &s->server);
    s->server.proxy_protocol = load_flag(l, o, "proxy_protocol");
    s->server.path_prefix = load_str(l, o, "path_prefix");
    load_journal(l, o, &s->journal);
    s->memory_max = load_u64(l, o, "memory_max", 0);
    if (!s->memory_max) s->memory_max = memory_there_is() / 100 * percent;
    s->heartbeat_ms = (uint32_t)load_u64(l, o, "heartbeat_ms", 15000);
    s->websocket_age_ms = (uint32_t)load_u64(l, o, "websocket_age_ms", 3600000);
    s->drain_ms = (uint32_t)load_u64(l, o, "drain_ms", 300000);
    s->answer_hold_max = load_u64(l, o, "answer_hold_max", MIB(8));
    s->event_max = load_u64(l, o, "event_max", MIB(4));
    s->attempts_max = (unsigned)load_u64(l, o, "attempts_max", 3);
    s->assume_output = load_u64(l, o, "assume_output", 4096);
    s->access_log = load_flag(l, o, "access_log");
    s->keeps_state = load_u64(l, o, "state_retention_ms", 0) > 0;
    s->state_max = load_u64(l, o, "state_max", MIB(16));
    s->state_wait_ms = (uint32_t)load_u64(l, o, "state_wait_ms", 2000);
    s->state_socket = load_str(l, o, "state_socket");
    s->log_level = level <= LOG_ERROR ? (enum log_level)level : LOG_INFO;
}

/* ---- providers -------------------------------------------------------------------------------------------------------- */

static enum err resolve(struct load *l, struct str reference, struct str *ret_value)
{
    struct buf value;
    buf_init(&value, KIB(64) + 1);
    enum err got = config_secret(reference, &value, l->why);
    if (got == OK && !arena_str(&l->g->arena, buf_view(&value), ret_value)) l->full = true;
    if (value.cap) explicit_bzero(value.p, value.cap);
    buf_done(&value);
    return got;
}

enum err load_headers(struct load *l, uint32_t object, struct header **ret_headers, unsigned *ret_n)
{
    struct json_iter it;
    uint32_t at;
    struct header *out = load_array(l, object, "headers", sizeof *out, ret_n, &it);
    for (unsigned i = 0; i < *ret_n && json_next(l->tape, &it, &at); i++) {
        out[i].name = load_str(l, at, "name");
        out[i].value = load_str(l, at, "value");
        if (!config_is_reference(out[i].value)) continue;
        TRY(resolve(l, out[i].value, &out[i].value));
        if (!http_field_value_is_valid(out[i].value))
            return FAIL(l->why, ERR_CONFIG, "the value of header %.*s is not fit for a header field", STR_ARG(out[i].name));
    }
    *ret_headers = out;
    return OK;
}

static enum err load_origin(struct load *l, uint32_t o, struct provider *p)
{
    struct http_origin_options options = {
        .url = load_str(l, o, "url"), .ca_file = load_str(l, o, "ca_file"), .proxy = load_str(l, o, "proxy")};
    struct fault what = {0};
    if (!options.url.n) return OK;
    if (config_is_reference(options.proxy)) TRY(resolve(l, options.proxy, &options.proxy));
    if (http_origin_new(&options, &p->origin, &p->base_path, &what) == OK) return OK;
    return FAIL(l->why, what.code, "provider %.*s: %s", STR_ARG(p->name), what.text);
}

static enum err load_secret(struct load *l, uint32_t o, const char *name, struct str *ret_value)
{
    struct str reference = load_str(l, o, name);
    return reference.n ? resolve(l, reference, ret_value) : OK;
}

static int nibble(char c)
{
    const char *at = c ? strchr("0123456789abcdef", c) : NULL;
    return at ? (int)(at - "0123456789abcdef") : -1;
}

static bool read_master(struct load *l, struct seal_key *ret_key, struct fault *why)
{
    struct buf text;
    uint32_t settings = json_find(l->tape, 0, S("settings"));
    buf_init(&text, KIB(64) + 1);
    enum err got = config_secret(settings ? load_str(l, settings, "seal_key") : STR_NONE, &text, why);
    if (got == OK && !seal_key_read(buf_view(&text), ret_key))
        got = FAIL(why, ERR_CONFIG, "seal_key must be 64 hexadecimal digits in lower case");
    if (text.cap) explicit_bzero(text.p, text.cap);
    buf_done(&text);
    return got == OK;
}

static bool find_seal(struct load *l)
{
    if (!l->seal_tried) l->sealed = read_master(l, &l->seal, &l->seal_why);
    l->seal_tried = true;
    return l->sealed;
}

/* For sealed secrets. Without it the keys still work as bearer keys, so that a lost sealing key locks nobody out of everything. */
static const struct seal_key *seal_key(struct load *l)
{
    if (find_seal(l)) return &l->seal;
    if (!l->seal_told)
        LOG(LOG_ERROR, "seal.missing",
            "sealed AWS secrets cannot be opened: callers who sign are refused, and so are calls with credentials that were "
            "found",
            F_Z("why", l->seal_why.text));
    l->seal_told = true;
    return NULL;
}

/* What sealed state of a conversation belongs to. Without a sealing key such state is dropped and counted, as that of a foreign
 * vendor is. */
static const struct chat_seal *project_seal(struct load *l, struct str project)
{
    struct chat_seal *seal = map_find(&l->g->seals, project);
    if (seal || !find_seal(l)) return seal;
    seal = load_alloc(l, sizeof *seal);
    if (!seal) return NULL;
    chat_seal_key(seal, str_make((const char *)l->seal.bytes, sizeof l->seal.bytes), project);
    must(map_add(&l->g->seals, project, seal));
    return seal;
}

/* What control found: lines of access key id (Google: account), secret and token. */
static void open_found(struct load *l, uint32_t o, struct provider *p)
{
    struct buf bytes, what;
    struct str hex = load_str(l, o, "aws_sealed"), plain = STR_NONE, first, second, third, rest;
    const struct seal_key *seal = hex.n ? seal_key(l) : NULL;
    if (!seal) return;
    buf_init(&bytes, KIB(32));
    buf_init(&what, 256);
    buf_fmt(&what, FOUND_PURPOSE "%.*s", STR_ARG(p->name));
    for (size_t i = 0; i + 1 < hex.n; i += 2) buf_char(&bytes, (char)(nibble(hex.p[i]) << 4 | nibble(hex.p[i + 1])));
    char *room = bytes.n > SEAL_MORE ? load_alloc(l, bytes.n) : NULL;
    if (room && seal_open(seal, buf_view(&what), buf_view(&bytes), room)) plain = str_make(room, bytes.n - SEAL_MORE);
    else
        LOG(LOG_ERROR, "seal.wrong", "credentials that were found were sealed with another key; they are found anew",
            F_STR("provider", p->name));
    str_cut(plain, '\n', &first, &rest);
    str_cut(rest, '\n', &second, &third);
    if (p->kind->aws_service) p->aws = (struct sigv4_credentials){first, {second}, {third}};
    else p->key.value = third; /* a token, which goes as a key does */
    buf_done(&bytes);
    buf_done(&what);
}

static enum err load_signing(struct load *l, uint32_t o, struct provider *p)
{
    p->region = load_str(l, o, "region");
    p->awaited = load_flag(l, o, "aws_awaited");
    if (p->awaited) open_found(l, o, p);
    TRY(load_secret(l, o, "access_key", &p->aws.access_key));
    TRY(load_secret(l, o, "secret_key", &p->aws.secret_key.value));
    TRY(load_secret(l, o, "session_token", &p->aws.session_token.value));
    if (http_field_value_is_valid(p->aws.access_key) && http_field_value_is_valid(p->aws.session_token.value)) return OK;
    return FAIL(l->why, ERR_CONFIG, "provider %.*s: its access_key or session_token is not fit for a header field",
                STR_ARG(p->name));
}

static enum err load_provider(struct load *l, uint32_t o, struct provider *p)
{
    p->name = load_str(l, o, "name");
    p->kind = provider_kind_find(load_str(l, o, "kind"));
    if (!p->kind) return FAIL(l->why, ERR_CONFIG, "provider %.*s is of a kind that this program does not know", STR_ARG(p->name));
    p->deadlines = (struct http_deadlines){
        .connect_ms = (uint32_t)load_u64(l, o, "connect_ms", 5000),
        .first_byte_ms = (uint32_t)load_u64(l, o, "first_byte_ms", 600000),
        .gap_ms = (uint32_t)load_u64(l, o, "gap_ms", 300000),
        .total_ms = (uint32_t)load_u64(l, o, "total_ms", 0),
    };
    p->api_version = load_str(l, o, "api_version");
    p->files = load_str(l, o, "files");
    p->betas = load_strs(l, o, "betas", &p->n_betas);
    p->batches = (enum provider_batches)load_u64(l, o, "batches", BATCHES_UNCAPPED);
    TRY(load_secret(l, o, "key", &p->key.value));
    TRY(load_signing(l, o, p));
    if (!http_field_value_is_valid(p->key.value))
        return FAIL(l->why, ERR_CONFIG, "provider %.*s: its key is not fit for a header field (a line end inside?)",
                    STR_ARG(p->name));
    TRY(load_headers(l, o, &p->headers, &p->n_headers));
    return load_origin(l, o, p);
}

enum err load_providers(struct load *l)
{
    struct json_iter it;
    uint32_t at;
    unsigned n;
    struct provider *out = load_array(l, 0, "providers", sizeof *out, &n, &it);
    l->g->providers = out;
    for (l->g->n_providers = 0; l->g->n_providers < n && json_next(l->tape, &it, &at);) {
        l->g->n_providers++; /* counted first: what it holds already is freed when it fails */
        TRY(load_provider(l, at, &out[l->g->n_providers - 1]));
    }
    return OK;
}

/* ---- routes ----------------------------------------------------------------------------------------------------------- */

static void load_defaults(struct load *l, uint32_t o, struct deployment *d)
{
    struct json_iter it;
    uint32_t at;
    d->defaults = load_array(l, o, "defaults", sizeof *d->defaults, &d->n_defaults, &it);
    for (unsigned i = 0; i < d->n_defaults && json_next(l->tape, &it, &at); i++) {
        uint32_t value = json_find(l->tape, at, S("value"));
        d->defaults[i].name = load_str(l, at, "name");
        if (!value || !arena_str(&l->g->arena, json_raw(l->tape, value), &d->defaults[i].raw)) l->bad = true;
    }
}

static void note_default(struct body_default *b, struct deployment *d)
{
    struct json_tape t;
    b->bound = (struct wire_bound){0};
    d->default_size += b->name.n + b->raw.n + sizeof(",\"\":") - 1;
    if (!wire_bound_is(b->name)) return;
    d->rebounds = true;
    json_tape_init(&t, 0);
    if (json_scan(&t, b->raw, &JSON_LIMITS, NULL) == OK) wire_bound_read(&t, b->name, 0, &b->bound);
    json_tape_done(&t);
}

void deployment_note_bounds(struct deployment *d)
{
    d->rebounds = (d->quirks & QUIRK_MAX_TOKENS) != 0;
    d->default_size = 0;
    for (unsigned i = 0; i < d->n_defaults; i++) note_default(&d->defaults[i], d);
    for (unsigned i = 0; i < d->n_drop; i++) d->rebounds |= wire_bound_is(d->drop[i]);
}

static void load_formats(struct load *l, uint32_t o, struct wire_formats *ret_list)
{
    uint32_t list = json_find(l->tape, o, S("formats")), at;
    enum wire_format f;
    for (struct json_iter it = json_each(l->tape, list); list && json_next(l->tape, &it, &at);)
        if (!wire_format_find(json_text(l->tape, at), &f) || !wire_formats_add(ret_list, f)) l->bad = true;
    if (ret_list->n == 0) l->bad = true;
}

static uint32_t load_quirks(struct load *l, uint32_t o)
{
    uint32_t list = json_find(l->tape, o, S("quirks")), at, bits = 0;
    enum wire_quirk q;
    for (struct json_iter it = json_each(l->tape, list); list && json_next(l->tape, &it, &at);) {
        if (wire_quirk_find(json_text(l->tape, at), &q)) bits |= q;
        else l->bad = true;
    }
    return bits;
}

enum err load_deployment(struct load *l, uint32_t o, struct deployment *d)
{
    uint64_t provider = load_u64(l, o, "provider", UINT64_MAX), catalog = load_u64(l, o, "catalog", UINT64_MAX);
    if (provider >= l->g->n_providers) {
        l->bad = true;
        return OK;
    }
    d->provider = &l->g->providers[provider];
    d->models = catalog < l->g->n_catalogs ? &l->g->catalogs[catalog] : NULL;
    d->model = load_str(l, o, "model");
    d->generation = l->g;
    d->family = load_str(l, o, "family");
    d->manners = generation_manners(l->g, d->family.n ? d->family : d->model);
    d->region = load_str(l, o, "region");
    d->tier = load_str(l, o, "tier");
    load_formats(l, o, &d->formats);
    d->quirks = load_quirks(l, o);
    if (d->provider->kind->has_tasks) wire_formats_add(&d->formats, WIRE_OPENAI_TASKS);
    d->allow_unpriced = load_flag(l, o, "allow_unpriced");
    d->client_key = load_flag(l, o, "client_key");
    d->max_output = load_u64(l, o, "max_output", 0);
    d->context = load_u64(l, o, "context", 0);
    load_prices(l, o, &d->prices, &d->n_prices);
    load_defaults(l, o, d);
    d->drop = load_strs(l, o, "drop", &d->n_drop);
    deployment_note_bounds(d);
    if (!d->provider->origin && l->board) d->engine = board_engine_find(l->board, d->model);
    return load_headers(l, o, &d->headers, &d->n_headers);
}

static void load_route(struct load *l, uint32_t o, struct route *r)
{
    struct json_iter it;
    uint32_t at;
    unsigned n, n_aliases;
    r->name = load_str(l, o, "name");
    r->is_pattern = str_ends(r->name, S("*"));
    r->display_name = load_str(l, o, "display_name");
    r->description = load_str(l, o, "description");
    r->total_ms = (uint32_t)load_u64(l, o, "total_ms", 0);
    r->state_upstream = load_flag(l, o, "state_upstream");
    r->created_s = load_i64(l, o, "created_s", 0);
    struct str *aliases = load_strs(l, o, "aliases", &n_aliases);
    if (r->name.n == 0 || (!r->is_pattern && !map_add(&l->g->exact, r->name, r))) l->bad = true;
    for (unsigned i = 0; i < n_aliases; i++)
        if (!map_add(&l->g->exact, aliases[i], r)) l->bad = true;
    r->deployments = load_array(l, o, "deployments", sizeof *r->deployments, &n, &it);
    for (r->n_deployments = 0; r->n_deployments < n && json_next(l->tape, &it, &at);)
        if (load_deployment(l, at, &r->deployments[r->n_deployments++]) != OK) return;
}

static int longer_first(const void *a, const void *b)
{
    const struct route *const *x = a, *const *y = b;
    return (*x)->name.n<(*y)->name.n ? 1 : (*x)->name.n>(*y)->name.n ? -1 : str_cmp((*x)->name, (*y)->name);
}

void load_routes(struct load *l)
{
    struct json_iter it;
    uint32_t at;
    unsigned n;
    struct generation *g = l->g;
    g->routes = load_array(l, 0, "routes", sizeof *g->routes, &n, &it);
    g->patterns = load_alloc(l, n * sizeof(struct route *));
    for (g->n_routes = 0; g->patterns && g->n_routes < n && json_next(l->tape, &it, &at) && l->why->code == OK;) {
        struct route *r = &g->routes[g->n_routes++];
        load_route(l, at, r);
        if (r->is_pattern) g->patterns[g->n_patterns++] = r;
    }
    if (g->n_patterns) qsort(g->patterns, g->n_patterns, sizeof *g->patterns, longer_first);
}

/* What an account keeps has no model: a route of its own stands for it, so that it is counted and rests like others. */
void load_kept(struct load *l)
{
    struct generation *g = l->g;
    g->kept = load_alloc(l, g->n_providers * sizeof *g->kept);
    struct deployment *d = load_alloc(l, g->n_providers * sizeof *d);
    for (unsigned i = 0; g->kept && d && i < g->n_providers; i++, d++) {
        const struct provider *p = &g->providers[i];
        if (!p->files.n) continue;
        *d = (struct deployment){.provider = p, .model = S(KEPT_MODEL), .allow_unpriced = true};
        wire_formats_add(&d->formats, p->kind->has_tasks ? WIRE_OPENAI_TASKS : (enum wire_format)p->kind->formats.at[0]);
        g->kept[g->n_kept++] = (struct route){.name = S(KEPT_MODEL), .deployments = d, .n_deployments = 1};
    }
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

/* n bytes as hexadecimal. True: there was such a member. */
static bool load_bytes(struct load *l, uint32_t o, const char *name, uint8_t *ret_bytes, unsigned n)
{
    uint32_t node = json_find(l->tape, o, str_z(name));
    struct str hex = node ? json_text(l->tape, node) : STR_NONE;
    for (unsigned i = 0; node && i < n; i++) {
        int high = 2 * i + 1 < hex.n ? nibble(hex.p[2 * i]) : -1, low = 2 * i + 1 < hex.n ? nibble(hex.p[2 * i + 1]) : -1;
        if (high < 0 || low < 0) {
            l->bad = true;
            return true;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return node;
}

static void open_secret(struct load *l, const struct key *k, const uint8_t sealed[AWS_SEALED_LEN], struct secret *ret_secret)
{
    const struct seal_key *seal = seal_key(l);
    char *room = seal ? load_alloc(l, AWS_SECRET_LEN) : NULL;
    if (!room) return;
    if (aws_secret_open(seal, k->id, sealed, room)) ret_secret->value = str_make(room, AWS_SECRET_LEN);
    else
        LOG(LOG_ERROR, "seal.wrong", "the secret of an AWS key pair was sealed with another key: restore seal_key, or rotate it",
            F_Z("key", k->id));
}

static void load_aws(struct load *l, uint32_t o, struct key *k)
{
    k->has_aws = load_bytes(l, o, "aws_secret", k->aws_sealed, AWS_SEALED_LEN);
    k->has_aws_old = load_bytes(l, o, "aws_old_secret", k->aws_old_sealed, AWS_SEALED_LEN);
    if (l->bad) return;
    if (k->has_aws) open_secret(l, k, k->aws_sealed, &k->aws_secret);
    if (k->has_aws_old) open_secret(l, k, k->aws_old_sealed, &k->aws_old_secret);
}

static void load_key(struct load *l, uint32_t o, struct key *k)
{
    struct str id = load_str(l, o, "id");
    if (id.n != KEY_ID_LEN) {
        l->bad = true;
        return;
    }
    memcpy(k->id, id.p, KEY_ID_LEN);
    k->name = load_str(l, o, "name");
    if (!load_bytes(l, o, "digest", k->digest, KEY_DIGEST_LEN)) l->bad = true;
    load_bytes(l, o, "old_digest", k->old_digest, KEY_DIGEST_LEN);
    load_aws(l, o, k);
    k->old_until_ms = load_i64(l, o, "old_until_ms", 0);
    k->expires_ms = load_i64(l, o, "expires_ms", 0);
    k->revoked = load_flag(l, o, "revoked");
    k->routes = load_strs(l, o, "routes", &k->n_routes);
    k->limits.requests_per_minute = (uint32_t)load_u64(l, o, "requests_per_minute", 0);
    k->limits.tokens_per_minute = load_u64(l, o, "tokens_per_minute", 0);
    k->limits.concurrency = (uint32_t)load_u64(l, o, "concurrency", 0);
    k->limits.spend_day = load_i64(l, o, "spend_day", -1);
    k->limits.spend_month = load_i64(l, o, "spend_month", -1);
    k->place = (uint32_t)load_u64(l, o, "place", BOARD_KEYS);
    k->project = load_str(l, o, "project");
    if (!k->project.n) k->project = S(PROJECT_DEFAULT);
    k->seal = project_seal(l, k->project);
    if (k->place >= BOARD_KEYS || !map_add(&l->g->keys, str_make(k->id, KEY_ID_LEN), k)) l->bad = true;
    for (unsigned i = 0; i < k->n_routes; i++) { /* an alias in a key means its route */
        const struct route *r = map_find(&l->g->exact, k->routes[i]);
        if (r) k->routes[i] = r->name;
    }
}

void load_keys(struct load *l)
{
    struct json_iter it;
    uint32_t at;
    unsigned n;
    struct key *keys = load_array(l, 0, "keys", sizeof *keys, &n, &it);
    for (unsigned i = 0; i < n && json_next(l->tape, &it, &at); i++) load_key(l, at, &keys[i]);
}
