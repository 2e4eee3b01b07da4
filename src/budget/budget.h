/* budget: what a key may still do. Limits and spend caps are reserved atomically before an exchange is sent and settled
 * after it, exact across all loops and gateways of a machine: everything stands in the key's meter on the board.
 * Used by the gateway at admit and at settle; no I/O, no locks. */
#pragma once

#include "base/base.h"
#include "board/board.h"
#include "generation/generation.h"

/* What one exchange holds of its key's meter. */
struct budget_hold {
    struct key_meter *meter; /* NULL: nothing held */
    unsigned gateway;        /* our slot on the board */
    bool runs;               /* counted in running[] */
    int64_t pico;            /* reserved money */
    uint64_t tokens;         /* reserved in the token window */
    uint32_t tokens_start;   /* that window's start, to know it again */
    bool requests_taken;     /* one request of the window below */
    uint32_t requests_start;
};

/* What the exchange may come to at most. */
struct budget_wish {
    uint64_t tokens;
    int64_t pico;
    int64_t now_ms; /* wall clock */
};

/* All or nothing. ERR_RATE_REQUESTS, ERR_RATE_TOKENS, ERR_CONCURRENCY, ERR_SPEND_RESERVED: it would fit, were nothing else under way
 * (these with retry_after_s); ERR_SPEND_DAY, ERR_SPEND_MONTH. */
MUST_USE enum err budget_reserve(struct key_meter *m, unsigned gateway, const struct key_limits *limits,
                                 const struct budget_wish *wish, struct budget_hold *ret_hold, struct fault *why);
/* What is held already becomes enough for a larger wish; request and run stay taken, so that nobody comes between. The same errors of
 * tokens and money; then `h` is as it was. */
MUST_USE enum err budget_widen(struct budget_hold *h, const struct key_limits *limits, const struct budget_wish *wish,
                               struct fault *why);
/* Gives back what was held; the tokens that were used stay counted. The money that was spent is in the meter by then: the
 * journal enters it with each attempt's record. Idempotent. */
void budget_settle(struct budget_hold *h, uint64_t tokens);
/* Gives all back, the request of the rate window too: nothing was sent because we could not. */
void budget_undo(struct budget_hold *h);
