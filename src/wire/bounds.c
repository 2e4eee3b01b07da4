/* What of a request bounds its answer: the members of its root that say how long it may be and how many there may be, by format.
 * Called by the gateway for what a deployment's configuration makes of a request, and by the generation for defaults. Pure. */
#include "wire/parts.h"

#define IN(f) (1u << (f))

/* Of a member that is an object: the names within. */
static const struct bound {
    struct str name, most[2], choices[2];
    unsigned formats; /* bits of enum wire_format */
    enum { SAYS_MOST, SAYS_CHOICES, SAYS_WITHIN } kind;
} BOUNDS[] = {
    {.name = WIRE_STR("max_tokens"),
     .formats = IN(WIRE_OPENAI_CHAT) | IN(WIRE_ANTHROPIC_MESSAGES) | IN(WIRE_BEDROCK_INVOKE),
     .kind = SAYS_MOST},
    {.name = WIRE_STR("max_completion_tokens"), .formats = IN(WIRE_OPENAI_CHAT), .kind = SAYS_MOST},
    {.name = WIRE_STR("n"), .formats = IN(WIRE_OPENAI_CHAT) | IN(WIRE_OPENAI_TASKS), .kind = SAYS_CHOICES},
    {.name = WIRE_STR("max_output_tokens"), .formats = IN(WIRE_OPENAI_RESPONSES), .kind = SAYS_MOST},
    {.name = WIRE_STR("inferenceConfig"),
     .most = {WIRE_STR("maxTokens")},
     .formats = IN(WIRE_BEDROCK_CONVERSE),
     .kind = SAYS_WITHIN},
    {.name = WIRE_STR("generationConfig"),
     .most = {WIRE_STR("maxOutputTokens"), WIRE_STR("max_output_tokens")},
     .choices = {WIRE_STR("candidateCount"), WIRE_STR("candidate_count")},
     .formats = IN(WIRE_GEMINI_GENERATE),
     .kind = SAYS_WITHIN},
    {.name = WIRE_STR("generation_config"),
     .most = {WIRE_STR("maxOutputTokens"), WIRE_STR("max_output_tokens")},
     .choices = {WIRE_STR("candidateCount"), WIRE_STR("candidate_count")},
     .formats = IN(WIRE_GEMINI_GENERATE),
     .kind = SAYS_WITHIN},
};

struct str wire_bound_name(enum wire_format f, unsigned i)
{
    for (unsigned b = 0; b < COUNTOF(BOUNDS); b++)
        if (BOUNDS[b].formats & IN(f) && i-- == 0) return BOUNDS[b].name;
    return STR_NONE;
}

bool wire_bound_counts(enum wire_format f, struct str name, uint32_t quirks)
{
    bool newer = str_eq(name, S("max_completion_tokens"));
    return f != WIRE_OPENAI_CHAT || !newer || !(quirks & QUIRK_MAX_TOKENS);
}

bool wire_bound_is_written(enum wire_format f, struct str name, uint32_t quirks)
{
    if (str_eq(name, S("generation_config"))) return false;
    return f != WIRE_OPENAI_CHAT || !str_eq(name, quirks & QUIRK_MAX_TOKENS ? S("max_completion_tokens") : S("max_tokens"));
}

uint64_t wire_bound_least(enum wire_format f) { return f == WIRE_OPENAI_RESPONSES ? WIRE_RESPONSES_LEAST : 0; }

/* The larger one counts: nobody knows which of two names a server obeys. */
static void lift(const struct json_tape *t, uint32_t at, uint64_t *most)
{
    uint64_t n;
    if (json_u64(t, at, &n) && n > *most) *most = n;
}

static void lift_within(const struct json_tape *t, uint32_t object, const struct str names[2], uint64_t *most)
{
    for (unsigned i = 0; i < 2 && names[i].n; i++) {
        uint32_t at = json_find(t, object, names[i]);
        if (at) lift(t, at, most);
    }
}

static const struct bound *find(struct str name)
{
    for (unsigned b = 0; b < COUNTOF(BOUNDS); b++)
        if (str_eq(BOUNDS[b].name, name)) return &BOUNDS[b];
    return NULL;
}

bool wire_bound_is(struct str name) { return find(name) != NULL; }

void wire_bound_read(const struct json_tape *t, struct str name, uint32_t value, struct wire_bound *bound)
{
    const struct bound *b = find(name);
    must(b != NULL);
    if (b->kind == SAYS_MOST) lift(t, value, &bound->most);
    if (b->kind == SAYS_CHOICES) lift(t, value, &bound->choices);
    if (b->kind == SAYS_WITHIN) lift_within(t, value, b->most, &bound->most);
    if (b->kind == SAYS_WITHIN) lift_within(t, value, b->choices, &bound->choices);
}
