/* Usage, attempts and backups. Run in lane REPORTS, after an ingest in lane DESK, so that a report is never older than the
 * last request that had finished when it was asked for. */
#include "admin/priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The lane's own connection, made at its first use: the desk has migrated the database by then. */
static enum err reports_store(struct control *c, struct store **ret_store, struct fault *why)
{
    if (!c->reports) TRY(store_open(&(struct store_options){.path = c->reports_path, .read_only = true}, &c->reports, why));
    *ret_store = c->reports;
    return OK;
}

static enum err read_day(struct call *c, const char *name, int32_t fallback, int32_t *ret_day, struct fault *why)
{
    struct str text;
    *ret_day = fallback;
    TRY(call_query(c, name, &text, why));
    if (text.n && !clock_parse_day(text, ret_day)) return FAIL(why, ERR_BAD_REQUEST, "%s must be a UTC day, as 2026-11-23", name);
    return OK;
}

static enum err read_query(struct call *c, struct ledger_query *q, struct fault *why)
{
    TRY(read_day(c, "from", 0, &q->from_day, why));
    TRY(read_day(c, "to", INT32_MAX, &q->to_day, why));
    TRY(call_query(c, "key", &q->key_id, why));
    TRY(call_query(c, "route", &q->route, why));
    TRY(call_query(c, "project", &q->project, why));
    if (q->from_day > q->to_day) return FAIL(why, ERR_BAD_REQUEST, "from lies behind to");
    return OK;
}

enum err report_usage(struct call *c, struct fault *why)
{
    struct ledger_query q;
    struct store *s;
    TRY(read_query(c, &q, why));
    TRY(reports_store(c->control, &s, why));
    return ledger_report(s, &q, &c->out, why);
}

enum err report_attempts(struct call *c, struct fault *why)
{
    struct ledger_query q;
    struct store *s;
    struct str text;
    uint64_t limit = 100;
    TRY(read_query(c, &q, why));
    TRY(call_query(c, "limit", &text, why));
    if (text.n && (!str_u64(text, &limit) || limit == 0 || limit > 10000))
        return FAIL(why, ERR_BAD_REQUEST, "limit must be 1 to 10000");
    TRY(reports_store(c->control, &s, why));
    return ledger_attempts(s, &q, (unsigned)limit, &c->out, why);
}

/* Whoever sends a path here would look for the backup there. */
static enum err want_nothing(struct call *c, struct fault *why)
{
    static const char *const NAMES[] = {NULL};
    struct json_doc *doc;
    if (c->body.n == 0) return OK;
    TRY(call_document(c, &doc, why));
    enum err got = json_ref_want(json_doc_root(doc), JSON_OBJECT, why);
    if (got == OK) got = json_ref_only(json_doc_root(doc), NAMES, why);
    json_doc_free(doc);
    return got;
}

/* Into DATA/backups, under a name with the time: the API writes nowhere else. */
enum err report_backup(struct call *c, struct fault *why)
{
    char dir[4096], path[4200], now[25];
    struct store *s;
    struct json_writer w;
    struct str data = str_z(c->control->reports_path); /* DATA/aquifer.db */
    data.n -= strlen("/aquifer.db");
    TRY(want_nothing(c, why));
    snprintf(dir, sizeof dir, "%.*s/backups", STR_ARG(data));
    TRY(desk_make_dir(dir, why));
    clock_rfc3339(clock_wall_ms(), now);
    for (char *p = now; *p; p++)
        if (*p == ':') *p = '-';
    snprintf(path, sizeof path, "%s/aquifer-%s-%.6s.db", dir, now, c->request_id);
    TRY(reports_store(c->control, &s, why));
    TRY(store_backup(s, path, why));
    LOG(LOG_INFO, "backup.written", "a backup was written", F_Z("path", path), F_Z("request", c->request_id));
    c->status = 201;
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("path"), str_z(path));
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}
