/* What one vendor accepts and another refuses without a word of meaning being at stake: blank texts, messages of nothing, results
 * away from their calls. Called by wire_adapt() before a request is written in another format. Pure. */
#include "wire/formats.h"
#include "wire/parts.h"

#define STRICT (1u << WIRE_ANTHROPIC_MESSAGES | 1u << WIRE_BEDROCK_INVOKE | 1u << WIRE_BEDROCK_CONVERSE)
#define SPOKEN (STRICT | 1u << WIRE_GEMINI_GENERATE) /* without a turn there is no request */

/* ---- texts that say nothing ------------------------------------------------------------------------------------------------- */

/* "text content blocks must contain non-whitespace text" (Anthropic). The span is escaped. */
bool wire_is_blank(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        bool escaped =
            text.p[i] == '\\' && i + 1 < text.n && (text.p[i + 1] == 'n' || text.p[i + 1] == 'r' || text.p[i + 1] == 't');
        if (!escaped && text.p[i] != ' ') return false;
        i += escaped;
    }
    return true;
}

static bool says_nothing(const struct chat_part *p, enum wire_format target)
{
    bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL;
    bool alone = !p->node.extra && (p->node.has & ~(1ull << PART_HAS_TEXT)) == 0;
    return text && alone && (STRICT >> target & 1 ? wire_is_blank(p->text) : !p->text.n);
}

static void drop_blanks(struct chat_item *i, enum wire_format target)
{
    struct chat_part **at = &i->parts, *last = NULL;
    while (*at) {
        if (says_nothing(*at, target)) {
            *at = (*at)->next;
            continue;
        }
        last = *at;
        at = &(*at)->next;
    }
    i->parts_last = last;
}

/* A message that had nothing else: who wrote it, to whom, is no matter then. */
static bool is_nothing(const struct chat_item *i) { return i->kind == ITEM_MESSAGE && !i->parts; }

static void drop_nothings(struct chat *c, enum wire_format target, struct chat_losses *losses)
{
    struct chat_item **at = &c->items;
    c->items_last = NULL;
    while (*at) {
        struct chat_item *i = *at;
        if (i->kind == ITEM_MESSAGE || i->kind == ITEM_TOOL_RESULT) drop_blanks(i, target);
        if (!is_nothing(i)) {
            c->items_last = i;
            at = &i->next;
            continue;
        }
        *at = i->next;
        chat_lose_extra(losses, &i->node, LOSS_EXTRA);
        chat_lose_extra(losses, &i->group->node, LOSS_EXTRA);
    }
}

static bool has_turns(const struct chat *c)
{
    for (const struct chat_item *i = c->items; i; i = i->next)
        if (i->group->role != ROLE_SYSTEM && i->group->role != ROLE_DEVELOPER) return true;
    return false;
}

/* ---- results beside their calls ----------------------------------------------------------------------------------------------- */

/* Results stand right behind the turn that called: what came between them is said after them. */
static void join_results(struct chat *c, struct chat_losses *losses)
{
    struct chat_item **behind = NULL; /* where the next result belongs; NULL: nothing has been called */
    bool called = false;              /* the turn that calls is still going on */
    struct chat_item **at = &c->items;
    while (*at) {
        struct chat_item *i = *at;
        bool result = i->kind == ITEM_TOOL_RESULT;
        if (result && behind && behind != at) {
            *at = i->next;
            i->next = *behind;
            *behind = i;
            behind = &i->next;
            losses->n[LOSS_ORDER]++;
            continue;
        }
        called = i->kind == ITEM_TOOL_CALL || (called && !result && i->group->role == ROLE_ASSISTANT);
        if (called || (result && behind)) behind = &i->next;
        at = &i->next;
        c->items_last = i;
    }
}

/* ---- documents ---------------------------------------------------------------------------------------------------------------- */

static bool has_part(const struct chat_item *i, enum chat_part_kind kind)
{
    for (const struct chat_part *p = i->parts; p; p = p->next)
        if (p->kind == kind) return true;
    return false;
}

/* Converse takes a document only beside a text (Amazon Bedrock API reference, "DocumentBlock"). */
static bool speak_of_documents(struct chat *c, struct chat_losses *losses)
{
    const struct chat_group *spoken = NULL;
    for (struct chat_item *i = c->items; i; i = i->next) {
        if (i->kind != ITEM_MESSAGE) continue;
        if (has_part(i, PART_TEXT)) spoken = i->group;
        bool silent = has_part(i, PART_DOCUMENT) && spoken != i->group && !(i->next && i->next->group == i->group);
        struct chat_part *p = silent ? chat_add_part(c->arena, i, PART_TEXT) : NULL;
        if (!silent) continue;
        if (!p) return false;
        p->text = S("(See the document.)");
        chat_has(&p->node, PART_HAS_TEXT);
        losses->n[LOSS_OPENING]++;
    }
    return true;
}

/* What many callers say and no vendor but OpenAI takes. */
static void name_images(struct chat *c)
{
    for (struct chat_item *i = c->items; i; i = i->next)
        for (struct chat_part *p = i->parts; p; p = p->next)
            if (str_eq(p->media.type, S("image/jpg"))) p->media.type = S("image/jpeg");
}

/* ---- the door ------------------------------------------------------------------------------------------------------------------- */

enum err wire_tidy(struct chat *c, enum wire_format target, const struct wire_target *to, struct chat_census all,
                   struct fault *why)
{
    if (SPOKEN >> target & 1 && all.parts & ~(1u << PART_TEXT)) name_images(c);
    if (SPOKEN >> target & 1) drop_nothings(c, target, to->losses);
    if (SPOKEN >> target & 1 && !has_turns(c))
        return FAIL(why, ERR_BAD_REQUEST, "the conversation has no turn that says anything: send a message of the user's");
    if (chat_holds(all, ITEM_TOOL_RESULT)) join_results(c, to->losses);
    if (target == WIRE_BEDROCK_CONVERSE && !speak_of_documents(c, to->losses))
        return FAIL(why, ERR_LIMIT, "the request does not fit its bounds");
    return OK;
}
