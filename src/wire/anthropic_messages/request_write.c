/* The form written as a Messages request. The leading system items become `system`; neighbours of one role become one message,
 * since results of parallel calls must stand together (A13). Facts: Anthropic API reference "Create a message"; A10…A19 in
 * docs/wire.md. Pure. */
#include "wire/anthropic_messages/priv.h"

#include <stdlib.h>

/* ---- items ---------------------------------------------------------------------------------------------------------------------- */

static enum err put_message(struct anthropic_messages_writing *w, struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) anthropic_messages_put_part(w, p);
    wire_lose_item(&w->o, i);
    chat_lose(w->o.losses, &i->node, ITEM_HAS_CACHE, LOSS_CACHE);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    return OK;
}

/* Only what this family signed, and in its own words, may come back (A5). */
struct chat_opaque *anthropic_messages_own_opaque(const struct anthropic_messages_writing *w, const struct chat_part *p)
{
    struct chat_opaque *o = p->opaque;
    bool kind = o && o->kind == (p->kind == PART_REDACTED ? OPAQUE_REDACTED : OPAQUE_SIGNATURE);
    return kind && wire_comes_from(o, w->to, S("anthropic")) ? o : NULL;
}

static void put_thought(struct anthropic_messages_writing *w, struct chat_part *p)
{
    struct chat_opaque *o = anthropic_messages_own_opaque(w, p);
    bool redacted = p->kind == PART_REDACTED;
    if (!o) {
        chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
        chat_lose(w->o.losses, &p->node, PART_HAS_TEXT, LOSS_REASONING);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
        return;
    }
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), redacted ? S("redacted_thinking") : S("thinking"));
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "thinking", p->text);
    wire_put_field(&w->o, &p->node, PART_HAS_OPAQUE, redacted ? "data" : "signature", o->span);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static enum err put_reasoning(struct anthropic_messages_writing *w, struct chat_item *i)
{
    chat_told(&i->node, ITEM_HAS_PARTS);
    for (struct chat_part *p = i->parts; p; p = p->next) put_thought(w, p);
    wire_lose_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    return OK;
}

static enum err put_call(struct anthropic_messages_writing *w, struct chat_item *i)
{
    struct str input;
    if (i->form != CALL_FUNCTION) return OK; /* left for chat_account() */
    TRY(wire_call_object(&w->o, i, w->to->tape, &input, w->why));
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), S("tool_use"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "id", i->call_id);
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    json_add_raw(&w->o.w, S("input"), input);
    anthropic_messages_put_cache(w, &i->node, ITEM_HAS_CACHE, &i->cache);
    wire_lose_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

static void put_result_content(struct anthropic_messages_writing *w, struct chat_item *i)
{
    struct chat_part *p = i->parts;
    bool string = p && !p->next && p->kind == PART_TEXT && !p->node.extra && !(p->node.has & ~(1ull << PART_HAS_TEXT));
    if (i->shape == SHAPE_ABSENT || i->shape == SHAPE_NULL) return;
    json_put_name(&w->o.w, S("content"));
    if (string && i->shape == SHAPE_STRING) {
        chat_told(&p->node, PART_HAS_TEXT);
        json_put_span(&w->o.w, p->text);
        return;
    }
    json_put_array(&w->o.w);
    for (; p; p = p->next) anthropic_messages_put_part(w, p);
    json_put_end(&w->o.w);
}

static enum err put_result(struct anthropic_messages_writing *w, struct chat_item *i)
{
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), S("tool_result"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "tool_use_id", i->call_id);
    chat_told(&i->node, ITEM_HAS_PARTS);
    chat_told(&i->node, ITEM_HAS_NAME); /* the call says it */
    put_result_content(w, i);
    if (chat_told(&i->node, ITEM_HAS_ERROR)) json_add_bool(&w->o.w, S("is_error"), i->error == FLAG_YES);
    anthropic_messages_put_cache(w, &i->node, ITEM_HAS_CACHE, &i->cache);
    wire_lose_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

static enum err put_raw(struct anthropic_messages_writing *w, struct chat_item *i)
{
    if (w->o.same_family && chat_told(&i->node, ITEM_HAS_RAW)) json_put_raw(&w->o.w, i->raw);
    return OK;
}

static enum err (*const PUT_ITEM[ITEM_KINDS])(struct anthropic_messages_writing *, struct chat_item *) = {
    [ITEM_MESSAGE] = put_message, [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call, [ITEM_TOOL_RESULT] = put_result,
    [ITEM_SERVER_CALL] = put_raw, [ITEM_SERVER_RESULT] = put_raw,   [ITEM_COMPACTION] = put_raw, [ITEM_TOOLS] = put_raw,
    [ITEM_REFERENCE] = put_raw,   [ITEM_UNKNOWN] = put_raw,
};

/* ---- messages -------------------------------------------------------------------------------------------------------------------- */

static bool is_system(const struct chat_item *i) { return i->group->role == ROLE_SYSTEM || i->group->role == ROLE_DEVELOPER; }

/* System items that do not stay where they are: all but those of this family's own conversations (A10 keeps their marks). */
static bool goes_up(const struct anthropic_messages_writing *w, const struct chat_item *i)
{
    return is_system(i) && (i->group->apart || !w->same_format || w->system_up);
}

static void put_group(struct anthropic_messages_writing *w, struct chat_group *g)
{
    chat_told(&g->node, GROUP_HAS_ROLE);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_NAME, LOSS_NAME);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
    anthropic_messages_put_cache(w, &g->node, GROUP_HAS_CACHE, &g->cache);
    wire_put_extra(&w->o, &g->node, STR_NONE, LOSS_EXTRA);
}

static void tick_groups(struct anthropic_messages_writing *w, struct chat_item *first, const struct chat_item *end)
{
    for (struct chat_item *i = first; i != end; i = i->next) {
        struct chat_group *g = i->group;
        chat_told(&g->node, GROUP_HAS_ROLE);
        chat_lose(w->o.losses, &g->node, GROUP_HAS_NAME, LOSS_NAME);
        chat_lose(w->o.losses, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
        chat_lose(w->o.losses, &g->node, GROUP_HAS_CACHE, LOSS_CACHE);
        chat_lose_extra(w->o.losses, &g->node, LOSS_EXTRA);
    }
}

static enum err put_system(struct anthropic_messages_writing *w)
{
    struct chat_item *first = NULL;
    unsigned n = 0;
    bool spoken = false;
    for (struct chat_item *i = w->c->items; i; i = i->next) {
        if (!goes_up(w, i)) {
            spoken = true;
            continue;
        }
        if (spoken) w->o.losses->n[LOSS_SYSTEM_PLACE]++;
        if (!first) first = i;
        n++;
    }
    if (!n) return OK;
    json_put_name(&w->o.w, S("system"));
    struct chat_part *p = first->parts;
    if (n == 1 && p && !p->next && first->group->shape == SHAPE_STRING && p->kind == PART_TEXT && p->text.n) {
        chat_told(&p->node, PART_HAS_TEXT);
        json_put_span(&w->o.w, p->text);
        wire_lose_item(&w->o, first);
        put_group(w, first->group);
        return OK;
    }
    json_put_array(&w->o.w);
    for (struct chat_item *i = first; i; i = i->next)
        if (goes_up(w, i)) TRY(put_message(w, i));
    json_put_end(&w->o.w);
    for (struct chat_item *i = first; i; i = i->next)
        if (goes_up(w, i)) tick_groups(w, i, i->next);
    return OK;
}

static enum chat_role role_of(const struct chat_item *i)
{
    if (is_system(i)) return ROLE_SYSTEM;
    return i->group->role == ROLE_ASSISTANT ? ROLE_ASSISTANT : ROLE_USER;
}

static struct str role_word(enum chat_role role)
{
    if (role == ROLE_SYSTEM) return S("system");
    return role == ROLE_ASSISTANT ? S("assistant") : S("user");
}

static bool goes_on(const struct anthropic_messages_writing *w, const struct chat_item *i, const struct chat_item *next)
{
    if (!next || goes_up(w, next)) return false;
    return w->same_format ? next->group == i->group : role_of(i) == role_of(next);
}

/* Would anything of it be written? A message without content is refused by the vendor. */
static bool says(const struct anthropic_messages_writing *w, const struct chat_item *i)
{
    if (i->kind != ITEM_MESSAGE && i->kind != ITEM_REASONING) return true;
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        if (i->kind == ITEM_REASONING ? anthropic_messages_own_opaque(w, p) != NULL : !wire_is_silent(p)) return true;
    }
    return false;
}

static bool as_string(const struct anthropic_messages_writing *w, const struct chat_item *i, const struct chat_item *end)
{
    const struct chat_part *p = i->parts;
    bool one = i->kind == ITEM_MESSAGE && i->next == end && p && !p->next && p->kind == PART_TEXT && !p->node.extra;
    return one && (p->text.n || w->same_format) && i->group->shape == SHAPE_STRING;
}

/* Results come first in a user's message, as the vendor wants them (A13). */
static enum err put_blocks(struct anthropic_messages_writing *w, struct chat_item *first, const struct chat_item *end)
{
    json_put_array(&w->o.w);
    if (!w->same_format)
        for (struct chat_item *i = first; i != end; i = i->next)
            if (i->kind == ITEM_TOOL_RESULT) TRY(put_result(w, i));
    for (struct chat_item *i = first; i != end; i = i->next)
        if (w->same_format || i->kind != ITEM_TOOL_RESULT) TRY(PUT_ITEM[i->kind](w, i));
    json_put_end(&w->o.w);
    return OK;
}

static enum err put_run(struct anthropic_messages_writing *w, struct chat_item **at)
{
    struct chat_item *first = *at, *end = first;
    bool speaks = false;
    do {
        speaks |= says(w, end);
        end = end->next;
    } while (goes_on(w, first, end));
    *at = end;
    if (!speaks && !w->same_format) { /* counted, not written */
        for (struct chat_item *i = first; i != end; i = i->next) TRY(PUT_ITEM[i->kind](w, i));
        tick_groups(w, first, end);
        return OK;
    }
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("role"), role_word(role_of(first)));
    json_put_name(&w->o.w, S("content"));
    if (as_string(w, first, end)) {
        chat_told(&first->parts->node, PART_HAS_TEXT);
        json_put_span(&w->o.w, first->parts->text);
        wire_lose_item(&w->o, first);
    } else {
        TRY(put_blocks(w, first, end));
    }
    put_group(w, first->group);
    tick_groups(w, first, end);
    json_put_end(&w->o.w);
    return OK;
}

/* Most messages: a text and nothing that could be lost, with nothing else of the same role beside it. */
static bool is_alone(const struct anthropic_messages_writing *w, const struct chat_item *i)
{
    return chat_is_said(i) && i->parts->text.n && !is_system(i) && !goes_on(w, i, i->next);
}

static void put_alone(struct anthropic_messages_writing *w, struct chat_item *i)
{
    bool assistant = i->group->role == ROLE_ASSISTANT;
    struct str before = assistant ? S("{\"role\":\"assistant\",\"content\":\"") : S("{\"role\":\"user\",\"content\":\"");
    json_put_around(&w->o.w, before, i->parts->text, S("\"}"));
    chat_told_said(i);
}

static enum err put_messages(struct anthropic_messages_writing *w)
{
    struct chat_item *i = w->c->items;
    json_add_array(&w->o.w, S("messages"));
    while (i) {
        bool up = goes_up(w, i), alone = !up && is_alone(w, i);
        if (alone) put_alone(w, i);
        if (up || alone) i = i->next;
        else TRY(put_run(w, &i));
    }
    json_put_end(&w->o.w);
    return OK;
}

/* ---- settings ------------------------------------------------------------------------------------------------------------------------------ */

static bool over_one(struct str number)
{
    double value = 0;
    char text[32];
    if (number.n >= sizeof text) return true;
    memcpy(text, number.p, number.n);
    text[number.n] = '\0';
    value = strtod(text, NULL);
    return value > 1.0;
}

/* A11: beside thinking none of these may be told. */
static void put_sampling(struct anthropic_messages_writing *w, bool thinks)
{
    struct chat *c = w->c;
    struct chat_losses *l = w->o.losses;
    static const enum chat_setting ALL[] = {SET_TEMPERATURE, SET_TOP_P, SET_TOP_K};
    for (unsigned i = 0; thinks && i < COUNTOF(ALL); i++) chat_lose(l, &c->node, ALL[i], LOSS_SAMPLING);
    if (thinks) return;
    bool hot = !w->same_format && c->settings[SET_TEMPERATURE].p && over_one(c->settings[SET_TEMPERATURE]);
    if (hot) l->n[LOSS_SAMPLING]++;
    if (chat_told(&c->node, SET_TEMPERATURE))
        json_add_raw(&w->o.w, S("temperature"), hot ? S("1") : c->settings[SET_TEMPERATURE]);
    for (unsigned i = 1; i < COUNTOF(ALL); i++)
        if (chat_told(&c->node, ALL[i])) json_add_raw(&w->o.w, anthropic_messages_settings[ALL[i]].name, c->settings[ALL[i]]);
}

static void put_user(struct anthropic_messages_writing *w)
{
    struct chat *c = w->c;
    struct str id = c->settings[SET_USER].p ? c->settings[SET_USER] : c->settings[SET_SAFETY_ID];
    chat_told(&c->node, c->settings[SET_USER].p ? SET_USER : SET_SAFETY_ID);
    chat_lose(w->o.losses, &c->node, SET_SAFETY_ID, LOSS_HINT); /* there is one place */
    if (!id.p && !w->o.same_family) return;
    if (!id.p && !wire_has_extra(&c->node, S("metadata"))) return;
    json_add_object(&w->o.w, S("metadata"));
    if (id.p) json_add_raw(&w->o.w, S("user_id"), id);
    wire_put_extra(&w->o, &c->node, S("metadata"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static bool is_raw(const struct chat *c, enum chat_setting s, struct str raw)
{
    return c->settings[s].p && str_eq(c->settings[s], raw);
}

/* Wishes that ask for what this format does anyway. */
static void tick_defaults(struct chat *c)
{
    if (is_raw(c, SET_N, S("1"))) chat_told(&c->node, SET_N);
    if (is_raw(c, SET_LOGPROBS, S("false"))) chat_told(&c->node, SET_LOGPROBS);
    if (is_raw(c, SET_MODALITIES, S("[\"text\"]"))) chat_told(&c->node, SET_MODALITIES);
    if (is_raw(c, SET_BACKGROUND, S("false"))) chat_told(&c->node, SET_BACKGROUND);
}

static void put_vendor_settings(struct anthropic_messages_writing *w)
{
    static const enum chat_setting OWN[] = {SET_CONTEXT, SET_CONTAINER};
    struct chat *c = w->c;
    struct str tier = c->settings[SET_SERVICE_TIER];
    bool says_it = w->o.same_family || is_raw(c, SET_SERVICE_TIER, S("\"auto\""));
    for (unsigned i = 0; w->o.same_family && i < COUNTOF(OWN); i++)
        if (chat_told(&c->node, OWN[i])) json_add_raw(&w->o.w, anthropic_messages_settings[OWN[i]].name, c->settings[OWN[i]]);
    chat_lose(w->o.losses, &c->node, SET_CONTEXT, LOSS_HINT);
    if (says_it && chat_told(&c->node, SET_SERVICE_TIER)) json_add_raw(&w->o.w, S("service_tier"), tier);
    chat_lose(w->o.losses, &c->node, SET_SERVICE_TIER, LOSS_TIER);
}

static void put_bound(struct anthropic_messages_writing *w)
{
    if (chat_told(&w->c->node, SET_MAX_OUTPUT)) json_add_raw(&w->o.w, S("max_tokens"), w->c->settings[SET_MAX_OUTPUT]);
    else json_add_u64(&w->o.w, S("max_tokens"), anthropic_messages_max_tokens(w));
}

static struct anthropic_messages_writing writing_of(struct chat *c, const struct wire_target *to, struct fault *why)
{
    return (struct anthropic_messages_writing){
        .o = {.a = c->arena, .losses = to->losses, .same_family = str_eq(c->family, S("anthropic"))},
        .c = c,
        .to = to,
        .same_format = str_eq(c->format, S("anthropic_messages")),
        .why = why,
    };
}

/* All members but those that say where the request goes. */
static enum err put_members(struct anthropic_messages_writing *w)
{
    put_bound(w);
    TRY(put_system(w));
    TRY(put_messages(w));
    anthropic_messages_put_tools(w);
    anthropic_messages_put_choice(w);
    bool thinks = w->c->thinking == THINKING_ON || w->c->thinking == THINKING_ADAPTIVE;
    anthropic_messages_put_thinking(w);
    TRY(anthropic_messages_put_output(w));
    put_sampling(w, thinks && !w->o.same_family);
    put_user(w);
    put_vendor_settings(w);
    tick_defaults(w->c);
    wire_put_settings(&w->o.w, w->c, anthropic_messages_settings, 0);
    wire_lose_settings(w->c, anthropic_messages_settings, w->to->losses);
    return OK;
}

static enum err end_request(struct anthropic_messages_writing *w)
{
    wire_put_extra(&w->o, &w->c->node, STR_NONE, LOSS_EXTRA);
    return wire_request_done(&w->o.w, w->why);
}

enum err anthropic_messages_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    struct anthropic_messages_writing w = writing_of(c, to, why);
    json_write(&w.o.w, out);
    json_put_object(&w.o.w);
    json_add_str(&w.o.w, S("model"), to->model);
    TRY(put_members(&w));
    if (to->stream) json_add_bool(&w.o.w, S("stream"), true);
    return end_request(&w);
}

/* Model and stream stand in the path, version and betas in the body. */
enum err anthropic_messages_write_invoke(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    struct anthropic_messages_writing w = writing_of(c, to, why);
    w.system_up = !to->manners || !to->manners->later_system;
    json_write(&w.o.w, out);
    json_put_object(&w.o.w);
    json_add_str(&w.o.w, S("anthropic_version"), S("bedrock-2023-05-31"));
    if (chat_told(&c->node, SET_BETAS)) json_add_raw(&w.o.w, S("anthropic_beta"), c->settings[SET_BETAS]);
    TRY(put_members(&w));
    return end_request(&w);
}
