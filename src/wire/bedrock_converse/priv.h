/* What the files of this format share. bedrock_invoke has the same framing and errors and calls those too. */
#pragma once

#include "wire/formats.h"
#include "wire/parts.h"

/* Objects of a request that hold settings. */
enum converse_place { PLACE_ROOT, PLACE_INFERENCE, PLACE_MORE };
extern const struct wire_setting bedrock_converse_settings[CHAT_SETTINGS_N]; /* settings.c */
extern const struct wire_tree bedrock_converse_known;                        /* known.c */

/* ---- words.c: media types and the words of stops --------------------------------------------------------------------------- */
/* "png" of an image is image/png; the result is a span, of the table or in the arena; STR_NONE: the arena is full. */
struct str bedrock_converse_type_of(struct arena *a, enum chat_part_kind kind, struct str format);
struct str bedrock_converse_format_of(enum chat_part_kind kind, struct str type); /* STR_NONE: not sent in this format */
struct str bedrock_converse_media_word(enum chat_part_kind kind);                 /* "image"; STR_NONE: no media */
enum chat_stop_kind bedrock_converse_read_stop(struct str word);
struct str bedrock_converse_stop_word(enum chat_stop_kind kind);
bool bedrock_converse_read_usage(const struct json_tape *t, uint32_t usage, struct usage *u);
void bedrock_converse_put_usage(struct json_writer *w, const struct usage *u);
/* A union holds one member: its name's node and its value's; false: none that is in `names`. */
bool bedrock_converse_member(const struct json_tape *t, uint32_t object, const struct str *names, size_t n, size_t *ret_which,
                             uint32_t *ret_value);

/* ---- error.c ------------------------------------------------------------------------------------------------------------------ */
void bedrock_converse_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                                 struct chat_error *ret_error);
void bedrock_converse_write_error(const struct chat_error *e, struct str request_id, struct buf *out);
void bedrock_converse_read_exception(const struct wire_frame *f, struct json_tape *t, struct arena *a,
                                     struct chat_error *ret_error);
void bedrock_converse_write_exception(const struct chat_error *e, struct buf *out);
void bedrock_converse_error(const struct fault *f, struct str request_id, struct buf *out);
void bedrock_converse_error_event(const struct fault *f, struct str request_id, struct buf *out);
struct str bedrock_converse_error_type(enum err_class class, enum err code, int status); /* for the field x-amzn-errortype */
void bedrock_converse_blame(struct str body, struct json_tape *t, struct buf *out);

/* ---- request_read.c, request_write.c, answer.c -------------------------------------------------------------------------------- */
enum err bedrock_converse_read_request(const struct json_tape *t, struct chat *c, struct fault *why);
enum err bedrock_converse_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
enum err bedrock_converse_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
enum err bedrock_converse_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                       struct fault *why);
void bedrock_converse_put_end(struct json_writer *w, const struct usage *u); /* usage and what stands beside it */
void bedrock_converse_read_citation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note);

/* ---- between request_read.c (the conversation) and config_read.c (all else) ---- */
struct bedrock_converse_mark { /* where a cache point goes; node NULL: there is nothing to mark */
    struct chat_node *node;
    struct chat_cache *cache;
    unsigned field;
};
MUST_USE enum err bedrock_converse_take_mark(struct wire_in *in, struct bedrock_converse_mark m, uint32_t at);
/* The one member of a union that the table knows; *ret_kind NULL: none of them. */
MUST_USE enum err bedrock_converse_pick(struct wire_in *in, uint32_t at, const struct wire_kind *table, size_t n,
                                        const struct wire_kind **ret_kind);
struct str bedrock_converse_first_name(struct wire_in *in, uint32_t at); /* of an object; plain */
enum err bedrock_converse_take_messages(struct wire_in *in, void *into, uint32_t at);
MUST_USE enum err bedrock_converse_take_system(struct wire_in *in, uint32_t at);

/* One that writes a request. */
struct bedrock_converse_writing {
    struct wire_out o;
    struct chat *c;
    const struct wire_target *to;
    bool same_format;
    unsigned documents; /* so far: their names are numbered */
    struct fault *why;
};
/* ---- config_write.c: all but the conversation ---- */
void bedrock_converse_put_cache(struct bedrock_converse_writing *w, struct chat_node *n, unsigned field,
                                const struct chat_cache *cache);
void bedrock_converse_put_tools(struct bedrock_converse_writing *w);
enum err bedrock_converse_put_config(struct bedrock_converse_writing *w);

/* ---- stream_read.c, stream_write.c ---------------------------------------------------------------------------------------------- */
enum { BEDROCK_CONVERSE_READER_SIZE = 1280, BEDROCK_CONVERSE_WRITER_SIZE = 768 }; /* checked where they are known */
void bedrock_converse_reader_start(void *reader, struct arena *a);
enum err bedrock_converse_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                     struct fault *why);
enum err bedrock_converse_read_end(void *reader, const struct chat_sink *sink, struct fault *why);
void bedrock_converse_writer_start(void *writer, const struct wire_reply *to, struct arena *a);
enum err bedrock_converse_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);
