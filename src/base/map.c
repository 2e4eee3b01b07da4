/* Borrowed string keys to pointers: seeded hash (SipHash-1-3), insertion order kept, nothing is ever removed.
 * Called for tables built once and read often (routes, keys, catalogue). Owns its two arrays, never keys or values.
 * The seed is drawn once per process: outsiders who choose keys cannot choose collisions. */
#include "base/base.h"

#include <pthread.h>
#include <stdlib.h>

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_draw(void) { random_bytes(seed, sizeof seed); }

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t hash_of(struct str key)
{
    pthread_once(&seed_once, seed_draw);
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                     seed[1] ^ 0x7465646279746573u};
    uint64_t word = 0;
    size_t at = 0;
    for (; key.n - at >= sizeof word; at += sizeof word) {
        memcpy(&word, key.p + at, sizeof word);
        sip_word(v, word);
    }
    word = 0;
    if (key.n > at) memcpy(&word, key.p + at, key.n - at);
    sip_word(v, word | (uint64_t)key.n << 56);
    v[2] ^= 0xFF;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m) { *m = (struct map){0}; }

void map_done(struct map *m)
{
    free(m->entries);
    free(m->slots);
    map_init(m);
}

/* The slot that holds `key`, or the free one where it belongs. Slots hold entry number + 1; half of them are free. */
static uint32_t *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    uint32_t mask = m->n_slots - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &m->slots[i];
        if (*slot == 0) return slot;
        const struct map_entry *e = &m->entries[*slot - 1];
        if (e->hash == hash && str_eq(e->key, key)) return slot;
    }
}

void *map_find(const struct map *m, struct str key)
{
    if (m->n == 0) return NULL;
    uint32_t slot = *slot_of(m, key, hash_of(key));
    return slot ? m->entries[slot - 1].value : NULL;
}

static void grow(struct map *m)
{
    must(m->cap_entries <= UINT32_MAX / 4);
    m->cap_entries = m->cap_entries ? m->cap_entries * 2 : 8;
    m->n_slots = m->cap_entries * 2;
    m->entries = mem_resize(m->entries, m->cap_entries * sizeof *m->entries);
    free(m->slots);
    m->slots = mem_alloc(m->n_slots * sizeof *m->slots);
    for (uint32_t i = 0; i < m->n; i++) *slot_of(m, m->entries[i].key, m->entries[i].hash) = i + 1;
}

bool map_add(struct map *m, struct str key, void *value)
{
    if (m->n == m->cap_entries) grow(m);
    uint64_t hash = hash_of(key);
    uint32_t *slot = slot_of(m, key, hash);
    if (*slot) return false;
    m->entries[m->n] = (struct map_entry){key, value, hash};
    *slot = ++m->n;
    return true;
}
