/* account: what the connections of one loop hold in heads and buffers, told to the owner of the memory ceiling. Private to
 * this room: server and client have one each. Told in steps, so that a request costs no access to memory that loops share. */
#pragma once

#include "base/base.h"

#define ACCOUNT_STEP (int64_t)KIB(64)

struct account {
    bool (*take)(void *user, int64_t bytes); /* http_server_options.take_memory; NULL: nobody counts */
    void *user;
    int64_t held, told;
};

bool account_tell(struct account *a, int64_t told);

/* One holder, which was counted with *counted bytes, has `now`. False: the owner says that it is too much; they are held
 * all the same, and asked for again with the next move. */
static inline bool account_move(struct account *a, uint32_t *counted, size_t now)
{
    a->held += (int64_t)now - *counted;
    *counted = (uint32_t)now;
    int64_t told = a->held / ACCOUNT_STEP * ACCOUNT_STEP;
    return told == a->told || account_tell(a, told);
}
