/* The usage vector: names, sums, certainty, cost. Called by wire (filling it), gateway, ledger and catalogue. Owns
 * nothing. */
#include "chat/chat.h"

static const struct {
    const char *name;
    enum usage_side side;
} CELLS[USAGE_CELLS] = {
#define X(cell, name, side) {name, side},
    USAGE_CELLS_TABLE(X)
#undef X
};

const char *usage_cell_name(enum usage_cell c) { return CELLS[c].name; }
enum usage_side usage_cell_side(enum usage_cell c) { return CELLS[c].side; }

bool usage_cell_find(struct str name, enum usage_cell *ret_cell)
{
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        if (!str_eq(str_z(CELLS[c].name), name)) continue;
        *ret_cell = (enum usage_cell)c;
        return true;
    }
    return false;
}

void usage_set(struct usage *u, enum usage_cell c, uint64_t n, enum usage_quality q)
{
    u->n[c] = n;
    u->quality[c] = (uint8_t)q;
}

/* Counts come from outside: a sum stays at its largest value instead of beginning anew. */
static uint64_t sum(const struct usage *u, enum usage_side side)
{
    uint64_t total = 0;
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (CELLS[c].side == side && u->quality[c] != USAGE_UNKNOWN && __builtin_add_overflow(total, u->n[c], &total))
            return UINT64_MAX;
    return total;
}

uint64_t usage_input(const struct usage *u) { return sum(u, USAGE_INPUT); }
uint64_t usage_output(const struct usage *u) { return sum(u, USAGE_OUTPUT); }

enum usage_quality usage_worst(const struct usage *u, enum usage_side side)
{
    enum usage_quality worst = USAGE_UNKNOWN;
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (CELLS[c].side == side && u->quality[c] > worst) worst = (enum usage_quality)u->quality[c];
    return worst;
}

void usage_make_partial(struct usage *u)
{
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (u->quality[c] == USAGE_REPORTED) u->quality[c] = USAGE_PARTIAL;
}

/* 64 bits times 64 bits, 21 times: below 2^127 for every price that can be written, as prices stay under 2^52. */
money price_cost(const struct price *p, const struct usage *u)
{
    money cost = 0;
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (u->quality[c] != USAGE_UNKNOWN) cost += (money)p->per[c] * (money)u->n[c];
    return cost;
}
