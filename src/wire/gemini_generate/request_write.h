/* One Gemini request that is written: what request_write.c and request_parts.c share. Private to this folder. */
#pragma once

#include "wire/gemini_generate/priv.h"

struct gemini_writing {
    struct wire_out o;
    struct chat *c;
    const struct wire_target *to;
    bool same_format; /* the source's own turns are kept as they were */
    struct fault *why;
    struct map calls;   /* id → its call's name and order */
    struct str pending; /* a signature that belongs to the next part of this turn */
    bool called;        /* this turn has a call already */
};

/* schema_write.c: JSON schema as the vendor's own, in the arena; "" : it describes nothing. For models that know only that one. */
MUST_USE enum err gemini_schema_write(struct gemini_writing *w, struct str raw, struct str *ret_schema);

bool gemini_is_text(const struct chat_part *p);                      /* or is told as such */
void gemini_put_text(struct gemini_writing *w, struct chat_part *p); /* a value */
bool gemini_takes_in_result(const struct gemini_writing *w, const struct chat_part *p);
bool gemini_can_put(const struct gemini_writing *w, const struct chat_part *p);
void gemini_put_part(struct gemini_writing *w, struct chat_part *p); /* its members, into the open object */
MUST_USE enum err gemini_put_tools(struct gemini_writing *w);
void gemini_put_choice(struct gemini_writing *w);
MUST_USE enum err gemini_put_config(struct gemini_writing *w);
