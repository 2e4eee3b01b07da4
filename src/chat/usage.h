/* The usage vector and its price, which the ledger keeps: part of chat/chat.h, for those who need no more. Read and written by every
 * format's readers and writers, budget, ledger and gateway; plain data. */
#pragma once

#include "base/base.h"

/* An exclusive partition of what an attempt used: no token is in two cells. Each format's totals are views of it.
 * X(cell, stored name, side, unit). Append only: the names stand in ledger rows. */
enum usage_side { USAGE_INPUT, USAGE_OUTPUT, USAGE_UNITS };
#define USAGE_CELLS_TABLE(X)                                                          \
    X(USAGE_IN_FRESH, "input", USAGE_INPUT) /* text, not cached */                    \
    X(USAGE_IN_CACHE_READ, "input_cache_read", USAGE_INPUT)                           \
    X(USAGE_IN_CACHE_WRITE, "input_cache_write", USAGE_INPUT) /* lifetime not told */ \
    X(USAGE_IN_CACHE_WRITE_5M, "input_cache_write_5m", USAGE_INPUT)                   \
    X(USAGE_IN_CACHE_WRITE_1H, "input_cache_write_1h", USAGE_INPUT)                   \
    X(USAGE_IN_AUDIO, "input_audio", USAGE_INPUT)                                     \
    X(USAGE_IN_AUDIO_CACHE_READ, "input_audio_cache_read", USAGE_INPUT)               \
    X(USAGE_IN_IMAGE, "input_image", USAGE_INPUT)                                     \
    X(USAGE_IN_IMAGE_CACHE_READ, "input_image_cache_read", USAGE_INPUT)               \
    X(USAGE_IN_VIDEO, "input_video", USAGE_INPUT)                                     \
    X(USAGE_IN_TOOL_PROMPT, "input_tool_prompt", USAGE_INPUT)                         \
    X(USAGE_OUT_VISIBLE, "output", USAGE_OUTPUT) /* text and tool calls */            \
    X(USAGE_OUT_REASONING, "output_reasoning", USAGE_OUTPUT)                          \
    X(USAGE_OUT_AUDIO, "output_audio", USAGE_OUTPUT)                                  \
    X(USAGE_OUT_IMAGE, "output_image", USAGE_OUTPUT)                                  \
    X(USAGE_OUT_PREDICTION_ACCEPTED, "output_prediction_accepted", USAGE_OUTPUT)      \
    X(USAGE_OUT_PREDICTION_REJECTED, "output_prediction_rejected", USAGE_OUTPUT)      \
    X(USAGE_UNIT_WEB_SEARCH, "web_search", USAGE_UNITS) /* requests, not tokens */    \
    X(USAGE_UNIT_WEB_FETCH, "web_fetch", USAGE_UNITS)                                 \
    X(USAGE_UNIT_FILE_SEARCH, "file_search", USAGE_UNITS)                             \
    X(USAGE_UNIT_CODE_EXECUTION, "code_execution", USAGE_UNITS)                       \
    X(USAGE_UNIT_IMAGE, "image", USAGE_UNITS) /* made, not read */                    \
    X(USAGE_UNIT_AUDIO_SECOND, "audio_second", USAGE_UNITS)                           \
    X(USAGE_UNIT_SEARCH, "search_unit", USAGE_UNITS)

enum usage_cell {
#define X(cell, name, side) cell,
    USAGE_CELLS_TABLE(X)
#undef X
        USAGE_CELLS
};

/* Absent is not 0: an unknown cell says that nobody told. */
enum usage_quality {
    USAGE_UNKNOWN = 0,
    USAGE_REPORTED = 1,  /* the provider's final word */
    USAGE_PARTIAL = 2,   /* the last word before a cut or an abort */
    USAGE_ESTIMATED = 3, /* ours, from sizes */
};

struct usage {
    uint64_t n[USAGE_CELLS];
    uint8_t quality[USAGE_CELLS]; /* enum usage_quality */
    char tier[16];                /* service tier the answer echoed; "" none */
};

const char *usage_cell_name(enum usage_cell c);
enum usage_side usage_cell_side(enum usage_cell c);
bool usage_cell_find(struct str name, enum usage_cell *ret_cell);
void usage_set(struct usage *u, enum usage_cell c, uint64_t n, enum usage_quality q);
uint64_t usage_input(const struct usage *u);  /* sum of the input side, cache reads and writes included */
uint64_t usage_output(const struct usage *u); /* sum of the output side, reasoning included */
enum usage_quality usage_worst(const struct usage *u, enum usage_side side); /* the least certain known cell; UNKNOWN if none */
/* Marks every reported cell as partial: the stream was cut after them. */
void usage_make_partial(struct usage *u);

/* ---- price of a cell ---------------------------------------------------------------------------------------------- */

/* Pico-dollars per token (or unit). Dollars per million tokens × 10^6. */
struct price {
    bool known; /* false: nobody told; cost is then unknown, never 0 */
    uint64_t per[USAGE_CELLS];
};
/* Sum over all cells. */
money price_cost(const struct price *p, const struct usage *u);
