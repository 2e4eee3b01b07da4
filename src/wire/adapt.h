/* The inside of what turns a request to its target's ways before it is written: adapt.c (tools and items), names.c (names and ids),
 * schema.c (JSON schemas). */
#pragma once

#include "wire/parts.h"

struct spelling;
struct adapting {
    struct chat *c;
    const struct wire_target *to;
    enum wire_format target;
    struct chat_census all;          /* of what was read; what is added here are messages of text */
    const struct spelling *spelling; /* of names and ids there */
    struct map ours, theirs;         /* names so far: "space\x1fname" → what it is there; and those */
    struct wire_name *names, **names_end;
    struct chat_tool *tools; /* the flat list that comes in place of the tree */
    unsigned n_tools;
    struct fault *why;
};
enum err adapting_full(const struct adapting *w); /* says so: ERR_LIMIT */
/* Several spans as one, in the form's arena. */
bool adapting_join(const struct adapting *w, const struct str *pieces, size_t n, struct str *ret_span);
#define JOIN(w, ret, ...) \
    adapting_join((w), (const struct str[]){__VA_ARGS__}, sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str), (ret))

/* ---- names.c ---- */
void names_start(struct adapting *w);
void names_stop(struct adapting *w);
/* A tool that is offered: its name there. *ret_twice: it was offered before. What differs is kept for the answer. */
MUST_USE enum err names_offer(struct adapting *w, struct str space, struct str ours, enum chat_call_form form,
                              struct str *ret_theirs, bool *ret_twice);
/* A tool that is called, or chosen: offered or not. */
MUST_USE enum err names_use(struct adapting *w, struct str space, struct str *name);
MUST_USE enum err names_choose(struct adapting *w, struct str *name);
MUST_USE enum err names_id(struct adapting *w, struct str *id); /* of a call: the same for call and result */

/* ---- reason.c: when all else stands ---- */
MUST_USE enum err reason_as_the_model_does(struct adapting *w);
bool adapting_is_claude(const struct adapting *w); /* in a format that has its words */
bool adapting_is_own(const struct adapting *w);    /* Claude's own words, to Claude in whichever format */

/* ---- limits.c: last ---- */
MUST_USE enum err limits_of_the_model(struct adapting *w);

/* ---- documents.c ---- */
MUST_USE enum err documents_for_claude(struct adapting *w);

/* ---- schema.c ---- */
/* What a tool takes, so that the target takes the schema. */
MUST_USE enum err schema_of_tool(struct adapting *w, struct chat_tool *t);
/* What the answer shall be like: Claude's schemas are a subset (A19). */
MUST_USE enum err schema_of_output(struct adapting *w);
