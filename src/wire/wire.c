/* The table of wire formats, and of the headers that pass. A new format is one row in FORMATS and its rows in endpoint.c. */
#include "wire/wire.h"

#include "wire/formats.h"

static const struct wire_ops *const FORMATS[WIRE_FORMATS] = {
    [WIRE_OPENAI_CHAT] = &openai_chat_ops,
    [WIRE_OPENAI_RESPONSES] = &openai_responses_ops,
    [WIRE_ANTHROPIC_MESSAGES] = &anthropic_messages_ops,
    [WIRE_GEMINI_GENERATE] = &gemini_generate_ops,
    [WIRE_BEDROCK_CONVERSE] = &bedrock_converse_ops,
    [WIRE_BEDROCK_INVOKE] = &bedrock_invoke_ops,
    [WIRE_OPENAI_TASKS] = &openai_tasks_ops,
};

static const char *const NAMES[WIRE_FORMATS] = {
    [WIRE_OPENAI_CHAT] = "openai_chat",
    [WIRE_OPENAI_RESPONSES] = "openai_responses",
    [WIRE_ANTHROPIC_MESSAGES] = "anthropic_messages",
    [WIRE_BEDROCK_CONVERSE] = "bedrock_converse",
    [WIRE_BEDROCK_INVOKE] = "bedrock_invoke",
    [WIRE_GEMINI_GENERATE] = "gemini_generate",
    [WIRE_OPENAI_TASKS] = "openai_tasks",
};

const struct wire_ops *wire_ops_get(enum wire_format f) { return (unsigned)f < WIRE_FORMATS ? FORMATS[f] : NULL; }

static const struct wire_manner MANNERS[WIRE_OPERATIONS] = {
    [WIRE_GENERATE] = {WIRE_METER_BOTH, false, false},
    [WIRE_COUNT_TOKENS] = {WIRE_METER_NONE, false, false},
    [WIRE_LIST_MODELS] = {WIRE_METER_NONE, false, false},
    [WIRE_COMPACT] = {WIRE_METER_BOTH, false, false},
    [WIRE_STATE] = {WIRE_METER_NONE, false, false},
    [WIRE_CONNECT] = {WIRE_METER_NONE, false, false},
    [WIRE_EMBED] = {WIRE_METER_INPUT, false, false},
    [WIRE_IMAGE] = {WIRE_METER_TOLD, false, false},
    [WIRE_IMAGE_EDIT] = {WIRE_METER_TOLD, true, false},
    [WIRE_IMAGE_VARY] = {WIRE_METER_TOLD, true, false},
    [WIRE_SPEAK] = {WIRE_METER_TOLD, false, true},
    [WIRE_TRANSCRIBE] = {WIRE_METER_TOLD, true, false},
    [WIRE_TRANSLATE_AUDIO] = {WIRE_METER_TOLD, true, false},
    [WIRE_RERANK] = {WIRE_METER_INPUT, false, false},
    [WIRE_EMBED_BATCH] = {WIRE_METER_INPUT, false, false},
    [WIRE_MODERATE] = {WIRE_METER_NONE, false, false},
    [WIRE_KEEP] = {WIRE_METER_NONE, .passes = true, .opaque = true},
    [WIRE_BATCH] = {WIRE_METER_TOLD, .passes = true, .opaque = true},
};

const struct wire_manner *wire_manner(enum wire_operation op)
{
    must((unsigned)op < WIRE_OPERATIONS);
    return &MANNERS[op];
}

bool wire_formats_have(const struct wire_formats *list, enum wire_format f)
{
    for (unsigned i = 0; i < list->n; i++)
        if (list->at[i] == f) return true;
    return false;
}

bool wire_formats_add(struct wire_formats *list, enum wire_format f)
{
    if (wire_formats_have(list, f)) return false;
    list->at[list->n++] = (uint8_t)f;
    return true;
}

static const char *const QUIRKS[] = {
#define X(bit, word, what) word,
    WIRE_QUIRKS(X)
#undef X
};

const char *wire_quirk_name(enum wire_quirk_bit b) { return QUIRKS[b]; }

bool wire_quirk_find(struct str name, enum wire_quirk *ret_quirk)
{
    for (unsigned i = 0; i < WIRE_QUIRKS_N; i++) {
        if (!str_eq(str_z(QUIRKS[i]), name)) continue;
        *ret_quirk = (enum wire_quirk)(1u << i);
        return true;
    }
    return false;
}

uint32_t wire_reach(enum wire_format f, enum wire_operation op)
{
    uint32_t reach = 1u << f;
    if (op == WIRE_COUNT_TOKENS) {
        for (unsigned i = 0; i < WIRE_FORMATS; i++)
            if (wire_counts((enum wire_format)i)) reach |= 1u << i;
        return reach;
    }
    if (wire_is_embed(op)) return 1u << WIRE_OPENAI_TASKS | 1u << WIRE_GEMINI_GENERATE;
    if ((op != WIRE_GENERATE && op != WIRE_COMPACT) || !FORMATS[f] || !FORMATS[f]->translator) return reach;
    for (unsigned i = 0; i < WIRE_FORMATS; i++)
        if (FORMATS[i] && FORMATS[i]->translator) reach |= 1u << i;
    return reach;
}

struct str wire_family(const struct wire_ops *ops, struct str model)
{
    size_t at;
    return str_find(model, S("anthropic."), &at) ? S("anthropic") : str_z(ops->family);
}

const char *wire_format_name(enum wire_format f) { return (unsigned)f < WIRE_FORMATS ? NAMES[f] : "unknown"; }

bool wire_format_find(struct str name, enum wire_format *ret_format)
{
    for (unsigned i = 0; i < WIRE_FORMATS; i++) {
        if (!str_eq(str_z(NAMES[i]), name)) continue;
        *ret_format = (enum wire_format)i;
        return true;
    }
    return false;
}

/* Names ending in '-' are prefixes. Credentials, cookies and hop-by-hop fields stand in neither table and never pass;
 * accept-encoding does not either, since usage is read from the answer. The commonest come first. */
static const struct str UP[] = {
    {"x-stainless-", 12},
    {"content-type", 12},
    {"user-agent", 10},
    {"accept", 6},
    {"anthropic-", 10},
    {"openai-", 7},
    {"x-client-request-id", 19},
    {"idempotency-key", 15},
    {"x-app", 5},
    {"x-claude-code-", 14},
    {"x-goog-api-client", 17},
    {"x-codex-", 8},
    {"x-amzn-bedrock-", 15},
    {"x-openai-", 9},
    {"originator", 10},
    {"session-id", 10},
    {"thread-id", 9},
};
static const struct str DOWN[] = {
    {"content-type", 12},   {"x-ratelimit-", 12}, {"openai-", 7},      {"x-request-id", 12},
    {"request-id", 10},     {"anthropic-", 10},   {"retry-after", 11}, {"retry-after-ms", 14},
    {"x-should-retry", 14}, {"x-codex-", 8},      {"x-amzn-", 7},
};

static bool listed(const struct str *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        const struct str *row = &table[i];
        if (name.n < row->n || name.p[0] != row->p[0] || memcmp(name.p, row->p, row->n) != 0) continue;
        if (name.n == row->n || row->p[row->n - 1] == '-') return true;
    }
    return false;
}

/* Part of an account, whose usage and files are then meant: the owner's key may open more of them than this caller may use. */
static const struct str PARTS[] = {{"openai-organization", 19}, {"openai-project", 14}};

bool wire_header_picks_account(struct str name) { return listed(PARTS, COUNTOF(PARTS), name); }

/* What means the same to every vendor; the others' fields belong to a body of their own format. */
static const struct str CROSS[] = {{"user-agent", 10}, {"x-client-request-id", 19}};

bool wire_header_crosses(struct str name) { return listed(CROSS, COUNTOF(CROSS), name); }

static const struct str RECROSS[] = {{"x-should-retry", 14}, {"x-request-id", 12}, {"x-amzn-errortype", 16}};

bool wire_header_recrosses(struct str name) { return listed(RECROSS, COUNTOF(RECROSS), name); }

bool wire_header_goes_up(struct str name) { return listed(UP, COUNTOF(UP), name); }
bool wire_header_comes_down(struct str name) { return listed(DOWN, COUNTOF(DOWN), name); }

/* ---- queries -------------------------------------------------------------------------------------------------------- */

/* Pages of lists, what a list is of, and a word that Anthropic's own clients say. No credential is among them. */
static const struct str QUERY[] = {
    {"beta", 4},      {"limit", 5}, {"after", 5},   {"before", 6}, {"after_id", 8},
    {"before_id", 9}, {"order", 5}, {"purpose", 7}, {"page", 4},
};

static bool is_plain_value(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("_.~%+-", c))) return false;
    }
    return true;
}

void wire_put_query(struct str query, struct buf *out)
{
    char before = '?';
    while (query.n) {
        struct str piece, name, value;
        str_cut(query, '&', &piece, &query);
        str_cut(piece, '=', &name, &value);
        for (unsigned i = 0; i < COUNTOF(QUERY); i++) {
            if (!str_eq(name, QUERY[i]) || !is_plain_value(value)) continue;
            buf_char(out, before);
            buf_str(out, piece);
            before = '&';
        }
    }
}
