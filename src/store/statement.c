/* Statements with typed values in and typed columns out; each text is prepared once per connection and kept.
 * Called by every user of the store. Owns the kept statements. Runs in control, on a thread that may block. */
#include <stdlib.h>

#include "store/priv.h"

static const char READING[] = "cannot read the database", WRITING[] = "cannot write to the database";

static const char *doing_of(sqlite3_stmt *statement) { return sqlite3_stmt_readonly(statement) ? READING : WRITING; }

static enum err prepare(struct store *s, const char *sql, sqlite3_stmt **ret_statement, struct fault *why)
{
    int code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);
    return code == SQLITE_OK ? OK : store_fail(s, code, READING, why);
}

/* Most often it is the very text that was prepared; another of the same words is as good. */
static struct kept *kept_find(struct store *s, const char *sql)
{
    for (uint32_t i = 0; i < s->n_kept; i++)
        if (s->kept[i].sql == sql) return &s->kept[i];
    for (uint32_t i = 0; i < s->n_kept; i++)
        if (strcmp(s->kept[i].sql, sql) == 0) return &s->kept[i];
    return NULL;
}

/* A statement whose rows are still being read is prepared a second time, for this one use. */
static enum err statement_take(struct store *s, const char *sql, struct store_rows *ret_rows, struct fault *why)
{
    struct kept *k = kept_find(s, sql);
    sqlite3_stmt *statement = k && !k->busy ? k->statement : NULL;
    if (!statement) TRY(prepare(s, sql, &statement, why));
    if (!k && s->n_kept < STORE_KEPT) {
        k = &s->kept[s->n_kept++];
        *k = (struct kept){.sql = sql, .statement = statement};
    }
    *ret_rows = (struct store_rows){.store = s, .statement = statement, .kept = k && k->statement == statement};
    if (ret_rows->kept) k->busy = true;
    return OK;
}

void store_rows_done(struct store_rows *r)
{
    sqlite3_stmt *statement = r->statement;
    if (!statement) return;
    r->statement = NULL;
    if (!r->kept) {
        sqlite3_finalize(statement);
        return;
    }
    sqlite3_reset(statement); /* its values stay until the next use, which binds all anew */
    for (uint32_t i = 0; i < r->store->n_kept; i++)
        if (r->store->kept[i].statement == statement) r->store->kept[i].busy = false;
}

static const char *not_null(struct str s) { return s.p ? s.p : ""; }

static int bind_one(sqlite3_stmt *statement, int at, const struct store_value *v)
{
    switch (v->type) {
    case STORE_I64: return sqlite3_bind_int64(statement, at, v->i64);
    case STORE_TEXT: return sqlite3_bind_text64(statement, at, not_null(v->bytes), v->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
    case STORE_BLOB: return sqlite3_bind_blob64(statement, at, not_null(v->bytes), v->bytes.n, SQLITE_STATIC);
    case STORE_NULL:
    case STORE_END: break;
    }
    return sqlite3_bind_null(statement, at);
}

static enum err bind_all(struct store_rows *r, const struct store_value *binds, struct fault *why)
{
    int n = 0;
    for (const struct store_value *v = binds; v && v->type != STORE_END; v++) {
        int code = bind_one(r->statement, ++n, v);
        if (code != SQLITE_OK) return store_fail(r->store, code, doing_of(r->statement), why);
    }
    must(n == sqlite3_bind_parameter_count(r->statement));
    return OK;
}

enum err store_query(struct store *s, const char *sql, const struct store_value *binds, struct store_rows *ret_rows,
                     struct fault *why)
{
    *ret_rows = (struct store_rows){.store = s};
    TRY(statement_take(s, sql, ret_rows, why));
    enum err e = bind_all(ret_rows, binds, why);
    if (e != OK) store_rows_done(ret_rows);
    return e;
}

enum err store_next(struct store_rows *r, bool *ret_more, struct fault *why)
{
    *ret_more = false;
    must(r->statement);
    int code = sqlite3_step(r->statement);
    if (code == SQLITE_ROW) *ret_more = true;
    if (code == SQLITE_ROW) return OK;
    enum err e = code == SQLITE_DONE ? OK : store_fail(r->store, code, doing_of(r->statement), why);
    store_rows_done(r);
    return e;
}

enum err store_exec(struct store *s, const char *sql, const struct store_value *binds, uint64_t *ret_changed, struct fault *why)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more = true;
    sqlite3_int64 before = sqlite3_total_changes64(s->db);
    TRY(store_query(s, sql, binds, &rows, why));
    while (more) TRY(store_next(&rows, &more, why));
    if (ret_changed) *ret_changed = (uint64_t)(sqlite3_total_changes64(s->db) - before);
    return OK;
}

enum err store_get_i64(struct store *s, const char *sql, const struct store_value *binds, int64_t *ret_value, struct fault *why)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more;
    *ret_value = 0;
    TRY(store_query(s, sql, binds, &rows, why));
    TRY(store_next(&rows, &more, why));
    if (more) *ret_value = store_i64(&rows, 0);
    return OK;
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

bool store_is_null(const struct store_rows *r, unsigned column)
{
    return sqlite3_column_type(r->statement, (int)column) == SQLITE_NULL;
}

int64_t store_i64(const struct store_rows *r, unsigned column) { return sqlite3_column_int64(r->statement, (int)column); }

struct str store_text(const struct store_rows *r, unsigned column)
{
    const unsigned char *p = sqlite3_column_text(r->statement, (int)column);
    return str_make((const char *)p, p ? (size_t)sqlite3_column_bytes(r->statement, (int)column) : 0);
}

struct str store_blob(const struct store_rows *r, unsigned column)
{
    const void *p = sqlite3_column_blob(r->statement, (int)column);
    return str_make(p, p ? (size_t)sqlite3_column_bytes(r->statement, (int)column) : 0);
}
