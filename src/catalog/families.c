/* Families of models: what a model takes of a wish to reason, by patterns of its id, so that ids which nobody has heard of yet fall to
 * their family. Read from catalogue files ("families"); format: docs/prices.md. Called by catalog.c. */
#include "catalog/priv.h"

enum { FAMILIES_MAX = 500, PATTERNS_MAX = 64 };

static enum err read_scale(const struct reading *r, const struct yaml_node *root, uint64_t ret_scale[EFFORTS])
{
    static const char *const NAMES[] = {"minimal", "low", "medium", "high", "xhigh", "max", NULL};
    const struct yaml_node *map = yaml_find(root, S("budgets"));
    memcpy(ret_scale, CHAT_MANNERS_UNKNOWN.scale, sizeof CHAT_MANNERS_UNKNOWN.scale);
    if (yaml_is_null(map)) return OK;
    TRY(catalog_only(r, map, NAMES, false));
    for (unsigned i = 0; NAMES[i]; i++) {
        TRY(catalog_count(r, map, NAMES[i], &ret_scale[EFFORT_MINIMAL + i]));
        if (ret_scale[i + 1] <= ret_scale[i]) return catalog_wrong(r, map->line, "budgets must rise with the efforts");
    }
    return OK;
}

static enum err read_match(const struct reading *r, const struct yaml_node *map, struct catalog_family *f)
{
    const struct yaml_node *list = yaml_find(map, S("match"));
    if (yaml_is_null(list) || list->kind != YAML_LIST || list->n == 0 || list->n > PATTERNS_MAX)
        return catalog_wrong(r, map->line, "match must be a list of patterns, as [\"*gpt-5.1*\"]");
    f->match = arena_alloc(catalog_arena(r), list->n * sizeof *f->match);
    if (!f->match) return catalog_wrong(r, map->line, "the catalogue is too large");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        if (n->kind != YAML_TEXT || n->text.n == 0 || n->text.n > 128)
            return catalog_wrong(r, n->line, "a pattern must be a text");
        f->match[f->n_match++] = n->text;
    }
    return OK;
}

static enum err read_efforts(const struct reading *r, const struct yaml_node *map, unsigned *ret_mask)
{
    const struct yaml_node *list = yaml_find(map, S("efforts"));
    enum chat_effort e;
    if (yaml_is_null(list)) return OK;
    if (list->kind != YAML_LIST) return catalog_wrong(r, list->line, "efforts must be a list of words");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        if (n->kind != YAML_TEXT || !chat_effort_find(n->text, &e))
            return catalog_wrong(r, n->line, "an effort is one of none, minimal, low, medium, high, xhigh, max");
        *ret_mask |= 1u << e;
    }
    return OK;
}

static enum err read_words(const struct reading *r, const struct yaml_node *map, struct chat_manners *m)
{
    struct str off = STR_NONE, over = STR_NONE, fixed = STR_NONE;
    TRY(catalog_text(r, map, "off", false, &off));
    TRY(catalog_text(r, map, "chat", false, &over));
    TRY(catalog_text(r, map, "fixed_sampling", false, &fixed));
    if (off.n && !chat_off_find(off, &m->off)) return catalog_wrong(r, map->line, "off is one of omitted, said, never");
    if (fixed.n && !chat_fixed_find(fixed, &m->fixed_sampling))
        return catalog_wrong(r, map->line, "fixed_sampling is one of true, false, unless_none");
    if (over.n && !chat_over_find(over, &m->over))
        return catalog_wrong(r, map->line, "chat is one of always, tools_unless_effort, tools_if_effort_none, never");
    return OK;
}

/* What it refuses or takes beside a wish to reason. */
static enum err read_refusals(const struct reading *r, const struct yaml_node *map, struct chat_manners *m)
{
    const struct {
        const char *name;
        bool *flag;
    } FLAGS[] = {{"no_prefill", &m->no_prefill}, {"later_system", &m->later_system}, {"one_sampler", &m->one_sampler},
                 {"no_stop", &m->no_stop},       {"no_schema", &m->no_schema},       {"json_alone", &m->json_alone}};
    for (unsigned i = 0; i < COUNTOF(FLAGS); i++) TRY(catalog_flag(r, map, FLAGS[i].name, FLAGS[i].flag));
    return catalog_count(r, map, "stops_max", &m->stops_max);
}

static enum err read_family(const struct reading *r, const struct yaml_node *map, struct catalog_family *f)
{
    static const char *const NAMES[] = {
        "match",   "efforts",        "off",        "adaptive",  "chat",       "budget_min",   "budget_max",
        "reasons", "fixed_sampling", "no_prefill", "source",    "checked",    "note",         "one_sampler",
        "no_stop", "no_schema",      "json_alone", "stops_max", "max_output", "later_system", NULL};
    struct chat_manners *m = &f->manners;
    struct str note = STR_NONE;
    bool silent = false;
    TRY(catalog_only(r, map, NAMES, false));
    f->source = r->source;
    f->checked_day = r->checked_day;
    m->known = true;
    TRY(read_match(r, map, f));
    TRY(read_efforts(r, map, &m->efforts));
    TRY(read_words(r, map, m));
    TRY(catalog_count(r, map, "budget_min", &m->budget_min));
    TRY(catalog_count(r, map, "budget_max", &m->budget_max));
    TRY(catalog_count(r, map, "max_output", &m->max_output));
    TRY(catalog_flag(r, map, "adaptive", &m->adaptive));
    TRY(read_refusals(r, map, m));
    if (!yaml_is_null(yaml_find(map, S("reasons")))) TRY(catalog_flag(r, map, "reasons", &silent));
    TRY(catalog_text(r, map, "source", false, &f->source));
    TRY(catalog_text(r, map, "note", false, &note));
    TRY(catalog_day(r, map, "checked", &f->checked_day));
    m->reasons = silent || m->efforts || m->budget_max;
    if (!yaml_is_null(yaml_find(map, S("reasons"))) && m->reasons != silent)
        return catalog_wrong(r, map->line, "reasons: false, but efforts or a budget");
    if (m->budget_max < m->budget_min) return catalog_wrong(r, map->line, "budget_max must not be below budget_min");
    if (!f->source.n || !f->checked_day)
        return catalog_wrong(r, map->line, "a family needs its source and the day it was checked");
    return OK;
}

enum err catalog_read_families(const struct reading *r, const struct yaml_node *root, const struct yaml_node *list,
                               struct catalog_family **ret_families, unsigned *ret_n)
{
    uint64_t scale[EFFORTS];
    struct catalog_family *all;
    if (list->kind != YAML_LIST || list->n == 0 || list->n > FAMILIES_MAX)
        return catalog_wrong(r, list->line, "families must be a list");
    TRY(read_scale(r, root, scale));
    all = arena_alloc(catalog_arena(r), list->n * sizeof *all);
    if (!all) return catalog_wrong(r, list->line, "the catalogue is too large");
    for (const struct yaml_node *n = list->first; n; n = n->next) {
        struct catalog_family *f = &all[(*ret_n)++];
        *f = (struct catalog_family){0};
        TRY(read_family(r, n, f));
        memcpy(f->manners.scale, scale, sizeof scale);
    }
    *ret_families = all;
    return OK;
}
