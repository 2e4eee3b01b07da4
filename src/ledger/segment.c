/* One segment file: made ahead (space, zeros, header, lock, name), synced, closed.
 * Called by the journal's threads, and by a loop only before it serves. Owns the file descriptor and the mapping. Gateway. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/priv.h"

enum { TRIES = 20 };

struct journal_disk journal_disk = {
    .allocate = posix_fallocate,
    .write_at = pwrite,
    .sync = fdatasync,
    .rename = rename,
};

static enum err fail_make(const struct journal *j, int error, struct fault *why)
{
    return FAIL(why, ERR_JOURNAL_FULL,
                "cannot prepare a journal segment in %s: %s; free the disk or its rights, it goes on by itself", j->dir,
                strerror(error));
}

static void path_of(const struct journal *j, const char *id, const char *suffix, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "%.*s/%.*s%s", PATH_ROOM - 64, j->dir, LEDGER_ID_LEN, id, suffix);
}

/* Zeros are written and not only reserved: a sync of blocks that were never written has to change the file system's own
 * records as well, which costs several times as much. Nothing is mapped by it. Returns errno. */
static int fill(int fd, size_t bytes)
{
    static const char zeros[KIB(64)];
    int error = journal_disk.allocate(fd, 0, (off_t)bytes);
    for (size_t at = 0; !error && at < bytes;) {
        size_t n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
        ssize_t done = journal_disk.write_at(fd, zeros, n, (off_t)at);
        if (done < 0 && errno != EINTR) error = errno;
        if (done == 0) error = EIO;
        if (done > 0) at += (size_t)done;
    }
    return error;
}

int journal_dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return error;
}

/* The lock stands before control can see the name; it tells that the writer lives. */
static int open_locked(const char *path, int *ret_fd)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    *ret_fd = fd;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static int prepare(struct journal *j, struct journal_segment *s, const char *path, bool sync)
{
    int error = open_locked(path, &s->fd);
    if (!error) error = fill(s->fd, s->bytes);
    if (error) return error;
    void *map = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED) return errno;
    s->map = map;
    struct segment_head *head = map;
    segment_head_write(head, s->n_slots, 0, clock_wall_ms());
    head->board = j->board ? j->board->id : 0;
    if (sync && journal_disk.sync(s->fd) < 0) return errno;
    char named[PATH_ROOM];
    path_of(j, s->id, SEGMENT_SUFFIX, named);
    if (journal_disk.rename(path, named) < 0) return errno;
    if (sync) return journal_dir_sync(j->dir);
    atomic_store(&j->dir_dirty, true);
    return 0;
}

static void segment_free(struct journal_segment *s)
{
    if (s->map) munmap(s->map, s->bytes);
    if (s->fd >= 0) close(s->fd);
    free(s);
}

static struct journal_segment *segment_new(const struct journal *j)
{
    struct journal_segment *s = mem_alloc(sizeof *s);
    s->fd = -1;
    s->n_slots = (j->segment_bytes - SEGMENT_HEAD) / SLOT_BYTES;
    s->bytes = j->segment_bytes;
    random_id(s->id, LEDGER_ID_LEN);
    return s;
}

static int try_make(struct journal *j, bool sync, struct journal_segment **ret_segment)
{
    char path[PATH_ROOM];
    struct journal_segment *s = segment_new(j);
    path_of(j, s->id, SEGMENT_NEW, path);
    int error = prepare(j, s, path, sync);
    if (!error) {
        *ret_segment = s;
        return 0;
    }
    unlink(path);
    segment_free(s);
    return error;
}

/* Between its creation and its lock a file looks abandoned: should control sweep it up just then, another one is made. */
enum err segment_make(struct journal *j, bool sync, struct journal_segment **ret_segment, struct fault *why)
{
    int error = ENOENT;
    for (int i = 0; i < TRIES && (error == ENOENT || error == EWOULDBLOCK); i++) error = try_make(j, sync, ret_segment);
    return error ? fail_make(j, error, why) : OK;
}

/* Without a record in it nobody needs the file. */
void segment_close(struct journal *j, struct journal_segment *s)
{
    char path[PATH_ROOM];
    path_of(j, s->id, SEGMENT_SUFFIX, path);
    if (s->next_slot == 0) unlink(path);
    segment_free(s);
}

/* A full segment of long attempts is not needed in memory until they end: its pages stay in the kernel's cache, as dirty as they
 * were, and come back one by one when they are touched. A refusal leaves it as it is. */
void segment_rest(const struct journal_segment *s) { (void)madvise(s->map, s->bytes, MADV_DONTNEED); }

/* After a failed writeback the kernel calls the pages clean though the disk does not have them. Touching each page through
 * the mapping, with an atomic operation that changes nothing, makes it dirty again without losing what a loop stores at the
 * same moment; the next sync then writes all of it. */
__attribute__((no_sanitize_thread)) static void make_dirty(struct journal_segment *s)
{
    for (size_t at = 0; at < s->bytes; at += 4096) atomic_fetch_or((_Atomic uint32_t *)(void *)(s->map + at), 0);
    atomic_store(&s->dirty, true);
}

int segment_sync(struct journal_segment *s)
{
    if (journal_disk.sync(s->fd) == 0) return 0;
    int error = errno;
    make_dirty(s);
    return error;
}

static uint64_t file_bytes(int dir, const char *name)
{
    struct stat st;
    return name[0] != '.' && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t journal_dir_bytes(const char *dir)
{
    uint64_t sum = 0;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* seen by the thread sanitizer, which opendir() is not */
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) close(fd);
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));) sum += file_bytes(dirfd(d), e->d_name);
    closedir(d);
    return sum;
}
