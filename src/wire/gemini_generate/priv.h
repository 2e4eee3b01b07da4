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

const char *gemini_status_word(enum err_class class, int status); /* of google.rpc.Code */

extern const struct wire_setting gemini_settings[CHAT_SETTINGS_N]; /* request_tables.c */
enum { GEMINI_CONFIG = 1 };                                        /* the place `generationConfig` of that table */
extern const struct wire_tree gemini_known;                        /* known.c */

/* Calls without an id get one of these; they are not written back. */
#define GEMINI_CALL_ID "aq-call-"

/* ---- schema.c ------------------------------------------------------------------------------------------------------------- */
/* The vendor's own schema (types in capitals, nullable, counts in strings) as JSON schema, in the arena. */
MUST_USE enum err gemini_schema_read(struct wire_in *in, uint32_t at, struct str *ret_raw);

/* ---- opaque.c ------------------------------------------------------------------------------------------------------------- */
/* thoughtSignature is base64 to the SDKs, so sealed state is respelled in that alphabet. Read: back to the sealed text, a copy
 * in the arena; anything else is borrowed. False: the arena is full. */
MUST_USE bool gemini_signature_read(struct arena *a, struct str span, struct str *ret_span);
/* What the caller shall give back; false: it cannot be carried. */
MUST_USE bool gemini_signature_write(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a,
                                     struct str *ret_span);

/* ---- both directions ------------------------------------------------------------------------------------------------------ */
enum err gemini_read_request(const struct json_tape *t, struct chat *c, struct fault *why);
enum err gemini_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
enum err gemini_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
enum err gemini_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out, struct fault *why);
enum { GEMINI_READER_SIZE = 1536, GEMINI_WRITER_SIZE = 1024 }; /* checked where they are known */
void gemini_reader_start(void *reader, struct arena *a);
enum err gemini_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                           struct fault *why);
enum err gemini_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
void gemini_writer_start(void *writer, const struct wire_reply *to, struct arena *a);
enum err gemini_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);
void gemini_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error);
void gemini_read_error_object(const struct json_tape *t, uint32_t error, struct arena *a, struct chat_error *ret_error);
void gemini_write_error(const struct chat_error *e, struct str request_id, struct buf *out);
