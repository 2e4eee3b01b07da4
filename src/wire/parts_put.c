/* Writers of what several formats say in the same way: what a target's items and parts have no place for, media and documents as
 * text, state that goes back, how a request and an answer end. See wire/parts.h. Called by the formats' writers; owns nothing. */
#include "wire/parts.h"

/* ---- requests --------------------------------------------------------------------------------------------------------------- */

static const enum chat_item_field NAMELESS[] = {ITEM_HAS_ID, ITEM_HAS_STATUS, ITEM_HAS_PHASE, ITEM_HAS_CALLER};

void wire_lose_item(struct wire_out *o, struct chat_item *i)
{
    for (unsigned k = 0; k < COUNTOF(NAMELESS); k++) chat_lose(o->losses, &i->node, NAMELESS[k], LOSS_ITEM_ID);
    chat_lose(o->losses, &i->node, ITEM_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
}

void wire_lose_marked_item(struct wire_out *o, struct chat_item *i)
{
    wire_lose_item(o, i);
    chat_lose(o->losses, &i->node, ITEM_HAS_CACHE, LOSS_CACHE);
}

void wire_lose_part(struct wire_out *o, struct chat_part *p)
{
    chat_lose(o->losses, &p->node, PART_HAS_CACHE, LOSS_CACHE);
    chat_lose(o->losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
    chat_lose(o->losses, &p->node, PART_HAS_ANNOTATIONS, LOSS_CITATION);
    chat_lose(o->losses, &p->node, PART_HAS_CITATIONS, LOSS_CITATION);
    chat_lose(o->losses, &p->node, PART_HAS_LOGPROBS, LOSS_ANSWER_FIELD);
}

bool wire_is_silent(const struct chat_part *p) { return (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !p->text.n; }

bool wire_comes_from(const struct chat_opaque *o, const struct wire_target *to, struct str family)
{
    bool same = str_eq(o->origin.family, family) && str_eq(to->origin.family, family);
    return same && (!o->origin.deployment || o->origin.deployment == to->origin.deployment);
}

void wire_put_data_url(struct json_writer *j, const struct chat_media *m)
{
    json_put_string_begin(j);
    buf_str(j->out, S("data:"));
    buf_str(j->out, m->type.p ? m->type : S("application/octet-stream"));
    buf_str(j->out, S(";base64,"));
    buf_str(j->out, m->value);
    json_put_string_end(j);
}

void wire_put_plain_document(struct wire_out *o, struct chat_part *p)
{
    struct json_writer *j = &o->w;
    bool titled = chat_told(&p->node, PART_HAS_TITLE) && p->title.n, named = false;
    if (titled) chat_lose(o->losses, &p->node, PART_HAS_NAME, LOSS_NAME);
    else named = chat_told(&p->node, PART_HAS_NAME) && p->name.n;
    chat_told(&p->node, PART_HAS_MEDIA);
    json_put_string_begin(j);
    if (titled || named) {
        buf_str(j->out, titled ? p->title : p->name);
        buf_str(j->out, S("\\n\\n"));
    }
    if (chat_told(&p->node, PART_HAS_CONTEXT)) {
        buf_str(j->out, p->context);
        buf_str(j->out, S("\\n\\n"));
    }
    buf_str(j->out, p->media.value);
    json_put_string_end(j);
}

bool wire_put_choice(struct json_writer *j, struct chat *c, wire_chosen_fn *put_chosen)
{
    const struct chat_choice *choice = &c->choice;
    if (!chat_told(&c->node, CHAT_HAS_CHOICE) || choice->mode == CHOICE_ABSENT) return false;
    json_put_name(j, S("tool_choice"));
    if (choice->mode <= CHOICE_REQUIRED) json_put_str(j, wire_choice_word(choice->mode));
    if (choice->mode == CHOICE_NAMED) put_chosen(j, choice->names[0], choice->form);
    if (choice->mode != CHOICE_ALLOWED) return false;
    json_put_object(j);
    json_add_str(j, S("type"), S("allowed_tools"));
    return true;
}

enum err wire_request_full(struct fault *why) { return FAIL(why, ERR_LIMIT, "the request is too large to be translated"); }

enum err wire_request_done(struct json_writer *j, struct fault *why)
{
    json_put_end(j);
    return json_write_done(j) ? OK : wire_request_full(why);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

enum err wire_answer_full(struct fault *why)
{
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer has more parts than one exchange may hold");
}

void wire_lose_unsaid(struct chat_losses *l, const struct chat_item *i, uint32_t kinds)
{
    bool known = i->kind == ITEM_MESSAGE || i->kind == ITEM_REASONING || i->kind == ITEM_TOOL_CALL;
    if (!known) l->n[LOSS_ANSWER_FIELD]++;
    for (const struct chat_part *p = i->parts; known && p; p = p->next) wire_lose_unsaid_part(l, p->kind, kinds);
}

void wire_lose_unsaid_part(struct chat_losses *l, enum chat_part_kind kind, uint32_t kinds)
{
    if (kind != PART_REDACTED && !(kinds >> kind & 1)) l->n[LOSS_ANSWER_FIELD]++; /* state is counted as such */
}

void wire_lose_state(struct chat_losses *l, const struct chat_opaque *o, bool of_text, bool kept)
{
    for (; o && (of_text || !kept); o = o->next) l->n[LOSS_OPAQUE_FOREIGN]++;
}

enum err wire_answer_done(struct json_writer *j, const struct wire_reply *to, struct chat_answer *answer, struct fault *why)
{
    chat_lose_answer_extra(to->losses, answer);
    return json_write_done(j) ? OK : FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the answer is too long to be written anew");
}

bool wire_is_cut_off(enum chat_stop_kind stop) { return stop == STOP_LIMIT || stop == STOP_CONTEXT_FULL; }

/* The member's name is the one that Anthropic's documents advise ("Fine-grained tool streaming", "Handling invalid JSON"). */
enum err wire_call_object(struct wire_out *o, struct chat_item *call, struct json_tape *t, struct str *ret_object,
                          struct fault *why)
{
    struct str text;
    struct fault inner = {0};
    struct buf object;
    chat_told(&call->node, ITEM_HAS_ARGUMENTS);
    enum err e = chat_json_raw(&call->arguments, o->a, t, ret_object, &inner);
    if (e == OK) return OK;
    if (e != ERR_BAD_REQUEST || !chat_json_span(&call->arguments, o->a, &text)) return wire_request_full(why);
    buf_init(&object, text.n + 32);
    buf_str(&object, S("{\"INVALID_JSON\":\""));
    buf_str(&object, text);
    buf_str(&object, S("\"}"));
    bool kept = arena_str(o->a, buf_view(&object), ret_object);
    buf_done(&object);
    o->losses->n[LOSS_ARGUMENTS]++;
    return kept ? OK : wire_request_full(why);
}

enum err wire_call_input(const struct chat_item *call, const struct chat_answer *answer, const struct wire_reply *to,
                         struct str *ret_input, struct fault *why)
{
    struct json_tape tape;
    json_tape_init(&tape, 0);
    enum err e = chat_json_raw(&call->arguments, answer->arena, &tape, ret_input, why);
    json_tape_done(&tape);
    if (e == OK) return OK;
    if (!wire_is_cut_off(answer->stops[call->choice].kind))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer calls a tool with arguments that are no JSON object");
    to->losses->n[LOSS_ANSWER_FIELD]++;
    *ret_input = S("{}");
    return OK;
}

bool wire_seal(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a, wire_spell_fn *spell,
               struct str *ret_span)
{
    struct buf sealed;
    struct chat_opaque from = *o;
    if (!to->seal) return false;
    from.origin = to->origin;
    buf_init(&sealed, o->span.n * 2 + KIB(1));
    chat_seal_text(to->seal, &from, &sealed);
    if (spell && !sealed.over) spell(&sealed);
    bool fits = !sealed.over && arena_str(a, buf_view(&sealed), ret_span);
    buf_done(&sealed);
    return fits;
}

void *wire_places(struct arena *a, void *now, uint32_t *n, size_t size, uint32_t number)
{
    enum { MAX = 4096 };
    if (number >= MAX) return NULL;
    if (number < *n) return now;
    uint32_t more = *n ? *n * 4 : 8;
    while (more <= number) more *= 4;
    void *all = arena_alloc(a, more * size);
    if (!all) return NULL;
    if (*n) memcpy(all, now, *n * size);
    *n = more;
    return all;
}
