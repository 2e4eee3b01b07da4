/* route: choosing and re-choosing a deployment. Order of the file, the first that speaks the format and does not rest; a
 * failing one rests for as long as it asked, else with backoff and jitter. Used by the gateway's loops (choose, report) and
 * its loader (bind); the resting state is shared by loops and generations, by a deployment's identity. */
#pragma once

#include "base/base.h"
#include "generation/generation.h"

/* (provider, model, region, tier): what fails together. Lives as long as the process; a deployment of a later generation
 * with the same identity finds it again. */
struct deployment_state {
    _Atomic uint64_t
        rest; /* until when (wall clock, ms) and, in the lowest 20 bits, for how long when it was told last; 0: works */
    _Atomic uint32_t failures; /* in a row */
};

/* Gives every deployment of a new generation its state and its metric row. On the loader's thread. */
void route_bind(struct generation *g, struct board *b);

#define ROUTE_DEPLOYMENTS_MAX 64
struct route_walk { /* what an exchange has tried */
    uint64_t tried; /* bit mask by place in the route */
    unsigned attempts;
};

/* The next deployment to try that speaks one of `formats` (a bit mask of enum wire_format); NULL: none left. When all rest
 * and none was tried yet, the one nearest to its return. */
const struct deployment *route_choose(const struct route *r, uint32_t formats, struct route_walk *w, int64_t now_ms);
/* Would route_choose() find one, now that it has been asked? */
bool route_has_more(const struct route *r, uint32_t formats, const struct route_walk *w, int64_t now_ms);
/* Does any deployment of the route speak one of them? */
bool route_speaks(const struct route *r, uint32_t formats);
/* A call that began at began_ms (wall clock) has ended well. It says nothing of a failure or a rest that came after it began. */
void route_succeeded(const struct deployment *d, int64_t began_ms);
/* retry_after_ms 0: backoff from 1 s, doubled by each failure in a row up to 60 s, less up to half of it by chance.
 * What the provider asked for is believed up to 10 minutes. A longer rest that runs already stays. */
void route_failed(const struct deployment *d, uint64_t retry_after_ms, int64_t now_ms);
/* Works, but has used up a limit of its provider, which comes back after so long (believed up to 10 minutes). A longer rest stays. */
void route_rest(const struct deployment *d, uint64_t ms, int64_t now_ms);
/* Milliseconds until it returns; 0: it works. */
int64_t route_rest_ms(const struct deployment *d, int64_t now_ms);
