/* Care for the database: a consistent copy of it while it is in use, and a full check for damage.
 * Called by control (backup) and by the offline commands. Owns nothing. Runs on a thread that may block. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/priv.h"

enum { PAGES_PER_STEP = 2048, STEP_PAUSE_MS = 20 };

/* A writer of another connection makes the copy start again, so the last try takes all pages in one step. */
static int copy_pages(sqlite3_backup *copy, uint32_t busy_ms)
{
    uint32_t waited = 0;
    for (;;) {
        int code = sqlite3_backup_step(copy, waited < busy_ms ? PAGES_PER_STEP : -1);
        if (code == SQLITE_DONE) return SQLITE_OK;
        bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
        if (code != SQLITE_OK && (!busy || waited > 2 * busy_ms)) return code;
        if (busy) sqlite3_sleep(STEP_PAUSE_MS);
        waited += busy ? STEP_PAUSE_MS : 1;
    }
}

static enum err copy_into(struct store *s, struct store *to, struct fault *why)
{
    int code = sqlite3_open_v2(to->path, &to->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) return store_fail(to, code, "cannot open the copy", why);
    sqlite3_extended_result_codes(to->db, 1);
    sqlite3_backup *copy = sqlite3_backup_init(to->db, "main", s->db, "main");
    if (!copy) return store_fail(to, sqlite3_extended_errcode(to->db), "cannot write the copy", why);
    code = copy_pages(copy, s->busy_ms);
    int end = sqlite3_backup_finish(copy);
    if (code == SQLITE_OK) code = end;
    if (code == SQLITE_OK)
        code = sqlite3_exec(to->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL); /* one file, readable anywhere */
    return code == SQLITE_OK ? OK : store_fail(to, code, "cannot write the copy", why);
}

enum err store_fit_pages(struct store *s, struct store *like, struct fault *why)
{
    int64_t own, wanted;
    char sql[160];
    TRY(store_get_i64(s, "PRAGMA page_size", NULL, &own, why));
    TRY(store_get_i64(like, "PRAGMA page_size", NULL, &wanted, why));
    if (own == wanted) return OK;
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = DELETE; PRAGMA page_size = %lld; VACUUM; PRAGMA journal_mode = WAL;",
             (long long)wanted);
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : store_fail(s, code, "cannot rebuild the database", why);
}

enum err store_overwrite(struct store *s, struct store *with, struct fault *why)
{
    must(sqlite3_get_autocommit(s->db) && sqlite3_get_autocommit(with->db));
    sqlite3_backup *copy = sqlite3_backup_init(s->db, "main", with->db, "main");
    if (!copy) return store_fail(s, sqlite3_extended_errcode(s->db), "cannot write to the database", why);
    int code = copy_pages(copy, s->busy_ms);
    int end = sqlite3_backup_finish(copy); /* what is not whole is rolled back here */
    if (code == SQLITE_OK) code = end;
    return code == SQLITE_OK ? OK : store_fail(s, code, "cannot write to the database", why);
}

static enum err make_copy_file(const char *path, struct fault *why)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return FAIL(why, ERR_STORE, "cannot create the copy %s: %s", path, strerror(errno));
    close(fd);
    return OK;
}

void store_remove(const char *path)
{
    static const char *const ENDS[] = {"", "-journal", "-wal", "-shm"};
    char name[4096];
    for (size_t i = 0; i < COUNTOF(ENDS); i++)
        if (snprintf(name, sizeof name, "%s%s", path, ENDS[i]) < (int)sizeof name) unlink(name);
}

enum err store_backup(struct store *s, const char *path, struct fault *why)
{
    TRY(make_copy_file(path, why));
    struct store *to = mem_alloc(sizeof *to);
    to->path = str_dup_z(str_z(path));
    enum err e = copy_into(s, to, why);
    store_close(to);
    if (e != OK) store_remove(path);
    return e;
}

enum err store_check(struct store *s, struct fault *why)
{
    struct store_rows rows CLEANUP(store_rows_done);
    bool more;
    TRY(store_query(s, "PRAGMA integrity_check(1)", NULL, &rows, why));
    TRY(store_next(&rows, &more, why));
    if (more && str_eq(store_text(&rows, 0), S("ok"))) return OK;
    struct str said = more ? store_text(&rows, 0) : S("no answer");
    return FAIL(why, ERR_STORE, "the database %s is damaged (%.*s); restore the newest backup", s->path, STR_ARG(said));
}

/* In WAL mode only a connection that is alone gets the exclusive locking mode; closing it leaves no WAL behind. */
enum err store_is_used(const char *path, bool *ret_used, struct fault *why)
{
    static const char alone[] = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;";
    struct store *s = mem_alloc(sizeof *s);
    s->path = str_dup_z(str_z(path));
    int code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) code = sqlite3_exec(s->db, alone, NULL, NULL, NULL);
    *ret_used = (code & 0xff) == SQLITE_BUSY;
    bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB; /* that is why it is to be replaced */
    enum err e = code == SQLITE_OK || *ret_used || damaged ? OK : store_fail(s, code, "cannot open the database", why);
    if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    store_close(s);
    return e;
}
