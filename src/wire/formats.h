/* The formats that are built: one line each, for the table in wire.c only. */
#pragma once

#include "wire/wire.h"

extern const struct wire_ops openai_chat_ops;        /* openai_chat/openai_chat.c */
extern const struct wire_ops anthropic_messages_ops; /* anthropic_messages/anthropic_messages.c */

/* What they share (shared.c). Requests: root is an object with a usable model, messages an array, stream a boolean. */
MUST_USE enum err wire_read_model(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why);
MUST_USE enum err wire_want_messages(const struct json_tape *t, struct fault *why);
MUST_USE enum err wire_read_stream(const struct json_tape *t, struct wire_request *r, struct fault *why);
/* Answers: whole JSON, an object; else ERR_UPSTREAM_GARBAGE. */
MUST_USE enum err wire_scan_answer(struct json_tape *t, struct str body, const struct json_limits *limits, struct fault *why);
void wire_read_tier(const struct json_tape *t, uint32_t tier, struct usage *u); /* tier 0 or null: nothing */
uint64_t wire_tokens_of_event(size_t data_n);
void wire_blame(struct str body, struct json_tape *t, struct buf *out);
