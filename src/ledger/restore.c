/* Putting a backup in the database's place, while all goes on or while nothing does. The change is one transaction, so a
 * kill at any moment leaves the one or the other; only a database that is damaged itself is replaced as a file.
 * Called by control and by the offline command. Owns nothing. Runs on a thread that may block. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ingest.h"

enum { PATH_ROOM = 2048 };
#define KEPT "aquifer.db.before-restore"
#define KEPT_NEW "aquifer.db.before-restore.new"

static void path_of(const char *data, const char *name, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "%.*s/%s", PATH_ROOM - 128, data, name);
}

static enum err check_room(const char *data, struct fault *why)
{
    return strlen(data) < PATH_ROOM - 128 ? OK : FAIL(why, ERR_CONFIG, "the data directory's name is too long");
}

/* ---- a copy of the backup ---------------------------------------------------------------------------------------------- */

static int copy_bytes(int from, int to)
{
    char room[KIB(16)];
    for (;;) {
        ssize_t n = read(from, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return fsync(to) < 0 ? errno : 0;
        for (ssize_t done = 0, more; done < n; done += more) {
            more = write(to, room + done, (size_t)(n - done));
            if (more < 0 && errno != EINTR) return errno;
            if (more < 0) more = 0;
        }
    }
}

/* By the first bytes: what else is wrong with it shows when it is read. */
static bool is_database(int fd, off_t size)
{
    static const char HEAD[16] = "SQLite format 3";
    char head[sizeof HEAD];
    return size >= (off_t)sizeof HEAD && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head, HEAD, sizeof HEAD) == 0;
}

static enum err open_backup(const char *backup, int *ret_fd, struct fault *why)
{
    struct stat st;
    int fd = open(backup, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe without a writer, too */
    if (fd < 0) return FAIL(why, ERR_BAD_REQUEST, "cannot open the backup %s: %s", backup, strerror(errno));
    *ret_fd = fd;
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (is_file && is_database(fd, st.st_size)) return OK;
    close(fd);
    if (is_file) return FAIL(why, ERR_BAD_REQUEST, "%s is no backup: it is %s", backup, st.st_size ? "not a database" : "empty");
    return FAIL(why, ERR_BAD_REQUEST, "the backup %s is not a file", backup);
}

/* By bytes: a backup is a finished file, and may lie where nothing can be written beside it. */
static enum err copy_backup(const char *backup, const char *copy, struct fault *why)
{
    int from = -1;
    TRY(open_backup(backup, &from, why));
    int to = open(copy, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    int error = to < 0 ? errno : copy_bytes(from, to);
    close(from);
    if (to >= 0) close(to);
    if (!error) return OK;
    if (to >= 0) unlink(copy);
    return FAIL(why, ERR_STORE, "cannot copy the backup to %s: %s", copy, strerror(error));
}

/* A database that cannot be opened is replaced as a file, so that it does not matter how its pages are. */
static enum err fit(struct store *s, const char *data, struct fault *why)
{
    char database[PATH_ROOM];
    struct store *live;
    path_of(data, "aquifer.db", database);
    if (access(database, F_OK) != 0 ||
        store_open(&(struct store_options){.path = database, .read_only = true}, &live, NULL) != OK)
        return OK;
    enum err e = store_fit_pages(s, live, why);
    store_close(live);
    return e;
}

static enum err check_copy(const char *data, const char *path, struct fault *why)
{
    struct store *s;
    uint32_t version;
    TRY(store_open(&(struct store_options){.path = path, .must_exist = true}, &s, why));
    enum err e = store_version(s, &version, why);
    if (e == OK && version == 0) e = FAIL(why, ERR_BAD_REQUEST, "the backup is empty: it holds no ledger");
    if (e == OK) e = store_migrate(s, why); /* refuses a newer one, brings an older one forward */
    if (e == OK) e = ledger_check(s, why);
    if (e == OK) e = fit(s, data, why);
    store_close(s);
    return e;
}

enum err ledger_restore_check(const char *data, const char *backup, const char *copy, struct fault *why)
{
    TRY(check_room(data, why));
    TRY(copy_backup(backup, copy, why));
    enum err e = check_copy(data, copy, why);
    if (e != OK) store_remove(copy);
    return e;
}

void ledger_restore_sweep(const char *data)
{
    char path[PATH_ROOM + 256];
    DIR *d = opendir(data);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        struct str name = str_z(e->d_name);
        if (!str_starts(name, S(LEDGER_RESTORING)) && !str_starts(name, S(KEPT_NEW))) continue;
        snprintf(path, sizeof path, "%s/%s", data, e->d_name);
        unlink(path);
    }
    closedir(d);
}

/* ---- what is never turned back ------------------------------------------------------------------------------------------- */

/* ?1: now. A key's place on the board stays its own, so its row stays too. */
static const char KEYS_MADE_SINCE[] =
    "INSERT OR IGNORE INTO keys (id, name, digest, old_digest, old_until_ms, created_ms, expires_ms, revoked_ms, routes,"
    " requests_per_minute, tokens_per_minute, concurrency, spend_day, spend_month, metadata, place, aws_secret, aws_old_secret)"
    " SELECT id, name, digest, old_digest, old_until_ms, created_ms, expires_ms, coalesce(revoked_ms, ?1), routes,"
    " requests_per_minute, tokens_per_minute, concurrency, spend_day, spend_month, metadata, place, aws_secret, aws_old_secret"
    " FROM former.keys WHERE id NOT IN (SELECT id FROM main.keys)";
static const char KEYS_REVOKED[] =
    "UPDATE keys SET revoked_ms = (SELECT f.revoked_ms FROM former.keys f WHERE f.id = keys.id)"
    " WHERE revoked_ms IS NULL AND id IN (SELECT id FROM former.keys WHERE revoked_ms IS NOT NULL)";
static const char KEYS_SECRETS[] = "UPDATE keys SET (digest, old_digest, old_until_ms) ="
                                   " (SELECT f.digest, f.old_digest, f.old_until_ms FROM former.keys f WHERE f.id = keys.id)"
                                   " WHERE id IN (SELECT id FROM former.keys)";
/* ?1: the restore's number, ?2: today, ?3: the month's first day. What the backup has more than the former database. */
static const char SPEND[] =
    "INSERT INTO spend_corrections (number, place, day, day_micro, day_rest, month_micro, month_rest)"
    " SELECT ?1, place, ?2, sum(today * micro), sum(today * rest), sum(micro), sum(rest) FROM ("
    "SELECT k.place AS place, u.day = ?2 AS today, u.cost_micro AS micro, u.cost_rest AS rest"
    " FROM main.usage_days u JOIN main.keys k ON k.id = u.key_id WHERE u.day BETWEEN ?3 AND ?2"
    " UNION ALL SELECT k.place, u.day = ?2, -u.cost_micro, -u.cost_rest"
    " FROM former.usage_days u JOIN former.keys k ON k.id = u.key_id WHERE u.day BETWEEN ?3 AND ?2)"
    " GROUP BY place HAVING sum(micro) <> 0 OR sum(rest) <> 0 OR sum(today * micro) <> 0 OR sum(today * rest) <> 0";

static uint32_t random_number(void)
{
    uint32_t n;
    do random_bytes(&n, sizeof n);
    while (n == 0);
    return n;
}

static enum err carry_keys_and_spend(struct store *copy, struct fault *why)
{
    int64_t now = clock_wall_ms();
    int32_t today = clock_day(now);
    TRY(store_exec(copy, KEYS_MADE_SINCE, BINDS(V_I64(now)), NULL, why));
    TRY(store_exec(copy, KEYS_REVOKED, NULL, NULL, why));
    TRY(store_exec(copy, KEYS_SECRETS, NULL, NULL, why));
    TRY(store_exec(copy, "DELETE FROM spend_corrections", NULL, NULL, why));
    return store_exec(copy, SPEND, BINDS(V_I64(random_number()), V_I64(today), V_I64(ledger_first_of_month(today))), NULL, why);
}

/* What is booked stays booked, though not in this database: a record counts in the one or in the other. */
static enum err carry_marks(struct store *copy, const struct ledger_ingest *i, struct fault *why)
{
    if (i) return ledger_ingest_put_marks(i, copy, why);
    TRY(store_exec(copy, "DELETE FROM segments", NULL, NULL, why));
    return store_exec(copy, "INSERT INTO segments (id, position, done) SELECT id, position, done FROM former.segments", NULL,
                      NULL, why);
}

static enum err carry(struct store *copy, const struct ledger_ingest *i, const char *database, struct fault *why)
{
    TRY(store_exec(copy, "ATTACH DATABASE ?1 AS former", BINDS(V_TEXT(str_z(database))), NULL, why));
    enum err e = store_begin(copy, why);
    if (e == OK) e = carry_keys_and_spend(copy, why);
    if (e == OK) e = carry_marks(copy, i, why);
    if (e == OK) e = store_commit(copy, why);
    if (e != OK) store_rollback(copy);
    enum err detached = store_exec(copy, "DETACH DATABASE former", NULL, NULL, e == OK ? why : NULL);
    return e == OK ? detached : e;
}

/* ---- into its place ---------------------------------------------------------------------------------------------------------- */

static enum err keep_former(struct store *live, const char *data, struct fault *why)
{
    char kept[PATH_ROOM], fresh[PATH_ROOM];
    path_of(data, KEPT, kept);
    path_of(data, KEPT_NEW, fresh);
    store_remove(fresh);
    TRY(store_backup(live, fresh, why));
    if (rename(fresh, kept) == 0) return OK;
    enum err e = FAIL(why, ERR_STORE, "cannot keep the former database as %s: %s", kept, strerror(errno));
    store_remove(fresh);
    return e;
}

static enum err take(struct store *live, const struct ledger_ingest *i, const char *data, const char *copy, struct fault *why)
{
    char database[PATH_ROOM];
    struct store *with;
    path_of(data, "aquifer.db", database);
    enum err e = store_open(&(struct store_options){.path = copy, .must_exist = true}, &with, why);
    if (e == OK) {
        e = carry(with, i, database, why);
        if (e == OK) e = keep_former(live, data, why);
        if (e == OK) e = store_overwrite(live, with, why);
        store_close(with);
    }
    store_remove(copy);
    return e;
}

enum err ledger_restore_take(struct ledger_ingest *i, const char *data, const char *copy, struct fault *why)
{
    TRY(check_room(data, why));
    return take(ledger_ingest_store(i), i, data, copy, why);
}

/* ---- offline ------------------------------------------------------------------------------------------------------------------ */

static bool is_locked(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* A gateway holds the locks of its segments, control holds the database. */
static bool gateway_runs(const char *data)
{
    char path[PATH_ROOM];
    bool locked = false;
    path_of(data, "journal", path);
    DIR *d = opendir(path);
    if (!d) return false;
    for (struct dirent *e; !locked && (e = readdir(d));) locked = e->d_name[0] != '.' && is_locked(dirfd(d), e->d_name);
    closedir(d);
    return locked;
}

static enum err check_stopped(const char *data, const char *database, struct fault *why)
{
    bool used = gateway_runs(data);
    if (!used && access(database, F_OK) == 0) TRY(store_is_used(database, &used, why));
    return used ? FAIL(why, ERR_STORE, "something still uses %s: end it first, then restore", data) : OK;
}

/* Whether there is a database that can still tell what must not be turned back. */
static bool open_former(const char *database, struct store **ret_former)
{
    *ret_former = NULL;
    if (access(database, F_OK) != 0 ||
        store_open(&(struct store_options){.path = database, .must_exist = true}, ret_former, NULL) != OK)
        return false;
    if (store_migrate(*ret_former, NULL) == OK && store_check(*ret_former, NULL) == OK) return true;
    store_close(*ret_former);
    return false;
}

/* The log of a damaged database belongs to that file and would spoil the new one. */
static enum err replace_file(const char *data, const char *copy, const char *database, struct fault *why)
{
    char kept[PATH_ROOM], log[PATH_ROOM + 8], kept_log[PATH_ROOM + 8];
    path_of(data, KEPT, kept);
    snprintf(log, sizeof log, "%s-wal", database);
    snprintf(kept_log, sizeof kept_log, "%s-wal", kept);
    store_remove(kept);
    if (link(database, kept) < 0 && errno != ENOENT)
        return FAIL(why, ERR_STORE, "cannot keep the former database as %s: %s", kept, strerror(errno));
    if (rename(log, kept_log) < 0 && errno != ENOENT)
        return FAIL(why, ERR_STORE, "cannot put aside %s: %s", log, strerror(errno));
    snprintf(log, sizeof log, "%s-shm", database);
    unlink(log);
    if (rename(copy, database) < 0)
        return FAIL(why, ERR_STORE, "cannot put the backup in place as %s: %s; the former database is %s", database,
                    strerror(errno), kept);
    int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return synced ? OK : FAIL(why, ERR_STORE, "cannot sync the directory %s: %s", data, strerror(errno));
}

enum err ledger_restore(const char *data, const char *backup, struct fault *why)
{
    char database[PATH_ROOM], copy[PATH_ROOM];
    struct store *former;
    TRY(check_room(data, why));
    path_of(data, "aquifer.db", database);
    path_of(data, LEDGER_RESTORING, copy);
    TRY(check_stopped(data, database, why));
    ledger_restore_sweep(data);
    TRY(ledger_restore_check(data, backup, copy, why));
    if (open_former(database, &former)) {
        enum err e = take(former, NULL, data, copy, why);
        store_close(former);
        return e;
    }
    enum err e = replace_file(data, copy, database, why);
    if (e != OK) store_remove(copy);
    return e;
}
