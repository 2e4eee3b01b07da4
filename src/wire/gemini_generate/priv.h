/* Gemini's generateContent: what the files of this folder share. Facts: Gemini API reference "Generating content" and its REST
 * discovery document; rules G1…G16 in docs/wire.md. Private to this folder. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

/* protobuf's JSON knows each name in camelCase and in snake_case, and SDKs mix them in one request. 0: none. */
uint32_t gemini_find(const struct json_tape *t, uint32_t object, const char *camel, const char *snake);

/* Answers and events: root, candidates or usageMetadata, their elements, what stands in those. */
#define GEMINI_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 4})
void gemini_read_usage(const struct json_tape *t, struct usage *u);
bool gemini_has_ended(const struct json_tape *t); /* a finishReason, or a blocked prompt (G12, G13) */

const char *gemini_status_word(enum err_class class); /* of google.rpc.Code */
