/* Conversations that a response is being made for: one at a time, as the vendor has it, since each response continues what the one
 * before it said. A claim is a number in a table of the process's: no lock between loops, and gone with the process. Two gateways
 * that stand side by side, while one drains, do not see each other's. Used by recall.c, background.c and finish.c. */
#include "gateway/state.h"

enum { NEAR = 16 }; /* places behind its own that a claim may stand at */

static uint64_t hash(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u; /* FNV-1a */
    return h;
}

static unsigned place(const struct gateway *g, uint64_t number, unsigned i)
{
    return (unsigned)((number + i) % COUNTOF(g->talks));
}

static bool stands_elsewhere(struct gateway *g, uint64_t number, unsigned mine)
{
    for (unsigned i = 0; i < NEAR; i++)
        if (i != mine && atomic_load(&g->talks[place(g, number, i)]) == number) return true;
    return false;
}

/* Looks again after it stands: of two that come at once at least one sees the other, and steps back. */
static bool stand(struct gateway *g, uint64_t number, uint32_t *ret_claim)
{
    for (unsigned i = 0; i < NEAR; i++) {
        unsigned at = place(g, number, i);
        uint64_t none = 0;
        if (!atomic_compare_exchange_strong(&g->talks[at], &none, number)) continue;
        *ret_claim = at + 1;
        if (stands_elsewhere(g, number, i)) talk_release(g, ret_claim);
        return *ret_claim != 0;
    }
    return false;
}

enum err talk_claim(struct gateway *g, struct str project, struct str id, uint32_t *ret_claim, struct fault *why)
{
    uint64_t number = hash(hash(hash(0xcbf29ce484222325u, project), S("\n")), id);
    if (!number) number = 1; /* 0 is nobody */
    *ret_claim = 0;
    if (!stands_elsewhere(g, number, NEAR) && stand(g, number, ret_claim)) return OK;
    FAIL(why, ERR_TALK_LOCKED, "Another process is currently operating on this conversation. Please retry in a few seconds.");
    why->retry_after_s = 1;
    return why->code;
}

void talk_release(struct gateway *g, uint32_t *claim)
{
    if (*claim) atomic_store(&g->talks[*claim - 1], 0);
    *claim = 0;
}
