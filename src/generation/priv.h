/* The inside of generation, for the files of this room only. */
#pragma once

#include "generation/generation.h"
#include "json/json.h"

#define GENERATION_FORMAT 1u
#define FOUND_PURPOSE "aws credentials " /* of all clouds; and the provider's name: what they are sealed for */

struct config;
void seal_reference(const struct config *c, struct buf *out); /* check.c: where the sealing key stands */

/* One loading. A value of the wrong type makes the whole file bad: control wrote it, so it is damaged or from another
 * version. */
struct load {
    struct generation *g;
    struct board *board;
    const struct json_tape *tape;
    struct fault *why;
    bool bad, full; /* full: the arena refused */
    struct seal_key seal;
    struct fault seal_why;              /* why it is not there */
    bool seal_tried, sealed, seal_told; /* sealed: `seal` is there */
};

/* Readers of one member: absent ones give the fallback, wrong ones set l->bad. */
struct str load_str(struct load *l, uint32_t object, const char *name);
uint64_t load_u64(struct load *l, uint32_t object, const char *name, uint64_t fallback);
int64_t load_i64(struct load *l, uint32_t object, const char *name, int64_t fallback);
bool load_flag(struct load *l, uint32_t object, const char *name);
/* A list's elements as an array in the arena; *ret_n 0: none. */
void *load_array(struct load *l, uint32_t object, const char *name, size_t size, unsigned *ret_n, struct json_iter *ret_iter);
struct str *load_strs(struct load *l, uint32_t object, const char *name, unsigned *ret_n);
struct str load_text(struct load *l, uint32_t node);
void *load_alloc(struct load *l, size_t n);
MUST_USE enum err load_headers(struct load *l, uint32_t object, struct header **ret_headers, unsigned *ret_n);
void load_prices(struct load *l, uint32_t object, struct price_period **ret_prices, unsigned *ret_n);

void load_settings(struct load *l, uint32_t object);
MUST_USE enum err load_providers(struct load *l);
void load_catalogs(struct load *l);
void load_routes(struct load *l);
MUST_USE enum err load_deployment(struct load *l, uint32_t object, struct deployment *d);
void load_kept(struct load *l);
void load_keys(struct load *l);

const struct chat_manners *generation_manners(const struct generation *g, struct str model); /* NULL: no family has it */
void load_families(struct load *l);
const struct model_facts *deployment_facts(const struct deployment *d, struct str asked);
