/* The loader: takes up published generations on the manager's thread and hands them to the loops. A generation that does
 * not load never replaces one that does. */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GENERATION_BYTES_MAX = 256 * 1024 * 1024 };

static enum err read_file(const char *path, struct buf *out, struct fault *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    bool good = fstat(fd, &st) == 0 && buf_reserve(out, (size_t)st.st_size + 1);
    while (good && out->n < (size_t)st.st_size) {
        ssize_t n = read(fd, out->p + out->n, (size_t)st.st_size - out->n);
        good = n > 0;
        if (good) out->n += (size_t)n;
    }
    close(fd);
    return good ? OK : FAIL(why, ERR_IO, "cannot read %s whole: %s", path, strerror(errno));
}

struct generation *loader_newest(struct gateway *g)
{
    pthread_mutex_lock(&g->lock);
    struct generation *n = g->newest;
    if (n) generation_ref(n);
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* The board's pages of meters are touched only as far as keys have places. */
static void note_places(struct board *b, const struct generation *n)
{
    uint32_t most = 0, seen = atomic_load(&b->key_places);
    for (uint32_t i = 0; i < n->keys.n; i++) {
        const struct key *k = n->keys.entries[i].value;
        if (k->place < BOARD_KEYS && k->place + 1 > most) most = k->place + 1;
    }
    while (seen < most && !atomic_compare_exchange_weak(&b->key_places, &seen, most)) {
    }
}

static void take_up(struct gateway *g, struct generation *n)
{
    pthread_mutex_lock(&g->lock);
    struct generation *old = g->newest;
    g->newest = n;
    pthread_mutex_unlock(&g->lock);
    if (old) generation_unref(old);
    memory_set_max(g, n->settings.memory_max);
    if (g->journal) journal_set_options(g->journal, &n->settings.journal);
    log_threshold = n->settings.log_level;
}

/* The slowest loop counts. Loops may be here at once: the number only rises. */
void loader_tell_board(struct gateway *g)
{
    uint64_t least = UINT64_MAX, told = atomic_load(&g->slot->generation);
    for (unsigned i = 0; i < g->n_loops; i++) {
        uint64_t serves = atomic_load(&g->loops[i].serves);
        if (serves < least) least = serves;
    }
    while (told < least && !atomic_compare_exchange_weak(&g->slot->generation, &told, least)) {
    }
}

/* On the loop: new exchanges get the new generation; running ones keep theirs. */
static void on_generation(struct post *p)
{
    struct gateway_loop *gl = CONTAINER_OF(p, struct gateway_loop, on_generation);
    atomic_store(&gl->generation_posted, false);
    struct generation *n = loader_newest(gl->gateway);
    if (gl->generation) generation_unref(gl->generation);
    gl->generation = n;
    http_server_set_options(gl->server, &n->settings.server);
    atomic_store(&gl->serves, n->number);
    follow_recheck(gl);
    loader_tell_board(gl->gateway);
}

static void tell_loops(struct gateway *g)
{
    for (unsigned i = 0; g->loops && i < g->n_loops; i++) { /* the first generation comes before them */
        struct gateway_loop *gl = &g->loops[i];
        if (!atomic_exchange(&gl->generation_posted, true)) loop_post(gl->loop, &gl->on_generation, on_generation);
    }
}

static enum err load(struct gateway *g, uint64_t number, struct generation **ret_generation, struct fault *why)
{
    char path[4096];
    struct buf text;
    snprintf(path, sizeof path, "%s/run/generation-%llu.json", g->data, (unsigned long long)number);
    buf_init(&text, GENERATION_BYTES_MAX);
    enum err e = read_file(path, &text, why);
    if (e == OK) e = generation_load(buf_view(&text), g->board, ret_generation, why);
    buf_done(&text);
    return e;
}

/* Control removes old files: one that is gone because a newer one is there is no failure. */
static enum err load_newest(struct gateway *g, uint64_t *number, struct generation **ret_generation, struct fault *why)
{
    for (;;) {
        uint64_t asked = *number;
        enum err e = load(g, asked, ret_generation, why);
        if (e == OK || (*number = atomic_load(&g->board->generation)) == asked) return e;
    }
}

enum err loader_load(struct gateway *g, struct fault *why)
{
    uint64_t number = atomic_load(&g->board->generation);
    struct generation *n;
    if (number == 0 || (g->newest && number == g->newest->number) || number == atomic_load(&g->slot->generation_refused))
        return OK;
    enum err e = load_newest(g, &number, &n, why);
    if (e != OK) {
        atomic_store(&g->slot->generation_refused, number);
        atomic_fetch_add(&g->board->counters.reload_failures, 1);
        return e;
    }
    n->number = number;
    n->settings.server.take_memory = memory_take;
    n->settings.server.user = g;
    route_bind(n, g->board);
    note_places(g->board, n);
    take_up(g, n);
    tell_loops(g);
    LOG(LOG_INFO, "generation.loaded", "", F_UINT("number", number), F_STR("hash", str_make(n->hash, 12)),
        F_UINT("routes", n->n_routes), F_UINT("keys", n->keys.n));
    return OK;
}
