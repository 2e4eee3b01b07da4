/* What can only be judged when the whole file is read: names that stand once, names that must exist, things that need
 * each other. Also finishes: providers find their kind and formats, missing timeouts come from the file's. Called by the
 * reader. Owns nothing. */
#include "config/priv.h"

#include <stdio.h>

static void at(struct reader *r, const char *fmt, ...) PRINTF(2, 3);
static void at(struct reader *r, const char *fmt, ...)
{
    va_list args;
    char text[160];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_clear(&r->path);
    buf_str(&r->path, str_z(text));
}

static void complain_format(struct reader *r, unsigned line, struct str name)
{
    struct buf known;
    buf_init(&known, 256);
    for (unsigned f = 0; f < WIRE_FORMATS; f++) buf_fmt(&known, "%s%s", f ? ", " : "", wire_format_name((enum wire_format)f));
    config_complain_of(r, line, "formats", "formats: \"%.*s\" is not a wire format; there are %s", STR_ARG(name), buf_z(&known));
    buf_done(&known);
}

/* The list as written, in its order; an empty one is `otherwise`. */
static void read_formats(struct reader *r, const struct str *names, unsigned n, uint64_t line, struct wire_formats otherwise,
                         struct wire_formats *ret_list)
{
    *ret_list = n ? (struct wire_formats){0} : otherwise;
    for (unsigned i = 0; i < n; i++) {
        enum wire_format f;
        if (names[i].n == 0) continue; /* could not be read, which was told */
        if (!wire_format_find(names[i], &f)) complain_format(r, (unsigned)line, names[i]);
        else if (!wire_formats_add(ret_list, f))
            config_complain_of(r, (unsigned)line, "formats", "formats: %.*s stands twice", STR_ARG(names[i]));
    }
}

static void complain_quirk(struct reader *r, unsigned line, struct str name)
{
    struct buf known;
    buf_init(&known, KIB(1));
    for (unsigned i = 0; i < WIRE_QUIRKS_N; i++) buf_fmt(&known, "%s%s", i ? ", " : "", wire_quirk_name((enum wire_quirk_bit)i));
    config_complain_of(r, line, "quirks", "quirks: \"%.*s\" is not a quirk; there are %s", STR_ARG(name), buf_z(&known));
    buf_done(&known);
}

/* Those named, beside the ones that come with what it stands in. */
static uint32_t read_quirks(struct reader *r, const struct str *names, unsigned n, uint64_t line, uint32_t inherited)
{
    for (unsigned i = 0; i < n; i++) {
        enum wire_quirk q;
        if (wire_quirk_find(names[i], &q)) inherited |= q;
        else if (names[i].n) complain_quirk(r, (unsigned)line, names[i]);
    }
    return inherited;
}

static void finish_timeouts(struct config_timeouts *own, const struct config_timeouts *all)
{
    if (own->connect == CONFIG_UNSET) own->connect = all->connect;
    if (own->first_byte == CONFIG_UNSET) own->first_byte = all->first_byte;
    if (own->gap == CONFIG_UNSET) own->gap = all->gap;
    if (own->total == CONFIG_UNSET) own->total = all->total;
}

static void complain_kind(struct reader *r, const struct config_provider *p)
{
    struct buf known;
    buf_init(&known, 256);
    for (unsigned i = 0; provider_kind_at(i); i++) buf_fmt(&known, "%s%s", i ? ", " : "", provider_kind_at(i)->name);
    config_complain_of(r, (unsigned)p->line, "kind", "kind: \"%.*s\" is not a kind of provider; there are %s", STR_ARG(p->kind),
                       buf_z(&known));
    buf_done(&known);
}

/* A key (a Bedrock API key, as bearer) or a pair that signs. */
static void check_aws(struct reader *r, const struct config_provider *p)
{
    unsigned line = (unsigned)p->line;
    bool pair = p->access_key.n && p->secret_key.n, found = p->credentials != SOURCE_GIVEN;
    if (p->region.n == 0)
        config_complain_of(r, line, "region", "region is missing: kind %s needs it, as us-east-1", p->how->name);
    if (found && p->access_key.n + p->secret_key.n + p->session_token.n + p->key.n)
        config_complain_of(r, line, "credentials access_key secret_key session_token key",
                           "credentials says where to find them; access_key, secret_key, session_token and key do not go "
                           "with it");
    else if (!found && !pair && (p->access_key.n || p->secret_key.n || p->session_token.n))
        config_complain_of(r, line, "access_key secret_key session_token",
                           "access_key and secret_key belong together; one of them is missing");
    else if (!found && pair == (p->key.n > 0))
        config_complain_of(r, line, "key access_key secret_key credentials",
                           "kind %s needs one of: access_key and secret_key; key (a Bedrock API key); credentials", p->how->name);
}

bool config_finds(const struct config_provider *p)
{
    return p->credentials != SOURCE_GIVEN || p->service_account.n > 0 || p->client_secret.n > 0;
}

/* A token as key, a service account's key file, or a source that has either. */
static void check_google(struct reader *r, const struct config_provider *p)
{
    unsigned line = (unsigned)p->line;
    uint64_t s = p->credentials;
    if (s != SOURCE_GIVEN && s != SOURCE_DEFAULT && s != SOURCE_FILE && s != SOURCE_INSTANCE)
        config_complain_of(r, line, "credentials", "credentials: kind %s has default, file and instance", p->how->name);
    if ((p->key.n > 0) + (p->service_account.n > 0) + (s != SOURCE_GIVEN) > 1)
        config_complain_of(r, line, "key service_account credentials",
                           "key, service_account and credentials exclude each other: say one of them");
}

/* A key or token as key, an application with its secret, or a source that has one. */
static void check_entra(struct reader *r, const struct config_provider *p)
{
    unsigned line = (unsigned)p->line;
    uint64_t s = p->credentials;
    bool found = s != SOURCE_GIVEN, app = p->tenant.n + p->client_id.n > 0;
    if (found && s != SOURCE_DEFAULT && s != SOURCE_ENVIRONMENT && s != SOURCE_WEB_IDENTITY && s != SOURCE_INSTANCE)
        config_complain_of(r, line, "credentials", "credentials: kind %s has default, environment, web_identity and instance",
                           p->how->name);
    if ((p->key.n > 0) + (p->client_secret.n > 0) + found > 1)
        config_complain_of(r, line, "key client_secret credentials",
                           "key, client_secret and credentials exclude each other: say one of them");
    if (p->client_secret.n && !(p->tenant.n && p->client_id.n))
        config_complain_of(r, line, "client_secret tenant client_id",
                           "client_secret goes with tenant and client_id: say whose it is");
    if (app && !found && p->client_secret.n == 0)
        config_complain_of(r, line, "tenant client_id client_secret credentials",
                           "tenant and client_id go with client_secret or credentials: say where the tokens come from");
    if (p->tenant.n && s == SOURCE_INSTANCE)
        config_complain_of(r, line, "tenant credentials",
                           "tenant: a managed identity (credentials: instance) has its own; remove it");
    if (p->tenant.n && !entra_tenant_is_valid(p->tenant))
        config_complain_of(r, line, "tenant", "tenant: \"%.*s\" is neither a GUID nor a domain", STR_ARG(p->tenant));
}

static void check_no_entra(struct reader *r, const struct config_provider *p)
{
    if (p->tenant.n + p->client_id.n + p->client_secret.n)
        config_complain_of(r, (unsigned)p->line, "tenant client_id client_secret",
                           "tenant, client_id and client_secret are for azure; kind %s has none", p->how->name);
}

static void check_no_aws(struct reader *r, const struct config_provider *p)
{
    unsigned line = (unsigned)p->line;
    if (p->region.n + p->access_key.n + p->secret_key.n + p->session_token.n + p->profile.n)
        config_complain_of(r, line, "region access_key secret_key session_token profile",
                           "region, access_key, secret_key, session_token and profile are for AWS; kind %s has none",
                           p->how->name);
    if (p->how->has_google_tokens) check_google(r, p);
    else if (p->how->has_entra_tokens) check_entra(r, p);
    else if (p->credentials != SOURCE_GIVEN)
        config_complain_of(r, line, "credentials", "credentials is for AWS, vertex and azure; kind %s has none", p->how->name);
    if (!p->how->needs_url && p->url.n) config_complain_of(r, line, "url", "kind %s has no url; remove it", p->how->name);
}

static void check_provider(struct reader *r, struct config_provider *p)
{
    unsigned line = (unsigned)p->line;
    finish_timeouts(&p->timeouts, &r->config->timeouts);
    p->how = provider_kind_find(p->kind);
    struct wire_formats usual = p->how ? provider_formats(p->how, p->url) : (struct wire_formats){0};
    read_formats(r, p->formats.at, p->formats.n, p->line, usual, &p->speaks);
    p->quirk_bits = read_quirks(r, p->quirks.at, p->quirks.n, p->line, p->how ? provider_quirks(p->how, p->url) : 0);
    if (!p->how) {
        complain_kind(r, p);
        return;
    }
    if (p->api_version.n && !p->how->has_versions)
        config_complain_of(r, line, "api_version", "api_version is for azure; kind %s has none", p->how->name);
    if (p->files.n && !p->how->keeps)
        config_complain_of(r, line, "files", "files: kind %s keeps none; openai, azure and anthropic do", p->how->name);
    if (p->how->needs_url && p->url.n == 0)
        config_complain_of(r, line, "url", "url is missing: what the vendor's SDK takes as base URL");
    if (p->how->needs_key && p->key.n == 0) config_complain_of(r, line, "key", "key is missing: write env:NAME or file:path");
    if (p->service_account.n && !p->how->has_google_tokens)
        config_complain_of(r, line, "service_account", "service_account is for vertex; kind %s has none", p->how->name);
    if (!p->how->has_entra_tokens) check_no_entra(r, p);
    if (p->how->aws_service) check_aws(r, p);
    else check_no_aws(r, p);
}

static void check_providers(struct reader *r)
{
    struct config *c = r->config;
    struct map names;
    map_init(&names);
    for (unsigned i = 0; i < c->providers.n; i++) {
        struct config_provider *p = &c->providers.at[i], *first;
        at(r, "providers[%u]", i);
        check_provider(r, p);
        if (p->name.n == 0 || map_add(&names, p->name, p)) continue;
        first = map_find(&names, p->name);
        config_complain_of(r, (unsigned)p->line, "name", "the name %.*s is taken by line %llu", STR_ARG(p->name),
                           (unsigned long long)first->line);
    }
    map_done(&names);
}

/* Not when a provider's own name could not be read: it may be the one that is meant. */
static bool providers_are_known(const struct reader *r)
{
    const struct config *c = r->config;
    for (unsigned i = 0; i < c->providers.n; i++)
        if (c->providers.at[i].name.n == 0) return false;
    return !map_find(&r->wrong, S("providers"));
}

static void complain_provider(struct reader *r, const struct config_deployment *d)
{
    const struct config *c = r->config;
    struct str near = STR_NONE;
    unsigned best = 4;
    for (unsigned i = 0; i < c->providers.n; i++) {
        unsigned far = str_distance(c->providers.at[i].name, d->provider);
        if (far >= best) continue;
        best = far;
        near = c->providers.at[i].name;
    }
    if (near.n)
        config_complain_of(r, (unsigned)d->line, "provider", "there is no provider %.*s; did you mean %.*s?",
                           STR_ARG(d->provider), STR_ARG(near));
    else if (providers_are_known(r))
        config_complain_of(r, (unsigned)d->line, "provider", "there is no provider %.*s; add it under providers",
                           STR_ARG(d->provider));
}

static void check_drops(struct reader *r, const struct config_deployment *d)
{
    for (unsigned i = 0; i < d->drop.n; i++) {
        const char *reason = config_own_field(d->drop.at[i]);
        if (reason)
            config_complain_of(r, (unsigned)d->line, "drop", "drop: %.*s cannot be dropped: %s", STR_ARG(d->drop.at[i]), reason);
    }
}

static bool is_pattern(struct str name) { return name.n && name.p[name.n - 1] == '*'; }

/* What is signed by the caller cannot be passed on: the signature covers our host. */
static void check_client_key(struct reader *r, const struct config_deployment *d, const struct provider_kind *how)
{
    if (d->key == CONFIG_KEY_CLIENT && (how->aws_service || !how->needs_url))
        config_complain_of(r, (unsigned)d->line, "key", "key: client cannot go to a provider of kind %s", how->name);
}

static void check_deployment(struct reader *r, const struct config_route *route, struct config_deployment *d)
{
    static const struct config_provider NOBODY;
    const struct config *c = r->config;
    unsigned line = (unsigned)d->line, i = 0;
    while (i < c->providers.n && !str_eq(c->providers.at[i].name, d->provider)) i++;
    const struct config_provider *p = i < c->providers.n ? &c->providers.at[i] : &NOBODY;
    const struct provider_kind *how = p->how;
    d->provider_index = i;
    if (p == &NOBODY) complain_provider(r, d);
    check_drops(r, d);
    read_formats(r, d->formats.at, d->formats.n, d->line, p->speaks, &d->speaks);
    d->quirk_bits = read_quirks(r, d->quirks.at, d->quirks.n, d->line, p->quirk_bits);
    if (how) check_client_key(r, d, how);
    if (!is_pattern(d->model)) return;
    if (d->model.n > 1) config_complain_of(r, line, "model", "model is a whole name, or * alone for the name that was asked for");
    else if (route->name.n && !is_pattern(route->name))
        config_complain_of(r, line, "model", "model * needs a route whose name ends in *");
    else if (how && !how->needs_url)
        config_complain_of(r, line, "model provider", "model * cannot go to provider %.*s, whose models are named one by one",
                           STR_ARG(d->provider));
}

/* `key`: where the name stands, name or aliases. */
static void check_name(struct reader *r, struct map *names, struct config_route *route, const char *key, struct str name)
{
    if (name.n == 0 || map_add(names, name, route)) return;
    const struct config_route *first = map_find(names, name);
    config_complain_of(r, (unsigned)route->line, key, "the name %.*s is taken by the route in line %llu", STR_ARG(name),
                       (unsigned long long)first->line);
}

static void check_routes(struct reader *r)
{
    struct config *c = r->config;
    struct map names;
    map_init(&names);
    for (unsigned i = 0; i < c->routes.n; i++) {
        struct config_route *route = &c->routes.at[i];
        at(r, "routes[%u]", i);
        check_name(r, &names, route, "name", route->name);
        for (unsigned k = 0; k < route->aliases.n; k++) check_name(r, &names, route, "aliases", route->aliases.at[k]);
        if (route->deployments.n == 0)
            config_complain_of(r, (unsigned)route->line, "deployments", "has no deployments; add at least one");
        for (unsigned k = 0; k < route->deployments.n; k++) {
            at(r, "routes[%u].deployments[%u]", i, k);
            check_deployment(r, route, &route->deployments.at[k]);
        }
    }
    map_done(&names);
}

static bool only_loopback(const struct config_listener *l, unsigned n)
{
    struct sockaddr_storage address;
    socklen_t len;
    for (unsigned i = 0; i < n; i++)
        if (config_address(l[i].address, &address, &len) && !config_address_is_loopback(&address)) return false;
    return true;
}

static void check_listeners(struct reader *r)
{
    const struct config *c = r->config;
    buf_clear(&r->path);
    if (c->listen.n == 0) config_complain_of(r, 1, "listen", "listen names no address; write listen: 127.0.0.1:8400");
    if (c->admin_listen.n && c->admin_key.n == 0)
        config_complain_of(r, (unsigned)c->admin_listen.at[0].line, "admin.key admin.listen",
                           "admin.key is missing: the admin API is never open; write env:AQUIFER_ADMIN_KEY");
    if (c->metrics_key.n == 0 && !only_loopback(c->metrics_listen.at, c->metrics_listen.n))
        config_complain_of(r, (unsigned)c->metrics_listen.at[0].line, "metrics.key metrics.listen",
                           "metrics.key is missing: only a loopback address may go without; write env:NAME");
}

static void check_addresses(struct reader *r)
{
    const struct config *c = r->config;
    const struct {
        const struct config_listener *at;
        unsigned n;
    } LISTS[] = {
        {c->listen.at, c->listen.n}, {c->admin_listen.at, c->admin_listen.n}, {c->metrics_listen.at, c->metrics_listen.n}};
    struct map taken;
    map_init(&taken);
    for (size_t i = 0; i < COUNTOF(LISTS); i++)
        for (unsigned k = 0; k < LISTS[i].n; k++)
            if (LISTS[i].at[k].address.n && !map_add(&taken, LISTS[i].at[k].address, r))
                config_complain(r, (unsigned)LISTS[i].at[k].line, "two listeners want %.*s; give one of them another port",
                                STR_ARG(LISTS[i].at[k].address));
    map_done(&taken);
}

static void check_path_prefix(struct reader *r)
{
    struct str p = r->config->path_prefix;
    const struct yaml_node *n = yaml_find(r->config->root, S("path_prefix"));
    bool good = p.n > 1 && p.p[0] == '/' && p.p[p.n - 1] != '/';
    for (size_t i = 0; i < p.n; i++)
        if ((unsigned char)p.p[i] <= ' ' || strchr("?#%\\", p.p[i]) || (p.p[i] == '/' && i + 1 < p.n && p.p[i + 1] == '/'))
            good = false;
    at(r, "path_prefix");
    if (p.n && !good) config_complain(r, n->line, "\"%.*s\" must begin with / and not end in it, as /llm", STR_ARG(p));
}

static void check_networks(struct reader *r)
{
    const struct yaml_node *n = yaml_find(r->config->root, S("trusted_proxies"));
    struct http_network network;
    struct fault what;
    at(r, "trusted_proxies");
    for (unsigned i = 0; i < r->config->trusted_proxies.n; i++)
        if (r->config->trusted_proxies.at[i].n && http_network_parse(r->config->trusted_proxies.at[i], &network, &what) != OK)
            config_complain(r, n->line, "%s", what.text);
    buf_clear(&r->path);
    if (r->config->proxy_protocol && r->config->trusted_proxies.n == 0)
        config_complain_of(r, 1, "proxy_protocol trusted_proxies",
                           "proxy_protocol: needs trusted_proxies: nobody else may send the header");
}

static void check_engine(struct reader *r)
{
    struct config_engine *e = &r->config->engine;
    struct map names;
    map_init(&names);
    for (unsigned i = 0; i < e->models.n; i++) {
        struct config_engine_model *m = &e->models.at[i];
        if (m->context == CONFIG_UNSET) m->context = e->context;
        at(r, "engine.models[%u]", i);
        if (m->pooling != POOLING_FILE && !m->embeddings)
            config_complain_of(r, (unsigned)m->line, "pooling embeddings", "pooling goes with embeddings: true only");
        if (m->name.n && !map_add(&names, m->name, m))
            config_complain_of(r, (unsigned)m->line, "name", "the name %.*s stands twice", STR_ARG(m->name));
    }
    map_done(&names);
    if (e->models_dir.n) return;
    struct buf dir;
    buf_init(&dir, KIB(8));
    buf_fmt(&dir, "%.*s/models", STR_ARG(r->config->data));
    must(arena_str(&r->config->arena, buf_view(&dir), &e->models_dir));
    buf_done(&dir);
}

void config_check(struct reader *r)
{
    check_listeners(r);
    check_addresses(r);
    check_path_prefix(r);
    check_networks(r);
    check_providers(r);
    check_routes(r);
    check_engine(r);
}
