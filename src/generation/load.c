/* From a published file to a generation: the members common to all parts, and the whole. Called by the gateway when the
 * bell rings, and by control to prove a file before it is published. */
#include "generation/priv.h"

#include <stdlib.h>

/* 128 MiB of tape: all 65,536 keys with 100 values each, and routes besides. */
enum { NODES_MAX = 8 << 20 };

void *load_alloc(struct load *l, size_t n)
{
    void *p = arena_alloc(&l->g->arena, n ? n : 1);
    if (!p) l->full = true;
    return p;
}

struct str load_text(struct load *l, uint32_t node)
{
    struct buf text;
    struct str copy = STR_NONE;
    buf_init(&text, MIB(1));
    struct str s = json_str(l->tape, node, &text);
    if (!s.p) l->bad = true;
    else if (!arena_str(&l->g->arena, s, &copy)) l->full = true;
    buf_done(&text);
    return copy;
}

struct str load_str(struct load *l, uint32_t object, const char *name)
{
    uint32_t node = json_find(l->tape, object, str_z(name));
    return node ? load_text(l, node) : STR_NONE;
}

uint64_t load_u64(struct load *l, uint32_t object, const char *name, uint64_t fallback)
{
    uint32_t node = json_find(l->tape, object, str_z(name));
    uint64_t value = fallback;
    if (node && !json_u64(l->tape, node, &value)) l->bad = true;
    return value;
}

int64_t load_i64(struct load *l, uint32_t object, const char *name, int64_t fallback)
{
    uint32_t node = json_find(l->tape, object, str_z(name));
    int64_t value = fallback;
    if (node && !json_i64(l->tape, node, &value)) l->bad = true;
    return value;
}

bool load_flag(struct load *l, uint32_t object, const char *name)
{
    uint32_t node = json_find(l->tape, object, str_z(name));
    bool value = false;
    if (node && !json_bool(l->tape, node, &value)) l->bad = true;
    return value;
}

void *load_array(struct load *l, uint32_t object, const char *name, size_t size, unsigned *ret_n, struct json_iter *ret_iter)
{
    uint32_t list = json_find(l->tape, object, str_z(name));
    *ret_n = 0;
    *ret_iter = (struct json_iter){0};
    if (!list) return NULL;
    if (!json_is(l->tape, list, JSON_ARRAY)) {
        l->bad = true;
        return NULL;
    }
    unsigned n = json_count(l->tape, list);
    void *out = n ? load_alloc(l, n * size) : NULL;
    if (!out) return NULL;
    *ret_n = n;
    *ret_iter = json_each(l->tape, list);
    return out;
}

struct str *load_strs(struct load *l, uint32_t object, const char *name, unsigned *ret_n)
{
    struct json_iter it;
    uint32_t value;
    struct str *out = load_array(l, object, name, sizeof *out, ret_n, &it);
    for (unsigned i = 0; i < *ret_n && json_next(l->tape, &it, &value); i++) out[i] = load_text(l, value);
    return out;
}

static void load_cells(struct load *l, uint32_t object, struct price *p)
{
    struct json_iter it = json_each(l->tape, object);
    uint32_t key, value;
    p->known = true;
    while (json_next_member(l->tape, &it, &key, &value)) {
        enum usage_cell cell;
        if (!usage_cell_find(json_text(l->tape, key), &cell) || !json_u64(l->tape, value, &p->per[cell])) l->bad = true;
    }
}

void load_prices(struct load *l, uint32_t object, struct price_period **ret_prices, unsigned *ret_n)
{
    struct json_iter it;
    uint32_t value;
    struct price_period *out = load_array(l, object, "prices", sizeof *out, ret_n, &it);
    for (unsigned i = 0; i < *ret_n && json_next(l->tape, &it, &value); i++) {
        uint32_t cells = json_find(l->tape, value, S("per"));
        out[i].from_ms = load_i64(l, value, "from_ms", INT64_MIN);
        if (cells) load_cells(l, cells, &out[i].price);
        if (i && out[i].from_ms <= out[i - 1].from_ms) l->bad = true;
    }
    *ret_prices = out;
}

void load_catalogs(struct load *l)
{
    struct json_iter kinds, models;
    uint32_t kind, model;
    l->g->catalogs = load_array(l, 0, "catalogs", sizeof *l->g->catalogs, &l->g->n_catalogs, &kinds);
    for (unsigned k = 0; k < l->g->n_catalogs && json_next(l->tape, &kinds, &kind); k++) {
        unsigned n;
        struct model_facts *facts = load_array(l, kind, "models", sizeof *facts, &n, &models);
        map_init(&l->g->catalogs[k]);
        for (unsigned i = 0; i < n && json_next(l->tape, &models, &model); i++) {
            facts[i].name = load_str(l, model, "name");
            facts[i].max_output = load_u64(l, model, "max_output", 0);
            facts[i].context = load_u64(l, model, "context", 0);
            load_prices(l, model, &facts[i].prices, &facts[i].n_prices);
            if (!map_add(&l->g->catalogs[k], facts[i].name, &facts[i])) l->bad = true;
        }
    }
}

static void load_manners(struct load *l, uint32_t o, struct chat_manners *m)
{
    struct json_iter it;
    uint32_t value;
    unsigned n;
    uint64_t *scale = load_array(l, o, "scale", sizeof *scale, &n, &it), off = load_u64(l, o, "off", 0),
             over = load_u64(l, o, "over", 0), fixed = load_u64(l, o, "fixed_sampling", 0);
    m->known = true;
    m->reasons = load_flag(l, o, "reasons");
    m->adaptive = load_flag(l, o, "adaptive");
    m->fixed_sampling = fixed < FIXEDS ? (enum chat_fixed)fixed : FIXED_ALWAYS;
    m->one_sampler = load_flag(l, o, "one_sampler");
    m->no_stop = load_flag(l, o, "no_stop");
    m->no_schema = load_flag(l, o, "no_schema");
    m->json_alone = load_flag(l, o, "json_alone");
    m->stops_max = load_u64(l, o, "stops_max", 0);
    m->no_prefill = load_flag(l, o, "no_prefill");
    m->later_system = load_flag(l, o, "later_system");
    m->efforts = (unsigned)load_u64(l, o, "efforts", 0);
    m->budget_min = load_u64(l, o, "budget_min", 0);
    m->budget_max = load_u64(l, o, "budget_max", 0);
    m->max_output = load_u64(l, o, "max_output", 0);
    m->off = off < OFFS ? (enum chat_off)off : OFF_OMITTED;
    m->over = over < OVERS ? (enum chat_over)over : OVER_ALL;
    for (unsigned i = 0; i < n && i < EFFORTS && json_next(l->tape, &it, &value); i++)
        if (!json_u64(l->tape, value, &m->scale[i])) l->bad = true;
    l->bad |= n != EFFORTS || off >= OFFS || over >= OVERS || fixed >= FIXEDS;
}

void load_families(struct load *l)
{
    struct json_iter it;
    uint32_t family;
    unsigned n;
    struct model_family *all = load_array(l, 0, "families", sizeof *all, &n, &it);
    for (unsigned i = 0; i < n && json_next(l->tape, &it, &family); i++) {
        all[i].match = load_strs(l, family, "match", &all[i].n_match);
        load_manners(l, family, &all[i].manners);
    }
    l->g->families = all;
    l->g->n_families = all ? n : 0;
}

static enum err load_all(struct load *l)
{
    uint32_t settings = json_find(l->tape, 0, S("settings"));
    if (!json_is(l->tape, 0, JSON_OBJECT) || load_u64(l, 0, "format", 0) != GENERATION_FORMAT)
        return FAIL(l->why, ERR_CONFIG,
                    "the generation file is of another version than this program; restart Aquifer as a whole");
    l->g->number = load_u64(l, 0, "number", 0);
    if (settings) load_settings(l, settings);
    load_families(l);
    load_catalogs(l);
    if (!l->bad && !l->full) TRY(load_providers(l));
    if (!l->bad && !l->full) load_routes(l);
    if (!l->bad && !l->full) load_kept(l);
    if (!l->bad && !l->full) load_keys(l);
    if (l->why && l->why->code != OK) return l->why->code;
    if (l->full) return FAIL(l->why, ERR_CONFIG, "the generation is too large");
    if (l->bad || !settings || l->g->number == 0)
        return FAIL(l->why, ERR_CONFIG, "the generation file is damaged; control will write a new one");
    return OK;
}

static void hash(struct str json, char ret_hex[65])
{
    static const char HEX[] = "0123456789abcdef";
    uint8_t digest[KEY_DIGEST_LEN];
    key_digest((struct secret){json}, digest);
    for (int i = 0; i < KEY_DIGEST_LEN; i++) {
        ret_hex[2 * i] = HEX[digest[i] >> 4];
        ret_hex[2 * i + 1] = HEX[digest[i] & 15];
    }
    ret_hex[64] = '\0';
}

enum err generation_load(struct str json, struct board *b, struct generation **ret_generation, struct fault *why)
{
    struct json_tape tape;
    struct fault own = {0};
    struct generation *g = mem_alloc(sizeof *g);
    struct load l = {.g = g, .board = b, .tape = &tape, .why = &own};
    atomic_init(&g->refs, 1);
    arena_init(&g->arena, KIB(64), MIB(1024));
    map_init(&g->exact);
    map_init(&g->keys);
    map_init(&g->seals);
    json_tape_init(&tape, NODES_MAX);
    enum err got = json_scan(&tape, json, NULL, &own);
    if (got == OK) got = load_all(&l);
    json_tape_done(&tape);
    explicit_bzero(&l.seal, sizeof l.seal);
    if (got != OK) {
        if (why) *why = own;
        generation_unref(g);
        return got;
    }
    hash(json, g->hash);
    *ret_generation = g;
    return OK;
}

void generation_ref(struct generation *g) { atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed); }

static void wipe(struct str s)
{
    union {
        const char *from;
        char *to;
    } p = {.from = s.p}; /* our own copy in the arena */
    if (s.n) explicit_bzero(p.to, s.n);
}

static void wipe_headers(const struct header *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++) wipe(h[i].value);
}

void generation_unref(struct generation *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1) return;
    for (unsigned i = 0; i < g->n_providers; i++) {
        if (g->providers[i].origin) http_origin_unref(g->providers[i].origin);
        wipe(g->providers[i].key.value);
        wipe_headers(g->providers[i].headers, g->providers[i].n_headers);
    }
    for (unsigned i = 0; i < g->n_routes; i++)
        for (unsigned k = 0; k < g->routes[i].n_deployments; k++)
            wipe_headers(g->routes[i].deployments[k].headers, g->routes[i].deployments[k].n_headers);
    for (unsigned i = 0; i < g->n_catalogs; i++) map_done(&g->catalogs[i]);
    map_done(&g->exact);
    map_done(&g->keys);
    map_done(&g->seals);
    arena_done(&g->arena);
    free(g);
}
