/* Arenas and the allocator that cannot fail: many small lifetimes freed as one.
 * Called by every room that keeps something per exchange, configuration generation or parse.
 * An arena owns its chunks; what it hands out is never freed singly. Runs in every process, one thread per arena. */
#include "base/base.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define RED_ZONE 16 /* so that one byte too far is reported even inside a chunk */
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define RED_ZONE 0
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* payload bytes behind this head */
};
_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "the payload must stay 16-aligned");

void *mem_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    must(p && "out of memory");
    return p;
}

void *mem_resize(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    must(q && "out of memory");
    return q;
}

void arena_init(struct arena *a, size_t chunk_size, size_t max)
{
    must(chunk_size > 0);
    *a = (struct arena){.max = max, .chunk_size = chunk_size};
}

void arena_done(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks; c;) {
        struct arena_chunk *next = c->next;
        UNPOISON(c + 1, c->size);
        free(c);
        c = next;
    }
    arena_init(a, a->chunk_size, a->max);
}

static struct arena_chunk *chunk_new(size_t size)
{
    struct arena_chunk *c = malloc(sizeof *c + size);
    must(c && "out of memory");
    c->size = size;
    POISON(c + 1, size);
    return c;
}

/* What was in use lies in one chunk from then on: a lifetime like the last one allocates nothing. */
void arena_clear(struct arena *a, size_t keep)
{
    size_t size = 0;
    for (const struct arena_chunk *c = a->chunks; c; c = c->next) size += c->size;
    bool one = a->chunks && !a->chunks->next;
    if (!one || size > keep) {
        arena_done(a);
        if (size == 0 || size > keep) return;
        a->chunks = chunk_new(size);
        a->chunks->next = NULL;
    }
    POISON(a->chunks + 1, size);
    a->at = (char *)(a->chunks + 1);
    a->end = a->at + size;
    a->used = 0;
}

/* A block of its own, hung behind the current chunk, whose free rest stays in use. */
static void *alloc_big(struct arena *a, size_t need)
{
    struct arena_chunk *c = chunk_new(need);
    struct arena_chunk **link = a->chunks ? &a->chunks->next : &a->chunks;
    c->next = *link;
    *link = c;
    return c + 1;
}

static void *alloc_small(struct arena *a, size_t need)
{
    if ((size_t)(a->end - a->at) < need) {
        struct arena_chunk *c = chunk_new(a->chunk_size);
        c->next = a->chunks;
        a->chunks = c;
        a->at = (char *)(c + 1);
        a->end = a->at + c->size;
    }
    void *p = a->at;
    a->at += need;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->max) return NULL;
    size_t size = ((n ? n : 1) + 15) & ~(size_t)15;
    if (size > a->max - a->used) return NULL;
    size_t need = size + RED_ZONE;
    /* At most a quarter of a chunk is ever left over: memory held stays within 4/3 of `used` and one chunk. */
    bool big = need > a->chunk_size / 4 && (size_t)(a->end - a->at) < need;
    void *p = big ? alloc_big(a, need) : alloc_small(a, need);
    a->used += size;
    UNPOISON(p, n);
    memset(p, 0, n);
    return p;
}

bool arena_str(struct arena *a, struct str s, struct str *ret_copy)
{
    char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;
    if (!p) return false;
    if (s.n) memcpy(p, s.p, s.n);
    *ret_copy = (struct str){p, s.n};
    return true;
}
