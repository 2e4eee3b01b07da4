/* store: the database behind one small door; SQLite in WAL mode today, PostgreSQL behind the same door later. Only control
 * (and offline commands) open it. Blocking: never on an event loop. One connection belongs to one thread at a time.
 *
 * Errors: ERR_STORE with a text that says what to do (full disk, read-only, locked, damaged, newer version); ERR_EXISTS when
 * a row breaks a unique constraint. After an error inside a transaction the transaction is to be rolled back. */
#pragma once

#include "base/base.h"

struct store;

struct store_options {
    const char *path; /* DATA/aquifer.db; made with mode 0600 when it is missing and not read_only */
    uint32_t busy_ms; /* how long to wait for another writer; 0: 5,000 */
    bool read_only;   /* never creates, never migrates */
    bool must_exist;  /* never creates */
};
MUST_USE enum err store_open(const struct store_options *o, struct store **ret_store, struct fault *why);
void store_close(struct store *s); /* NULL is fine */

/* Brings the tables forward to this program's version, one transaction per step. A database that a newer program wrote is
 * refused untouched. The tables are in migrations.c, each with its meaning. */
MUST_USE enum err store_migrate(struct store *s, struct fault *why);
/* The number of the newest migration in the database (0: empty) and in this program. */
MUST_USE enum err store_version(struct store *s, uint32_t *ret_version, struct fault *why);
extern const uint32_t store_version_newest;

/* ---- values --------------------------------------------------------------------------------------------------------- */

enum store_type { STORE_END, STORE_NULL, STORE_I64, STORE_TEXT, STORE_BLOB };
struct store_value {
    enum store_type type;
    int64_t i64;
    struct str bytes; /* borrowed until the call returns (store_rows: until store_rows_done) */
};
#define V_I64(v) ((struct store_value){.type = STORE_I64, .i64 = (int64_t)(v)})
#define V_TEXT(s) ((struct store_value){.type = STORE_TEXT, .bytes = (s)})
#define V_BLOB(s) ((struct store_value){.type = STORE_BLOB, .bytes = (s)})
#define V_NULL ((struct store_value){.type = STORE_NULL})
#define V_OPT_I64(has, v) ((has) ? V_I64(v) : V_NULL)
/* The values for ?1, ?2 … (NULL: none): store_exec(s, "DELETE FROM t WHERE id = ?1", BINDS(V_TEXT(id)), NULL, why). */
#define BINDS(...) ((const struct store_value[]){__VA_ARGS__ __VA_OPT__(, ){.type = STORE_END}})

/* ---- statements; `sql` is a constant of the program: prepared once per connection and kept ------------------------------ */

/* One statement without rows. ret_changed (may be NULL): how many rows it inserted, changed or deleted. */
MUST_USE enum err store_exec(struct store *s, const char *sql, const struct store_value *binds, uint64_t *ret_changed,
                             struct fault *why);

/* Rows:  struct store_rows rows;
 *        TRY(store_query(s, "SELECT …", BINDS(…), &rows, why));
 *        while ((e = store_next(&rows, &more, why)) == OK && more) … store_i64(&rows, 0) …
 *        store_rows_done(&rows);
 * or with CLEANUP(store_rows_done), which also makes an early return right. */
struct store_rows {
    struct store *store;
    void *statement; /* NULL: done */
    bool kept;       /* the connection keeps the statement */
};
MUST_USE enum err store_query(struct store *s, const char *sql, const struct store_value *binds, struct store_rows *ret_rows,
                              struct fault *why);
MUST_USE enum err store_next(struct store_rows *r, bool *ret_more, struct fault *why);
void store_rows_done(struct store_rows *r); /* idempotent; fine after a store_query that failed */
/* Columns of the present row, from 0. Text and blobs are valid until the next store_next or store_rows_done. */
bool store_is_null(const struct store_rows *r, unsigned column);
int64_t store_i64(const struct store_rows *r, unsigned column);     /* 0 for NULL */
struct str store_text(const struct store_rows *r, unsigned column); /* empty for NULL */
struct str store_blob(const struct store_rows *r, unsigned column); /* empty for NULL */
/* The first column of the first row as a number; 0 when there is no row. */
MUST_USE enum err store_get_i64(struct store *s, const char *sql, const struct store_value *binds, int64_t *ret_value,
                                struct fault *why);

/* Many rows with one statement, for half of what a statement for each costs: they are the rows of a table `feed` with columns
 * c1, c2 …: "INSERT INTO t SELECT c1, c2 FROM feed". Of a statement that fails nothing is done; after ERR_EXISTS the
 * transaction may go on. */
#define STORE_FEED_COLUMNS 24
struct store_feed {
    /* The next row, all of the columns that the statement names; they are borrowed until the next call. False: no more. */
    bool (*next)(struct store_feed *f, struct store_value *ret_values);
};
MUST_USE enum err store_exec_feed(struct store *s, const char *sql, struct store_feed *feed, uint64_t *ret_changed,
                                  struct fault *why);

/* ---- transactions: not nested; the write lock is taken at begin, so nothing fails for it in the middle ------------------ */

MUST_USE enum err store_begin(struct store *s, struct fault *why);
MUST_USE enum err store_commit(struct store *s, struct fault *why); /* durable when OK; on an error it is rolled back */
void store_rollback(struct store *s);                               /* no-op outside of a transaction */

/* ---- care ----------------------------------------------------------------------------------------------------------------- */

/* A consistent copy while others read and write; `path` must not exist; the copy is synced. A failed copy is removed. */
MUST_USE enum err store_backup(struct store *s, const char *path, struct fault *why);
/* Gives it pages of the size that the other one has, as store_overwrite() wants it; nobody else may use it meanwhile. */
MUST_USE enum err store_fit_pages(struct store *s, struct store *like, struct fault *why);
/* Puts the other database in the place of all that is in this one, in one transaction: whoever reads, also after a crash,
 * sees the one or the other, whole. No rows may be open in either; prepared statements and other connections stay usable. */
MUST_USE enum err store_overwrite(struct store *s, struct store *with, struct fault *why);
/* Reads the whole database for damage. */
MUST_USE enum err store_check(struct store *s, struct fault *why);
/* Does any process have the database open? Asks for it alone, for a moment; a journal that a killed process left behind is
 * worked off by it. */
MUST_USE enum err store_is_used(const char *path, bool *ret_used, struct fault *why);
/* The file with all that SQLite puts beside it. Nobody may have it open. */
void store_remove(const char *path);
