/* catalog: what is known of vendors' models: limits, capabilities and prices with their dates, as data files. Called by
 * control and the commands; read once, immutable, freed whole. Prices are pico-dollars per token, or per call for tools. */
#pragma once

#include "base/base.h"
#include "chat/chat.h"
#include "yaml/yaml.h"

/* ---- prices as people write them: dollars per million tokens, or per thousand calls of a tool ----------------------- */

/* By the cell's own name or its short one: cache_read, cache_write, cache_write_5m, cache_write_1h, reasoning … */
bool price_cell_find(struct str name, enum usage_cell *ret_cell);
/* Exact; refuses what is finer than a pico-dollar and what cannot be meant: a price so small that it must be per token,
 * or so large that it must be per something else. The fault tells what to write. */
MUST_USE enum err price_parse(enum usage_cell cell, struct str text, uint64_t *ret_pico, struct fault *why);
/* Reads {input: 0.15, output: 0.60, …}: input and output must be there. ret_cells: those given. Cells not given follow
 * docs/prices.md, which never charges less than the vendor's list where it has one. A fault begins "LINE: ". */
MUST_USE enum err price_read(const struct yaml_node *map, struct price *ret_price, uint32_t *ret_cells, struct fault *why);
/* Is this a member that price_read() takes? For maps that hold other members as well. */
bool price_is_cell(struct str name);

/* ---- models ----------------------------------------------------------------------------------------------------------- */

enum capability {
    CAN_TOOLS = 1,
    CAN_VISION = 2,
    CAN_REASONING = 4,
    CAN_CACHE = 8,
    CAN_AUDIO = 16,
    CAN_JSON = 32,
    CAN_DOCUMENTS = 64
};
const char *capability_name(unsigned bit_number); /* NULL: past the last */

struct catalog_period {
    int32_t from_day, to_day; /* to_day: last day, or INT32_MAX */
    struct price price;
    uint32_t cells;      /* those given; the others follow by rule */
    struct str source;   /* address of the vendor's page */
    int32_t checked_day; /* when somebody last looked there */
    bool confirmed;      /* a leap of more than three times is meant */
};
struct catalog_model {
    struct str vendor, id; /* vendor: kind of provider ("openai") */
    struct str file;
    unsigned line;
    uint64_t context, max_output; /* tokens; 0 unknown */
    unsigned capabilities;
    struct catalog_period *periods; /* oldest first */
    unsigned n_periods;
};

/* What models whose id matches are like (docs/prices.md). */
struct catalog_family {
    struct str *match; /* '*' stands for any letters */
    unsigned n_match;
    struct chat_manners manners;
    struct str source;
    int32_t checked_day;
};

struct catalog;
/* Reads the files in order; a model that stands in a later file replaces the earlier one whole. ERR_CONFIG with file and
 * line for whatever is not sound: unit mistakes, leaps of price, overlapping dates, names twice in one file. */
MUST_USE enum err catalog_load(const struct str *files, unsigned n, struct catalog **ret_catalog, struct fault *why);
/* One file's text more, for tests and the import check. */
MUST_USE enum err catalog_add(struct catalog *c, const char *file, struct str text, struct fault *why);
struct catalog *catalog_new(void);
void catalog_free(struct catalog *c);
/* "gpt-6-sol-2026-10-01" → "gpt-6-sol-YYYY-MM-DD", "claude-opus-5-20260801" → "claude-opus-5-YYYYMMDD": the alias that says
 * that every dated snapshot has the same price. False: no date at the end. */
#define CATALOG_NAME_MAX 128
bool catalog_undate(struct str id, char room[CATALOG_NAME_MAX + 1], struct str *ret_name);
/* What the maker calls a model, whatever cloud's spelling came: "us.anthropic.claude-opus-5-20260801-v1:0" (or an ARN that ends so)
 * and "claude-opus-5@20260801" → "claude-opus-5-20260801". A maker's own name stays. False: longer than any in a catalogue. */
bool catalog_own_name(struct str id, char room[CATALOG_NAME_MAX + 1], struct str *ret_name);
/* By id or alias; NULL: unknown. */
const struct catalog_model *catalog_find(const struct catalog *c, struct str vendor, struct str id);
/* For what a model can and takes, wherever it runs: the vendor's word, else that of whoever has a model of the same own name. Not for
 * prices: each cloud has its own. NULL: unknown. */
const struct catalog_model *catalog_facts(const struct catalog *c, struct str vendor, struct str id);
/* Letters count the same, small or large. */
bool catalog_matches(struct str pattern, struct str id);
/* Families, those of later files first; the first that matches counts. *at starts at 0. False: no more. */
bool catalog_next_family(const struct catalog *c, unsigned *at, const struct catalog_family **ret_family);
/* Models and aliases of one vendor (empty: of all), one after the other: *at starts at 0. False: no more. */
bool catalog_next(const struct catalog *c, struct str vendor, unsigned *at, struct str *ret_name,
                  const struct catalog_model **ret_model);
/* The files that ship with Aquifer, found beside the executable: PREFIX/share/aquifer/catalog, or share/catalog of the
 * source tree. ret_files: into the arena. None is not an error. */
unsigned catalog_shipped(struct arena *a, struct str ret_files[16]);
