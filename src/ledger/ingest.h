/* The inside of ingest: one batch of rows and their sums, written in one transaction. For the files of this room only. */
#pragma once

#include "json/json.h"
#include "ledger/record.h"
#include "store/store.h"

/* What of a sum no provider told. Requests: some of their tokens are an estimate, or they were interrupted. */
struct doubt {
    int64_t estimated, interrupted, estimated_input, estimated_output, unknown_input, unknown_output;
    money estimated_cost;
};

/* What the attempts of one day with the same names have in common, and their sums within a batch. */
struct source {
    int32_t day;
    struct str key_id, route, provider, model, format;
    int64_t id; /* in the database */
    int64_t requests, input, output, unknown;
    money cost;
    struct doubt doubt;
};

/* Money that no gateway entered into the meters, to be entered once the batch is committed. */
struct charge {
    struct charge *next;
    uint32_t place, slot;
    int64_t started_ms, pico;
};

/* An attempt on its way into the database. */
struct booking {
    struct record record; /* its names stand in the slot that was read */
    struct source *source;
    uint32_t slot;
    bool interrupted;
};

#define BATCH_WAITING 64
struct batch {
    struct store *store;
    struct arena arena;
    struct map sources;      /* by day and names → struct source */
    struct source *latest;   /* many attempts follow one of their own kind */
    struct booking *waiting; /* BATCH_WAITING of them; for the next statement */
    unsigned n_waiting;
    struct charge *charges;
    struct buf text;
    uint64_t rows, settled; /* new ones; of them orderly settled */
    bool own;               /* the writer enters money into the meters of our board */
    bool begun;
};

void batch_init(struct batch *b, struct store *s, bool own);
void batch_done(struct batch *b); /* rolls back what was not committed */
/* Where the next record is to be read to; it need not be added. No more than BATCH_WAITING between two flushes. */
struct record *batch_room(struct batch *b);
/* Adds it: settled, or an open one of a dead gateway as interrupted. slot: where it stands in its segment, and stays until the
 * flush. Its cost goes to the meter after the commit when it is owed. Known attempts change nothing. */
MUST_USE enum err batch_add(struct batch *b, uint32_t slot, bool interrupted, struct fault *why);
MUST_USE enum err batch_flush(struct batch *b, struct fault *why);
/* The segment's position (0: none yet, or it is read to its end), then commit. No-op when nothing was added. */
MUST_USE enum err batch_commit(struct batch *b, struct str segment, int64_t position, struct fault *why);

/* Usage as a row keeps it: "0r1000 11p120", each known cell's number, its quality's first letter and the count; and as reports
 * tell it: {"input":[1000,"reported"],…}. */
void cells_write(struct buf *out, const struct usage *u);
void cells_put(struct json_writer *w, struct str cells);

struct store *ledger_ingest_store(const struct ledger_ingest *i);
/* Which slots of each segment that is still there are booked, into the other database's `segments`. */
MUST_USE enum err ledger_ingest_put_marks(const struct ledger_ingest *i, struct store *to, struct fault *why);
int32_t ledger_first_of_month(int32_t day); /* report.c */
