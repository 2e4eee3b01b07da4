/* The feed: rows in memory that a statement reads as a table, so that many go in with one statement. To SQLite it is a virtual
 * table `feed` with columns c1, c2 …, there for the time of one store_exec_feed() and empty at any other.
 * Called by ingest. Owns nothing but its cursors. Runs in control, on a thread that may block. */
#include <stdlib.h>

#include "store/priv.h"

#define COLUMNS "c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,c17,c18,c19,c20,c21,c22,c23,c24"

struct feed_table {
    sqlite3_vtab base; /* first: SQLite knows no more of it */
    struct store *store;
};

struct feed_cursor {
    sqlite3_vtab_cursor base; /* first, too */
    struct store_feed *feed;  /* NULL: there are no more rows */
    int64_t row;
    struct store_value values[STORE_FEED_COLUMNS];
};

static struct feed_cursor *cursor_of(sqlite3_vtab_cursor *c) { return CONTAINER_OF(c, struct feed_cursor, base); }

static int feed_connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error)
{
    (void)argc, (void)argv, (void)ret_error;
    int code = sqlite3_declare_vtab(db, "CREATE TABLE feed (" COLUMNS ")");
    if (code != SQLITE_OK) return code;
    struct feed_table *t = mem_alloc(sizeof *t);
    t->store = store;
    *ret_table = &t->base;
    return SQLITE_OK;
}

static int feed_disconnect(sqlite3_vtab *t)
{
    free(CONTAINER_OF(t, struct feed_table, base));
    return SQLITE_OK;
}

static int feed_plan(sqlite3_vtab *t, sqlite3_index_info *plan)
{
    (void)t;
    plan->estimatedCost = 1;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *t, sqlite3_vtab_cursor **ret_cursor)
{
    (void)t;
    struct feed_cursor *c = mem_alloc(sizeof *c);
    *ret_cursor = &c->base;
    return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *c)
{
    free(cursor_of(c));
    return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *cursor)
{
    struct feed_cursor *c = cursor_of(cursor);
    c->row++;
    if (c->feed && !c->feed->next(c->feed, c->values)) c->feed = NULL;
    return SQLITE_OK;
}

static int feed_begin(sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc, sqlite3_value **argv)
{
    (void)plan, (void)name, (void)argc, (void)argv;
    cursor_of(cursor)->feed = CONTAINER_OF(cursor->pVtab, struct feed_table, base)->store->feed;
    return feed_next(cursor);
}

static int feed_is_over(sqlite3_vtab_cursor *c) { return cursor_of(c)->feed == NULL; }

/* SQLite copies nothing: a row is written before the next one is asked for. */
static int feed_column(sqlite3_vtab_cursor *c, sqlite3_context *out, int column)
{
    const struct store_value *v = &cursor_of(c)->values[column];
    const char *p = v->bytes.p ? v->bytes.p : "";
    if (v->type == STORE_I64) sqlite3_result_int64(out, v->i64);
    else if (v->type == STORE_TEXT) sqlite3_result_text64(out, p, v->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
    else if (v->type == STORE_BLOB) sqlite3_result_blob64(out, p, v->bytes.n, SQLITE_STATIC);
    return SQLITE_OK; /* NULL is what stands there already */
}

static int feed_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *ret_row)
{
    *ret_row = cursor_of(c)->row;
    return SQLITE_OK;
}

/* Without xCreate it is there by itself, and no schema can name it. */
static const sqlite3_module FEED = {
    .xConnect = feed_connect,
    .xBestIndex = feed_plan,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_begin,
    .xNext = feed_next,
    .xEof = feed_is_over,
    .xColumn = feed_column,
    .xRowid = feed_rowid,
};

int store_feed_offer(struct store *s) { return sqlite3_create_module(s->db, "feed", &FEED, s); }

enum err store_exec_feed(struct store *s, const char *sql, struct store_feed *feed, uint64_t *ret_changed, struct fault *why)
{
    s->feed = feed;
    enum err e = store_exec(s, sql, NULL, ret_changed, why);
    s->feed = NULL;
    return e;
}
