/* What the files of this format share. Private to wire/openai_chat. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

/* ---- read.c: pieces that requests, answers and chunks have in common; all borrowed from the tape ------------------------ */
void openai_chat_read_meta(const struct json_tape *t, struct chat_meta *ret_meta);
/* Id, name, arguments: also as an object, which some servers give in place of its text. Anything else is garbage. */
MUST_USE enum err openai_chat_read_call(const struct json_tape *t, uint32_t at, struct chat_item *ret_item, struct fault *why);
/* An id for the `nth` call of a choice that has none, made of what is the same streamed and not. False: the arena is full. */
bool openai_chat_name_call(const struct json_tape *t, uint32_t nth, struct arena *a, struct chat_item *i);
void openai_chat_read_annotation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note);
/* The tokens of text or of a refusal in {"content":[…],"refusal":[…]}; 0: none. */
uint32_t openai_chat_logprobs(const struct json_tape *t, uint32_t at, enum chat_part_kind kind);
/* `called`: the choice has tool calls, so "stop" means them (some servers say it so). */
void openai_chat_read_stop(const struct json_tape *t, uint32_t at, bool called, struct chat_stop *ret_stop);
void openai_chat_read_usage(const struct json_tape *t, struct usage *u);
/* One element of an answer's content that is an array (Mistral API reference, "Chat completion": ContentChunk). */
struct openai_chat_piece {
    enum chat_part_kind kind; /* PART_TEXT: text; PART_THOUGHT: thoughts; else PART_UNKNOWN */
    uint32_t text, thoughts;  /* a string; an array */
    struct str word, raw;
};
void openai_chat_read_piece(const struct json_tape *t, uint32_t at, struct openai_chat_piece *ret_piece);
uint32_t openai_chat_thought_text(const struct json_tape *t, uint32_t thought); /* its text, or itself */
bool openai_chat_is_error(const struct json_tape *t, struct str name);          /* name: of the event; "" none */
/* The error object of a stream's event. */
void openai_chat_event_error(const struct json_tape *t, struct arena *a, struct chat_error *ret_error);

extern const struct wire_tree openai_chat_known; /* known.c */

/* ---- write.c ------------------------------------------------------------------------------------------------------------- */
struct str openai_chat_stop_word(const struct chat_stop *stop);
/* id, object, created, model. */
void openai_chat_put_head(struct json_writer *w, const struct wire_reply *to, const struct chat_meta *meta, struct str object);
void openai_chat_put_call(struct json_writer *w, const struct chat_item *call, struct str arguments);
void openai_chat_put_logprobs(struct json_writer *w, enum chat_part_kind kind, struct str tokens); /* none: null */
void openai_chat_put_usage(struct json_writer *w, const struct usage *u);                          /* the object's value */
/* Of a citation that has a URL; others have no place here. */
void openai_chat_put_annotation(struct json_writer *w, const struct chat_annotation *note, struct wire_range range);

/* ---- stream_read.c, stream_write.c ---------------------------------------------------------------------------------------- */
enum { OPENAI_CHAT_READER_SIZE = 64, OPENAI_CHAT_WRITER_SIZE = 2048 }; /* checked where they are known */
void openai_chat_reader_start(void *reader, struct arena *a);
enum err openai_chat_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                struct fault *why);
enum err openai_chat_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
void openai_chat_writer_start(void *writer, const struct wire_reply *to, struct arena *a);
enum err openai_chat_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);

/* ---- request_write.c, request_parts.c, request_tools.c: one request that is written ------------------------------------------ */
struct openai_chat_writing {
    struct wire_out o;
    struct chat *c;
    const struct wire_target *to;
    bool same_format; /* what only this format knows goes back as it came */
    struct fault *why;
};

bool openai_chat_can_put(const struct chat_part *p); /* false: this format has no place for it */
bool openai_chat_is_empty_text(const struct chat_part *p);
void openai_chat_put_part(struct openai_chat_writing *w, struct chat_part *p);
/* One text alone is a string, as every server understands it; the source's own spelling counts when it is this format. */
bool openai_chat_as_string(const struct openai_chat_writing *w, const struct chat_part *first, enum chat_shape shape);
void openai_chat_put_string(struct openai_chat_writing *w, struct chat_part *p);
void openai_chat_put_tools(struct openai_chat_writing *w);
void openai_chat_put_choice(struct openai_chat_writing *w);

/* ---- settings.c ----------------------------------------------------------------------------------------------------------- */
extern const struct wire_setting openai_chat_settings[CHAT_SETTINGS_N];

/* ---- request_read.c, request_write.c, answer.c, error.c ------------------------------------------------------------------- */
enum err openai_chat_read_request(const struct json_tape *t, struct chat *c, struct fault *why);
enum err openai_chat_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
enum err openai_chat_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
enum err openai_chat_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out, struct fault *why);
void openai_chat_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                            struct chat_error *ret_error);
void openai_chat_write_error(const struct chat_error *e, struct str request_id, struct buf *out);
