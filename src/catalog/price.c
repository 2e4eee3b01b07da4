/* Prices as people write them, to integers, and what a cell costs that nobody priced. Called by config and the catalogue.
 * Owns nothing. */
#include "catalog/catalog.h"

static const struct {
    const char *name;
    enum usage_cell cell;
} SHORT[] = {
    {"cache_read", USAGE_IN_CACHE_READ},         {"cache_write", USAGE_IN_CACHE_WRITE},
    {"cache_write_5m", USAGE_IN_CACHE_WRITE_5M}, {"cache_write_1h", USAGE_IN_CACHE_WRITE_1H},
    {"reasoning", USAGE_OUT_REASONING},          {"audio_input", USAGE_IN_AUDIO},
    {"audio_output", USAGE_OUT_AUDIO},           {"image_input", USAGE_IN_IMAGE},
    {"image_output", USAGE_OUT_IMAGE},
};

bool price_cell_find(struct str name, enum usage_cell *ret_cell)
{
    if (usage_cell_find(name, ret_cell)) return true;
    for (size_t i = 0; i < COUNTOF(SHORT); i++)
        if (str_eq(name, str_z(SHORT[i].name))) {
            *ret_cell = SHORT[i].cell;
            return true;
        }
    return false;
}

bool price_is_cell(struct str name)
{
    enum usage_cell cell;
    return price_cell_find(name, &cell);
}

/* The dearest models ask some hundred dollars per million tokens, the cheapest about one cent. A figure far outside is a
 * mistake of units, and would be a mistake of a factor of a thousand or a million in every bill. */
#define PER_TOKEN_AT_MOST ((uint64_t)2000 * 1000000)    /* $2,000 per million */
#define PER_TOKEN_AT_LEAST ((uint64_t)500)              /* $0.0005 per million */
#define PER_CALL_AT_MOST ((uint64_t)10000 * 1000000000) /* $10,000 per thousand */

enum err price_parse(enum usage_cell cell, struct str text, uint64_t *ret_pico, struct fault *why)
{
    bool is_call = usage_cell_side(cell) == USAGE_UNITS;
    const char *unit = is_call ? "thousand calls" : "million tokens";
    money dollars, per = is_call ? 1000 : 1000000;
    if (!money_parse(text, &dollars))
        return FAIL(why, ERR_CONFIG, "a price is dollars per %s as a plain decimal, as 0.15; \"%.*s\" is not", unit,
                    (int)(text.n < 40 ? text.n : 40), text.p);
    if (dollars % per != 0)
        return FAIL(why, ERR_CONFIG, "a price has at most %d decimals; \"%.*s\" has more", is_call ? 9 : 6,
                    (int)(text.n < 40 ? text.n : 40), text.p);
    money pico = dollars / per;
    if (pico > (money)(is_call ? PER_CALL_AT_MOST : PER_TOKEN_AT_MOST))
        return FAIL(why, ERR_CONFIG, "%.*s dollars per %s cannot be meant; is it for another unit?", STR_ARG(text), unit);
    if (!is_call && pico > 0 && pico < (money)PER_TOKEN_AT_LEAST)
        return FAIL(why, ERR_CONFIG, "%.*s dollars per million tokens cannot be meant; per token? then multiply it by a million",
                    STR_ARG(text));
    *ret_pico = (uint64_t)pico;
    return OK;
}

/* What a cell costs when it has no price of its own: that of another cell, times num/den. The order matters: a parent
 * stands before its children. Cache writes take the factors of the one vendor that bills them (Anthropic: 1.25 for five
 * minutes, 2 for an hour); nothing falls below the price of plain input or output. Tool calls without a price are free. */
static const struct {
    enum usage_cell cell, parent;
    unsigned num, den;
} FALLBACK[] = {
    {USAGE_IN_CACHE_READ, USAGE_IN_FRESH, 1, 1},
    {USAGE_IN_CACHE_WRITE_1H, USAGE_IN_FRESH, 2, 1},
    {USAGE_IN_AUDIO, USAGE_IN_FRESH, 1, 1},
    {USAGE_IN_AUDIO_CACHE_READ, USAGE_IN_AUDIO, 1, 1},
    {USAGE_IN_IMAGE, USAGE_IN_FRESH, 1, 1},
    {USAGE_IN_IMAGE_CACHE_READ, USAGE_IN_IMAGE, 1, 1},
    {USAGE_IN_VIDEO, USAGE_IN_FRESH, 1, 1},
    {USAGE_IN_TOOL_PROMPT, USAGE_IN_FRESH, 1, 1},
    {USAGE_OUT_REASONING, USAGE_OUT_VISIBLE, 1, 1},
    {USAGE_OUT_AUDIO, USAGE_OUT_VISIBLE, 1, 1},
    {USAGE_OUT_IMAGE, USAGE_OUT_VISIBLE, 1, 1},
    {USAGE_OUT_PREDICTION_ACCEPTED, USAGE_OUT_VISIBLE, 1, 1},
    {USAGE_OUT_PREDICTION_REJECTED, USAGE_OUT_VISIBLE, 1, 1},
};

static void fill(struct price *p, uint32_t given)
{
    for (size_t i = 0; i < COUNTOF(FALLBACK); i++)
        if (!(given >> FALLBACK[i].cell & 1)) {
            uint64_t parent = p->per[FALLBACK[i].parent];
            p->per[FALLBACK[i].cell] = (parent * FALLBACK[i].num + FALLBACK[i].den - 1) / FALLBACK[i].den;
        }
    /* A write whose lifetime nobody told is one of five minutes, the vendor's default; either price stands for both. */
    bool has_plain = given >> USAGE_IN_CACHE_WRITE & 1, has_5m = given >> USAGE_IN_CACHE_WRITE_5M & 1;
    uint64_t by_rule = (p->per[USAGE_IN_FRESH] * 5 + 3) / 4;
    if (!has_5m) p->per[USAGE_IN_CACHE_WRITE_5M] = has_plain ? p->per[USAGE_IN_CACHE_WRITE] : by_rule;
    if (!has_plain) p->per[USAGE_IN_CACHE_WRITE] = p->per[USAGE_IN_CACHE_WRITE_5M];
}

static enum err read_cell(const struct yaml_node *n, struct price *p, uint32_t *given, struct fault *why)
{
    enum usage_cell cell;
    struct fault what;
    if (!price_cell_find(n->name, &cell))
        return FAIL(why, ERR_CONFIG,
                    "%u: \"%.*s\" is nothing that has a price; write input, output, cache_read, cache_write_5m, cache_write_1h, "
                    "reasoning …",
                    n->line, (int)(n->name.n < 40 ? n->name.n : 40), n->name.p);
    if (n->kind != YAML_TEXT)
        return FAIL(why, ERR_CONFIG, "%u: the price of %.*s is %s; write a number of dollars", n->line, STR_ARG(n->name),
                    yaml_kind_name(n));
    if (*given >> cell & 1)
        return FAIL(why, ERR_CONFIG, "%u: %s has two prices, under two names; keep one", n->line, usage_cell_name(cell));
    if (price_parse(cell, n->text, &p->per[cell], &what) != OK)
        return FAIL(why, ERR_CONFIG, "%u: %.*s: %s", n->line, STR_ARG(n->name), what.text);
    *given |= 1u << cell;
    return OK;
}

enum err price_read(const struct yaml_node *map, struct price *ret_price, uint32_t *ret_cells, struct fault *why)
{
    _Static_assert(USAGE_CELLS <= 32, "cells fit into the mask");
    const uint32_t needed = 1u << USAGE_IN_FRESH | 1u << USAGE_OUT_VISIBLE;
    *ret_price = (struct price){0};
    *ret_cells = 0;
    if (map->kind != YAML_MAP) return FAIL(why, ERR_CONFIG, "%u: a price is a map, as { input: 0.15, output: 0.60 }", map->line);
    for (const struct yaml_node *n = map->first; n; n = n->next) TRY(read_cell(n, ret_price, ret_cells, why));
    if ((*ret_cells & needed) != needed)
        return FAIL(why, ERR_CONFIG, "%u: a price needs input and output, in dollars per million tokens (0 where it is free)",
                    map->line);
    fill(ret_price, *ret_cells);
    ret_price->known = true;
    return OK;
}
