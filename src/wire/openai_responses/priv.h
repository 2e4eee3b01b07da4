/* What the files of this format share. Private to wire/openai_responses. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

enum { OPENAI_RESPONSES_TEXT = 1 };                                                 /* wire_setting.place: the object `text` */
extern const struct wire_setting openai_responses_settings[CHAT_SETTINGS_N];        /* settings.c */
extern const struct wire_tree openai_responses_known, openai_responses_event_known; /* known.c */

/* ---- read.c: pieces that requests, answers and events have in common; all borrowed from the tape --------------------------- */
void openai_responses_read_usage(const struct json_tape *t, uint32_t response, struct usage *u);
void openai_responses_read_meta(const struct json_tape *t, uint32_t response, struct chat_meta *ret_meta);
void openai_responses_read_annotation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note);
/* `called`: there are calls among the items, so the end means them. */
void openai_responses_read_stop(const struct json_tape *t, uint32_t response, bool called, struct chat_stop *ret_stop);
/* {"code","message"} of response.error, or of an event `error`, at the root or in its member `error`. */
void openai_responses_read_error_object(const struct json_tape *t, uint32_t at, struct arena *a, struct chat_error *ret_error);
struct str openai_responses_error_code(enum err_class class, struct str otherwise);
void openai_responses_blame(struct str body, struct json_tape *t, struct buf *out);

/* An item of an answer by its type: kind, ids, name, status, opaque; neither parts nor arguments. `opaque`: room for one. */
void openai_responses_read_item(const struct json_tape *t, uint32_t at, struct chat_item *ret_item, struct chat_opaque *opaque);
/* The part's kind by its type; its text. PART_UNKNOWN: raw. */
void openai_responses_read_part(const struct json_tape *t, uint32_t at, struct chat_part *ret_part);

/* ---- write.c: pieces of answers and streams --------------------------------------------------------------------------------- */
struct openai_responses_place {
    uint32_t number; /* of the item, for synthesised ids */
    bool open;       /* in progress: nothing of its content is said */
};
/* The whole response object; `status` as in the format. In progress it has neither output nor usage. `error`: NULL none. */
void openai_responses_put_response(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a,
                                   struct str status, const struct chat_error *error);
/* The object of a conversation that was compacted by a call of its own. */
void openai_responses_put_compacted(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a);
void openai_responses_put_answer_item(struct json_writer *w, const struct wire_reply *to, const struct chat_item *i,
                                      struct openai_responses_place place, struct arena *a);
void openai_responses_put_item_id(struct json_writer *w, const struct wire_reply *to, const struct chat_item *i, uint32_t number);
void openai_responses_put_answer_part(struct json_writer *w, const struct chat_part *p, bool open); /* open: without its text */
void openai_responses_put_annotation(struct json_writer *w, const struct chat_annotation *note,
                                     uint64_t length); /* of its text */
/* False: this format cannot hold it. `family`: of the answer. */
bool openai_responses_has_place(const struct chat_item *i, struct str family);
bool openai_responses_has_part(const struct chat_part *p);
/* Once for each item that has ended: its state as the caller shall give it back, what is lost of it counted. */
void openai_responses_seal_item(struct chat_item *i, const struct wire_reply *to, struct arena *a);
/* Puts one ITEM_COMPACTION in the place of all items, with what they say. */
MUST_USE enum err openai_responses_compact(struct chat_answer *a, const struct wire_reply *to, struct fault *why);
struct str openai_responses_status(const struct chat_answer *a); /* completed, incomplete */

/* ---- stream_read.c, stream_write.c ---------------------------------------------------------------------------------------- */
enum { OPENAI_RESPONSES_READER_SIZE = 256, OPENAI_RESPONSES_WRITER_SIZE = 512 }; /* checked where they are known */
void openai_responses_reader_start(void *reader, struct arena *a);
enum err openai_responses_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                     struct fault *why);
enum err openai_responses_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
void openai_responses_writer_start(void *writer, const struct wire_reply *to, struct arena *a);
enum err openai_responses_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);

/* ---- request_read.c, input_read.c, request_tools.c --------------------------------------------------------------------------- */
enum err openai_responses_read_request(const struct json_tape *t, struct chat *c, struct fault *why);
enum err openai_responses_take_input(struct wire_in *in, void *into, uint32_t at);
enum err openai_responses_read_tools(struct wire_in *in, struct chat_tool **list, uint32_t at);

/* ---- request_write.c, input_write.c, request_tools.c: one request that is written ------------------------------------------ */
struct openai_responses_writing {
    struct wire_out o;
    struct chat *c;
    const struct wire_target *to;
    bool same_format;   /* what only this format knows goes back as it came */
    struct map customs; /* id → a call of free text: its result is of its kind, which other formats do not tell of results */
    struct fault *why;
};
enum err openai_responses_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
MUST_USE enum err openai_responses_put_item(struct openai_responses_writing *w, struct chat_item *i);
MUST_USE enum err openai_responses_put_tools(struct openai_responses_writing *w, struct chat_tool *tools, unsigned depth);
void openai_responses_put_choice(struct openai_responses_writing *w);
/* What of each has no place here is counted. */
void openai_responses_lose_group(struct openai_responses_writing *w, struct chat_group *g);

/* ---- repeat.c: what a response object repeats of its request ------------------------------------------------------------------- */
void openai_responses_remember(const struct json_tape *t, struct arena *a, struct wire_reply *to);
void openai_responses_put_repeated(struct json_writer *w, const struct wire_reply *to); /* members of the open object */

/* ---- answer.c ----------------------------------------------------------------------------------------------------------------- */
enum err openai_responses_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
enum err openai_responses_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                       struct fault *why);
