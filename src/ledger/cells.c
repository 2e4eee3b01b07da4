/* Usage as a row of the database keeps it, short and readable, and as reports tell it.
 * Called by ingest and by reports. Owns nothing. Pure. */
#include "ledger/ingest.h"

static const char *const QUALITIES[] = {"unknown", "reported", "partial", "estimated"};

void cells_write(struct buf *out, const struct usage *u)
{
    size_t from = out->n;
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        if (u->quality[c] == USAGE_UNKNOWN) continue;
        if (out->n > from) buf_char(out, ' ');
        buf_u64(out, c);
        buf_char(out, QUALITIES[u->quality[c]][0]);
        buf_u64(out, u->n[c]);
    }
}

/* "11p120": what is none is left out; the database is checked for damage elsewhere. */
static void put_one(struct json_writer *w, struct str text)
{
    struct str cell, count;
    uint64_t c, n;
    for (unsigned q = USAGE_REPORTED; q < COUNTOF(QUALITIES); q++) {
        if (!str_cut(text, QUALITIES[q][0], &cell, &count)) continue;
        if (!str_u64(cell, &c) || c >= USAGE_CELLS || !str_u64(count, &n)) return;
        json_put_name(w, str_z(usage_cell_name((enum usage_cell)c)));
        json_put_array(w);
        json_put_u64(w, n);
        json_put_str(w, str_z(QUALITIES[q]));
        json_put_end(w);
    }
}

void cells_put(struct json_writer *w, struct str cells)
{
    struct str one, rest = cells;
    json_put_object(w);
    while (rest.n) {
        str_cut(rest, ' ', &one, &rest);
        put_one(w, one);
    }
    json_put_end(w);
}
