/* What a model does not take, taken out of the request before it is written: a wish to reason is told in the words and numbers that
 * this model has (A11, C10, G11), prefill where it refuses that (A12). By the catalogue's data, not by names. What could
 * not be said as it was asked is counted. Called by adapt.c; pure. */
#include <stdio.h>

#include "wire/adapt.h"

enum { LOW_TO_MAX = 0x7c, MINIMAL_TO_HIGH = 0x1e, LOW_TO_HIGH = 0x1c, ALL = 0x7f };
_Static_assert(LOW_TO_HIGH == (1 << EFFORT_LOW | 1 << EFFORT_MEDIUM | 1 << EFFORT_HIGH), "as their names say");

/* What a format has words for. */
static const struct {
    unsigned words;
    bool budgets, claude;
} SAYS[WIRE_FORMATS] = {
    [WIRE_OPENAI_CHAT] = {ALL, false, false},
    [WIRE_OPENAI_RESPONSES] = {ALL, false, false},
    [WIRE_ANTHROPIC_MESSAGES] = {LOW_TO_MAX, true, true},
    [WIRE_BEDROCK_INVOKE] = {LOW_TO_MAX, true, true},
    [WIRE_BEDROCK_CONVERSE] = {LOW_TO_MAX, true, true}, /* for Claude; other models have words only */
    [WIRE_GEMINI_GENERATE] = {MINIMAL_TO_HIGH, true, false},
};

struct wish {
    enum { WISH_NOTHING, WISH_OFF, WISH_EFFORT, WISH_BUDGET, WISH_FREE } kind;
    enum chat_effort effort;
    uint64_t budget;
    bool literal; /* an effort in a word that is known */
};
struct said {
    bool effort_said, budget_said, adaptive, off, exact;
    enum chat_effort effort;
    uint64_t budget;
};
struct reasoning {
    struct adapting *w;
    const struct chat_manners *m;
    unsigned words; /* that both the format and the model have, without "none" */
    bool budgets, claude, none;
};

static struct wish wish_of(const struct chat *c)
{
    struct wish y = {.kind = WISH_EFFORT, .effort = EFFORT_MAX};
    if (c->thinking == THINKING_OFF) return (struct wish){.kind = WISH_OFF};
    if (c->effort.p) {
        y.literal = chat_effort_find(c->effort, &y.effort);
        if (y.effort == EFFORT_NONE) y.kind = WISH_OFF;
        return y;
    }
    if (c->budget.p && str_u64(c->budget, &y.budget)) {
        y.kind = y.budget ? WISH_BUDGET : WISH_OFF;
        return y;
    }
    return (struct wish){.kind = c->budget.p || c->thinking != THINKING_ABSENT ? WISH_FREE : WISH_NOTHING};
}

/* ---- how this model is told ------------------------------------------------------------------------------------------------------ */

static void say_effort(const struct reasoning *r, enum chat_effort e, unsigned among, struct said *s)
{
    s->effort_said = true;
    s->effort = chat_effort_nearest(among, e);
    s->adaptive = r->claude && r->m->adaptive;
}

static void say_budget(const struct reasoning *r, uint64_t budget, struct said *s)
{
    const struct chat_manners *m = r->m;
    s->budget_said = true;
    s->budget = budget < m->budget_min ? m->budget_min : budget > m->budget_max ? m->budget_max : budget;
}

/* The least there is, where it cannot be turned off. */
static struct said off(const struct reasoning *r, const struct wish *y)
{
    struct said s = {.exact = true};
    bool asks = r->m->known || y->literal;
    if (!r->m->reasons) return s;
    if (r->none && asks) {
        s.effort_said = true;
        s.effort = EFFORT_NONE;
    } else if (r->m->known && r->m->off != OFF_NEVER) {
        s.off = r->m->off == OFF_SAID;
    } else if (!r->m->known && r->claude) {
        return s; /* does not think unless asked */
    } else {
        s.exact = false;
        if (r->words && r->m->known) say_effort(r, EFFORT_MINIMAL, r->words, &s);
        else if (r->budgets && r->m->known) say_budget(r, 0, &s);
    }
    return s;
}

static struct said effort(const struct reasoning *r, const struct wish *y)
{
    struct said s = {0};
    bool by_budget = r->budgets && (!r->words || (!r->m->known && r->claude));
    if (!r->m->reasons) return s;
    if (by_budget && r->m->budget_max) say_budget(r, r->m->scale[y->effort], &s);
    else if (r->words) say_effort(r, y->effort, r->words, &s);
    s.exact = s.effort_said && y->literal && s.effort == y->effort;
    return s;
}

static struct said budget(const struct reasoning *r, const struct wish *y)
{
    struct said s = {0};
    unsigned among = r->m->known ? r->words : r->words & LOW_TO_HIGH;
    if (!r->m->reasons) return s;
    if (r->budgets && r->m->budget_max && (r->m->known || r->claude)) say_budget(r, y->budget, &s);
    else if (among) say_effort(r, chat_effort_of(r->m, y->budget), among, &s);
    s.exact = s.budget_said && s.budget == y->budget;
    return s;
}

/* As it sees fit: most do that unasked. */
static struct said freely(const struct reasoning *r)
{
    struct said s = {.exact = true};
    if (!r->m->reasons) return s;
    s.adaptive = r->m->adaptive;
    s.exact = s.adaptive || !r->claude;
    if (!s.exact && r->budgets) say_budget(r, r->m->scale[EFFORT_MEDIUM], &s);
    return s;
}

/* ---- what Claude allows beside thinking (A11) ------------------------------------------------------------------------------------- */

static bool forces_a_tool(const struct chat *c)
{
    return c->tools && (c->choice.mode == CHOICE_REQUIRED || c->choice.mode == CHOICE_NAMED);
}

static bool is_own_thought(const struct adapting *w, const struct chat_part *p)
{
    for (const struct chat_opaque *o = p->opaque; o; o = o->next)
        if ((o->kind == OPAQUE_SIGNATURE || o->kind == OPAQUE_REDACTED) && wire_comes_from(o, w->to, S("anthropic"))) return true;
    return false;
}

/* With a budget, Claude thinks in a turn of calls and results only when its last message of calls begins with a thought that it signed
 * itself (A5). */
static bool is_turn_without_thought(const struct adapting *w)
{
    bool calls = false, thought = false, after_result = false;
    for (const struct chat_item *i = w->c->items; i; i = i->next) {
        bool asks = i->kind == ITEM_MESSAGE && i->group && i->group->role == ROLE_USER && !after_result;
        bool goes_on = after_result && i->group && i->group->role == ROLE_ASSISTANT;
        if (asks || goes_on) calls = thought = false;
        calls |= i->kind == ITEM_TOOL_CALL;
        for (const struct chat_part *p = i->parts; i->kind == ITEM_REASONING && p; p = p->next) thought |= is_own_thought(w, p);
        after_result = i->kind == ITEM_TOOL_RESULT;
    }
    return calls && !thought;
}

static uint64_t bound_of(const struct adapting *w)
{
    uint64_t n = 0;
    if (str_u64(w->c->settings[SET_MAX_OUTPUT], &n)) return n;
    if (w->to->max_output) return w->to->max_output;
    return w->target == WIRE_BEDROCK_CONVERSE ? 0 : WIRE_MESSAGES_MOST; /* what the writer says for it (A14) */
}

/* A budget counts against the bound: a quarter of that stays for the answer. */
static void fit_claude(const struct reasoning *r, struct said *s)
{
    uint64_t most = bound_of(r->w), room = most - most / 4;
    bool forced = forces_a_tool(r->w->c);
    if (forced && (s->adaptive || s->budget_said)) s->adaptive = s->budget_said = s->exact = false;
    if (!s->budget_said) return;
    if (room < r->m->budget_min || is_turn_without_thought(r->w)) s->budget_said = s->exact = false;
    else if (s->budget > room) {
        s->budget = room;
        s->exact = false;
    }
}

/* ---- the form is rewritten -------------------------------------------------------------------------------------------------------- */

static void forget(struct chat *c, unsigned field) { c->node.has &= ~(1ull << field); }

static enum err set_budget(struct chat *c, const struct adapting *w, const char *sign, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%s%llu", sign, (unsigned long long)n);
    chat_has(&c->node, CHAT_HAS_BUDGET);
    return arena_str(c->arena, str_z(text), &c->budget) ? OK : adapting_full(w);
}

static void set_thinking(struct chat *c, enum chat_thinking t)
{
    c->thinking = t;
    chat_has(&c->node, CHAT_HAS_THINKING);
}

static enum err rewrite(const struct reasoning *r, const struct said *s)
{
    struct chat *c = r->w->c;
    bool thought = c->thinking == THINKING_ON || c->thinking == THINKING_ADAPTIVE, gemini = r->w->target == WIRE_GEMINI_GENERATE;
    forget(c, CHAT_HAS_EFFORT);
    forget(c, CHAT_HAS_BUDGET);
    forget(c, CHAT_HAS_THINKING);
    c->effort = s->effort_said ? chat_effort_name(s->effort) : STR_NONE;
    c->budget = STR_NONE;
    if (s->effort_said) chat_has(&c->node, CHAT_HAS_EFFORT);
    if (gemini && thought && !c->summary.p && r->m->reasons) {
        c->summary = S("auto"); /* whoever asks for thoughts shall see them */
        chat_has(&c->node, CHAT_HAS_SUMMARY);
    }
    if (!r->m->reasons || r->claude || gemini) c->thinking = THINKING_ABSENT;
    if (!r->m->reasons) chat_lose(r->w->to->losses, &c->node, CHAT_HAS_SUMMARY, LOSS_HINT);
    if (!r->m->reasons) forget(c, CHAT_HAS_SUMMARY);
    if (gemini && (s->off || s->adaptive)) return set_budget(c, r->w, s->off ? "" : "-", s->off ? 0 : 1);
    if (s->budget_said) TRY(set_budget(c, r->w, "", s->budget));
    if (!r->claude) return OK;
    if (s->off) set_thinking(c, THINKING_OFF);
    else if (s->budget_said) set_thinking(c, THINKING_ON);
    else if (s->adaptive) set_thinking(c, THINKING_ADAPTIVE);
    return OK;
}

static struct said answer_to(const struct reasoning *r, const struct wish *y)
{
    switch (y->kind) {
    case WISH_OFF: return off(r, y);
    case WISH_EFFORT: return effort(r, y);
    case WISH_BUDGET: return budget(r, y);
    case WISH_FREE: return freely(r);
    case WISH_NOTHING: break;
    }
    return (struct said){.exact = true};
}

bool adapting_is_claude(const struct adapting *w)
{
    return SAYS[w->target].claude && str_eq(w->to->origin.family, S("anthropic"));
}

bool adapting_is_own(const struct adapting *w) { return adapting_is_claude(w) && str_eq(w->c->family, S("anthropic")); }

static enum err reason(struct adapting *w, const struct chat_manners *m)
{
    bool claude = adapting_is_claude(w);
    struct reasoning r = {.w = w, .m = m, .claude = claude};
    bool mute = w->target == WIRE_BEDROCK_CONVERSE && !claude && !m->known;
    unsigned words = SAYS[w->target].words & (mute ? 0 : m->efforts);
    r.none = words & 1u << EFFORT_NONE;
    r.words = words & ~(1u << EFFORT_NONE);
    r.budgets = SAYS[w->target].budgets && m->budget_max && (claude || w->target == WIRE_GEMINI_GENERATE) && (m->known || claude);
    const struct wish y = wish_of(w->c);
    if (y.kind == WISH_NOTHING || adapting_is_own(w)) return OK;
    struct said s = answer_to(&r, &y);
    if (claude) fit_claude(&r, &s);
    w->to->losses->n[LOSS_EFFORT] += !s.exact;
    return rewrite(&r, &s);
}

/* ---- the rest of what a model refuses --------------------------------------------------------------------------------------------- */

static enum err check_prefill(struct adapting *w)
{
    const struct chat_item *last = w->c->items_last;
    if (!last || last->kind != ITEM_MESSAGE || last->group->role != ROLE_ASSISTANT) return OK;
    return FAIL(w->why, ERR_FORMAT_UNSUPPORTED,
                "%.*s does not go on with an answer that the assistant has begun; end the conversation with a user's turn",
                STR_ARG(w->to->model));
}

bool wire_leaves_chat(const struct chat_manners *m, const struct wire_request *r)
{
    if (!m || m->over == OVER_ALL) return false;
    bool reasons = r->effort ? !r->effort_none : m->over == OVER_EFFORT_NONE;
    return m->over == OVER_NOTHING || (r->tools && reasons);
}

static enum err elsewhere(const struct adapting *w, const char *what)
{
    return FAIL(w->why, ERR_FORMAT_UNSUPPORTED, "%.*s is not served over Chat Completions%s; give its provider openai_responses",
                STR_ARG(w->to->model), what);
}

/* C10: OpenAI's newer models call functions over Responses only, unless they do not reason. Where another format can say it, that
 * one shall. */
static enum err check_chat(struct adapting *w, const struct chat_manners *m)
{
    struct chat *c = w->c;
    const struct wire_request asks = {
        .tools = c->tools, .effort = c->effort.p, .effort_none = json_span_eq(c->effort, S("none"))};
    bool able = m->efforts & 1u << EFFORT_NONE;
    if (!wire_leaves_chat(m, &asks)) return OK;
    if (!w->to->as_it_goes) return elsewhere(w, m->over == OVER_NOTHING ? "" : " with tools and reasoning effort");
    if (m->over == OVER_NOTHING) return OK;
    w->to->losses->n[LOSS_EFFORT]++;
    c->effort = able ? chat_effort_name(EFFORT_NONE) : STR_NONE;
    if (able) chat_has(&c->node, CHAT_HAS_EFFORT);
    else forget(c, CHAT_HAS_EFFORT);
    return OK;
}

enum err reason_as_the_model_does(struct adapting *w)
{
    const struct chat_manners *m = w->to->manners ? w->to->manners : &CHAT_MANNERS_UNKNOWN;
    TRY(reason(w, m));
    if (w->target == WIRE_OPENAI_CHAT) TRY(check_chat(w, m));
    return m->no_prefill && !adapting_is_own(w) ? check_prefill(w) : OK;
}
