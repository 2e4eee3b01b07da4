/* A tape and an arena for the tests of one file: set up once, used by every test. Only *_test.c files use it. */
#pragma once

#include "base/test.h"
#include "json/json.h"

static struct json_tape tape;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    json_tape_init(&tape, 0);
    arena_init(&arena, 1024, KIB(64));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_tape_done(&tape);
    arena_done(&arena);
    return 0;
}
