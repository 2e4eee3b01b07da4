/* How much memory the children may have. Called by the manager; looks, changes nothing.
 *
 * Limits are kept by looking at the resident size once a second and ending the child that is over, not by RLIMIT_AS (the
 * mapped weights count there whole) and not by a cgroup of our own (only root or a delegated unit may make one). Beside it
 * each child is marked as the kernel's first choice when memory ends all the same. docs/decisions tells more. */
#include "engine/priv.h"

#include <sys/sysinfo.h>

/* 0: no limit there; "max" reads as none. */
static uint64_t read_number(const char *path)
{
    uint64_t value = 0;
    struct buf text;
    if (file_read(path, 64, &text, NULL) != OK) return 0;
    if (text.n && text.p[text.n - 1] == '\n') text.n--;
    if (!str_u64(buf_view(&text), &value)) value = 0;
    buf_done(&text);
    return value;
}

uint64_t memory_limit(uint64_t configured)
{
    struct sysinfo info = {0};
    if (configured) return configured;
    uint64_t all = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
    uint64_t group = read_number("/sys/fs/cgroup/memory.max");
    if (group && (!all || group < all)) all = group;
    return all / 4 * 3;
}

/* Seen with 8,192 tokens of context: 1.1 GB of weights use 2.0 GB, 0.49 GB use 0.67 GB. */
uint64_t memory_guess(uint64_t weights) { return weights + weights / 2 + MIB(128); }
