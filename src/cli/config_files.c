/* A configuration read together with the files that it names: Google's key files, certificates and authorities, catalogues. What is wrong in one
 * of them keeps Aquifer from serving as surely as a word in the configuration itself. For `config check` and `doctor`. */
#include "cli/priv.h"

#include <stdio.h>

#include "catalog/catalog.h"
#include "config/config.h"
#include "generation/generation.h"
#include "http/http.h"
#include "yaml/yaml.h"

struct look {
    const struct config *config;
    struct config_report *report;
    enum err worst;
};

static void wrong(struct look *l, uint64_t line, const char *what, const struct fault *why)
{
    char text[sizeof why->text + 96];
    snprintf(text, sizeof text, "%s: %s", what, why->text);
    config_report_add(l->report, l->config->file, (unsigned)line, text);
    l->worst = why->code;
}

static void look_into_accounts(struct look *l)
{
    struct arena a;
    struct google_file file;
    struct fault why = {0};
    char what[64];
    arena_init(&a, KIB(8), MIB(1));
    for (unsigned i = 0; i < l->config->providers.n; i++) {
        const struct config_provider *p = &l->config->providers.at[i];
        if (!str_starts(p->service_account, S("file:"))) continue;
        snprintf(what, sizeof what, "providers[%u].service_account", i);
        if (generation_google_read(p->service_account, &a, &file, &why) != OK) wrong(l, p->line, what, &why);
        arena_done(&a);
    }
}

static void look_into_certificates(struct look *l, const char *name, const struct config_listener *at, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct tls_server *tls = NULL;
        struct fault why = {0};
        char what[64];
        if (!at[i].tls_cert.n || !at[i].tls_key.n) continue;
        snprintf(what, sizeof what, "%s[%u].tls", name, i);
        if (tls_server_new(at[i].tls_cert.p, at[i].tls_key.p, &tls, &why) != OK) wrong(l, at[i].line, what, &why);
        tls_server_unref(tls);
    }
}

static void look_into_authorities(struct look *l)
{
    for (unsigned i = 0; i < l->config->providers.n; i++) {
        const struct config_provider *p = &l->config->providers.at[i];
        struct tls_client *tls = NULL;
        struct fault why = {0};
        char what[64];
        if (!p->ca_file.n) continue;
        snprintf(what, sizeof what, "providers[%u].ca_file", i);
        if (tls_client_new(p->ca_file.p, &tls, &why) != OK) wrong(l, p->line, what, &why);
        tls_client_unref(tls);
    }
}

static void look_into_catalogs(struct look *l)
{
    struct catalog *catalog = NULL;
    struct fault why = {0};
    const struct yaml_node *own = l->config->root ? yaml_find(l->config->root, S("catalog")) : NULL;
    if (generation_catalog(l->config, &catalog, &why) != OK) wrong(l, own ? own->line : 1, "catalog", &why);
    catalog_free(catalog);
}

enum err cli_config_look(const char *path, struct config **ret_config, struct config_report *report, struct fault *why)
{
    enum err e = config_look(path, ret_config, report, why);
    const struct config *c = *ret_config;
    if (!c) return e;
    struct look l = {.config = c, .report = report};
    look_into_accounts(&l);
    look_into_certificates(&l, "listen", c->listen.at, c->listen.n);
    look_into_certificates(&l, "admin.listen", c->admin_listen.at, c->admin_listen.n);
    look_into_certificates(&l, "metrics.listen", c->metrics_listen.at, c->metrics_listen.n);
    look_into_authorities(&l);
    look_into_catalogs(&l);
    return e == OK ? l.worst : e;
}
