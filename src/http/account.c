/* account: see account.h. Called by conn.c and lane.c when what they hold crosses a step; owns nothing. */
#include "http/account.h"

bool account_tell(struct account *a, int64_t told)
{
    if (a->take && !a->take(a->user, told - a->told)) return false;
    a->told = told;
    return true;
}
