/* POST /admin/v1/restore: a backup into the place of the database while all goes on. The slow part, copying and checking, runs
 * in lane REPORTS; the change itself in lane DESK, where nobody else touches the database meanwhile. */
#include "admin/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct str data_of(const struct control *c)
{
    struct str data = str_z(c->reports_path); /* DATA/aquifer.db */
    data.n -= strlen("/aquifer.db");
    return data;
}

static enum err read_path(struct call *c, struct fault *why)
{
    struct json_doc *doc;
    TRY(call_document(c, &doc, why));
    struct str path = json_ref_text(json_ref_find(json_doc_root(doc), "path"));
    bool good = path.n && path.p[0] == '/' && !memchr(path.p, '\0', path.n) && path.n < 4000;
    bool kept = good && arena_str(&c->arena, path, &c->backup);
    json_doc_free(doc);
    return kept ? OK : FAIL(why, ERR_BAD_REQUEST, "path must be the absolute path of a backup on Aquifer's machine");
}

enum err restore_check(struct call *c, struct fault *why)
{
    char data[4096], path[4200], backup[4096];
    TRY(read_path(c, why));
    snprintf(data, sizeof data, "%.*s", STR_ARG(data_of(c->control)));
    snprintf(path, sizeof path, "%s/" LEDGER_RESTORING "-%.8s", data, c->request_id);
    snprintf(backup, sizeof backup, "%.*s", STR_ARG(c->backup));
    TRY(ledger_restore_check(data, backup, path, why));
    if (arena_str(&c->arena, str_make(path, strlen(path) + 1), &c->copy)) return OK;
    store_remove(path);
    return FAIL(why, ERR_LIMIT, "the path is too long");
}

enum err restore_take(struct call *c, struct fault *why)
{
    struct json_writer w;
    TRY(desk_restore(&c->control->desk, c->copy.p, why));
    LOG(LOG_WARN, "restore.done", "a backup has taken the database's place", F_STR("backup", c->backup),
        F_Z("request", c->request_id));
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("restored"), c->backup);
    json_add_str(&w, S("kept"), S("aquifer.db.before-restore"));
    json_put_end(&w);
    json_write_done(&w);
    return OK;
}

/* ---- the desk ------------------------------------------------------------------------------------------------------------ */

/* The database is another one now. What cannot be read again of it would leave keys in force that it does not know: then
 * this process ends, and the next one reads all of it from the start, as after a crash. */
static void read_again(struct desk *d)
{
    struct fault why = {0};
    ledger_ingest_free(d->ingest);
    d->ingest = NULL;
    keys_done(d);
    map_init(&d->by_id);
    enum err got = keys_load(d, &why);
    if (got == OK) got = ledger_correct_spend(d->store, d->board, &why);
    if (got == OK) return;
    LOG(LOG_ERROR, "restore.restart", "the restored database could not be read; control starts again", F_Z("why", why.text));
    _exit(1);
}

enum err desk_restore(struct desk *d, const char *copy, struct fault *why)
{
    char data[4096];
    enum err got = desk_ingest(d, why); /* what is booked until here belongs to the former database */
    if (got == OK || got == ERR_PARSE) got = ledger_correct_spend(d->store, d->board, why);
    if (got == OK) {
        snprintf(data, sizeof data, "%.*s", STR_ARG(d->config->data));
        got = ledger_restore_take(d->ingest, data, copy, why);
    } else {
        store_remove(copy);
    }
    if (got == ERR_STORE) {
        struct fault what = *why;
        return FAIL(why, ERR_STORE, "nothing was restored: %.180s. Should the database be damaged: stop Aquifer, then restore",
                    what.text);
    }
    if (got != OK) return got;
    read_again(d);
    d->unpublished = desk_publish(d, why) != OK; /* the poll goes on trying */
    return d->unpublished
               ? FAIL(why, ERR_NOT_READY, "the backup is in place, but the gateways do not have its keys yet; it is tried again")
               : desk_ingest(d, why);
}
