/* The form written as a Gemini request: leading system items become systemInstruction, results stand alone in their turn and in the
 * order of the calls. Facts: Gemini API reference "GenerateContentRequest"; G5…G9 in docs/wire.md. Pure. */
#include "wire/gemini_generate/request_write.h"

#include <stdlib.h>

/* ---- calls by id ---------------------------------------------------------------------------------------------------------- */

struct call_at {
    struct str name;
    uint32_t order;
};

static enum err find_calls(struct gemini_writing *w)
{
    uint32_t n = 0;
    for (struct chat_item *i = w->c->items; i; i = i->next) {
        if (i->kind != ITEM_TOOL_CALL) continue;
        struct call_at *at = arena_alloc(w->o.a, sizeof *at);
        if (!at) return wire_request_full(w->why);
        *at = (struct call_at){i->name, n++};
        map_add(&w->calls, i->call_id, at); /* an id that comes twice: the first */
    }
    return OK;
}

/* ---- items ---------------------------------------------------------------------------------------------------------------- */

/* G8: only to where it came from. */
static const struct chat_opaque *own_opaque(const struct gemini_writing *w, const struct chat_opaque *o)
{
    if (!o || o->kind != OPAQUE_THOUGHT_SIGNATURE) return NULL;
    return wire_comes_from(o, w->to, S("gemini")) ? o : NULL;
}

static void put_signature(struct gemini_writing *w, struct chat_node *n, unsigned field, const struct chat_opaque *own)
{
    struct str span = own ? own->span : w->pending;
    if (own) chat_told(n, field);
    else w->pending = STR_NONE;
    if (!span.n) return;
    json_put_name(&w->o.w, S("thoughtSignature"));
    json_put_span(&w->o.w, span);
}

static enum err put_message(struct gemini_writing *w, struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) {
        const struct chat_opaque *own = own_opaque(w, p->opaque);
        if (!gemini_can_put(w, p)) continue;
        chat_lose(w->o.losses, &p->node, PART_HAS_CACHE, LOSS_CACHE);
        if (wire_is_silent(p) && !own && !w->same_format) {
            chat_told(&p->node, PART_HAS_TEXT);
            continue;
        }
        json_put_object(&w->o.w);
        gemini_put_part(w, p);
        put_signature(w, &p->node, PART_HAS_OPAQUE, own);
        chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
        wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
        json_put_end(&w->o.w);
    }
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    return OK;
}

/* Thoughts go back with their signature; state alone is the next part's. */
static void put_thought(struct gemini_writing *w, struct chat_part *p)
{
    const struct chat_opaque *own = own_opaque(w, p->opaque);
    if (own && p->kind == PART_REDACTED) {
        chat_told(&p->node, PART_HAS_OPAQUE);
        w->pending = own->span;
        return;
    }
    if (!own && !w->same_format) {
        chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
        chat_lose(w->o.losses, &p->node, PART_HAS_TEXT, LOSS_REASONING);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
        return;
    }
    json_put_object(&w->o.w);
    json_put_name(&w->o.w, S("text"));
    json_put_span(&w->o.w, p->text.p ? p->text : S(""));
    chat_told(&p->node, PART_HAS_TEXT);
    json_add_bool(&w->o.w, S("thought"), true);
    if (own) put_signature(w, &p->node, PART_HAS_OPAQUE, own);
    chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static enum err put_reasoning(struct gemini_writing *w, struct chat_item *i)
{
    const struct chat_opaque *own = own_opaque(w, i->opaque);
    chat_told(&i->node, ITEM_HAS_PARTS);
    for (struct chat_part *p = i->parts; p; p = p->next) put_thought(w, p);
    if (own) {
        chat_told(&i->node, ITEM_HAS_OPAQUE);
        w->pending = own->span;
    }
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    return OK;
}

static bool gives_id(const struct gemini_writing *w, const struct chat_item *i)
{
    return !(w->to->quirks & QUIRK_NO_CALL_ID) && !str_starts(i->call_id, S(GEMINI_CALL_ID));
}

/* G6: the first call of a turn needs a signature. For calls that another model made the vendor's documents name one that passes. */
#define FOREIGN_CALL S("skip_thought_signature_validator")

static enum err put_call(struct gemini_writing *w, struct chat_item *i)
{
    struct str args;
    if (i->form != CALL_FUNCTION) return OK; /* left for chat_account() */
    TRY(wire_call_object(&w->o, i, w->to->tape, &args, w->why));
    chat_told(&i->node, ITEM_HAS_CALL_ID);
    json_put_object(&w->o.w);
    json_add_object(&w->o.w, S("functionCall"));
    if (gives_id(w, i)) json_put_name(&w->o.w, S("id"));
    if (gives_id(w, i)) json_put_span(&w->o.w, i->call_id);
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    json_add_raw(&w->o.w, S("args"), args);
    wire_put_extra(&w->o, &i->node, S("functionCall"), LOSS_EXTRA);
    json_put_end(&w->o.w);
    const struct chat_opaque *own = own_opaque(w, i->opaque);
    if (!own && !w->pending.n && !w->same_format && !w->called) w->pending = FOREIGN_CALL;
    put_signature(w, &i->node, ITEM_HAS_OPAQUE, own);
    w->called = true;
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

/* The result as the caller's own object, where it was one. */
static bool put_raw_response(struct gemini_writing *w, struct chat_item *i)
{
    struct chat_part *p = i->parts;
    while (p && !p->raw.p) p = p->next;
    if (!p || !w->same_format) return false;
    chat_told(&p->node, PART_HAS_TEXT);
    json_put_raw(&w->o.w, p->raw);
    return true;
}

static void put_response(struct gemini_writing *w, struct chat_item *i)
{
    struct json_writer *j = &w->o.w;
    unsigned n = 0;
    json_put_name(j, S("response"));
    if (put_raw_response(w, i)) return;
    for (struct chat_part *p = i->parts; p; p = p->next) n += gemini_is_text(p);
    json_put_object(j);
    json_put_name(j, i->error == FLAG_YES ? S("error") : S("output"));
    if (n > 1) json_put_array(j);
    if (!n) json_put_str(j, S(""));
    for (struct chat_part *p = i->parts; p; p = p->next) {
        if (!gemini_is_text(p)) continue;
        gemini_put_text(w, p);
        chat_lose(w->o.losses, &p->node, PART_HAS_CACHE, LOSS_CACHE);
        chat_lose(w->o.losses, &p->node, PART_HAS_ANNOTATIONS, LOSS_CITATION);
        chat_lose(w->o.losses, &p->node, PART_HAS_CITATIONS, LOSS_CITATION);
        if (!w->o.same_family) chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
    }
    if (n > 1) json_put_end(j);
    json_put_end(j);
}

/* Pictures and documents beside the response; what the model does not take there is left for chat_account(). */
static void put_result_media(struct gemini_writing *w, struct chat_item *i)
{
    bool any = false;
    for (struct chat_part *p = i->parts; p; p = p->next) {
        if (gemini_is_text(p) || !gemini_takes_in_result(w, p)) continue;
        if (!any) json_add_array(&w->o.w, S("parts"));
        any = true;
        json_put_object(&w->o.w);
        gemini_put_part(w, p);
        chat_lose(w->o.losses, &p->node, PART_HAS_CACHE, LOSS_CACHE);
        wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
        json_put_end(&w->o.w);
    }
    if (any) json_put_end(&w->o.w);
}

static enum err put_result(struct gemini_writing *w, struct chat_item *i)
{
    const struct call_at *call = map_find(&w->calls, i->call_id);
    struct str name = i->name.n ? i->name : call ? call->name : STR_NONE;
    if (i->form == CALL_CUSTOM) return OK; /* left for chat_account() */
    if (!name.n)
        return FAIL(w->why, ERR_BAD_REQUEST, "the result for the call '%.*s' answers no call of this conversation",
                    (int)(i->call_id.n < 64 ? i->call_id.n : 64), i->call_id.p ? i->call_id.p : "");
    json_put_object(&w->o.w);
    json_add_object(&w->o.w, S("functionResponse"));
    chat_told(&i->node, ITEM_HAS_CALL_ID);
    if (gives_id(w, i)) json_put_name(&w->o.w, S("id"));
    if (gives_id(w, i)) json_put_span(&w->o.w, i->call_id);
    chat_told(&i->node, ITEM_HAS_NAME);
    json_put_name(&w->o.w, S("name"));
    json_put_span(&w->o.w, name);
    chat_told(&i->node, ITEM_HAS_PARTS);
    chat_told(&i->node, ITEM_HAS_ERROR);
    put_response(w, i);
    put_result_media(w, i);
    wire_put_extra(&w->o, &i->node, S("functionResponse"), LOSS_EXTRA);
    json_put_end(&w->o.w);
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

static enum err put_raw(struct gemini_writing *w, struct chat_item *i)
{
    if (w->same_format && chat_told(&i->node, ITEM_HAS_RAW)) json_put_raw(&w->o.w, i->raw);
    return OK;
}

static enum err (*const PUT_ITEM[ITEM_KINDS])(struct gemini_writing *, struct chat_item *) = {
    [ITEM_MESSAGE] = put_message, [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call, [ITEM_TOOL_RESULT] = put_result,
    [ITEM_SERVER_CALL] = put_raw, [ITEM_SERVER_RESULT] = put_raw,   [ITEM_COMPACTION] = put_raw, [ITEM_TOOLS] = put_raw,
    [ITEM_REFERENCE] = put_raw,   [ITEM_UNKNOWN] = put_raw,
};

/* ---- turns ---------------------------------------------------------------------------------------------------------------- */

static bool is_system(const struct chat_item *i) { return i->group->role == ROLE_SYSTEM || i->group->role == ROLE_DEVELOPER; }

static void tick_group(struct gemini_writing *w, struct chat_group *g)
{
    chat_told(&g->node, GROUP_HAS_ROLE);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_NAME, LOSS_NAME);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_CACHE, LOSS_CACHE);
    if (!w->o.same_family) chat_lose_extra(w->o.losses, &g->node, LOSS_EXTRA);
}

/* 0 system, 1 the model, 2 the user's results (G9: alone in their turn), 3 what else he says. */
static int turn_of(const struct chat_item *i)
{
    if (is_system(i)) return 0;
    if (i->group->role == ROLE_ASSISTANT) return 1;
    return i->kind == ITEM_TOOL_RESULT ? 2 : 3;
}

static bool goes_on(const struct gemini_writing *w, const struct chat_item *i, const struct chat_item *next)
{
    if (!next || is_system(next)) return false;
    return w->same_format ? next->group == i->group : turn_of(i) == turn_of(next);
}

static bool says(const struct gemini_writing *w, const struct chat_item *i)
{
    bool thinks = i->kind == ITEM_REASONING;
    if (w->same_format || (i->kind != ITEM_MESSAGE && !thinks)) return true;
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        bool signs = own_opaque(w, p->opaque) != NULL;
        if (thinks ? signs && p->kind != PART_REDACTED : signs || (!wire_is_silent(p) && gemini_can_put(w, p))) return true;
    }
    return false;
}

struct ordered {
    struct chat_item *item;
    uint32_t order, at;
};
static int by_call(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* G5: without ids they are paired by position. */
static enum err put_results(struct gemini_writing *w, struct chat_item *first, const struct chat_item *end)
{
    uint32_t n = 0;
    for (const struct chat_item *i = first; i != end; i = i->next) n++;
    struct ordered *all = arena_alloc(w->o.a, n * sizeof *all);
    if (!all) return wire_request_full(w->why);
    n = 0;
    for (struct chat_item *i = first; i != end; i = i->next, n++) {
        const struct call_at *call = map_find(&w->calls, i->call_id);
        all[n] = (struct ordered){i, call ? call->order : UINT32_MAX, n};
    }
    qsort(all, n, sizeof *all, by_call);
    for (uint32_t k = 0; k < n; k++) TRY(put_result(w, all[k].item));
    return OK;
}

static enum err put_items(struct gemini_writing *w, struct chat_item *first, const struct chat_item *end)
{
    if (!w->same_format && turn_of(first) == 2) return put_results(w, first, end);
    for (struct chat_item *i = first; i != end; i = i->next) TRY(PUT_ITEM[i->kind](w, i));
    return OK;
}

static enum err put_turn(struct gemini_writing *w, struct chat_item **at)
{
    struct chat_item *first = *at, *end = first;
    bool speaks = false, model = turn_of(first) == 1;
    do {
        speaks |= says(w, end);
        end = end->next;
    } while (goes_on(w, first, end));
    *at = end;
    w->called = false;
    w->pending = STR_NONE;
    if (speaks) {
        json_put_object(&w->o.w);
        json_add_str(&w->o.w, S("role"), model ? S("model") : S("user"));
        json_add_array(&w->o.w, S("parts"));
    }
    TRY(put_items(w, first, end));
    if (speaks) json_put_end(&w->o.w);
    for (struct chat_item *i = first; i != end; i = i->next) tick_group(w, i->group);
    if (speaks && w->same_format) wire_put_extra(&w->o, &first->group->node, STR_NONE, LOSS_EXTRA);
    if (speaks) json_put_end(&w->o.w);
    return OK;
}

static enum err put_contents(struct gemini_writing *w)
{
    struct chat_item *i = w->c->items;
    json_add_array(&w->o.w, S("contents"));
    while (i) {
        if (is_system(i)) i = i->next;
        else TRY(put_turn(w, &i));
    }
    json_put_end(&w->o.w);
    return OK;
}

static enum err put_system(struct gemini_writing *w)
{
    struct chat_item *first = NULL;
    bool spoken = false;
    for (struct chat_item *i = w->c->items; i; i = i->next) {
        if (!is_system(i)) spoken = true;
        else if (spoken) w->o.losses->n[LOSS_SYSTEM_PLACE]++;
        if (is_system(i) && !first) first = i;
    }
    if (!first) return OK;
    json_add_object(&w->o.w, S("systemInstruction"));
    json_add_array(&w->o.w, S("parts"));
    for (struct chat_item *i = first; i; i = i->next)
        if (is_system(i)) TRY(PUT_ITEM[i->kind](w, i));
    json_put_end(&w->o.w);
    for (struct chat_item *i = first; i; i = i->next)
        if (is_system(i)) tick_group(w, i->group);
    if (w->same_format) wire_put_extra(&w->o, &first->group->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

/* ---- the root --------------------------------------------------------------------------------------------------------------- */

static enum err put_root(struct gemini_writing *w)
{
    struct json_writer *j = &w->o.w;
    TRY(find_calls(w));
    json_put_object(j);
    TRY(put_system(w));
    TRY(put_contents(w));
    TRY(gemini_put_tools(w));
    gemini_put_choice(w);
    TRY(gemini_put_config(w));
    wire_put_settings(j, w->c, gemini_settings, 0);
    wire_lose_settings(w->c, gemini_settings, w->o.losses);
    wire_put_extra(&w->o, &w->c->node, STR_NONE, LOSS_EXTRA);
    return wire_request_done(j, w->why);
}

enum err gemini_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    bool same = str_eq(c->family, S("gemini"));
    struct gemini_writing w = {
        .o = {.a = c->arena, .losses = to->losses, .same_family = same}, .c = c, .to = to, .same_format = same, .why = why};
    map_init(&w.calls);
    json_write(&w.o.w, out);
    enum err e = put_root(&w);
    map_done(&w.calls);
    return e;
}
