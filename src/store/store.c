/* Opening the database, its errors in plain words, transactions and the way forward through the migrations.
 * Called by control and by offline commands; owns the connection. Runs in control, on a thread that may block. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/priv.h"

#define BUSY_MS 5000

/* The page's size counts when the file is made: larger ones take the ledger's appended rows for a seventh less. */
static const char SETUP[] = "PRAGMA page_size = 16384;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA trusted_schema = OFF;"
                            "PRAGMA journal_size_limit = 16777216;";

/* ---- errors ------------------------------------------------------------------------------------------------------- */

struct cause {
    int code; /* primary result code of SQLite */
    const char *text;
};

static const struct cause CAUSES[] = {
    {SQLITE_FULL, "the disk is full; nothing was changed, free some space and it goes on by itself"},
    {SQLITE_IOERR, "the disk reports an error; look at the system's log"},
    {SQLITE_BUSY, "another program keeps it locked; end that program, it goes on by itself"},
    {SQLITE_LOCKED, "another program keeps it locked; end that program, it goes on by itself"},
    {SQLITE_READONLY, "it is read-only; give this user the right to write the file and its directory"},
    {SQLITE_PERM, "access is denied; give this user the right to write the file and its directory"},
    {SQLITE_CANTOPEN, "it cannot be opened; check that the directory exists and that this user may write there"},
    {SQLITE_CORRUPT, "the file is damaged; restore the newest backup"},
    {SQLITE_NOTADB, "the file is not a database or is damaged; restore the newest backup"},
};

static const char *cause_text(int code)
{
    for (size_t i = 0; i < COUNTOF(CAUSES); i++)
        if (CAUSES[i].code == (code & 0xff)) return CAUSES[i].text;
    return NULL;
}

enum err store_fail(const struct store *s, int code, const char *doing, struct fault *why)
{
    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
        return FAIL(why, ERR_EXISTS, "%s %s: such a row exists already", doing, s->path);
    const char *text = cause_text(code);
    int os = s->db ? sqlite3_system_errno(s->db) : 0;
    if (text && (code & 0xff) == SQLITE_IOERR && os)
        return FAIL(why, ERR_STORE, "%s %s: %s (%s)", doing, s->path, text, strerror(os));
    if (text) return FAIL(why, ERR_STORE, "%s %s: %s", doing, s->path, text);
    return FAIL(why, ERR_STORE, "%s %s: %s", doing, s->path, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
}

/* ---- open and close ------------------------------------------------------------------------------------------------- */

/* Made here and not by SQLite, for its mode. Never opens an existing file: closing it again would drop the locks that
 * another connection of this process holds. */
static enum err make_file(const char *path, struct fault *why)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) return OK;
    if (fd < 0) return FAIL(why, ERR_STORE, "cannot create the database %s: %s", path, strerror(errno));
    close(fd);
    return OK;
}

/* Readers and the one writer do not wait for each other; SQLite says no by naming another mode. */
static enum err set_wal(struct store *s, struct fault *why)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more;
    TRY(store_query(s, "PRAGMA journal_mode = WAL", NULL, &rows, why));
    TRY(store_next(&rows, &more, why));
    if (more && str_eq(store_text(&rows, 0), S("wal"))) return OK;
    return FAIL(why, ERR_STORE, "cannot open the database %s: its file system has no shared memory; use a local disk", s->path);
}

/* Counting every allocation costs a lock for each, and nobody asks for the counts. Fails when SQLite is at work already: as
 * well. */
static void configure(void) { ignore_err(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK ? OK : ERR_STORE); }

static enum err set_up(struct store *s, const struct store_options *o, struct fault *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    int flags = (o->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(s->path, &s->db, flags, NULL);
    if (code != SQLITE_OK) return store_fail(s, code, "cannot open the database", why);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, (int)s->busy_ms);
    code = sqlite3_exec(s->db, SETUP, NULL, NULL, NULL);
    if (code == SQLITE_OK && !o->read_only) TRY(set_wal(s, why));
    if (code == SQLITE_OK) code = store_feed_offer(s);
    if (code == SQLITE_OK) code = sqlite3_exec(s->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : store_fail(s, code, "cannot open the database", why);
}

enum err store_open(const struct store_options *o, struct store **ret_store, struct fault *why)
{
    *ret_store = NULL;
    if (!o->read_only && !o->must_exist) TRY(make_file(o->path, why));
    struct store *s = mem_alloc(sizeof *s);
    s->path = str_dup_z(str_z(o->path));
    s->busy_ms = o->busy_ms ? o->busy_ms : BUSY_MS;
    enum err e = set_up(s, o, why);
    if (e != OK) {
        store_close(s);
        return e;
    }
    *ret_store = s;
    return OK;
}

void store_close(struct store *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->n_kept; i++) {
        must(!s->kept[i].busy);
        sqlite3_finalize(s->kept[i].statement);
    }
    must(sqlite3_close(s->db) == SQLITE_OK);
    free(s->path);
    free(s);
}

/* ---- transactions ----------------------------------------------------------------------------------------------------- */

enum err store_begin(struct store *s, struct fault *why)
{
    must(sqlite3_get_autocommit(s->db));
    int code = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : store_fail(s, code, "cannot write to the database", why);
}

enum err store_commit(struct store *s, struct fault *why)
{
    int code = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK) return OK;
    enum err e = store_fail(s, code, "cannot write to the database", why);
    store_rollback(s);
    return e;
}

/* A rollback in WAL mode only forgets: it needs no disk. SQLite may have done it by itself after a full disk. */
void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- migrations --------------------------------------------------------------------------------------------------------- */

enum err store_version(struct store *s, uint32_t *ret_version, struct fault *why)
{
    int64_t tables, ours, version = 0;
    *ret_version = 0;
    TRY(store_get_i64(s, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", NULL, &tables, why));
    TRY(store_get_i64(s, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'", NULL, &ours, why));
    if (tables && !ours) return FAIL(why, ERR_STORE, "%s is a database of another program; name another data directory", s->path);
    if (ours) TRY(store_get_i64(s, "SELECT max(number) FROM migrations", NULL, &version, why));
    *ret_version = (uint32_t)version;
    return OK;
}

static enum err run_step(struct store *s, const struct migration *m, struct fault *why)
{
    for (size_t i = 0; i < MIGRATION_STEPS && m->sql[i]; i++) {
        int code = sqlite3_exec(s->db, m->sql[i], NULL, NULL, NULL);
        if (code != SQLITE_OK) return store_fail(s, code, "cannot bring forward the database", why);
    }
    return store_exec(s, "INSERT INTO migrations (number, name, applied_ms) VALUES (?1, ?2, ?3)",
                      BINDS(V_I64(m->number), V_TEXT(str_z(m->name)), V_I64(clock_wall_ms())), NULL, why);
}

static enum err begin_migration(struct store *s, struct fault *why)
{
    static const char sql[] =
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ms INTEGER NOT NULL)";
    TRY(store_begin(s, why));
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : store_fail(s, code, "cannot bring forward the database", why);
}

/* The version is read again inside the transaction: another process may have been faster. */
static enum err migrate_one(struct store *s, const struct migration *m, struct fault *why)
{
    uint32_t version;
    enum err e = begin_migration(s, why);
    if (e == OK) e = store_version(s, &version, why);
    if (e == OK && version < m->number) e = run_step(s, m, why);
    if (e == OK) return store_commit(s, why);
    store_rollback(s);
    return e;
}

enum err store_migrate(struct store *s, struct fault *why)
{
    uint32_t version;
    TRY(store_version(s, &version, why));
    if (version > store_version_newest)
        return FAIL(why, ERR_STORE,
                    "the database %s has version %u, this program knows %u: it was written by a newer Aquifer; start that one, "
                    "or restore a backup",
                    s->path, version, store_version_newest);
    for (size_t i = 0; i < n_migrations; i++)
        if (migrations[i].number > version) TRY(migrate_one(s, &migrations[i], why));
    return OK;
}
