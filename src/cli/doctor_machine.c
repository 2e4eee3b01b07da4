/* aquifer doctor: what this machine gives: data directory, disk, ports, open files, clock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/doctor_priv.h"

#define FREE_FAIL MIB(64)
#define FREE_WARN MIB(1024)
#define FILES_WARN 8192
#define BUILT_NOT_BEFORE_MS 1767225600000LL /* 2026-01-01: no clock of a machine with this program is older */
enum { SYNCS = 9, SLOW_US = 50000 };

/* ---- the data directory ------------------------------------------------------------------------------------------------------- */

/* The supervisor holds DATA/lock as long as it runs. */
static bool is_locked(const char *data)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/lock", data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Median of a few; false: errno tells. The file is preallocated, as the journal's are. */
static bool time_sync(const char *data, uint64_t *ret_us)
{
    char path[4200], block[512] = {0};
    uint64_t took[SYNCS];
    snprintf(path, sizeof path, "%s/.doctor-XXXXXX", data);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return false;
    errno = posix_fallocate(fd, 0, sizeof block * SYNCS);
    bool fine = errno == 0 && fsync(fd) == 0;
    for (unsigned i = 0; fine && i < SYNCS; i++) {
        uint64_t start = clock_mono_ns();
        fine = pwrite(fd, block, sizeof block, (off_t)(i * sizeof block)) == (ssize_t)sizeof block && fdatasync(fd) == 0;
        took[i] = (clock_mono_ns() - start) / 1000;
    }
    int error = errno;
    close(fd);
    unlink(path);
    errno = error;
    if (!fine) return false;
    qsort(took, SYNCS, sizeof *took, by_value);
    *ret_us = took[SYNCS / 2];
    return true;
}

static void check_sync(struct doctor *d, const char *data)
{
    char what[256];
    uint64_t us;
    if (!time_sync(data, &us)) {
        snprintf(what, sizeof what, "nothing can be written and synced in %.150s: %s", data, strerror(errno));
        doctor_tell(d, FINDING_FAIL, "disk", what, "make room, or give the directory to the user that runs Aquifer");
        return;
    }
    snprintf(what, sizeof what, "a sync of 512 bytes takes %.2f ms", (double)us / 1000);
    bool slow = us > SLOW_US && d->config->ledger.safety == LEDGER_DISK;
    doctor_tell(d, slow ? FINDING_WARN : FINDING_OK, "disk", what,
                slow ? "each answer waits for one: take a faster disk, or 'ledger.safety: process'" : "");
}

static void check_space(struct doctor *d, const char *data)
{
    struct statvfs fs;
    struct buf what;
    if (statvfs(data, &fs) != 0) return;
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    buf_init(&what, 128);
    cli_bytes(left, &what);
    buf_str(&what, S(" free"));
    enum finding f = left < FREE_FAIL ? FINDING_FAIL : left < FREE_WARN ? FINDING_WARN : FINDING_OK;
    doctor_tell(d, f, "disk", buf_z(&what), f ? "make room: without it new requests are refused" : "");
    buf_done(&what);
}

void doctor_data(struct doctor *d)
{
    struct stat st;
    char data[4096], what[4300];
    snprintf(data, sizeof data, "%.*s", STR_ARG(d->config->data));
    if (stat(data, &st) != 0) {
        snprintf(what, sizeof what, "%s is not there: %s", data, strerror(errno));
        if (errno == ENOENT) doctor_tell(d, FINDING_OK, "data", what, "the first start makes it");
        else doctor_tell(d, FINDING_FAIL, "data", what, "let the user that runs Aquifer reach it");
        return;
    }
    d->runs = is_locked(data);
    snprintf(what, sizeof what, "%s%s", data, d->runs ? ", in use by a running Aquifer" : "");
    if (!S_ISDIR(st.st_mode)) doctor_tell(d, FINDING_FAIL, "data", what, "it must be a directory");
    else if (access(data, R_OK | W_OK | X_OK) != 0)
        doctor_tell(d, FINDING_FAIL, "data", what, "it is not writable for this user: run doctor as the user that runs Aquifer");
    else if (st.st_mode & 077) doctor_tell(d, FINDING_WARN, "data", what, "others may read it: chmod 700");
    else doctor_tell(d, FINDING_OK, "data", what, "");
    check_space(d, data);
    if (access(data, W_OK) == 0) check_sync(d, data);
}

/* ---- ports --------------------------------------------------------------------------------------------------------------------- */

/* 0: nobody listens; else errno of the bind. Without SO_REUSEPORT, so that our own is seen too. */
static int bind_error(const struct sockaddr_storage *at, socklen_t n)
{
    int one = 1, fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int error = bind(fd, (const struct sockaddr *)at, n) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static void check_port(struct doctor *d, const struct config_listener *l)
{
    struct sockaddr_storage at;
    socklen_t n;
    char what[256];
    if (!config_address(l->address, &at, &n)) return;
    int error = bind_error(&at, n);
    if (error == 0 && !d->runs) {
        snprintf(what, sizeof what, "%.*s is free", STR_ARG(l->address));
        doctor_tell(d, FINDING_OK, "port", what, "");
    } else if (error == 0) {
        snprintf(what, sizeof what, "nobody listens on %.*s, though Aquifer runs", STR_ARG(l->address));
        doctor_tell(d, FINDING_WARN, "port", what, "addresses are read at the start only: restart it");
    } else if (error == EADDRINUSE && d->runs) {
        snprintf(what, sizeof what, "%.*s is listened on, by Aquifer as it runs", STR_ARG(l->address));
        doctor_tell(d, FINDING_OK, "port", what, "");
    } else {
        snprintf(what, sizeof what, "%.*s: %s", STR_ARG(l->address), strerror(error));
        doctor_tell(d, FINDING_FAIL, "port", what,
                    error == EADDRINUSE ? "stop the other program, or take another port"
                                        : "take an address that this machine has, and a port from 1024 on");
    }
}

void doctor_ports(struct doctor *d)
{
    for (unsigned i = 0; i < d->config->listen.n; i++) check_port(d, &d->config->listen.at[i]);
    for (unsigned i = 0; i < d->config->admin_listen.n; i++) check_port(d, &d->config->admin_listen.at[i]);
    for (unsigned i = 0; i < d->config->metrics_listen.n; i++) check_port(d, &d->config->metrics_listen.at[i]);
}

/* ---- limits and clock ------------------------------------------------------------------------------------------------------------ */

static void check_files(struct doctor *d)
{
    struct rlimit limit;
    char what[128];
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    snprintf(what, sizeof what, "at most %llu files may be open", (unsigned long long)limit.rlim_max);
    bool few = limit.rlim_max < FILES_WARN;
    doctor_tell(d, few ? FINDING_WARN : FINDING_OK, "limits", what,
                few ? "each request under way needs two: raise it (ulimit -Hn, or LimitNOFILE of the service)" : "");
}

static void check_clock(struct doctor *d)
{
    struct timex t = {.modes = 0};
    char now[25], what[64];
    clock_rfc3339(clock_wall_ms(), now);
    snprintf(what, sizeof what, "it is %s", now);
    if (clock_wall_ms() < BUILT_NOT_BEFORE_MS)
        doctor_tell(d, FINDING_FAIL, "clock", what, "set it: expiry, spend caps and certificates go by it");
    else if (adjtimex(&t) >= 0 && t.status & STA_UNSYNC)
        doctor_tell(d, FINDING_WARN, "clock", what,
                    "nobody keeps it right: install chrony or systemd-timesyncd (in a container the host does it)");
    else doctor_tell(d, FINDING_OK, "clock", what, "");
}

void doctor_machine(struct doctor *d)
{
    check_files(d);
    check_clock(d);
}
