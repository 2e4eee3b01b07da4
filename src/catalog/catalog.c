/* The catalogue: reading its files, judging them, finding models. Called by control at each new generation and by the
 * commands. Owns all text and models in one arena. Format: docs/prices.md. */
#include "catalog/priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MODELS_MAX = 20000, PERIODS_MAX = 64, FILES_MAX = 64, LEAP = 3 };

struct entry {
    const struct catalog_model *model;
    struct str name, key; /* key: "openai gpt-5.5" */
};
struct catalog {
    struct arena arena;
    struct catalog_family *families[FILES_MAX]; /* of each file that has some */
    unsigned n_families[FILES_MAX], n_files;
    struct entry *entries;
    unsigned n, cap;
    struct map names; /* key → entry number + 1 */
};
static const char *const CAPABILITIES[] = {"tools", "vision", "reasoning", "cache", "audio", "json", "documents"};

const char *capability_name(unsigned bit) { return bit < COUNTOF(CAPABILITIES) ? CAPABILITIES[bit] : NULL; }

struct arena *catalog_arena(const struct reading *r) { return &r->catalog->arena; }

struct catalog *catalog_new(void)
{
    struct catalog *c = mem_alloc(sizeof *c);
    arena_init(&c->arena, KIB(64), MIB(128));
    map_init(&c->names);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (!c) return;
    map_done(&c->names);
    arena_done(&c->arena);
    free(c->entries);
    free(c);
}

enum err catalog_wrong(const struct reading *r, unsigned line, const char *what)
{
    return FAIL(r->why, ERR_CONFIG, "%s:%u: %s", r->file, line, what);
}

/* Only these names; each at most once (yaml_read saw to that). */
enum err catalog_only(const struct reading *r, const struct yaml_node *map, const char *const *names, bool cells)
{
    if (map->kind != YAML_MAP) return catalog_wrong(r, map->line, "must be a map of keys");
    for (const struct yaml_node *n = map->first; n; n = n->next) {
        const char *const *known = names;
        while (*known && !str_eq(str_z(*known), n->name)) known++;
        if (!*known && !(cells && price_is_cell(n->name)))
            return FAIL(r->why, ERR_CONFIG, "%s:%u: \"%.*s\" is not a key here", r->file, n->line,
                        (int)(n->name.n < 60 ? n->name.n : 60), n->name.p);
    }
    return OK;
}

enum err catalog_text(const struct reading *r, const struct yaml_node *map, const char *name, bool needed, struct str *ret_text)
{
    const struct yaml_node *n = yaml_find(map, str_z(name));
    if (yaml_is_null(n)) return needed ? FAIL(r->why, ERR_CONFIG, "%s:%u: %s is missing", r->file, map->line, name) : OK;
    if (n->kind != YAML_TEXT || n->text.n == 0 || n->text.n > 1024)
        return FAIL(r->why, ERR_CONFIG, "%s:%u: %s must be a text", r->file, n->line, name);
    *ret_text = n->text;
    return OK;
}

enum err catalog_count(const struct reading *r, const struct yaml_node *map, const char *name, uint64_t *ret_count)
{
    struct str text = STR_NONE;
    TRY(catalog_text(r, map, name, false, &text));
    if (text.n && (!str_u64(text, ret_count) || *ret_count == 0 || *ret_count > 1000000000))
        return FAIL(r->why, ERR_CONFIG, "%s:%u: %s must be a whole number of tokens", r->file, map->line, name);
    return OK;
}

enum err catalog_day(const struct reading *r, const struct yaml_node *map, const char *name, int32_t *ret_day)
{
    struct str text = STR_NONE;
    TRY(catalog_text(r, map, name, false, &text));
    if (text.n && !clock_parse_day(text, ret_day))
        return FAIL(r->why, ERR_CONFIG, "%s:%u: %s must be a day, as 2026-11-23", r->file, map->line, name);
    return OK;
}

enum err catalog_flag(const struct reading *r, const struct yaml_node *map, const char *name, bool *ret_flag)
{
    struct str text = STR_NONE;
    TRY(catalog_text(r, map, name, false, &text));
    if (text.n && !str_eq(text, S("true")) && !str_eq(text, S("false")))
        return FAIL(r->why, ERR_CONFIG, "%s:%u: %s must be true or false", r->file, map->line, name);
    *ret_flag = str_eq(text, S("true"));
    return OK;
}

/* The cells of a period are its members beside the dates; price_read() gets a map of them alone. */
static enum err period_price(const struct reading *r, const struct yaml_node *map, struct catalog_period *p)
{
    struct yaml_node cells = {.kind = YAML_MAP, .line = map->line}, **end = &cells.first;
    struct fault what;
    for (const struct yaml_node *n = map->first; n; n = n->next) {
        if (!price_is_cell(n->name)) continue;
        struct yaml_node *copy = arena_alloc(&r->catalog->arena, sizeof *copy);
        if (!copy) return catalog_wrong(r, n->line, "the catalogue is too large");
        *copy = *n;
        copy->next = NULL;
        *end = copy;
        end = &copy->next;
    }
    if (price_read(&cells, &p->price, &p->cells, &what) == OK) return OK;
    return FAIL(r->why, ERR_CONFIG, "%s:%s", r->file, what.text);
}

static enum err read_period(const struct reading *r, const struct yaml_node *map, struct catalog_period *p)
{
    static const char *const NAMES[] = {"from", "to", "source", "checked", "confirmed", NULL};
    TRY(catalog_only(r, map, NAMES, true));
    p->from_day = INT32_MIN;
    p->to_day = INT32_MAX;
    p->source = r->source;
    p->checked_day = r->checked_day;
    TRY(catalog_day(r, map, "from", &p->from_day));
    TRY(catalog_day(r, map, "to", &p->to_day));
    TRY(catalog_day(r, map, "checked", &p->checked_day));
    TRY(catalog_text(r, map, "source", false, &p->source));
    TRY(catalog_flag(r, map, "confirmed", &p->confirmed));
    if (p->source.n == 0 || p->checked_day == 0)
        return catalog_wrong(r, map->line, "a price needs its source and the day it was checked");
    if (p->to_day < p->from_day) return catalog_wrong(r, map->line, "the period ends before it begins");
    return period_price(r, map, p);
}

/* A price that moves more than three times is more often a slip of a decimal than a decision of the vendor. */
static enum err check_leap(const struct reading *r, unsigned line, const char *against, const struct catalog_period *was,
                           const struct catalog_period *is)
{
    for (unsigned cell = 0; cell < USAGE_CELLS && !is->confirmed; cell++) {
        uint64_t a = was->price.per[cell], b = is->price.per[cell], low = a < b ? a : b, high = a < b ? b : a;
        bool both = was->cells & is->cells & 1u << cell;
        if (both && high > low * LEAP)
            return FAIL(r->why, ERR_CONFIG,
                        "%s:%u: the price of %s moves more than %d times against %s; is the unit right? "
                        "If it is, write confirmed: true",
                        r->file, line, usage_cell_name((enum usage_cell)cell), LEAP, against);
    }
    return OK;
}

static enum err read_periods(const struct reading *r, const struct yaml_node *list, struct catalog_model *m)
{
    if (list->kind != YAML_LIST || list->n == 0 || list->n > PERIODS_MAX)
        return catalog_wrong(r, list->line, "prices must be a list of periods, oldest first");
    m->periods = arena_alloc(&r->catalog->arena, list->n * sizeof *m->periods);
    if (!m->periods) return catalog_wrong(r, list->line, "the catalogue is too large");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        struct catalog_period *p = &m->periods[m->n_periods], *before = m->n_periods ? p - 1 : NULL;
        TRY(read_period(r, n, p));
        if (before && p->from_day <= before->from_day)
            return catalog_wrong(r, n->line, "periods must stand in the order of their days, each with another `from`");
        if (before && before->to_day != INT32_MAX && before->to_day >= p->from_day)
            return catalog_wrong(r, n->line, "overlaps with the period before");
        if (before) TRY(check_leap(r, n->line, "the period before", before, p));
        m->n_periods++;
    }
    return OK;
}

static enum err read_capabilities(const struct reading *r, const struct yaml_node *list, unsigned *ret_mask)
{
    if (yaml_is_null(list)) return OK;
    if (list->kind != YAML_LIST) return catalog_wrong(r, list->line, "can must be a list of words");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        unsigned bit = 0;
        while (capability_name(bit) && !str_eq(n->text, str_z(capability_name(bit)))) bit++;
        if (!capability_name(bit))
            return FAIL(r->why, ERR_CONFIG,
                        "%s:%u: \"%.*s\" is not a capability; there are tools, vision, reasoning, cache, audio, json, documents",
                        r->file, n->line, (int)(n->text.n < 60 ? n->text.n : 60), n->text.p ? n->text.p : "");
        *ret_mask |= 1u << bit;
    }
    return OK;
}

static struct entry *entry_find(const struct catalog *c, struct str key)
{
    uintptr_t at = (uintptr_t)map_find(&c->names, key);
    return at ? &c->entries[at - 1] : NULL;
}

/* A model that an earlier file knows: its last price there is what the first one here moves from. Of another model behind the
 * same alias nothing is expected. */
static enum err check_replaced(const struct reading *r, unsigned line, const struct catalog_model *was,
                               const struct catalog_model *is)
{
    char against[160];
    if (!was->n_periods || !is->n_periods || !str_eq(was->id, is->id)) return OK;
    snprintf(against, sizeof against, "%.*s:%u", (int)(was->file.n < 140 ? was->file.n : 140), was->file.p, was->line);
    return check_leap(r, line, against, &was->periods[was->n_periods - 1], &is->periods[0]);
}

static enum err enter(const struct reading *r, unsigned line, struct str name, const struct catalog_model *m)
{
    struct catalog *c = r->catalog;
    struct buf key;
    struct str own;
    buf_init(&key, KIB(2));
    buf_fmt(&key, "%.*s %.*s", STR_ARG(r->vendor), STR_ARG(name));
    bool kept = arena_str(&c->arena, buf_view(&key), &own);
    buf_done(&key);
    if (!kept || c->n == MODELS_MAX) return catalog_wrong(r, line, "the catalogue is too large");
    struct entry *old = entry_find(c, own);
    if (old && old->model->file.p == r->kept_file.p)
        return FAIL(r->why, ERR_CONFIG, "%s:%u: the name %.*s stands twice in this file", r->file, line, STR_ARG(name));
    if (old) { /* this file's word wins */
        TRY(check_replaced(r, line, old->model, m));
        old->model = m;
        return OK;
    }
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->entries = mem_resize(c->entries, c->cap * sizeof *c->entries);
    }
    c->entries[c->n++] = (struct entry){.model = m, .name = name, .key = own};
    must(map_add(&c->names, own, (void *)(uintptr_t)c->n));
    return OK;
}

static enum err read_aliases(const struct reading *r, const struct yaml_node *list, const struct catalog_model *m)
{
    if (yaml_is_null(list)) return OK;
    if (list->kind != YAML_LIST) return catalog_wrong(r, list->line, "aliases must be a list of names");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        if (n->kind != YAML_TEXT || n->text.n == 0 || n->text.n > 128)
            return catalog_wrong(r, n->line, "an alias must be a name");
        TRY(enter(r, n->line, n->text, m));
    }
    return OK;
}

static enum err read_model(const struct reading *r, const struct yaml_node *map)
{
    static const char *const NAMES[] = {"id", "aliases", "can", "context", "max_output", "prices", "note", NULL};
    TRY(catalog_only(r, map, NAMES, false));
    struct catalog_model *m = arena_alloc(&r->catalog->arena, sizeof *m);
    if (!m) return catalog_wrong(r, map->line, "the catalogue is too large");
    m->vendor = r->vendor;
    m->file = r->kept_file;
    m->line = map->line;
    struct str note = STR_NONE;
    TRY(catalog_text(r, map, "id", true, &m->id));
    TRY(catalog_text(r, map, "note", false, &note));
    if (m->id.n > 128) return catalog_wrong(r, map->line, "an id has at most 128 characters");
    TRY(catalog_count(r, map, "context", &m->context));
    TRY(catalog_count(r, map, "max_output", &m->max_output));
    TRY(read_capabilities(r, yaml_find(map, S("can")), &m->capabilities));
    const struct yaml_node *prices = yaml_find(map, S("prices"));
    if (!yaml_is_null(prices)) TRY(read_periods(r, prices, m));
    TRY(enter(r, map->line, m->id, m));
    return read_aliases(r, yaml_find(map, S("aliases")), m);
}

static enum err add_families(const struct reading *r, const struct yaml_node *root)
{
    struct catalog *c = r->catalog;
    const struct yaml_node *list = yaml_find(root, S("families"));
    if (yaml_is_null(list)) return OK;
    if (c->n_files == FILES_MAX) return catalog_wrong(r, list->line, "the catalogue has too many files");
    TRY(catalog_read_families(r, root, list, &c->families[c->n_files], &c->n_families[c->n_files]));
    c->n_files++;
    return OK;
}

bool catalog_next_family(const struct catalog *c, unsigned *at, const struct catalog_family **ret_family)
{
    unsigned n = (*at)++;
    for (unsigned file = c->n_files; file-- > 0; n -= c->n_families[file]) {
        if (n >= c->n_families[file]) continue;
        *ret_family = &c->families[file][n];
        return true;
    }
    return false;
}

enum err catalog_add(struct catalog *c, const char *file, struct str text, struct fault *why)
{
    static const char *const NAMES[] = {"catalog", "vendor", "source", "checked", "models", "budgets", "families", NULL};
    struct reading r = {.catalog = c, .file = file, .why = why};
    struct yaml_node *root;
    struct str version = STR_NONE;
    if (!arena_str(&c->arena, str_z(file), &r.kept_file)) return catalog_wrong(&r, 1, "the catalogue is too large");
    TRY(yaml_read(file, text, &c->arena, &root, why));
    if (yaml_is_null(root)) return FAIL(why, ERR_CONFIG, "%s: is empty; a catalogue begins with catalog: 1", file);
    TRY(catalog_only(&r, root, NAMES, false));
    TRY(catalog_text(&r, root, "catalog", true, &version));
    if (!str_eq(version, S("1")))
        return catalog_wrong(&r, root->line, "a catalogue of another version; this program reads catalog: 1");
    TRY(catalog_text(&r, root, "vendor", !yaml_is_null(yaml_find(root, S("models"))), &r.vendor));
    TRY(catalog_text(&r, root, "source", false, &r.source));
    TRY(catalog_day(&r, root, "checked", &r.checked_day));
    TRY(add_families(&r, root));
    const struct yaml_node *models = yaml_find(root, S("models"));
    if (yaml_is_null(models)) return OK;
    if (models->kind != YAML_LIST) return catalog_wrong(&r, models->line, "models must be a list");
    for (const struct yaml_node *n = models->first; n; n = n->next) TRY(read_model(&r, n));
    return OK;
}

static enum err add_file(struct catalog *c, const char *file, struct fault *why)
{
    struct buf text;
    char piece[8192];
    size_t n;
    FILE *in = fopen(file, "re");
    if (!in) return FAIL(why, ERR_CONFIG, "cannot read the catalogue file %s: %s", file, strerror(errno));
    buf_init(&text, MIB(16));
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) buf_add(&text, piece, n);
    enum err got = ferror(in) ? FAIL(why, ERR_CONFIG, "cannot read the catalogue file %s: %s", file, strerror(errno)) : OK;
    fclose(in);
    if (got == OK && text.over) got = FAIL(why, ERR_CONFIG, "the catalogue file %s is larger than 16 MiB", file);
    if (got == OK) got = catalog_add(c, file, buf_view(&text), why);
    buf_done(&text);
    return got;
}

enum err catalog_load(const struct str *files, unsigned n, struct catalog **ret_catalog, struct fault *why)
{
    struct catalog *c = catalog_new();
    for (unsigned i = 0; i < n; i++) {
        char *file = str_dup_z(files[i]);
        enum err got = add_file(c, file, why);
        free(file);
        if (got == OK) continue;
        catalog_free(c);
        return got;
    }
    *ret_catalog = c;
    return OK;
}

static struct entry *find_named(const struct catalog *c, struct str vendor, struct str id)
{
    struct buf key;
    buf_init(&key, KIB(2));
    buf_fmt(&key, "%.*s %.*s", STR_ARG(vendor), STR_ARG(id));
    struct entry *e = entry_find(c, buf_view(&key));
    buf_done(&key);
    return e;
}

const struct catalog_model *catalog_find(const struct catalog *c, struct str vendor, struct str id)
{
    char room[CATALOG_NAME_MAX + 1];
    struct str undated;
    const struct entry *e = find_named(c, vendor, id);
    if (!e && catalog_undate(id, room, &undated)) e = find_named(c, vendor, undated);
    return e ? e->model : NULL;
}

static const struct catalog_model *find_anywhere(const struct catalog *c, struct str name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->entries[i].name, name)) return c->entries[i].model;
    return NULL;
}

const struct catalog_model *catalog_facts(const struct catalog *c, struct str vendor, struct str id)
{
    char own_room[CATALOG_NAME_MAX + 1], room[CATALOG_NAME_MAX + 1];
    struct str own, undated;
    const struct catalog_model *m = catalog_find(c, vendor, id);
    if (m || !catalog_own_name(id, own_room, &own)) return m;
    m = find_anywhere(c, own);
    return !m && catalog_undate(own, room, &undated) ? find_anywhere(c, undated) : m;
}

bool catalog_next(const struct catalog *c, struct str vendor, unsigned *at, struct str *ret_name,
                  const struct catalog_model **ret_model)
{
    while (*at < c->n) {
        const struct entry *e = &c->entries[(*at)++];
        if (vendor.n && !str_eq(e->model->vendor, vendor)) continue;
        *ret_name = e->name;
        *ret_model = e->model;
        return true;
    }
    return false;
}
