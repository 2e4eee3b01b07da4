/* An exchange without a process around it, for the tests of what only reads and composes. Only this room's *_test.c files use it. */
#pragma once

#include <stdio.h>
#include <unistd.h>

#include "base/test.h"
#include "gateway/priv.h"

UNUSED static struct gateway_loop loop;
UNUSED static struct provider provider;
UNUSED static struct deployment deployment;
UNUSED static struct exchange x;

UNUSED static int set_up(void **state)
{
    (void)state;
    loop = (struct gateway_loop){0};
    provider = (struct provider){.name = S("main")};
    deployment = (struct deployment){.provider = &provider, .model = S("gpt-4o-mini")};
    x = (struct exchange){.gl = &loop, .id = "the-request"};
    x.wire = x.attempt.wire = wire_ops_get(WIRE_OPENAI_CHAT);
    x.attempt.deployment = &deployment;
    json_tape_init(&loop.tape, 0);
    buf_init(&loop.room, MIB(1));
    buf_init(&loop.array, MIB(1));
    buf_init(&x.held, MIB(1));
    arena_init(&x.arena, KIB(1), KIB(64));
    return 0;
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    json_tape_done(&loop.tape);
    buf_done(&loop.room);
    buf_done(&loop.array);
    buf_done(&x.held);
    arena_done(&x.arena);
    return 0;
}
