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

static int print_report(const struct cli_answer *a)
{
    static const struct cli_column COLUMNS[] = {
        {"DAY", "day", false},          {"KEY", "key", false},           {"MODEL", "model", false},
        {"REQUESTS", "requests", true}, {"INPUT", "input_tokens", true}, {"OUTPUT", "output_tokens", true},
        {"COST $", "cost", true},
    };
    struct json_doc *doc;
    struct fault why = {0};
    if (json_doc_read(S("the admin API's answer"), buf_view(&a->body), &doc, &why) != OK) return cli_fail(&why);
    struct json_ref root = json_doc_root(doc), total = json_ref_find(root, "total");
    cli_table(COLUMNS, COUNTOF(COLUMNS), json_ref_find(root, "data"));
    struct str requests = json_ref_text(json_ref_find(total, "requests"));
    printf("\ntotal: %.*s request%s, %.*s input and %.*s output tokens, %.*s dollars\n", STR_ARG(requests),
           str_eq(requests, S("1")) ? "" : "s", STR_ARG(json_ref_text(json_ref_find(total, "input_tokens"))),
           STR_ARG(json_ref_text(json_ref_find(total, "output_tokens"))), STR_ARG(json_ref_text(json_ref_find(total, "cost"))));
    struct json_ref unknown = json_ref_find(total, "unknown_cost_requests");
    struct str n = json_ref_ok(unknown) ? json_ref_text(unknown) : STR_NONE;
    if (str_eq(n, S("1"))) puts("1 request has no known cost: its model has no price");
    else if (n.n && !str_eq(n, S("0"))) printf("%.*s requests have no known cost: their models have no price\n", STR_ARG(n));
    json_doc_free(doc);
    return 0;
}

int cli_usage(int argc, char **argv)
{
    struct asked q = {0};
    struct cli_words words;
    struct cli_answer a;
    struct fault why = {0};
    const struct cli_option options[] = {
        CLI_COMMON(q.common),
        {"--from", "DAY", "first day, 2026-11-01 (UTC; default: this month's first)", &q.from},
        {"--to", "DAY", "last day (default: today)", &q.to},
        {"--key", "ID", "one key only", &q.key},
        {"--model", "NAME", "one route only", &q.route},
        {"--project", "NAME", "the keys of one project only", &q.project},
        {0},
    };
    if (!cli_options(argc, argv, options, &words)) return 2;
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
