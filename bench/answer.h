/* answer: what the mock upstream says, rendered once at start so that saying it costs one send.
 * Called by mock.c alone. The texts have the shape of OpenAI's Chat Completions, headers included, or of Anthropic's Messages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text {
    const char *p;
    size_t n;
};

enum { ANSWER_BODY = 1022, CHUNK_KINDS = 16 };

struct answers {
    struct text whole;              /* head and JSON body of ANSWER_BODY bytes, with usage */
    struct text refusal;            /* a 400 for a request that arrived damaged */
    struct text stream_head;        /* head of the event stream and its first event (the role) */
    struct text chunk[CHUNK_KINDS]; /* one event of about 260 bytes each, in HTTP chunk framing */
    struct text end[2];             /* finish event, [with 1: usage event,] `[DONE]`, last HTTP chunk; Messages: both alike */
};

void answers_render(struct answers *ret);
void answers_render_messages(struct answers *ret);
