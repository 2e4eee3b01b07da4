/* The memory ceiling: new exchanges are refused before the kernel kills anything. The resident size is measured ten times a
 * second; what bodies, heads and the buffers of connections took since then is added, so that a burst between two looks is
 * seen too. */
#include "priv.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

enum { LOOK_MS = 100, TRIM_EVERY = 10, NEAR = MIB(1) };

static int64_t resident_bytes(void)
{
    char text[128];
    uint64_t pages;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n <= 0) return 0;
    struct str size, rest, resident;
    str_cut(str_make(text, (size_t)n), ' ', &size, &rest);
    str_cut(rest, ' ', &resident, &rest);
    if (!str_u64(resident, &pages)) return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void look(struct gateway *g)
{
    atomic_store(&g->held_at_rss, atomic_load(&g->slot->memory));
    atomic_store(&g->rss_seen, resident_bytes());
}

static bool would_exceed(struct gateway *g, int64_t more)
{
    uint64_t max = atomic_load_explicit(&g->memory_max, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&g->slot->memory, memory_order_relaxed) -
                    atomic_load_explicit(&g->held_at_rss, memory_order_relaxed);
    int64_t now = atomic_load_explicit(&g->rss_seen, memory_order_relaxed) + (since > 0 ? since : 0) + more;
    return max && now > 0 && (uint64_t)now > max;
}

static void on_short(struct post *p)
{
    struct gateway_loop *gl = CONTAINER_OF(p, struct gateway_loop, on_short);
    atomic_store(&gl->short_posted, false);
    json_tape_trim(&gl->tape, 0);
}

/* What a loop keeps for its next reading: a tape that has grown with one body of millions of values shrinks with the next
 * body, and while we refuse none comes. */
static void shed(struct gateway *g)
{
    for (unsigned i = 0; g->loops && i < g->n_loops; i++) {
        struct gateway_loop *gl = &g->loops[i];
        if (!atomic_exchange(&gl->short_posted, true)) loop_post(gl->loop, &gl->on_short, on_short);
    }
}

/* What was freed stays with malloc and resident: after a crowd has gone we would refuse for ever. Walking the heap takes
 * locks that loops need, so it is not done at every look. */
static void trim(struct gateway *g)
{
    if (!would_exceed(g, NEAR)) {
        g->looks_short = 0;
    } else if (g->looks_short++ % TRIM_EVERY == 0) {
        shed(g);
        malloc_trim(0);
        look(g);
    }
}

static void on_look(struct timer *t)
{
    struct gateway *g = CONTAINER_OF(t, struct gateway, memory_timer);
    look(g);
    trim(g);
    timer_set(g->manager, t, LOOK_MS, on_look);
}

void memory_watch(struct gateway *g)
{
    look(g);
    timer_set(g->manager, &g->memory_timer, LOOK_MS, on_look);
}

void memory_set_max(struct gateway *g, uint64_t bytes) { atomic_store(&g->memory_max, bytes); }

bool memory_is_short(struct gateway *g) { return would_exceed(g, 0); }

bool memory_take(void *gateway, int64_t bytes)
{
    struct gateway *g = gateway;
    if (bytes > 0 && would_exceed(g, bytes)) return false;
    atomic_fetch_add_explicit(&g->slot->memory, bytes, memory_order_relaxed);
    return true;
}

enum err memory_refuse(struct fault *why)
{
    FAIL(why, ERR_OVERLOADED, "Aquifer is at its memory ceiling (memory.max): try again in a moment");
    why->retry_after_s = 2;
    return why->code;
}
