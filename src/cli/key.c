/* aquifer key create|list|revoke|rotate. */
#include "cli/priv.h"

#include <stdio.h>

struct create {
    struct cli_common common;
    const char *name, *project, *expires, *routes, *requests, *tokens, *concurrency, *day, *month, *metadata, *aws;
};

static void add_routes(struct json_writer *w, struct str list)
{
    struct str one;
    json_add_array(w, S("routes"));
    while (list.n) {
        str_cut(list, ',', &one, &list);
        json_put_str(w, str_trim(one));
    }
    json_put_end(w);
}

/* What is no number is told here, by the option's name; how large it may be the API says. */
static int refuse_numbers(const struct create *c)
{
    const struct {
        const char *name, *text;
        bool money;
    } numbers[] = {{"--requests-per-minute", c->requests, false},
                   {"--tokens-per-minute", c->tokens, false},
                   {"--concurrency", c->concurrency, false},
                   {"--spend-day", c->day, true},
                   {"--spend-month", c->month, true}};
    uint64_t whole;
    money exact;
    for (unsigned i = 0; i < COUNTOF(numbers); i++) {
        const char *text = numbers[i].text;
        if (!text || (numbers[i].money ? money_parse(str_z(text), &exact) : str_u64(str_z(text), &whole))) continue;
        return cli_wrong_use(numbers[i].money ? "key create: %s must be dollars, as 25.50, not '%s'"
                                              : "key create: %s must be a whole number, as 60, not '%s'",
                             numbers[i].name, text);
    }
    return 0;
}

static void add_number(struct json_writer *w, struct str name, const char *text)
{
    uint64_t whole;
    if (!text) return;
    if (str_u64(str_z(text), &whole)) json_add_u64(w, name, whole); /* 007 is no JSON */
    else json_add_raw(w, name, str_z(text));
}

static void write_create(const struct create *c, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("name"), str_z(c->name));
    if (c->project) json_add_str(&w, S("project"), str_z(c->project));
    if (c->expires) json_add_str(&w, S("expires"), str_z(c->expires));
    if (c->routes) add_routes(&w, str_z(c->routes));
    json_add_object(&w, S("limits"));
    add_number(&w, S("requests_per_minute"), c->requests);
    add_number(&w, S("tokens_per_minute"), c->tokens);
    add_number(&w, S("concurrency"), c->concurrency);
    add_number(&w, S("spend_day"), c->day);
    add_number(&w, S("spend_month"), c->month);
    json_put_end(&w);
    if (c->aws) json_add_bool(&w, S("aws"), true);
    if (c->metadata) json_add_raw(&w, S("metadata"), str_z(c->metadata));
    json_put_end(&w);
}

static struct str member(struct json_doc *doc, const char *name)
{
    struct json_ref r = json_ref_find(json_doc_root(doc), name);
    return json_ref_ok(r) ? json_ref_text(r) : STR_NONE;
}

static const char *const SHOWN[] = {"key", "id", "name", "access_key_id", "secret_access_key"};

static void print_shown(struct json_doc *doc)
{
    static const char *const LABELS[COUNTOF(SHOWN)] = {"key", "id", "name", "access key id", "secret access key"};
    for (unsigned i = 0; i < COUNTOF(SHOWN); i++) {
        struct str value = member(doc, SHOWN[i]);
        if (value.n) printf("%-18s %.*s\n", LABELS[i], STR_ARG(value));
    }
    puts("\nThis is the only time the secrets are shown: store them now.");
}

/* {"key","id","name",…} for programs; for people the same with the word that it is shown once. */
static int show_key(const struct cli_common *c, const struct cli_answer *a)
{
    struct json_doc *doc;
    struct fault why = {0};
    if (cli_document(a, &doc, &why) != OK) return cli_fail(&why);
    if (c->json) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, KIB(64));
        json_write(&w, &out);
        json_put_object(&w);
        for (unsigned i = 0; i < COUNTOF(SHOWN); i++)
            if (member(doc, SHOWN[i]).n) json_add_str(&w, str_z(SHOWN[i]), member(doc, SHOWN[i]));
        json_put_end(&w);
        cli_print_body(&out);
        buf_done(&out);
    } else {
        print_shown(doc);
    }
    json_doc_free(doc);
    return 0;
}

static int finish_key(const struct cli_common *c, enum err e, struct cli_answer *a, const struct fault *why)
{
    int status = e == OK ? show_key(c, a) : cli_fail(why);
    buf_done(&a->body);
    return status;
}

static int create(int argc, char **argv)
{
    struct create c = {0};
    struct cli_answer a;
    struct fault why = {0};
    const struct cli_option options[] = {
        CLI_COMMON(c.common),
        {"--name", "NAME", "who uses it; shown in reports", &c.name},
        {"--project", "NAME", "whose conversations it shares (default: default)", &c.project},
        {"--expires", "WHEN", "2027-01-31T00:00:00Z, or from now: 90d, 12h (default: never)", &c.expires},
        {"--routes", "A,B*", "the routes it may call (default: all)", &c.routes},
        {"--requests-per-minute", "N", "limit", &c.requests},
        {"--tokens-per-minute", "N", "limit", &c.tokens},
        {"--concurrency", "N", "requests at the same time", &c.concurrency},
        {"--spend-day", "DOLLARS", "spend cap a day (UTC)", &c.day},
        {"--spend-month", "DOLLARS", "spend cap a month (UTC)", &c.month},
        {"--metadata", "JSON", "an object of your own", &c.metadata},
        {"--aws", NULL, "with an AWS key pair, for clients that sign (Signature Version 4)", &c.aws},
        {0},
    };
    if (!cli_options(argc, argv, options, NULL)) return 2;
    if (!c.name) {
        fputs("aquifer key create: --name NAME is needed\n", stderr);
        return 2;
    }
    if (refuse_numbers(&c)) return 2;
    struct buf body;
    buf_init(&body, KIB(256));
    write_create(&c, &body);
    enum err e = cli_admin_call(&c.common, S("POST"), S("/admin/v1/keys"), buf_view(&body), &a, &why);
    buf_done(&body);
    return finish_key(&c.common, e, &a, &why);
}

static void print_list(const struct cli_answer *a)
{
    static const struct cli_column COLUMNS[] = {{"ID", "id", false},           {"NAME", "name", false},
                                                {"PROJECT", "project", false}, {"CREATED", "created", false},
                                                {"EXPIRES", "expires", false}, {"REVOKED", "revoked", false}};
    struct json_doc *doc;
    struct fault why = {0};
    if (cli_document(a, &doc, &why) != OK) {
        cli_fail(&why);
        return;
    }
    cli_table(COLUMNS, COUNTOF(COLUMNS), json_ref_find(json_doc_root(doc), "data"));
    json_doc_free(doc);
}

static int list(int argc, char **argv)
{
    struct cli_common c = {0};
    struct cli_answer a;
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(c), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    enum err e = cli_admin_call(&c, S("GET"), S("/admin/v1/keys"), STR_NONE, &a, &why);
    if (e == OK && c.json) cli_print_body(&a.body);
    if (e == OK && !c.json) print_list(&a);
    buf_done(&a.body);
    return e == OK ? 0 : cli_fail(&why);
}

/* An id goes into a path: letters and digits only. */
static bool is_id(const char *id)
{
    for (const char *p = id; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))) return false;
    return *id && strlen(id) <= 24;
}

static int need_id(const char *command)
{
    fprintf(stderr, "aquifer key %s: the key's id is needed (see 'aquifer key list')\n", command);
    return 2;
}

static int revoke(int argc, char **argv)
{
    struct cli_common c = {0};
    struct cli_words words;
    struct cli_answer a;
    struct fault why = {0};
    char path[64];
    const struct cli_option options[] = {CLI_COMMON(c), {0}};
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n != 1 || !is_id(words.at[0])) return need_id("revoke");
    snprintf(path, sizeof path, "/admin/v1/keys/%s", words.at[0]);
    enum err e = cli_admin_call(&c, S("DELETE"), str_z(path), STR_NONE, &a, &why);
    if (e == OK && c.json) cli_print_body(&a.body);
    if (e == OK && !c.json) printf("key %s is revoked\n", words.at[0]);
    buf_done(&a.body);
    return e == OK ? 0 : cli_fail(&why);
}

static int rotate(int argc, char **argv)
{
    struct cli_common c = {0};
    const char *grace = NULL;
    struct cli_words words;
    struct cli_answer a;
    struct fault why = {0};
    char path[64];
    const struct cli_option options[] = {
        CLI_COMMON(c), {"--grace", "TIME", "how long the old key goes on: 10m, 24h (default: not at all)", &grace}, {0}};
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n != 1 || !is_id(words.at[0])) return need_id("rotate");
    struct buf body;
    struct json_writer w;
    buf_init(&body, KIB(4));
    json_write(&w, &body);
    json_put_object(&w);
    if (grace) json_add_str(&w, S("grace"), str_z(grace));
    json_put_end(&w);
    snprintf(path, sizeof path, "/admin/v1/keys/%s/rotate", words.at[0]);
    enum err e = cli_admin_call(&c, S("POST"), str_z(path), buf_view(&body), &a, &why);
    buf_done(&body);
    return finish_key(&c, e, &a, &why);
}

const struct cli_command cli_key_commands[] = {
    {"create", "--name NAME", "make a key and show it, once", "Limits that are not given do not exist.", create, NULL},
    {"list", "", "all keys: who, since when, until when", NULL, list, NULL},
    {"revoke", "ID", "the key opens nothing any more, everywhere within a second", NULL, revoke, NULL},
    {"rotate", "ID", "a new secret for the same key", NULL, rotate, NULL},
    {0},
};
