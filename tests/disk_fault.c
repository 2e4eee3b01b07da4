/* A disk that fails when it is told to: preloaded (LD_PRELOAD) into the programs under test by tests/e2e/test_disk.py.
 * The orders stand in a file that both map: which paths, which step begins to fail, how many fail, with what errno. It counts
 * the steps, so that a test can make every write and sync fail in turn. Never linked into a program. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS = 4096 };

struct orders {
    _Atomic int32_t error;       /* 0: the disk is well */
    _Atomic uint32_t from, many; /* the first step that fails, counted from 1, and how many do */
    _Atomic uint32_t steps;
    _Atomic uint32_t kinds; /* 1 what takes space, 2 syncs */
    char match[108];        /* part of the path; read while `error` is set */
};

static struct orders *orders;
static _Atomic bool ours[FDS]; /* whether a descriptor was opened below the data directory, by `match` then or now */
static char paths[FDS][200];

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("DISK_FAULT");
    int fd = file ? (int)syscall(2 /* open */, file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) orders = at;
}

static bool step_fails(const char *path, uint32_t kind)
{
    if (!orders || !path || !atomic_load(&orders->error) || !(atomic_load(&orders->kinds) & kind) || !strstr(path, orders->match))
        return false;
    uint32_t step = atomic_fetch_add(&orders->steps, 1) + 1, from = atomic_load(&orders->from);
    if (step < from || step - from >= atomic_load(&orders->many)) return false;
    errno = atomic_load(&orders->error);
    return true;
}

static bool fd_fails(int fd, uint32_t kind)
{
    return fd >= 0 && fd < FDS && atomic_load(&ours[fd]) && step_fails(paths[fd], kind);
}

static int opened(int fd, const char *path)
{
    if (fd < 0 || fd >= FDS) return fd;
    atomic_store(&ours[fd], false);
    size_t n = strnlen(path, sizeof paths[fd] - 1);
    memcpy(paths[fd], path, n);
    paths[fd][n] = '\0';
    atomic_store(&ours[fd], true);
    return fd;
}

#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define WRITES(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC))
#define MODE(flags, mode)                 \
    mode_t mode = 0;                      \
    if ((flags) & O_CREAT) {              \
        va_list args;                     \
        va_start(args, flags);            \
        mode = (mode_t)va_arg(args, int); \
        va_end(args);                     \
    }
#define OPEN(name)                                           \
    int name(const char *path, int flags, ...)               \
    {                                                        \
        MODE(flags, mode)                                    \
        NEXT(name);                                          \
        if (WRITES(flags) && step_fails(path, 1)) return -1; \
        return opened(next(path, flags, mode), path);        \
    }
#define OPENAT(name)                                         \
    int name(int dir, const char *path, int flags, ...)      \
    {                                                        \
        MODE(flags, mode)                                    \
        NEXT(name);                                          \
        if (WRITES(flags) && step_fails(path, 1)) return -1; \
        return opened(next(dir, path, flags, mode), path);   \
    }
#define ON_FD(type, name, kind, failed, parameters, ...) \
    type name parameters                                 \
    {                                                    \
        NEXT(name);                                      \
        if (fd_fails(fd, kind)) return failed;           \
        return next(__VA_ARGS__);                        \
    }

#undef open
#undef openat
#undef pwrite
#undef ftruncate
#undef posix_fallocate
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
ON_FD(ssize_t, write, 1, -1, (int fd, const void *p, size_t n), fd, p, n)
ON_FD(ssize_t, pwrite64, 1, -1, (int fd, const void *p, size_t n, off64_t at), fd, p, n, at)
ON_FD(ssize_t, pwrite, 1, -1, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
ON_FD(int, ftruncate64, 1, -1, (int fd, off64_t n), fd, n)
ON_FD(int, ftruncate, 1, -1, (int fd, off_t n), fd, n)
ON_FD(int, fsync, 2, -1, (int fd), fd)
ON_FD(int, fdatasync, 2, -1, (int fd), fd)
ON_FD(int, posix_fallocate64, 1, errno, (int fd, off64_t at, off64_t n), fd, at, n)
ON_FD(int, posix_fallocate, 1, errno, (int fd, off_t at, off_t n), fd, at, n)

int rename(const char *from, const char *to)
{
    NEXT(rename);
    return step_fails(to, 1) ? -1 : next(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return step_fails(path, 1) ? -1 : next(path, mode);
}

int close(int fd)
{
    NEXT(close);
    if (fd >= 0 && fd < FDS) atomic_store(&ours[fd], false);
    return next(fd);
}
