/* Ingest of the journal and the sweep of what is too old. Runs in lane DESK. */
#include "admin/priv.h"

#include <stdio.h>

enum { COMPLAIN_MS = 60000, SWEEP_EVERY_MS = 600000 };

static enum err ready(struct desk *d, struct fault *why)
{
    char dir[4096];
    if (d->ingest) return OK;
    if (!d->config || !d->store) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    snprintf(dir, sizeof dir, "%.*s/journal", STR_ARG(d->config->data));
    return ledger_ingest_new(dir, d->store, d->board, &d->ingest, why);
}

/* Settled spend into the meters, when this board has none yet. */
static enum err seed(struct desk *d, struct fault *why)
{
    struct map places;
    if (d->seeded) return OK;
    if (atomic_load(&d->board->ready_spend)) { /* an earlier control did; it may have been killed in a restore */
        enum err e = ledger_correct_spend(d->store, d->board, why);
        d->seeded = e == OK;
        return e;
    }
    map_init(&places);
    for (unsigned i = 0; i < d->n_keys; i++) map_add(&places, str_z(d->keys[i]->key.id), &d->keys[i]->key.place);
    enum err got = store_exec(d->store, "DELETE FROM spend_corrections", NULL, NULL, why); /* the seed has them */
    if (got == OK) got = ledger_seed_spend(d->store, d->board, &places, why);
    map_done(&places);
    d->seeded = got == OK;
    return got;
}

enum err desk_ingest(struct desk *d, struct fault *why)
{
    uint64_t rows;
    enum err got = ready(d, why);
    if (got == OK) got = ledger_ingest_run(d->ingest, &rows, why);
    if (got == OK) got = seed(d, why);
    int64_t now = clock_wall_ms();
    if (got == OK || now - d->ingest_complained_ms < COMPLAIN_MS) return got;
    d->ingest_complained_ms = now;
    LOG(LOG_ERROR, "ingest.failed", "records could not be put into the database; they wait in the journal and are tried again",
        F_Z("why", why->text));
    return got;
}

void desk_sweep(struct desk *d)
{
    struct fault why;
    uint64_t gone = 0;
    int64_t now = clock_wall_ms();
    if (!d->config || !d->store || now - d->swept_ms < SWEEP_EVERY_MS) return;
    int32_t oldest = clock_day(now) - (int32_t)(d->config->ledger.retention / 86400000);
    if (ledger_retain(d->store, oldest, &gone, &why) != OK)
        LOG(LOG_WARN, "sweep.failed", "old attempts could not be removed", F_Z("why", why.text));
    else if (gone) LOG(LOG_INFO, "sweep.done", "a day's old attempts were removed", F_UINT("rows", gone));
    if (gone == 0) d->swept_ms = now; /* else there may be more: go on at the next turn */
}
