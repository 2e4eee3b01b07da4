/* Care for the ledger: retention, the check that sums equal rows, backup and restore.
 * Called by control and by offline commands. Owns nothing. Runs on a thread that may block. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ingest.h"

enum { PATH_ROOM = 2048 };

/* ---- retention and check ---------------------------------------------------------------------------------------------- */

static enum err remove_day(struct store *s, int64_t day, uint64_t *ret_rows, struct fault *why)
{
    TRY(store_exec(s, "DELETE FROM usage_days WHERE day = ?1", BINDS(V_I64(day)), NULL, why));
    return store_exec(s, "DELETE FROM attempts WHERE day = ?1", BINDS(V_I64(day)), ret_rows, why);
}

enum err ledger_retain(struct store *s, int32_t oldest_day, uint64_t *ret_rows, struct fault *why)
{
    int64_t day;
    *ret_rows = 0;
    TRY(store_get_i64(s, "SELECT coalesce(min(day), 1000000000) FROM attempts", NULL, &day, why));
    if (day >= oldest_day) return OK;
    TRY(store_begin(s, why));
    enum err e = remove_day(s, day, ret_rows, why);
    if (e == OK) return store_commit(s, why);
    store_rollback(s);
    return e;
}

/* Both sides as one relation each; a row on one side only, or with another sum, is a difference. */
static const char DIFFERENT[] = "WITH rows AS (SELECT day, key_id, route, count(*) AS requests, sum(input_tokens) AS i, "
                                "sum(output_tokens) AS o, coalesce(sum(cost_micro), 0) AS m,"
                                " coalesce(sum(cost_rest), 0) AS r, sum(cost_micro IS NULL) AS u FROM attempts WHERE outcome <> "
                                "3 GROUP BY day, key_id, route),"
                                " days AS (SELECT day, key_id, route, requests, input_tokens, output_tokens, cost_micro + "
                                "cost_rest / 1000000, cost_rest % 1000000, unknown_cost FROM usage_days),"
                                " same AS (SELECT day, key_id, route, requests, i, o, m + r / 1000000, r % 1000000, u FROM rows)"
                                " SELECT (SELECT count(*) FROM (SELECT * FROM days EXCEPT SELECT * FROM same)) + (SELECT "
                                "count(*) FROM (SELECT * FROM same EXCEPT SELECT * FROM days))";
_Static_assert(ATTEMPT_NOT_SENT == 3, "the statement above leaves out what was not sent");

enum err ledger_check(struct store *s, struct fault *why)
{
    int64_t different;
    TRY(store_check(s, why));
    TRY(store_get_i64(s, DIFFERENT, NULL, &different, why));
    if (different)
        return FAIL(why, ERR_STORE, "the ledger's sums differ from its rows in %lld places; restore the newest backup",
                    (long long)different);
    return OK;
}

/* ---- backup -------------------------------------------------------------------------------------------------------------- */

enum err ledger_backup(struct ledger_ingest *i, const char *path, struct fault *why)
{
    uint64_t rows;
    TRY(ledger_ingest_run(i, &rows, why));
    return store_backup(ledger_ingest_store(i), path, why);
}

/* ---- restore -------------------------------------------------------------------------------------------------------------- */

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
    snprintf(path, sizeof path, "%.*s/journal", PATH_ROOM - 32, data);
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
    return used ? FAIL(why, ERR_STORE, "Aquifer runs on %s: stop it first, then restore", data) : OK;
}

static enum err check_copy(const char *path, struct fault *why)
{
    struct store *s;
    TRY(store_open(&(struct store_options){.path = path}, &s, why));
    enum err e = store_migrate(s, why); /* refuses a newer one, brings an older one forward */
    if (e == OK) e = ledger_check(s, why);
    store_close(s);
    return e;
}

static int copy_bytes(int from, int to)
{
    char room[KIB(4)];
    for (;;) {
        ssize_t n = read(from, room, sizeof room);
        if (n == 0) return fsync(to) < 0 ? errno : 0;
        if (n < 0) return errno;
        if (write(to, room, (size_t)n) != n) return errno ? errno : ENOSPC;
    }
}

/* By bytes: a backup is a finished file, and may lie where nothing can be written beside it. */
static enum err copy_backup(const char *backup, const char *copy, struct fault *why)
{
    int from = open(backup, O_RDONLY | O_CLOEXEC);
    if (from < 0) return FAIL(why, ERR_STORE, "cannot open the backup %s: %s", backup, strerror(errno));
    int to = open(copy, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    errno = to < 0 ? errno : 0;
    int error = to < 0 ? errno : copy_bytes(from, to);
    close(from);
    if (to >= 0) close(to);
    if (!error) return OK;
    if (to >= 0) unlink(copy);
    return FAIL(why, ERR_STORE, "cannot copy the backup to %s: %s", copy, strerror(error));
}

static enum err put_in_place(const char *data, const char *from, const char *database, struct fault *why)
{
    char kept[PATH_ROOM];
    snprintf(kept, sizeof kept, "%.*s.before-restore", PATH_ROOM - 32, database);
    if (rename(database, kept) < 0 && errno != ENOENT)
        return FAIL(why, ERR_STORE, "cannot put aside %s: %s", database, strerror(errno));
    if (rename(from, database) < 0)
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
    if (snprintf(database, sizeof database, "%s/aquifer.db", data) >= PATH_ROOM - 32)
        return FAIL(why, ERR_CONFIG, "the data directory's name is too long");
    snprintf(copy, sizeof copy, "%.*s.restoring", PATH_ROOM - 32, database);
    TRY(check_stopped(data, database, why));
    store_remove(copy);
    TRY(copy_backup(backup, copy, why));
    enum err e = check_copy(copy, why);
    if (e == OK) e = put_in_place(data, copy, database, why);
    if (e != OK) store_remove(copy);
    return e;
}
