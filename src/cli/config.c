/* aquifer config show|check|explain|export. Works on the file; only export asks a running Aquifer. */
#include "cli/priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "generation/generation.h"

#define OUT_MAX MIB(64)

struct asked {
    struct cli_common common;
    struct cli_words words;
};

static const char *file_of(const struct asked *a, struct fault *why)
{
    const char *path = cli_config_path(a->common.config);
    if (!path)
        FAIL(why, ERR_CONFIG,
             "which configuration? There is no ./aquifer.yaml and no /etc/aquifer/aquifer.yaml; name it with --config FILE");
    return path;
}

static void put_out(struct buf *out)
{
    cli_print_body(out);
    buf_done(out);
}

/* ---- show ----------------------------------------------------------------------------------------------------------------------- */

static int show(int argc, char **argv)
{
    struct asked a = {0};
    struct config *config;
    struct buf out;
    struct fault why = {0};
    const char *source = NULL;
    const struct cli_option options[] = {
        CLI_COMMON(a.common), {"--source", NULL, "where each value comes from; told without it as well", &source}, {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    const char *path = file_of(&a, &why);
    if (!path || config_load(path, &config, NULL, &why) != OK) return cli_fail(&why);
    buf_init(&out, OUT_MAX);
    if (a.common.json) config_show_json(config, &out);
    else config_show(config, &out);
    config_free(config);
    put_out(&out);
    return 0;
}

/* ---- check ---------------------------------------------------------------------------------------------------------------------- */

static void write_report(const char *path, const struct config_report *r, bool fine)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, OUT_MAX);
    json_write(&w, &out);
    json_put_object(&w);
    json_add_bool(&w, S("ok"), fine);
    json_add_str(&w, S("file"), str_z(path));
    json_add_array(&w, S("errors"));
    for (unsigned i = 0; i < r->n; i++) {
        json_put_object(&w);
        json_add_u64(&w, S("line"), r->items[i].line);
        json_add_str(&w, S("text"), str_z(r->items[i].text));
        json_put_end(&w);
    }
    json_put_end(&w);
    json_add_u64(&w, S("more"), r->more);
    json_put_end(&w);
    put_out(&out);
}

static void note_secret(const char *whose, struct str reference)
{
    char *name = str_starts(reference, S("env:")) ? str_dup_z(str_from(reference, 4)) : NULL;
    if (name && !getenv(name))
        fprintf(stderr, "note: %s: the environment variable %s is not set here; where Aquifer runs it has to be\n", whose, name);
    free(name);
}

/* The file is right without them, but no Aquifer starts. */
static void note_secrets(const struct config *c)
{
    char whose[128];
    note_secret("admin.key", c->admin_key);
    note_secret("metrics.key", c->metrics_key);
    for (unsigned i = 0; i < c->providers.n; i++) {
        snprintf(whose, sizeof whose, "providers[%u].key", i);
        note_secret(whose, c->providers.at[i].key);
    }
}

static void print_report(const char *path, const struct config_report *r, const struct config *c)
{
    for (unsigned i = 0; i < r->n; i++) fprintf(stderr, "%s\n", r->items[i].text);
    if (r->more) fprintf(stderr, "and %u more\n", r->more);
    if (c) note_secrets(c);
    if (c)
        printf("%s is right: %u provider%s, %u route%s\n", path, c->providers.n, c->providers.n == 1 ? "" : "s", c->routes.n,
               c->routes.n == 1 ? "" : "s");
    else
        fprintf(stderr, "%s: %u %s found; an Aquifer that runs goes on with what it has\n", path, r->n + r->more,
                r->n + r->more == 1 ? "error was" : "errors were");
}

static int check(int argc, char **argv)
{
    struct asked a = {0};
    struct config *config = NULL;
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(a.common), {0}};
    if (!cli_options(argc, argv, options, &a.words)) return 2;
    if (a.words.n > 1) return cli_wrong_use("config check: one FILE at a time");
    const char *path = a.words.n ? a.words.at[0] : file_of(&a, &why);
    if (!path) return cli_fail(&why);
    struct config_report *report = mem_alloc(sizeof *report);
    enum err e = cli_config_look(path, &config, report, &why);
    if (e != OK && report->n == 0) cli_fail(&why); /* it cannot be read at all */
    else if (a.common.json) write_report(path, report, e == OK);
    else print_report(path, report, e == OK ? config : NULL);
    config_free(config);
    free(report);
    return e == OK ? 0 : 1;
}

/* ---- explain -------------------------------------------------------------------------------------------------------------------- */

static int explain(int argc, char **argv)
{
    const char *json = NULL;
    struct cli_words words;
    struct buf out;
    const struct cli_option options[] = {{"--json", NULL, "print JSON for programs", &json}, {0}};
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n > 1) return cli_wrong_use("config explain: one key at a time, as listen or providers[].url");
    buf_init(&out, OUT_MAX);
    struct str key = words.n ? str_z(words.at[0]) : STR_NONE;
    bool found = json ? config_explain_json(key, &out) : config_explain(key, &out);
    if (!found) fprintf(stderr, "aquifer: %s", buf_z(&out));
    else cli_print_body(&out);
    buf_done(&out);
    return found ? 0 : 1;
}

/* ---- export: objects that the API made, as YAML ------------------------------------------------------------------------------- */

static void put_yaml(struct json_ref value, unsigned indent, struct buf *out);

static const char *const FIXED[] = {[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};

static void put_scalar(struct json_ref value, struct buf *out)
{
    enum json_type type = json_ref_type(value);
    if (type == JSON_STRING) { /* a JSON string is a YAML string */
        buf_char(out, '"');
        json_escape(out, json_ref_text(value));
        buf_char(out, '"');
    } else if (type == JSON_NUMBER) {
        buf_str(out, json_ref_text(value));
    } else {
        buf_str(out, str_z(FIXED[type]));
    }
}

static bool is_container(struct json_ref value) { return json_ref_type(value) >= JSON_ARRAY && json_ref_count(value) > 0; }

static void put_items(struct json_ref value, unsigned indent, struct buf *out)
{
    struct str name;
    struct json_ref item;
    bool is_list = json_ref_type(value) == JSON_ARRAY;
    for (struct json_walk w = json_walk(value); json_walk_next(&w, &name, &item);) {
        buf_fmt(out, "\n%*s", (int)indent, "");
        if (is_list) {
            buf_char(out, '-');
        } else {
            buf_char(out, '"');
            json_escape(out, name);
            buf_str(out, S("\":"));
        }
        put_yaml(item, indent + 2, out);
    }
}

static void put_yaml(struct json_ref value, unsigned indent, struct buf *out)
{
    enum json_type type = json_ref_type(value);
    if (is_container(value)) {
        put_items(value, indent, out);
        return;
    }
    buf_char(out, ' ');
    if (type == JSON_ARRAY) buf_str(out, S("[]"));
    else if (type == JSON_OBJECT) buf_str(out, S("{}"));
    else put_scalar(value, out);
}

static void put_json(struct json_ref value, struct json_writer *w)
{
    enum json_type type = json_ref_type(value);
    struct str name;
    struct json_ref item;
    if (type == JSON_STRING) json_put_str(w, json_ref_text(value));
    else if (type == JSON_NUMBER) json_put_raw(w, json_ref_text(value));
    else if (type < JSON_ARRAY) json_put_raw(w, str_z(FIXED[type]));
    if (type < JSON_ARRAY) return;
    if (type == JSON_ARRAY) json_put_array(w);
    else json_put_object(w);
    for (struct json_walk walk = json_walk(value); json_walk_next(&walk, &name, &item);) {
        if (type == JSON_OBJECT) json_put_name(w, name);
        put_json(item, w);
    }
    json_put_end(w);
}

static void write_json(struct json_ref keys, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_put_name(&w, S("keys"));
    put_json(keys, &w);
    json_put_end(&w);
    json_write_done(&w);
}

static void write_yaml(struct json_ref keys, struct buf *out)
{
    buf_str(out, S("# What the API made. Secrets are not part of it: they are stored as digests only.\nkeys:"));
    put_yaml(keys, 2, out);
}

static int export(int argc, char **argv)
{
    struct asked a = {0};
    struct cli_answer answer;
    struct json_doc *doc = NULL;
    struct buf out;
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(a.common), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    enum err e = cli_admin_call(&a.common, S("GET"), S("/admin/v1/keys"), STR_NONE, &answer, &why);
    if (e == OK) e = cli_document(&answer, &doc, &why);
    buf_done(&answer.body);
    if (e != OK) return cli_fail(&why);
    struct json_ref keys = json_ref_find(json_doc_root(doc), "data");
    buf_init(&out, OUT_MAX);
    if (a.common.json) write_json(keys, &out);
    else write_yaml(keys, &out);
    json_doc_free(doc);
    put_out(&out);
    return 0;
}

const struct cli_command cli_config_commands[] = {
    {"show", "", "every value and where it comes from", "A source is a file and line, or 'default'.", show, NULL},
    {"check", "[FILE]", "is the file right? Errors name line, key and what would be right",
     "Exit status 0: it is. 1: it is not, and a running Aquifer would not take it.", check, NULL},
    {"explain", "[KEY]", "what a key means, its type and default; without KEY all of them", NULL, explain, NULL},
    {"export", "", "what the API made (keys), as YAML without secrets", NULL, export, NULL},
    {0},
};
