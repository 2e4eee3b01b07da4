/* aquifer usage: tokens and cost by key, model and day. */
#include "cli/priv.h"

#include <stdio.h>

struct asked {
    struct cli_common common;
    const char *from, *to, *key, *route, *project;
};

static void put_query(struct buf *path, const char *name, const char *value)
{
    if (!value) return;
    buf_fmt(path, "%c%s=", memchr(path->p, '?', path->n) ? '&' : '?', name);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._~", *p);
        if (plain) buf_char(path, (char)*p);
        else buf_fmt(path, "%%%02X", *p);
    }
}

static struct str text_of(struct json_ref r, const char *name)
{
    struct json_ref value = json_ref_find(r, name);
    return json_ref_ok(value) ? json_ref_text(value) : S("0");
}

static bool is_some(struct json_ref r, const char *name) { return !str_eq(text_of(r, name), S("0")); }

static const char *plural(struct json_ref r, const char *name) { return str_eq(text_of(r, name), S("1")) ? "" : "s"; }

/* A cost that nobody knows is no 0: the sum is only of what is known. */
static void write_cost(struct json_ref row, struct buf *out)
{
    bool unknown = is_some(row, "unknown_cost_requests");
    bool all = str_eq(text_of(row, "unknown_cost_requests"), text_of(row, "requests"));
    if (unknown && all) buf_str(out, S("unknown"));
    else buf_fmt(out, "%.*s%s", STR_ARG(text_of(row, "cost")), unknown ? " + unknown" : "");
}

static void print_estimated(struct json_ref total)
{
    if (!is_some(total, "estimated_requests")) return;
    printf("estimated: %.*s request%s of them with %.*s input and %.*s output tokens, %.*s dollars; providers did not tell all "
           "of it\n",
           STR_ARG(text_of(total, "estimated_requests")), plural(total, "estimated_requests"),
           STR_ARG(text_of(total, "estimated_input_tokens")), STR_ARG(text_of(total, "estimated_output_tokens")),
           STR_ARG(text_of(total, "estimated_cost")));
    if (is_some(total, "interrupted_requests"))
        printf("interrupted: %.*s request%s of the estimated; the gateway died under %s\n",
               STR_ARG(text_of(total, "interrupted_requests")), plural(total, "interrupted_requests"),
               *plural(total, "interrupted_requests") ? "them" : "it");
}

static void print_total(struct json_ref total)
{
    struct buf cost;
    buf_init(&cost, 256);
    write_cost(total, &cost);
    printf("\ntotal: %.*s request%s, %.*s input and %.*s output tokens, %s dollars\n", STR_ARG(text_of(total, "requests")),
           plural(total, "requests"), STR_ARG(text_of(total, "input_tokens")), STR_ARG(text_of(total, "output_tokens")),
           buf_z(&cost));
    buf_done(&cost);
    print_estimated(total);
    if (!is_some(total, "unknown_cost_requests")) return;
    printf("unknown cost: %.*s request%s with %.*s input and %.*s output tokens; their models had no price\n",
           STR_ARG(text_of(total, "unknown_cost_requests")), plural(total, "unknown_cost_requests"),
           STR_ARG(text_of(total, "unknown_cost_input_tokens")), STR_ARG(text_of(total, "unknown_cost_output_tokens")));
}

static int print_report(const struct cli_answer *a)
{
    static const struct cli_column COLUMNS[] = {
        {"DAY", "day", false, NULL},           {"KEY", "key", false, NULL},
        {"MODEL", "model", false, NULL},       {"REQUESTS", "requests", true, NULL},
        {"INPUT", "input_tokens", true, NULL}, {"OUTPUT", "output_tokens", true, NULL},
        {"COST $", "cost", true, write_cost},  {"ESTIMATED $", "estimated_cost", true, NULL},
    };
    struct json_doc *doc;
    struct fault why = {0};
    if (json_doc_read(S("the admin API's answer"), buf_view(&a->body), &doc, &why) != OK) return cli_fail(&why);
    struct json_ref root = json_doc_root(doc), total = json_ref_find(root, "total");
    cli_table(COLUMNS, COUNTOF(COLUMNS) - !is_some(total, "estimated_requests"), json_ref_find(root, "data"));
    print_total(total);
    json_doc_free(doc);
    return 0;
}

int cli_usage(int argc, char **argv)
{
    struct asked q = {0};
    struct cli_answer a;
    struct fault why = {0};
    const struct cli_option options[] = {
        CLI_COMMON(q.common),
        {"--from", "DAY", "first day, 2026-11-01 (UTC; default: the oldest there is)", &q.from},
        {"--to", "DAY", "last day (default: today)", &q.to},
        {"--key", "ID", "one key only", &q.key},
        {"--model", "NAME", "one route only", &q.route},
        {"--project", "NAME", "the keys of one project only", &q.project},
        {0},
    };
    if (!cli_options(argc, argv, options, NULL)) return 2;
    struct buf path;
    buf_init(&path, KIB(4));
    buf_str(&path, S("/admin/v1/usage"));
    put_query(&path, "from", q.from);
    put_query(&path, "to", q.to);
    put_query(&path, "key", q.key);
    put_query(&path, "route", q.route);
    put_query(&path, "project", q.project);
    enum err e = cli_admin_call(&q.common, S("GET"), buf_view(&path), STR_NONE, &a, &why);
    int status = e == OK ? 0 : cli_fail(&why);
    if (e == OK && q.common.json) cli_print_body(&a.body);
    if (e == OK && !q.common.json) status = print_report(&a);
    buf_done(&a.body);
    buf_done(&path);
    return status;
}
