/* The formats that are built: one line each, for the table in wire.c only. */
#pragma once

#include "wire/wire.h"

extern const struct wire_ops openai_chat_ops;        /* openai_chat/openai_chat.c */
extern const struct wire_ops openai_responses_ops;   /* openai_responses/openai_responses.c */
extern const struct wire_ops gemini_generate_ops;    /* gemini_generate/gemini_generate.c */
extern const struct wire_ops anthropic_messages_ops; /* anthropic_messages/anthropic_messages.c */
extern const struct wire_ops bedrock_invoke_ops;     /* bedrock_invoke/bedrock_invoke.c */
extern const struct wire_ops bedrock_converse_ops;   /* bedrock_converse/bedrock_converse.c */
extern const struct wire_ops openai_tasks_ops;       /* openai_tasks/openai_tasks.c */

/* OpenAI has one shape of errors for all its calls; ours in it. openai_chat/openai_chat.c */
void openai_error(const struct fault *f, struct str request_id, struct buf *out);
void openai_error_event(const struct fault *f, struct str request_id, struct buf *out);

/* What they share (shared.c). Requests: root is an object with a usable model, messages an array, stream a boolean. */
MUST_USE enum err wire_check_model(struct str model, struct fault *why);
MUST_USE enum err wire_read_model(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why);
/* The same where the path may have it (Azure): wire_read_path() misses it else. A member may be put at r->model_at. */
MUST_USE enum err wire_seek_model(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why);
MUST_USE enum err wire_want_messages(const struct json_tape *t, struct fault *why);
MUST_USE enum err wire_read_stream(const struct json_tape *t, struct wire_request *r, struct fault *why);
/* A member of the root that is read further: no name may stand twice in it, lest the provider reads the other one. 0: it is not
 * there. */
MUST_USE enum err wire_want_once(const struct json_tape *t, uint32_t object, const char *name, struct fault *why);
/* Answers: whole JSON, an object; else ERR_UPSTREAM_GARBAGE. */
MUST_USE enum err wire_scan_answer(struct json_tape *t, struct str body, const struct json_limits *limits, struct fault *why);
/* A count of tokens or units: a whole number that an answer can have used. Anything else was not told: false. */
#define WIRE_COUNT_MAX 1000000000u
bool wire_count(const struct json_tape *t, uint32_t at, uint64_t *ret_count); /* at 0: none */
bool wire_count_in(const struct json_tape *t, uint32_t object, struct str name, uint64_t *ret_count);
void wire_read_tier(const struct json_tape *t, uint32_t tier, struct usage *u); /* tier 0 or null: nothing */
/* What an answer in this format calls the tier that it was told; STR_NONE: nothing that its clients know. */
struct str wire_tier_word(enum wire_format f, const char *tier);
void wire_blame(struct str body, struct json_tape *t, struct buf *out);

/* ---- rejoin.c --------------------------------------------------------------------------------------------------------------- */
/* Of a chat in another format than the target's: thoughts whose signature came as a part of its own get it back. */
MUST_USE enum err wire_rejoin(struct chat *c, struct fault *why);

/* ---- tidy.c ----------------------------------------------------------------------------------------------------------------- */
/* Of a chat in another format than the target's: no blank texts, no empty messages, results right behind their calls.
 * `all` is of the chat as it was read. ERR_BAD_REQUEST: nothing is left. */
bool wire_is_blank(struct str text); /* nothing but blanks and ends of lines; of an escaped span */
MUST_USE enum err wire_tidy(struct chat *c, enum wire_format target, const struct wire_target *to, struct chat_census all,
                            struct fault *why);

/* ---- error.c ---------------------------------------------------------------------------------------------------------------- */
void wire_error_status(struct chat_error *e, int status); /* completes what the body told */
int wire_status_of(const struct chat_error *e);           /* of an error that came without one */
void wire_error_reason(struct chat_error *e); /* from its word and message; where there is no status, after the class */
/* A 2xx answer that is an error: answer->failure. Always ERR_UPSTREAM_ERROR. */
MUST_USE enum err wire_fail_answer(struct chat_answer *answer, const struct chat_error *e, struct fault *why);
/* The member "message". A context that is full is told in `full_words`, by which the format's clients know it. */
void wire_add_message(struct json_writer *w, const struct chat_error *e, struct str full_words);

/* ---- emit.c: what stream readers emit ---------------------------------------------------------------------------------- */

struct wire_emitter {
    const struct chat_sink *sink; /* of the event under way */
    struct fault *why;
    uint32_t items; /* numbered so far */
};
struct wire_spot { /* where a part or delta belongs */
    uint32_t choice, item, part;
};
MUST_USE enum err wire_emit(const struct wire_emitter *m, const struct chat_event *e);
MUST_USE enum err wire_emit_item(struct wire_emitter *m, const struct chat_item *node, uint32_t *ret_number);
MUST_USE enum err wire_emit_item_end(const struct wire_emitter *m, uint32_t number, const struct chat_item *node);
MUST_USE enum err wire_emit_part(const struct wire_emitter *m, struct wire_spot at, const struct chat_part *part);
MUST_USE enum err wire_emit_part_end(const struct wire_emitter *m, struct wire_spot at, const struct chat_part *part);
MUST_USE enum err wire_emit_delta(const struct wire_emitter *m, struct wire_spot at, enum chat_delta field, struct str text);
MUST_USE enum err wire_emit_note(const struct wire_emitter *m, struct wire_spot at, const struct chat_annotation *note);
/* An id for a call that its provider gave none: of all that is known of its answer, and of its `place` in it. Two calls of one
 * conversation must not have the same, and state is kept under it. False: the arena is full. */
bool wire_make_call_id(const struct str *of, unsigned n, uint32_t place, struct arena *a, struct str *ret_id);
MUST_USE enum err wire_emit_usage(const struct wire_emitter *m, const struct usage *u);
MUST_USE enum err wire_check_stop(const struct chat_stop *stop,
                                  struct fault *why); /* of whole answers; streams: wire_emit_stop() */
MUST_USE enum err wire_emit_stop(const struct wire_emitter *m, uint32_t choice, const struct chat_stop *stop);
MUST_USE enum err wire_emit_error(const struct wire_emitter *m, const struct chat_error *error);
MUST_USE enum err wire_emit_raw(const struct wire_emitter *m, struct str name, struct str raw);
MUST_USE enum err wire_emit_plain(const struct wire_emitter *m, enum chat_event_kind kind);

/* ---- cites.c: where in an answer a citation stands -------------------------------------------------------------------------- */

struct wire_range { /* code points; `end` is the first one behind it */
    uint64_t start, end;
};
uint64_t wire_points(struct str span); /* characters of the inside of a JSON string */
/* It cites all of its part, whose end must have come before the range is known. */
bool wire_cites_block(const struct chat_annotation *n);
/* `before`: characters of the text in front of its part; `length`: of the part. */
struct wire_range wire_cited(const struct chat_annotation *n, uint64_t before, uint64_t length);

/* ---- waiting.c: calls that wait for their turn, bounded ------------------------------------------------------------------ */

struct wire_waiting {
    uint32_t number;                /* of the item */
    struct str call_id, name, said; /* said: its arguments so far */
    size_t room;                    /* bytes that `said` has in the arena */
    bool ended;
    struct wire_waiting *next;
};
struct wire_queue {
    struct wire_waiting *first;
    size_t bytes;
};
struct wire_waiting *wire_waiting_find(const struct wire_queue *q, uint32_t number); /* NULL: it does not wait */
MUST_USE enum err wire_waiting_add(struct wire_queue *q, struct arena *a, const struct chat_event *e, struct fault *why);
MUST_USE enum err wire_waiting_say(struct wire_queue *q, struct arena *a, struct wire_waiting *x, struct str text,
                                   struct fault *why);
struct wire_waiting *wire_waiting_next(struct wire_queue *q); /* taken out; NULL: none */

/* ---- blocks.c: writers of streams whose blocks stand one after the other -------------------------------------------------- */

struct wire_blocks;
struct wire_blocks_ops {
    void (*begin)(struct wire_blocks *b, const struct chat_meta *meta, struct buf *out); /* once, before all else */
    void (*call)(struct wire_blocks *b, struct str call_id, struct str name, struct buf *out);
    void (*arguments)(struct wire_blocks *b, struct str text, struct buf *out);
    void (*text)(struct wire_blocks *b, bool thought, struct str text, struct buf *out);
    void (*note)(struct wire_blocks *b, const struct chat_annotation *note, struct buf *out);
    /* State that the client shall give back: can it be carried here, as what; then into the open block, which it ends. */
    bool (*carries)(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a, struct str *ret_span);
    void (*opaque)(struct wire_blocks *b, const struct chat_opaque *o, struct str span, struct buf *out);
    void (*other)(struct wire_blocks *b, const struct chat_item *item, struct buf *out); /* what only its family can read */
    void (*block_end)(struct wire_blocks *b, struct buf *out);                           /* of the open one, if any */
    void (*end)(struct wire_blocks *b, struct buf *out);
    void (*error)(struct wire_blocks *b, const struct chat_error *error, struct buf *out);
    void (*ping)(struct buf *out); /* NULL: the format has none */
};
enum { WIRE_NO_ITEM = UINT32_MAX };
struct wire_blocks { /* a writer's first member */
    const struct wire_blocks_ops *ops;
    struct arena *arena;
    const struct wire_reply *to;
    struct wire_queue waiting;
    uint32_t open, block;     /* item whose block is open (WIRE_NO_ITEM: none); number of the next block */
    enum chat_item_kind kind; /* of the open item */
    enum chat_part_kind part; /* of its open part */
    bool begun, in_block, ended;
    bool refused; /* a part of the answer is a refusal */
    struct usage usage;
    struct chat_stop stop;
};
void wire_blocks_start(struct wire_blocks *b, const struct wire_blocks_ops *ops, const struct wire_reply *to, struct arena *a);
enum err wire_blocks_write(void *writer, const struct chat_event *e, struct buf *out, struct fault *why); /* a writer's event */
