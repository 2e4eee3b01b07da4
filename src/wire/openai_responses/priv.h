/* What the files of this format share. Private to wire/openai_responses. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

/* ---- read.c: pieces that answers and events have in common; all borrowed from the tape ------------------------------------- */
void openai_responses_read_usage(const struct json_tape *t, uint32_t response, struct usage *u);
struct str openai_responses_error_code(enum err_class class, struct str otherwise);
void openai_responses_blame(struct str body, struct json_tape *t, struct buf *out);
