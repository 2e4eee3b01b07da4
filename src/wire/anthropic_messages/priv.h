/* What the files of this format share; bedrock_invoke carries the same bodies and calls them too. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

extern const struct wire_setting anthropic_messages_settings[CHAT_SETTINGS_N]; /* settings.c */
extern const struct wire_tree anthropic_messages_known;                        /* known.c */

/* ---- read.c: pieces that requests, answers and events have in common; borrowed from the tape ---------------------------- */
bool anthropic_messages_read_usage(const struct json_tape *t, uint32_t usage, struct usage *u); /* anthropic_messages.c */
/* `delta`: the object with stop_reason and stop_sequence. */
void anthropic_messages_read_stop(const struct json_tape *t, uint32_t delta, struct chat_stop *ret_stop);
void anthropic_messages_read_citation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note);
void anthropic_messages_read_error_object(const struct json_tape *t, struct arena *a, struct chat_error *ret_error);
/* "web_search_tool_result" and the like; server calls. */
bool anthropic_messages_is_server_result(struct str type);
bool anthropic_messages_is_server_call(struct str type);

/* ---- write.c ------------------------------------------------------------------------------------------------------------- */
struct str anthropic_messages_stop_word(enum chat_stop_kind kind, bool refused); /* refused: a part of the answer says so */
void anthropic_messages_put_usage(struct json_writer *w, const struct usage *u);
void anthropic_messages_put_id(struct json_writer *w, const struct wire_reply *to, const struct chat_meta *meta);
/* The signature that the caller shall give back: the vendor's own, or another vendor's state sealed; false: there is none. */
bool anthropic_messages_signature(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a,
                                  struct str *ret_span);

/* ---- stream_read.c, stream_write.c ---------------------------------------------------------------------------------------- */
enum { ANTHROPIC_MESSAGES_READER_SIZE = 1536, ANTHROPIC_MESSAGES_WRITER_SIZE = 1024 }; /* checked where they are known */
void anthropic_messages_reader_start(void *reader, struct arena *a);
enum err anthropic_messages_read_event(void *reader, const struct wire_frame *f, struct json_tape *t,
                                       const struct chat_sink *sink, struct fault *why);
enum err anthropic_messages_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
void anthropic_messages_writer_start(void *writer, const struct wire_reply *to, struct arena *a);
enum err anthropic_messages_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);

/* ---- request_write.c, request_parts.c, request_tools.c: one request that is written -------------------------------------------- */
struct anthropic_messages_writing {
    struct wire_out o;
    struct chat *c;
    const struct wire_target *to;
    bool same_format; /* the source's own messages are kept as they were */
    bool system_up;   /* but for system messages within a conversation, which the model does not take there */
    struct fault *why;
};

void anthropic_messages_put_cache(struct anthropic_messages_writing *w, struct chat_node *n, unsigned field,
                                  const struct chat_cache *cache);
void anthropic_messages_put_part(struct anthropic_messages_writing *w, struct chat_part *p);
/* The state of a part of reasoning that may go to the target; NULL: there is none. */
struct chat_opaque *anthropic_messages_own_opaque(const struct anthropic_messages_writing *w, const struct chat_part *p);
void anthropic_messages_put_tools(struct anthropic_messages_writing *w);
void anthropic_messages_put_choice(struct anthropic_messages_writing *w);
void anthropic_messages_put_thinking(struct anthropic_messages_writing *w);
enum err anthropic_messages_put_output(struct anthropic_messages_writing *w);
uint64_t anthropic_messages_max_tokens(const struct anthropic_messages_writing *w);

/* ---- request_read.c: what Claude's requests say wherever it runs: bedrock_converse calls them too ---------------------------- */
/* {"type":"enabled","budget_tokens":…} for the chat. */
enum err anthropic_messages_take_thinking(struct wire_in *in, void *into, uint32_t at);
/* State that Claude alone signs; an empty one is none (it is what we gave for reasoning that nobody signed). */
enum err anthropic_messages_take_opaque(struct wire_in *in, struct chat_part *p, enum chat_opaque_kind kind, uint32_t at);

/* ---- request_read.c, request_write.c, answer.c, error.c ------------------------------------------------------------------- */
enum err anthropic_messages_read_request(const struct json_tape *t, struct chat *c, struct fault *why);
enum err anthropic_messages_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
/* The same as the body of Bedrock's InvokeModel. */
enum err anthropic_messages_write_invoke(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
enum err anthropic_messages_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
enum err anthropic_messages_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                         struct fault *why);
void anthropic_messages_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                                   struct chat_error *ret_error);
void anthropic_messages_write_error(const struct chat_error *e, struct str request_id, struct buf *out);
