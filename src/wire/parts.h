/* What readers and writers of all formats are made of, so that a format is mostly tables: members of objects with what becomes
 * of each, settings with what a target does that lacks one, words that stand for our own. Private to this room; pure.
 *
 * A reader walks objects with wire_walk(): each known member has a row that says what it must be and where it goes; an unknown
 * one becomes `extra` of the node (law 3). A wrong type is refused with its JSON path. null means "not there" unless the row
 * asks for anything. A known name that stands twice in one object is refused. */
#pragma once

#include "wire/formats.h"
#include "wire/wire.h"

/* ---- reading -------------------------------------------------------------------------------------------------------- */

/* One body or event that is read. */
struct wire_in {
    const struct json_tape *t;
    struct arena *a;
    struct fault *why;
    enum err code;     /* of wrong shapes: ERR_BAD_REQUEST, or ERR_UPSTREAM_GARBAGE in answers */
    bool snake_too;    /* names of the tables are camelCase, and snake_case is the same (protobuf's JSON) */
    struct chat *c;    /* requests */
    void *own;         /* the format's: what its handlers need to know */
    struct str inside; /* of wire_walk_inside() */
};
#define WIRE_IN_REQUEST(tape, chat, fault) \
    ((struct wire_in){.t = (tape), .a = (chat)->arena, .why = (fault), .code = ERR_BAD_REQUEST, .c = (chat)})
#define WIRE_IN_ANSWER(tape, arena, fault) \
    ((struct wire_in){.t = (tape), .a = (arena), .why = (fault), .code = ERR_UPSTREAM_GARBAGE})

/* What a member's value must be. */
enum wire_want {
    WANT_ANY, /* null as well */
    WANT_STRING,
    WANT_NUMBER,
    WANT_WHOLE, /* a whole number from 0 on */
    WANT_BOOL,
    WANT_ARRAY,
    WANT_OBJECT,
    WANT_STRINGS, /* an array of strings */
    WANT_VALUE,   /* anything but null */
};

/* What becomes of it. */
enum wire_do {
    DO_CALL, /* `read` takes it */
    DO_SPAN, /* a string's inside, to the struct str at `to` */
    DO_RAW,  /* the value as it stands, to the struct str at `to` */
    DO_FLAG, /* enum chat_flag at `to` */
    DO_SKIP, /* read elsewhere (a `type` that chose this table), or said by the transport */
};

/* Takes the value `at` for `into`, the struct that the walk was for (its first member is a struct chat_node). */
typedef enum err wire_take_fn(struct wire_in *in, void *into, uint32_t at);

struct wire_member {
    struct str name;
    enum wire_want want;
    enum wire_do what;
    int field; /* bit of the node's `has`; WIRE_NO_FIELD: none, or the handler sets its own */
    size_t to; /* offsetof, for SPAN, RAW and FLAG */
    wire_take_fn *take;
    bool must; /* be there, and not be null */
};
enum { WIRE_NO_FIELD = -1 };
#define WIRE_STR(lit) {"" lit, sizeof(lit) - 1} /* a struct str in a static table */
#define WIRE_SPAN(name, type, member, field) {WIRE_STR(name), WANT_STRING, DO_SPAN, (field), offsetof(type, member), NULL}
#define WIRE_RAW(name, want, type, member, field) {WIRE_STR(name), (want), DO_RAW, (field), offsetof(type, member), NULL}
#define WIRE_FLAG(name, type, member, field) {WIRE_STR(name), WANT_BOOL, DO_FLAG, (field), offsetof(type, member), NULL}
#define WIRE_CALL(name, want, take) {WIRE_STR(name), (want), DO_CALL, WIRE_NO_FIELD, 0, (take)}
#define WIRE_SKIP(name, want) {WIRE_STR(name), (want), DO_SKIP, WIRE_NO_FIELD, 0, NULL}

#define WIRE_MUST_CALL(name, want, take) {WIRE_STR(name), (want), DO_CALL, WIRE_NO_FIELD, 0, (take), true}
#define WIRE_MUST_SPAN(name, type, member, field) \
    {WIRE_STR(name), WANT_STRING, DO_SPAN, (field), offsetof(type, member), NULL, true}

/* The members of one kind of object. */
struct wire_shape {
    const struct wire_member *rows; /* at most WIRE_ROWS_MAX */
    size_t n;
    const struct wire_setting *settings; /* of a request's root or one of its objects (`place`); NULL: it holds none */
    unsigned place;
};
#define WIRE_ROWS_MAX 64
#define WIRE_SHAPE(table, ...) {.rows = (table), .n = COUNTOF(table), __VA_ARGS__}

/* Walks the object `at`. What it reads goes to `into`, unknown members to the extra of the node that `into` begins with; where it
 * has none (NULL: a choice of tools, an image's address) they are refused. */
MUST_USE enum err wire_walk(struct wire_in *in, uint32_t at, const struct wire_shape *shape, void *into);
/* The same for an object that is not a node of its own but a part of `into` ("function" in a call): its unknown members say so
 * in chat_extra.inside. `name`: a literal. */
MUST_USE enum err wire_walk_inside(struct wire_in *in, uint32_t at, const struct wire_shape *shape, void *into, const char *name);
/* Every element of an array. */
MUST_USE enum err wire_each(struct wire_in *in, uint32_t at, wire_take_fn *take, void *into);
/* Content: a string (one part of text), null, or an array of which `take` reads each element for the item. */
MUST_USE enum err wire_content(struct wire_in *in, struct chat_item *i, uint32_t at, wire_take_fn *take,
                               enum chat_shape *ret_shape);

MUST_USE enum err wire_want_closely(struct wire_in *in, uint32_t at, enum wire_want want);
extern const uint8_t wire_want_types[]; /* by enum wire_want: a bit for each type that may stand there */
MUST_USE static inline enum err wire_want(struct wire_in *in, uint32_t at, enum wire_want want)
{
    bool type_is_all = want != WANT_WHOLE && want != WANT_STRINGS;
    if (LIKELY(type_is_all && wire_want_types[want] >> json_type(in->t, at) & 1)) return OK;
    return wire_want_closely(in, at, want);
}
/* No name stands twice in the object; for those that code of a format walks itself. */
MUST_USE enum err wire_once(struct wire_in *in, uint32_t at);
/* "messages[2].role: must be …" (answers: "the provider's answer: …"). The text after the path is a sentence's rest. */
enum err wire_bad(struct wire_in *in, uint32_t at, const char *fmt, ...) PRINTF(3, 4);
enum err wire_full(struct wire_in *in); /* the arena has no more room */
static inline uint32_t wire_at(const struct wire_in *in, uint32_t at) { return json_node(in->t, at)->start; }
/* A string's value, unescaped: the text itself or a copy in the arena. STR_NONE when the arena is full. */
struct str wire_plain(struct wire_in *in, uint32_t at);

/* Objects that tell by a word which kind they are ("type"). */
struct wire_kind {
    struct str word;
    int value; /* the format's own meaning: enum chat_part_kind, an index */
    wire_take_fn *take;
};
/* *ret_kind NULL: a word that the table does not have (what is unknown goes raw). The member must be there and a string. */
MUST_USE enum err wire_pick(struct wire_in *in, uint32_t object, const char *member, const struct wire_kind *table, size_t n,
                            const struct wire_kind **ret_kind);

/* ---- parts_take.c: what several formats say in the same way -------------------------------------------------------------- */

struct str wire_text(const struct json_tape *t, uint32_t at); /* a string's span; STR_NONE: nothing there, or no string */
struct str wire_text_in(const struct json_tape *t, uint32_t object, const char *name); /* the same of a member */
struct str wire_text_copy(const struct json_tape *t, uint32_t at, struct arena *a);    /* unescaped; beyond 8 KiB: STR_NONE */

/* Of a request, with their places. NULL: the arena is full (an item that is NULL gets no part). */
struct chat_item *wire_new_item(struct wire_in *in, enum chat_item_kind kind, struct chat_group *g, uint32_t at);
struct chat_part *wire_new_part(struct wire_in *in, struct chat_item *i, enum chat_part_kind kind, uint32_t at);
/* {"role":"user","content":"…"} and no more, spelled plainly: most messages. True: `role` (of `roles`) and all else of it is read. */
MUST_USE enum err wire_take_said(struct wire_in *in, uint32_t at, const struct wire_kind *roles, size_t n, bool *ret_taken);
/* What only its own family can read: kept as it stands, under its word. An item may be NULL: the arena is full. */
MUST_USE enum err wire_raw_item(struct wire_in *in, struct chat_item *i, struct str word, uint32_t at);
MUST_USE enum err wire_raw_part(struct wire_in *in, struct chat_part *p, struct str word, uint32_t at);
MUST_USE enum err wire_raw_tool(struct wire_in *in, struct chat_tool *tool, struct str word, uint32_t at);
struct str wire_type_of(struct wire_in *in, uint32_t at); /* the member "type", which is a string; unescaped */
/* For a part: "data:image/png;base64,…" or an address. */
MUST_USE enum err wire_take_url(struct wire_in *in, void *into, uint32_t at);

MUST_USE enum err wire_keep_setting(struct wire_in *in, enum chat_setting s, uint32_t at); /* raw, into in->c */
/* The `type` of the answer's form, into in->c. */
enum wire_outputs { OUTPUTS_ALL, OUTPUTS_SCHEMA_ONLY };
MUST_USE enum err wire_take_output_kind(struct wire_in *in, uint32_t at, enum wire_outputs outputs);

/* A tool's name for in->c->choice; OpenAI's words for its mode: within "allowed_tools", or alone in place of an object. */
MUST_USE enum err wire_take_choice_name(struct wire_in *in, void *into, uint32_t at);
MUST_USE enum err wire_take_choice_mode(struct wire_in *in, void *into, uint32_t at);
MUST_USE enum err wire_take_choice_word(struct wire_in *in, uint32_t at);
struct str wire_choice_word(enum chat_choice_mode mode); /* AUTO, NONE, REQUIRED */

/* ---- words ---------------------------------------------------------------------------------------------------------- */

struct wire_word {
    struct str word;
    int value;
};
/* By span; `otherwise` when the table does not have it. The first row of a value is how it is written. */
int wire_word_value(const struct wire_word *table, size_t n, struct str span, int otherwise);
struct str wire_word_of(const struct wire_word *table, size_t n, int value); /* STR_NONE: none */

/* ---- settings: one table per format, indexed by enum chat_setting, for both directions ---------------------------------------- */

enum wire_lack {
    LACK_REFUSE = 0, /* not in the table: left to chat_account() */
    LACK_NOTHING,    /* `name` is written, raw, in object `place` */
    LACK_LOSE,       /* counted as `loss` */
    LACK_OWN,        /* the writer has code for it; `name`, when given, is read all the same */
};
struct wire_setting {
    struct str name; /* where it is read from and written to; empty: not in this format */
    unsigned place;  /* 0: the root; else the format's number for an object in it */
    enum wire_lack lack;
    enum chat_loss loss;
};
#define WIRE_SET(name) {WIRE_STR(name), 0, LACK_NOTHING, 0}
#define WIRE_SET_IN(place, name) {WIRE_STR(name), (place), LACK_NOTHING, 0}
#define WIRE_SET_OWN(name) {WIRE_STR(name), 0, LACK_OWN, 0} /* read by the table, written by code */
#define WIRE_SET_LOSE(how) {WIRE_STR(""), 0, LACK_LOSE, (how)}

/* Writes and ticks what of `place` is there. */
void wire_put_settings(struct json_writer *w, struct chat *c, const struct wire_setting *table, unsigned place);
bool wire_has_settings(const struct chat *c, const struct wire_setting *table, unsigned place);
/* Counts what the table says is lost. */
void wire_lose_settings(struct chat *c, const struct wire_setting *table, struct chat_losses *l);

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* One that writes: the writer's arguments and what stands the same in all of them. */
struct wire_out {
    struct json_writer w;
    struct arena *a;
    struct chat_losses *losses;
    bool same_family; /* the source's extra members are ours too (law 4) */
};
/* Members that only the family knows: those of `inside` (STR_NONE: the node's own) are written into the open object; in another
 * family all of the node are counted as `how`. */
void wire_put_extra(struct wire_out *o, struct chat_node *n, struct str inside, enum chat_loss how);
bool wire_has_extra(const struct chat_node *n, struct str inside); /* any that is not ticked yet */
/* Name and span, when the field is there: ticks it. */
void wire_put_field(struct wire_out *o, struct chat_node *n, unsigned field, const char *name, struct str span);
void wire_put_field_raw(struct wire_out *o, struct chat_node *n, unsigned field, const char *name, struct str raw);

/* ---- parts_put.c: what several formats write in the same way --------------------------------------------------------------- */

/* Ids, status and state of an item, which this target has no place for; with cache marks, when it has none for them either. */
void wire_lose_item(struct wire_out *o, struct chat_item *i);
void wire_lose_marked_item(struct wire_out *o, struct chat_item *i);
void wire_lose_part(struct wire_out *o, struct chat_part *p); /* marks, state, citations, logprobs */
bool wire_is_silent(const struct chat_part *p);               /* a text that says nothing, which some vendors refuse */
/* State may go only to where it comes from: the family's, and the deployment that gave it. */
bool wire_comes_from(const struct chat_opaque *o, const struct wire_target *to, struct str family);
/* OpenAI's tool_choice. True: it is a set of allowed tools, of which {"type":"allowed_tools" is written and stays open. */
typedef void wire_chosen_fn(struct json_writer *j, struct str name, enum chat_call_form form);
bool wire_put_choice(struct json_writer *j, struct chat *c, wire_chosen_fn *put_chosen);
void wire_put_data_url(struct json_writer *j, const struct chat_media *m);     /* "data:TYPE;base64,DATA", the value */
void wire_put_plain_document(struct wire_out *o, struct chat_part *p);         /* title or name, context and text as one string */
enum err wire_request_full(struct fault *why);                                 /* says so: ERR_LIMIT */
MUST_USE enum err wire_request_done(struct json_writer *j, struct fault *why); /* closes the root */

/* Counts what of an answer's item is neither a call nor a part of one of the `kinds` (bits) that the format can say. */
void wire_lose_unsaid(struct chat_losses *l, const struct chat_item *i, uint32_t kinds);
void wire_lose_unsaid_part(struct chat_losses *l, enum chat_part_kind kind, uint32_t kinds);
/* Counts state for which the format has no place; that of thoughts and calls may be `kept` for the caller elsewhere. */
void wire_lose_state(struct chat_losses *l, const struct chat_opaque *o, bool of_text, bool kept);
#define WIRE_SAYS_TEXT (1u << PART_TEXT | 1u << PART_REFUSAL | 1u << PART_THOUGHT | 1u << PART_SUMMARY)
enum err wire_answer_full(struct fault *why); /* says so: ERR_UPSTREAM_TOO_LARGE */
/* All is written: what the answer had more is counted. */
MUST_USE enum err wire_answer_done(struct json_writer *j, const struct wire_reply *to, struct chat_answer *answer,
                                   struct fault *why);
/* A call's arguments as raw JSON. Of one that the output's limit cut off nothing is left, counted: {}, as Anthropic does it.
 * ERR_UPSTREAM_GARBAGE: they are no object. */
/* Of a call in a request, for formats that hold an object. What an earlier model wrote and is none (broken off, misspelled: agents send
 * it back with their complaint as the result) stands in one as its text, counted. ERR_LIMIT. */
MUST_USE enum err wire_call_object(struct wire_out *o, struct chat_item *call, struct json_tape *t, struct str *ret_object,
                                   struct fault *why);
MUST_USE enum err wire_call_input(const struct chat_item *call, const struct chat_answer *answer, const struct wire_reply *to,
                                  struct str *ret_input, struct fault *why);
bool wire_is_cut_off(enum chat_stop_kind stop); /* the last call of such an answer may be half of one */
/* Another vendor's state as text that only we read; `spell` (may be NULL) changes its alphabet. False: it cannot be carried. */
typedef void wire_spell_fn(struct buf *sealed);
MUST_USE bool wire_seal(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a, wire_spell_fn *spell,
                        struct str *ret_span);
/* An array of things by the items' numbers: `now`, or a larger copy with zeroes behind, so that `number` is in it. NULL: too many
 * items for one exchange. */
void *wire_places(struct arena *a, void *now, uint32_t *n, size_t size, uint32_t number) MUST_USE;

/* ---- what answers may say beside what is read ------------------------------------------------------------------------------------ */

/* All members that a format's answers and events have, as a tree: readers that pick out what they need stay complete (law 3)
 * because whatever is not in the tree is reported. A leaf is taken or dropped whole. */
struct wire_known {
    struct str name;
    const struct wire_known *inside; /* of the object, or of each object in the array; NULL: a leaf */
    size_t n;
};
#define WIRE_LEAF(name) {WIRE_STR(name), NULL, 0}
#define WIRE_TREE(name, table) {WIRE_STR(name), (table), COUNTOF(table)}
struct wire_tree {
    const struct wire_known *rows;
    size_t n;
};
/* Unknown members of the whole text, but for nulls: to the answer's extra, or as EVENT_RAW. */
MUST_USE enum err wire_keep_unknown(const struct json_tape *t, const struct wire_tree *tree, struct chat_answer *answer,
                                    struct fault *why);
MUST_USE enum err wire_emit_unknown(const struct wire_emitter *m, const struct json_tape *t, const struct wire_tree *tree);
