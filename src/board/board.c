/* Making and mapping the board, its bells, and the two tables whose rows are claimed at run time. */
#include "board/board.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

const uint32_t board_bucket_ms[BOARD_BUCKETS - 1] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};

void histogram_add(struct histogram *h, uint64_t us)
{
    unsigned i = 0;
    while (i < BOARD_BUCKETS - 1 && us > (uint64_t)board_bucket_ms[i] * 1000) i++;
    atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

static enum err map(int fd, struct board **ret_board, struct fault *why)
{
    void *p = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return FAIL(why, ERR_IO, "cannot map the shared board: %s", strerror(errno));
    *ret_board = p;
    return OK;
}

enum err board_create(struct board **ret_board, struct board_fds *ret_fds, struct fault *why)
{
    ret_fds->memory = memfd_create("aquifer-board", MFD_CLOEXEC);
    if (ret_fds->memory < 0 || ftruncate(ret_fds->memory, (off_t)sizeof(struct board)) < 0)
        return FAIL(why, ERR_IO, "cannot create the shared board: %s", strerror(errno));
    for (int i = 0; i < BELLS; i++) {
        ret_fds->bells[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (ret_fds->bells[i] < 0) return FAIL(why, ERR_IO, "cannot create an eventfd: %s", strerror(errno));
    }
    TRY(map(ret_fds->memory, ret_board, why));
    (*ret_board)->version = BOARD_VERSION;
    (*ret_board)->size = sizeof(struct board);
    (*ret_board)->id = random_u64();
    return OK;
}

enum err board_open(const struct board_fds *fds, struct board **ret_board, struct fault *why)
{
    TRY(map(fds->memory, ret_board, why));
    if ((*ret_board)->version == BOARD_VERSION && (*ret_board)->size == sizeof(struct board)) return OK;
    board_close(*ret_board);
    *ret_board = NULL;
    return FAIL(why, ERR_INTERNAL, "the shared board has another version; stop Aquifer and start it again");
}

void board_close(struct board *b)
{
    if (b) munmap(b, sizeof *b);
}

void board_fds_write(const struct board_fds *fds, char out[64])
{
    snprintf(out, 64, "%d,%d,%d,%d", fds->memory, fds->bells[0], fds->bells[1], fds->bells[2]);
}

bool board_fds_parse(const char *text, struct board_fds *ret_fds)
{
    int *fds[] = {&ret_fds->memory, &ret_fds->bells[0], &ret_fds->bells[1], &ret_fds->bells[2]};
    struct str rest = str_z(text), word;
    for (size_t i = 0; i < COUNTOF(fds); i++) {
        uint64_t fd;
        bool more = str_cut(rest, ',', &word, &rest);
        if (more == (i + 1 == COUNTOF(fds)) || !str_u64(word, &fd) || fd > INT32_MAX) return false;
        *fds[i] = (int)fd;
    }
    return true;
}

void bell_ring(const struct board_fds *fds, enum bell which)
{
    uint64_t one = 1;
    if (write(fds->bells[which], &one, sizeof one) < 0) return; /* full: it rings already */
}

void bell_hush(const struct board_fds *fds, enum bell which)
{
    uint64_t count;
    if (read(fds->bells[which], &count, sizeof count) < 0) return; /* empty: nobody rang */
}

static void put_name(char *out, size_t room, struct str s)
{
    size_t n = s.n < room - 1 ? s.n : room - 1;
    if (n) memcpy(out, s.p, n);
    out[n] = '\0';
}

static bool row_is(const struct board_row *r, struct str route, struct str provider, struct str model, struct str format)
{
    return str_eq(str_z(r->route), route) && str_eq(str_z(r->provider), provider) && str_eq(str_z(r->model), model) &&
           str_eq(str_z(r->format), format);
}

static void row_name(struct board_row *r, struct str route, struct str provider, struct str model, struct str format)
{
    put_name(r->route, sizeof r->route, route);
    put_name(r->provider, sizeof r->provider, provider);
    put_name(r->model, sizeof r->model, model);
    put_name(r->format, sizeof r->format, format);
}

struct board_row *board_row_get(struct board *b, struct str route, struct str provider, struct str model, struct str format)
{
    struct board_row *last = &b->rows[BOARD_ROWS - 1];
    for (struct board_row *r = b->rows; r < last; r++) {
        uint32_t used = atomic_load(&r->used);
        if (used == 0 && atomic_compare_exchange_strong(&r->used, &used, 1)) {
            row_name(r, route, provider, model, format);
            atomic_store(&r->used, 2);
            return r;
        }
        while (used == 1) used = atomic_load(&r->used); /* another thread writes four names: a moment */
        if (row_is(r, route, provider, model, format)) return r;
    }
    if (atomic_exchange(&last->used, 2) == 0) row_name(last, S("other"), S("other"), S("other"), S("other"));
    return last;
}

struct engine_row *board_engine_find(struct board *b, struct str name)
{
    for (struct engine_row *r = b->engines; r < b->engines + BOARD_ENGINES; r++)
        if (atomic_load(&r->state) != ENGINE_FREE && str_eq(str_z(r->name), name)) return r;
    return NULL;
}
