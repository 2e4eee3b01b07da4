/* Which reasoning of a request of Responses may not go to a provider of the same format. The look is for every request and stays at the
 * edges of the items; only where it finds something is the body read as a whole. Called by this format's reader and writer and by the
 * gateway; owns nothing. */
#include "wire/openai_responses/thoughts.h"

#include "wire/parts.h"

enum { WINDOW = 96 }; /* how far from its edges an item's type may stand to be found by the look */

/* What an item's first member tells of its kind, so that most need no search. */
static const struct {
    struct str name, value;
    bool reasoning;
} FIRST[] = {
    {WIRE_STR("type"), WIRE_STR("\"reasoning\""), true},
    {WIRE_STR("type"), {"", 0}, false},
    {WIRE_STR("id"), WIRE_STR("\"rs_"), true},
    {WIRE_STR("id"), WIRE_STR("\"msg_"), false},
    {WIRE_STR("id"), WIRE_STR("\"fc_"), false},
    {WIRE_STR("role"), {"", 0}, false},
    {WIRE_STR("call_id"), {"", 0}, false},
    {WIRE_STR("summary"), {"", 0}, true},
};

static struct str skip_blanks(struct str s, char also)
{
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\n' || s.p[n] == '\r' || s.p[n] == '\t' || s.p[n] == also)) n++;
    return str_from(s, n);
}

static bool has(struct str text, struct str word)
{
    size_t at;
    return str_find(text, word, &at);
}

/* `item`: an object, with its brackets. */
static bool is_reasoning(struct str item)
{
    struct str name, value, head = skip_blanks(str_from(item, 1), '"');
    if (!str_cut(head, '"', &name, &value)) return false; /* it is empty */
    value = skip_blanks(value, ':');
    for (unsigned i = 0; i < COUNTOF(FIRST); i++)
        if (str_eq(name, FIRST[i].name) && str_starts(value, FIRST[i].value)) return FIRST[i].reasoning;
    struct str tail = item.n > WINDOW ? str_from(item, item.n - WINDOW) : STR_NONE;
    head = str_make(item.p, item.n < WINDOW ? item.n : WINDOW);
    return has(head, S("\"reasoning\"")) || has(tail, S("\"reasoning\""));
}

static uint8_t look_at(struct str item)
{
    static const struct str NAME = WIRE_STR("\"encrypted_content\"");
    size_t at;
    struct str value = str_find(item, NAME, &at) ? skip_blanks(str_from(item, at + NAME.n), ':') : STR_NONE;
    if (str_starts(value, S("\"")) && !str_starts(value, S("\"\""))) return 0;
    bool loose = has(item, S("\"" RESPONSES_THOUGHT_ID)) || !has(item, S("\"id\""));
    return loose ? THOUGHTS_BARE | THOUGHTS_LOOSE : THOUGHTS_BARE;
}

uint8_t responses_thoughts_look(const struct json_tape *t)
{
    uint32_t input = json_find(t, 0, S("input")), item;
    uint8_t look = 0;
    if (!input || !json_is(t, input, JSON_ARRAY)) return 0;
    for (struct json_iter it = json_each(t, input); json_next(t, &it, &item);)
        if (json_is(t, item, JSON_OBJECT) && is_reasoning(json_raw(t, item))) look |= look_at(json_raw(t, item));
    return look;
}

bool responses_thoughts_matter(uint8_t look, uint32_t quirks)
{
    if (quirks & QUIRK_ANY_REASONING) return false;
    return look & (quirks & QUIRK_OWN_REASONING ? THOUGHTS_BARE : THOUGHTS_LOOSE);
}

bool responses_thought_stays_out(uint32_t quirks, struct str id, bool said)
{
    if (quirks & QUIRK_ANY_REASONING) return false;
    return !id.n || str_starts(id, S(RESPONSES_THOUGHT_ID)) || (said && quirks & QUIRK_OWN_REASONING);
}

static struct str text_in(const struct json_tape *t, uint32_t item, struct str name)
{
    uint32_t at = json_find(t, item, name);
    return at && json_is(t, at, JSON_STRING) ? json_text(t, at) : STR_NONE;
}

bool responses_thoughts_stay_out(const struct json_tape *t, uint32_t quirks)
{
    uint32_t input = json_find(t, 0, S("input")), item;
    if (!input || !json_is(t, input, JSON_ARRAY)) return false;
    for (struct json_iter it = json_each(t, input); json_next(t, &it, &item);) {
        if (!json_is(t, item, JSON_OBJECT) || !str_eq(text_in(t, item, S("type")), S("reasoning"))) continue;
        uint32_t content = json_find(t, item, S("content"));
        bool said = content && json_is(t, content, JSON_ARRAY) && json_count(t, content);
        if (text_in(t, item, S("encrypted_content")).n) continue;
        if (responses_thought_stays_out(quirks, text_in(t, item, S("id")), said)) return true;
    }
    return false;
}
