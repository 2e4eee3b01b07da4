/* What the files of this format share. The bodies inside are anthropic_messages', the framing and the errors bedrock_converse's. */
#pragma once

#include "wire/anthropic_messages/priv.h"
#include "wire/bedrock_converse/priv.h"

/* ---- chunk.c: a frame of type `chunk` whose payload is {"bytes": base64 of an event's JSON} ---------------------------------- */
/* Appends the event's JSON to `out`; false: the payload is none of this kind. */
bool bedrock_invoke_open(struct json_tape *t, struct str payload, struct buf *out);
void bedrock_invoke_put_chunk(struct str event, struct buf *out);
/* The events of an SSE text, which we wrote, as chunks. */
void bedrock_invoke_put_chunks(struct str sse, struct buf *out);

/* ---- stream.c ---------------------------------------------------------------------------------------------------------------- */
enum {
    BEDROCK_INVOKE_READER_SIZE = ANTHROPIC_MESSAGES_READER_SIZE + 64,
    BEDROCK_INVOKE_WRITER_SIZE = ANTHROPIC_MESSAGES_WRITER_SIZE
};
void bedrock_invoke_reader_start(void *reader, struct arena *a);
enum err bedrock_invoke_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                   struct fault *why);
enum err bedrock_invoke_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
enum err bedrock_invoke_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);
