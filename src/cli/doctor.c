/* aquifer doctor: looks at everything that Aquifer needs and says what to do about what is wrong. Changes nothing but for a
 * small file in the data directory, which it removes; no call of it is billed. */
#include "cli/doctor_priv.h"

#include <stdio.h>
#include <stdlib.h>

void doctor_tell(struct doctor *d, enum finding f, const char *check, const char *what, const char *todo)
{
    static const char *const WORDS[] = {"ok", "warn", "fail"};
    d->warnings += f == FINDING_WARN;
    d->failures += f == FINDING_FAIL;
    if (!d->common.json) {
        printf("%-4s  %-9s  %s%s%s\n", WORDS[f], check, what, *todo ? "  — " : "", todo);
        fflush(stdout);
        return;
    }
    json_put_object(&d->json);
    json_add_str(&d->json, S("state"), str_z(WORDS[f]));
    json_add_str(&d->json, S("check"), str_z(check));
    json_add_str(&d->json, S("what"), str_z(what));
    json_add_str(&d->json, S("do"), str_z(todo));
    json_put_end(&d->json);
}

static bool read_config(struct doctor *d)
{
    struct fault why = {0};
    char what[512];
    const char *path = cli_config_path(d->common.config);
    if (!path) {
        doctor_tell(d, FINDING_FAIL, "config", "no ./aquifer.yaml and no /etc/aquifer/aquifer.yaml",
                    "write one (an example is in share/doc/aquifer/examples), or name it with --config FILE");
        return false;
    }
    struct config_report *report = mem_alloc(sizeof *report);
    enum err e = cli_config_look(path, &d->config, report, &why);
    for (unsigned i = 0; e != OK && i < report->n; i++) doctor_tell(d, FINDING_FAIL, "config", report->items[i].text, "");
    if (e != OK && report->n == 0) doctor_tell(d, FINDING_FAIL, "config", why.text, "");
    free(report);
    if (e != OK) {
        config_free(d->config);
        return false;
    }
    unsigned providers = d->config->providers.n, routes = d->config->routes.n;
    snprintf(what, sizeof what, "%s: %u provider%s, %u route%s", path, providers, providers == 1 ? "" : "s", routes,
             routes == 1 ? "" : "s");
    if (d->config->routes.n) doctor_tell(d, FINDING_OK, "config", what, "");
    else
        doctor_tell(d, FINDING_WARN, "config", what, "without a route no request is served; see 'aquifer config explain routes'");
    return true;
}

static void examine(struct doctor *d)
{
    static void (*const CHECKS[])(struct doctor *) = {doctor_data,      doctor_ports,  doctor_machine, doctor_secrets,
                                                      doctor_providers, doctor_engine, doctor_daemon};
    if (!read_config(d)) return;
    for (unsigned i = 0; i < COUNTOF(CHECKS); i++) CHECKS[i](d);
    config_free(d->config);
}

int cli_doctor(int argc, char **argv)
{
    struct doctor d = {0};
    const struct cli_option options[] = {CLI_COMMON(d.common), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    buf_init(&d.out, MIB(4));
    json_write(&d.json, &d.out);
    json_put_object(&d.json);
    json_add_array(&d.json, S("data"));
    examine(&d);
    json_put_end(&d.json);
    json_add_u64(&d.json, S("warnings"), d.warnings);
    json_add_u64(&d.json, S("failures"), d.failures);
    json_put_end(&d.json);
    if (d.common.json) cli_print_body(&d.out);
    else printf("\n%u to mend, %u to look at\n", d.failures, d.warnings);
    buf_done(&d.out);
    return d.failures ? 1 : 0;
}
