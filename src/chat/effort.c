/* Words for reasoning effort and for what models take, and the arithmetic between efforts and budgets. Formats differ in which of the
 * two they know; the words are OpenAI's, Anthropic's and Gemini's together. Used by catalog, generation and wire. */
#include "chat/chat.h"

/* Most servers that nobody told us of take OpenAI's words; the budgets are those of share/catalog/families.yaml. */
const struct chat_manners CHAT_MANNERS_UNKNOWN = {
    .reasons = true,
    .efforts = (1u << EFFORTS) - 1 - (1u << EFFORT_MAX),
    .budget_min = 1024,
    .budget_max = UINT64_MAX,
    .scale = {0, 1024, 2048, 4096, 8192, 16384, 32768},
};

static const struct str EFFORT_WORDS[EFFORTS] = {{"none", 4}, {"minimal", 7}, {"low", 3}, {"medium", 6},
                                                 {"high", 4}, {"xhigh", 5},   {"max", 3}};
static const struct str OFF_WORDS[OFFS] = {{"omitted", 7}, {"said", 4}, {"never", 5}};
static const struct str OVER_WORDS[OVERS] = {
    {"always", 6}, {"tools_unless_effort", 19}, {"tools_if_effort_none", 20}, {"never", 5}};
static const struct str FIXED_WORDS[FIXEDS] = {{"false", 5}, {"true", 4}, {"unless_none", 11}};

static bool find(const struct str *words, unsigned n, struct str span, unsigned *ret_at)
{
    for (*ret_at = 0; *ret_at < n; ++*ret_at)
        if (json_span_eq(span, words[*ret_at])) return true;
    return false;
}

struct str chat_effort_name(enum chat_effort e) { return EFFORT_WORDS[e]; }
struct str chat_off_name(enum chat_off o) { return OFF_WORDS[o]; }
struct str chat_over_name(enum chat_over o) { return OVER_WORDS[o]; }

bool chat_effort_find(struct str span, enum chat_effort *ret_effort)
{
    unsigned at;
    bool found = find(EFFORT_WORDS, EFFORTS, span, &at);
    if (found) *ret_effort = (enum chat_effort)at;
    return found;
}

bool chat_off_find(struct str word, enum chat_off *ret_off)
{
    unsigned at;
    bool found = find(OFF_WORDS, OFFS, word, &at);
    if (found) *ret_off = (enum chat_off)at;
    return found;
}

bool chat_over_find(struct str word, enum chat_over *ret_over)
{
    unsigned at;
    bool found = find(OVER_WORDS, OVERS, word, &at);
    if (found) *ret_over = (enum chat_over)at;
    return found;
}

bool chat_fixed_find(struct str word, enum chat_fixed *ret_fixed)
{
    unsigned at;
    bool found = find(FIXED_WORDS, FIXEDS, word, &at);
    if (found) *ret_fixed = (enum chat_fixed)at;
    return found;
}

enum chat_effort chat_effort_nearest(unsigned mask, enum chat_effort e)
{
    int below = (int)e, above = (int)e;
    while (below >= 0 && !(mask >> below & 1)) below--;
    while (above < EFFORTS - 1 && !(mask >> above & 1)) above++;
    return (enum chat_effort)(below >= 0 ? below : above);
}

enum chat_effort chat_effort_of(const struct chat_manners *m, uint64_t budget)
{
    enum chat_effort e = EFFORT_MINIMAL;
    while (e < EFFORT_MAX && m->scale[e + 1] && m->scale[e + 1] <= budget) e++;
    return e;
}
