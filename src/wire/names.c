/* Names of tools and ids of calls, spelled so that the target takes them: one rule, one table of what each format takes. Names come
 * back in the answer (restore.c); an id only has to be the same in a call and in its result. Called by adapt.c; pure. */
#include <stdio.h>

#include "wire/adapt.h"

/* Letters, digits, '_' and '-' are taken everywhere. Facts, read in November 2026: OpenAI and Anthropic name pattern and length when
 * they refuse ("string too long. Expected a string with maximum length 64", "should match pattern '^[a-zA-Z0-9_-]{1,128}$'"); Bedrock
 * API reference "ToolSpecification", "ToolUseBlock"; Gemini API reference "FunctionDeclaration". */
struct spelling {
    unsigned name_max, id_max;
    const char *more;  /* other characters that a name may have */
    bool starts_plain; /* a name begins with a letter or '_' */
    bool any_id;       /* of any characters */
};
enum { LONGEST = 256, HASH_DIGITS = 8 };
static const struct spelling SPELLINGS[WIRE_FORMATS] = {
    [WIRE_OPENAI_CHAT] = {64, 40, "", false, true},
    [WIRE_OPENAI_RESPONSES] = {64, 64, "", false, true},
    [WIRE_ANTHROPIC_MESSAGES] = {128, LONGEST, "", false, false},
    [WIRE_BEDROCK_CONVERSE] = {64, 64, "", false, false},
    [WIRE_BEDROCK_INVOKE] = {64, 64, "", false, false},
    [WIRE_GEMINI_GENERATE] = {128, LONGEST, ".:", true, true},
};

struct told {
    struct str theirs;
};

void names_start(struct adapting *w)
{
    w->spelling = &SPELLINGS[w->target];
    map_init(&w->ours);
    map_init(&w->theirs);
}

void names_stop(struct adapting *w)
{
    map_done(&w->ours);
    map_done(&w->theirs);
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_plain(char c, const char *more)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || (*more && c && strchr(more, c));
}

static bool begins_well(const struct spelling *s, struct str name)
{
    return !s->starts_plain || (name.n && (is_letter(name.p[0]) || name.p[0] == '_'));
}

static bool is_spelled_well(const struct spelling *s, struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_plain(name.p[i], s->more)) return false;
    return name.n > 0 && name.n <= s->name_max && begins_well(s, name);
}

static uint32_t hash_of(struct str space, struct str name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < space.n; i++) h = (h ^ (unsigned char)space.p[i]) * 16777619u;
    h = (h ^ 0x1f) * 16777619u;
    for (size_t i = 0; i < name.n; i++) h = (h ^ (unsigned char)name.p[i]) * 16777619u;
    return h;
}

/* The rule: what is not taken becomes '_', and a hash of the whole stands at the end. */
static bool respell(const struct adapting *w, struct str text, unsigned most, uint32_t hash, struct str *ret_span)
{
    const struct spelling *s = w->spelling;
    char out[LONGEST + 1];
    size_t n = 0, stem = most - HASH_DIGITS - 1;
    if (!begins_well(s, text)) out[n++] = '_';
    for (size_t i = 0; i < text.n && n < stem; i++) out[n++] = is_plain(text.p[i], s->more) ? text.p[i] : '_';
    n += (size_t)snprintf(out + n, sizeof out - n, "_%08x", hash);
    return arena_str(w->c->arena, str_make(out, n), ret_span);
}

static bool keep(struct adapting *w, struct str space, struct str ours, struct str theirs, enum chat_call_form form)
{
    struct arena *memo = w->to->memo;
    struct wire_name *n = arena_alloc(memo, sizeof *n);
    if (!n) return false;
    *n = (struct wire_name){.form = form};
    if (!arena_str(memo, ours, &n->ours) || !arena_str(memo, theirs, &n->theirs)) return false;
    if (space.n && !arena_str(memo, space, &n->name_space)) return false;
    *w->names_end = n;
    w->names_end = &n->next;
    return true;
}

static bool spell(struct adapting *w, struct str space, struct str ours, struct str *ret_theirs)
{
    struct str whole = ours;
    if (space.n && !JOIN(w, &whole, space, S("__"), ours)) return false;
    *ret_theirs = whole;
    if (is_spelled_well(w->spelling, whole) && !map_find(&w->theirs, whole)) return true;
    return respell(w, whole, w->spelling->name_max, hash_of(space, ours), ret_theirs);
}

static enum err add(struct adapting *w, struct str space, struct str ours, enum chat_call_form form, struct told **ret_told)
{
    struct told *t = arena_alloc(w->c->arena, sizeof *t);
    struct str key;
    if (!t || !JOIN(w, &key, space, S("\x1f"), ours) || !spell(w, space, ours, &t->theirs)) return adapting_full(w);
    bool differs = space.n || form != CALL_FUNCTION || !str_eq(t->theirs, ours);
    if (!map_add(&w->theirs, t->theirs, t))
        return FAIL(w->why, ERR_BAD_REQUEST, "tools: two of them cannot be told apart by their names");
    map_add(&w->ours, key, t);
    *ret_told = t;
    if (!differs) return OK;
    w->to->losses->n[LOSS_TOOL_NAME]++;
    return keep(w, space, ours, t->theirs, form) ? OK : adapting_full(w);
}

static enum err find(struct adapting *w, struct str space, struct str ours, struct told **ret_told)
{
    struct str key;
    if (!JOIN(w, &key, space, S("\x1f"), ours)) return adapting_full(w);
    *ret_told = map_find(&w->ours, key);
    return OK;
}

enum err names_offer(struct adapting *w, struct str space, struct str ours, enum chat_call_form form, struct str *ret_theirs,
                     bool *ret_twice)
{
    struct told *t;
    TRY(find(w, space, ours, &t));
    *ret_twice = t != NULL;
    if (!t) TRY(add(w, space, ours, form, &t));
    *ret_theirs = t->theirs;
    return OK;
}

enum err names_use(struct adapting *w, struct str space, struct str *name)
{
    struct told *t;
    TRY(find(w, space, *name, &t));
    if (!t) TRY(add(w, space, *name, CALL_FUNCTION, &t));
    *name = t->theirs;
    return OK;
}

/* A choice names no namespace. */
enum err names_choose(struct adapting *w, struct str *name)
{
    struct told *t;
    TRY(find(w, STR_NONE, *name, &t));
    for (const struct wire_name *n = w->names; n && !t; n = n->next) {
        if (!str_eq(n->ours, *name)) continue;
        *name = n->theirs;
        return OK;
    }
    return names_use(w, STR_NONE, name);
}

enum err names_id(struct adapting *w, struct str *id)
{
    const struct spelling *s = w->spelling;
    bool good = id->n <= s->id_max && (id->n || s->any_id);
    for (size_t i = 0; i < id->n && good && !s->any_id; i++) good = is_plain(id->p[i], "");
    if (!id->p || good) return OK;
    return respell(w, *id, s->id_max, hash_of(STR_NONE, *id), id) ? OK : adapting_full(w);
}
