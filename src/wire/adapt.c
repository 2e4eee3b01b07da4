/* What only Responses can say, said otherwise for the formats that lack it: free-text tools as functions with one string, namespaces
 * in the tools' names, tools from mid-conversation among the others, a summary as a message; and a first turn where the user must
 * have it. Called by the gateway between reader and writer; what the answer must be turned back with goes to wire_target.memo. restore.c turns it back. */
#include "wire/adapt.h"

/* What a form may hold; what a vendor takes is for him to say (OpenAI: 128). */
enum { TOOLS_MAX = 10000 };

enum err adapting_full(const struct adapting *w)
{
    return FAIL(w->why, ERR_LIMIT, "the request is too large to be translated; call a model whose provider speaks its format");
}

bool adapting_join(const struct adapting *w, const struct str *pieces, size_t n, struct str *ret_span)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += pieces[i].n;
    char *p = arena_alloc(w->c->arena, sum + 1);
    if (!p) return false;
    *ret_span = str_make(p, sum);
    for (size_t i = 0; i < n; i++) {
        if (pieces[i].n) memcpy(p, pieces[i].p, pieces[i].n);
        p += pieces[i].n;
    }
    return true;
}

/* ---- tools ------------------------------------------------------------------------------------------------------------------- */

static void append(struct adapting *w, struct chat_tool *t)
{
    t->next = NULL;
    t->last = t;
    if (w->tools) {
        w->tools->last->next = t;
        w->tools->last = t;
    } else {
        w->tools = t;
    }
}

/* A grammar cannot be enforced there; the model is told of it. */
static enum err as_function(struct adapting *w, struct chat_tool *t)
{
    struct str grammar = STR_NONE, text = t->description;
    struct chat_json raw = {t->grammar, false};
    if (t->grammar.p && !chat_json_span(&raw, w->c->arena, &grammar)) return adapting_full(w);
    chat_lose(w->to->losses, &t->node, TOOL_HAS_GRAMMAR, LOSS_GRAMMAR);
    if (!JOIN(w, &t->description, text, text.n ? S("\\n\\n") : S(""), S("Put the whole free text into `input`."),
              grammar.n ? S(" It must have this format: ") : S(""), grammar))
        return adapting_full(w);
    chat_has(&t->node, TOOL_HAS_DESCRIPTION);
    chat_has(&t->node, TOOL_HAS_SCHEMA);
    t->kind = TOOL_FUNCTION;
    t->schema = S("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],"
                  "\"additionalProperties\":false}");
    return OK;
}

static enum err count_tool(struct adapting *w)
{
    if (++w->n_tools <= TOOLS_MAX) return OK;
    return FAIL(w->why, ERR_BAD_REQUEST, "tools: more than %d of them cannot be translated", TOOLS_MAX);
}

static enum err add_tool(struct adapting *w, struct chat_tool *t, struct str space)
{
    bool custom = t->kind == TOOL_CUSTOM, twice;
    TRY(count_tool(w));
    TRY(names_offer(w, space, t->name, custom ? CALL_CUSTOM : CALL_FUNCTION, &t->name, &twice));
    if (twice) { /* the first counts */
        chat_lose_rest(w->to->losses, &t->node, LOSS_HINT);
        return OK;
    }
    if (custom) TRY(as_function(w, t));
    append(w, t);
    return schema_of_tool(w, t);
}

/* Tools that only add to what the model may do, and that run or are searched at the other vendor. Clients of Responses send them with
 * every request, wanted or not; in other formats who names one wants it, and all others are left to be refused. */
static bool is_optional(const struct adapting *w, struct str word)
{
    if (!str_eq(w->c->format, S("openai_responses"))) return false;
    static const struct str WORDS[] = {{"web_search", 10}, {"tool_search", 11}};
    for (unsigned i = 0; i < COUNTOF(WORDS); i++)
        if (str_starts(word, WORDS[i])) return true;
    return false;
}

static enum err add_namespace(struct adapting *w, struct chat_tool *space)
{
    struct chat_tool *first = space->children, *next;
    struct str about = space->description;
    chat_told(&space->node, TOOL_HAS_NAME);
    chat_told(&space->node, TOOL_HAS_CHILDREN);
    chat_told(&space->node, TOOL_HAS_DESCRIPTION);
    chat_lose_rest(w->to->losses, &space->node, LOSS_EXTRA);
    if (about.n && first && !JOIN(w, &first->description, about, S("\\n\\n"), first->description)) return adapting_full(w);
    if (about.n && first) chat_has(&first->node, TOOL_HAS_DESCRIPTION);
    for (struct chat_tool *t = first; t; t = next) {
        next = t->next;
        if (t->kind == TOOL_NAMESPACE)
            return FAIL(w->why, ERR_BAD_REQUEST, "tools: a namespace within another cannot be translated");
        if (t->kind == TOOL_SERVER) append(w, t); /* left to be refused */
        else TRY(add_tool(w, t, space->name));
    }
    return OK;
}

static enum err add_tools(struct adapting *w, struct chat_tool *list)
{
    struct chat_tool *next;
    for (struct chat_tool *t = list; t; t = next) {
        next = t->next;
        if (t->kind == TOOL_SERVER && is_optional(w, t->word)) chat_lose(w->to->losses, &t->node, TOOL_HAS_RAW, LOSS_SERVER_TOOL);
        else if (t->kind == TOOL_SERVER) append(w, t);
        else if (t->kind == TOOL_NAMESPACE) TRY(add_namespace(w, t));
        else TRY(add_tool(w, t, STR_NONE));
    }
    return OK;
}

/* The tree stays what it is where the target has all of this: OpenAI's two formats. */
static enum err spell_tools(struct adapting *w)
{
    bool twice;
    for (struct chat_tool *t = w->c->tools; t; t = t->next) {
        TRY(count_tool(w));
        if (t->kind != TOOL_FUNCTION && t->kind != TOOL_CUSTOM) continue;
        TRY(names_offer(w, STR_NONE, t->name, CALL_FUNCTION, &t->name, &twice));
        if (t->kind == TOOL_FUNCTION) TRY(schema_of_tool(w, t));
    }
    return OK;
}

static enum err flatten_tools(struct adapting *w)
{
    TRY(add_tools(w, w->c->tools));
    for (struct chat_item *i = chat_holds(w->all, ITEM_TOOLS) ? w->c->items : NULL; i; i = i->next)
        if (i->kind == ITEM_TOOLS) TRY(add_tools(w, i->tools));
    w->c->tools = w->tools;
    return OK;
}

static enum err choose_tools(struct adapting *w)
{
    struct chat_choice *choice = &w->c->choice;
    for (unsigned i = 0; i < choice->n_names; i++) TRY(names_choose(w, &choice->names[i]));
    return OK;
}

/* ---- items ------------------------------------------------------------------------------------------------------------------- */

static enum err adapt_call(struct adapting *w, struct chat_item *i)
{
    bool custom = i->form == CALL_CUSTOM;
    if (custom && !JOIN(w, &i->arguments.text, S("{\"input\":\""), i->arguments.text, S("\"}"))) return adapting_full(w);
    if (custom) i->arguments.quoted = false;
    i->form = CALL_FUNCTION;
    chat_told(&i->node, ITEM_HAS_NAMESPACE);
    return OK;
}

/* State of another vendor comes in one place of the item; where it was made it belonged to a part. */
static enum err place_opaque(struct adapting *w, struct chat_item *i)
{
    struct chat_opaque *o = i->opaque;
    if (!o || o->kind == OPAQUE_ENCRYPTED || o->kind == OPAQUE_SUMMARY) return OK;
    struct chat_part *p = i->parts;
    bool alone = o->kind == OPAQUE_REDACTED || o->kind == OPAQUE_THOUGHT_SIGNATURE;
    while (p && (p->opaque || alone)) p = p->next;
    if (!p) p = chat_add_part(w->c->arena, i, alone ? PART_REDACTED : PART_THOUGHT);
    if (!p) return adapting_full(w);
    p->opaque = o;
    chat_has(&p->node, PART_HAS_OPAQUE);
    chat_told(&i->node, ITEM_HAS_OPAQUE);
    i->opaque = NULL;
    return OK;
}

static enum err say(struct adapting *w, struct chat_item *i, struct str text)
{
    struct chat_part *p = chat_add_part(w->c->arena, i, PART_TEXT);
    if (!p) return adapting_full(w);
    p->text = text;
    chat_has(&p->node, PART_HAS_TEXT);
    i->kind = ITEM_MESSAGE;
    i->group->shape = SHAPE_STRING;
    return OK;
}

/* Ours become text again; a vendor's own are left to be refused: the conversation is in them. */
static enum err open_summary(struct adapting *w, struct chat_item *i)
{
    struct str text;
    if (!i->opaque || i->opaque->kind != OPAQUE_SUMMARY) return OK;
    if (!JOIN(w, &text, S("What follows is a summary of this conversation up to here.\\n\\n"), i->opaque->span))
        return adapting_full(w);
    chat_told(&i->node, ITEM_HAS_OPAQUE);
    i->opaque = NULL;
    i->node.has &= ~(1ull << ITEM_HAS_ID); /* its first letters are a compaction's: OpenAI refuses it at a message */
    return say(w, i, text);
}

static enum err ask_for_summary(struct adapting *w)
{
    struct chat *c = w->c;
    c->compact = false;
    struct chat_group *g = chat_add_group(c->arena, ROLE_USER, 0);
    struct chat_item *i = g ? chat_add_item(c->arena, &c->items, &c->items_last, ITEM_MESSAGE, g) : NULL;
    if (!i) return adapting_full(w);
    g->loose = true;
    if (c->tools) c->choice = (struct chat_choice){.mode = CHOICE_NONE};
    if (c->tools) chat_has(&c->node, CHAT_HAS_CHOICE);
    return say(
        w, i,
        S("The conversation up to here will be taken away and your answer to this put in its place. Write a summary with which "
          "the work can go on without it: what was asked for and by which rules, what has been done and found out (names of "
          "files, commands, figures, exact words where they matter), what is decided, what is still to be done and what comes "
          "next. Answer with the summary only, and call no tool."));
}

static bool leaves(struct adapting *w, struct chat_item *i)
{
    bool search = i->kind == ITEM_UNKNOWN && is_optional(w, i->word);
    if (i->kind != ITEM_TOOLS && !search) return false;
    if (search) chat_lose(w->to->losses, &i->node, ITEM_HAS_RAW, LOSS_SERVER_TOOL);
    i->node.told |= 1ull << ITEM_HAS_TOOLS;
    chat_lose_rest(w->to->losses, &i->node, LOSS_ITEM_ID);
    return true;
}

static enum err adapt_items(struct adapting *w)
{
    struct chat *c = w->c;
    struct chat_item **at = &c->items;
    c->choice.form = CALL_FUNCTION;
    if (!(w->all.items & ~(1u << ITEM_MESSAGE))) return OK;
    c->items_last = NULL;
    while (*at) {
        struct chat_item *i = *at;
        if (leaves(w, i)) {
            *at = i->next;
            continue;
        }
        if (i->kind == ITEM_TOOL_CALL) TRY(adapt_call(w, i));
        if (i->kind == ITEM_TOOL_RESULT) i->form = CALL_FUNCTION;
        if (i->kind == ITEM_REASONING) TRY(place_opaque(w, i));
        c->items_last = i;
        at = &i->next;
    }
    return OK;
}

static enum err spell_items(struct adapting *w)
{
    if (!chat_holds(w->all, ITEM_TOOL_CALL) && !chat_holds(w->all, ITEM_TOOL_RESULT)) return OK;
    for (struct chat_item *i = w->c->items; i; i = i->next) {
        bool call = i->kind == ITEM_TOOL_CALL, result = i->kind == ITEM_TOOL_RESULT;
        if (call || (result && i->name.p)) TRY(names_use(w, i->name_space, &i->name));
        if (call || result) TRY(names_id(w, &i->call_id));
    }
    return OK;
}

/* Where the user must have the first word and has not had it, a turn of his is put there. */
static enum err open_by_user(struct adapting *w)
{
    static const uint32_t STRICT = 1u << WIRE_ANTHROPIC_MESSAGES | 1u << WIRE_BEDROCK_INVOKE | 1u << WIRE_BEDROCK_CONVERSE;
    struct chat_item **at = &w->c->items, *rest, *last = NULL;
    while (*at && ((*at)->group->role == ROLE_SYSTEM || (*at)->group->role == ROLE_DEVELOPER)) at = &(*at)->next;
    rest = *at;
    if (!(STRICT >> w->target & 1) || !rest || rest->group->role != ROLE_ASSISTANT) return OK;
    struct chat_group *g = chat_add_group(w->c->arena, ROLE_USER, rest->node.at);
    *at = NULL;
    struct chat_item *i = g ? chat_add_item(w->c->arena, at, &last, ITEM_MESSAGE, g) : NULL;
    if (!i) return adapting_full(w);
    g->loose = true;
    i->next = rest;
    w->to->losses->n[LOSS_OPENING]++;
    return say(w, i, S("(The assistant begins.)"));
}

/* ---- the room's door --------------------------------------------------------------------------------------------------------- */

static bool speaks_messages(const struct adapting *w)
{
    bool theirs = w->target == WIRE_ANTHROPIC_MESSAGES || w->target == WIRE_BEDROCK_INVOKE;
    return theirs && !str_eq(w->c->family, S("anthropic"));
}

static enum err adapt(struct adapting *w)
{
    bool flat = w->target != WIRE_OPENAI_RESPONSES;
    TRY(flat ? flatten_tools(w) : spell_tools(w));
    if (flat) TRY(adapt_items(w));
    TRY(spell_items(w));
    TRY(choose_tools(w));
    TRY(schema_of_output(w));
    TRY(open_by_user(w));
    if (speaks_messages(w)) TRY(documents_for_claude(w));
    if (w->c->compact && (flat || w->to->sums_up)) TRY(ask_for_summary(w));
    TRY(reason_as_the_model_does(w));
    return limits_of_the_model(w);
}

enum err wire_adapt(struct chat *c, enum wire_format target, const struct wire_target *to, struct wire_name **ret_names,
                    struct fault *why)
{
    struct adapting w = {.c = c, .to = to, .target = target, .names_end = &w.names, .why = why};
    *ret_names = NULL;
    w.all = chat_count(c);
    for (struct chat_item *i = chat_holds(w.all, ITEM_COMPACTION) ? c->items : NULL; i; i = i->next)
        if (i->kind == ITEM_COMPACTION) TRY(open_summary(&w, i));
    bool same_format = str_eq(c->format, str_z(wire_format_name(target)));
    if (same_format) return c->compact && to->sums_up ? ask_for_summary(&w) : OK;
    if (chat_holds(w.all, ITEM_REASONING)) TRY(wire_rejoin(c, why));
    if (target != WIRE_OPENAI_RESPONSES) TRY(wire_tidy(c, target, to, w.all, why));
    names_start(&w);
    enum err e = adapt(&w);
    names_stop(&w);
    *ret_names = w.names;
    return e;
}
