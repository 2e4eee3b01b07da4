/* Gemini's usageMetadata, cut into the exclusive cells of the usage vector. Used by both roads; pure. */
#include "wire/gemini_generate/priv.h"

/* The tokens of one modality in a list of {modality, tokenCount}; 0 when it is not told. */
static uint64_t modality(const struct json_tape *t, uint32_t list, struct str name)
{
    uint64_t sum = 0, n;
    uint32_t each;
    for (struct json_iter it = json_each(t, list); list && json_next(t, &it, &each);) {
        uint32_t word = json_find(t, each, S("modality"));
        if (word && json_eq(t, word, name) && wire_count_in(t, each, S("tokenCount"), &n)) sum += n;
    }
    return sum;
}

/* Takes a share out of what is left; one that is not there stays unknown. */
static void take(struct usage *u, enum usage_cell cell, uint64_t share, uint64_t *left)
{
    if (share > *left) share = *left;
    *left -= share;
    if (share) usage_set(u, cell, share, USAGE_REPORTED);
}

static const struct {
    struct str name;
    enum usage_cell input, cached;
} MODALITIES[] = {
    {WIRE_STR("AUDIO"), USAGE_IN_AUDIO, USAGE_IN_AUDIO_CACHE_READ},
    {WIRE_STR("IMAGE"), USAGE_IN_IMAGE, USAGE_IN_IMAGE_CACHE_READ},
    {WIRE_STR("VIDEO"), USAGE_IN_VIDEO, USAGE_IN_CACHE_READ},
};

/* The prompt includes what came from the cache, in each of its modalities. */
static void read_input(const struct json_tape *t, uint32_t meta, struct usage *u)
{
    uint64_t left, cached = 0;
    uint32_t all = json_find(t, meta, S("promptTokensDetails")), held = json_find(t, meta, S("cacheTokensDetails"));
    bool has_cached = wire_count_in(t, meta, S("cachedContentTokenCount"), &cached);
    if (!wire_count_in(t, meta, S("promptTokenCount"), &left)) return;
    if (cached > left) cached = left;
    left -= cached;
    for (unsigned i = 0; i < COUNTOF(MODALITIES); i++) {
        uint64_t total = modality(t, all, MODALITIES[i].name), from_cache = modality(t, held, MODALITIES[i].name);
        if (MODALITIES[i].cached != USAGE_IN_CACHE_READ) take(u, MODALITIES[i].cached, from_cache, &cached);
        take(u, MODALITIES[i].input, total > from_cache ? total - from_cache : 0, &left);
    }
    if (has_cached) usage_set(u, USAGE_IN_CACHE_READ, cached, USAGE_REPORTED);
    usage_set(u, USAGE_IN_FRESH, left, USAGE_REPORTED);
}

/* G3: thoughts and the prompts of tools are addends, in no other count. */
void gemini_read_usage(const struct json_tape *t, struct usage *u)
{
    uint64_t n;
    uint32_t meta = json_find(t, 0, S("usageMetadata"));
    if (!meta || !json_is(t, meta, JSON_OBJECT)) return;
    read_input(t, meta, u);
    wire_read_tier(t, json_find(t, meta, S("serviceTier")), u);
    if (wire_count_in(t, meta, S("toolUsePromptTokenCount"), &n)) usage_set(u, USAGE_IN_TOOL_PROMPT, n, USAGE_REPORTED);
    if (wire_count_in(t, meta, S("thoughtsTokenCount"), &n)) usage_set(u, USAGE_OUT_REASONING, n, USAGE_REPORTED);
    if (!wire_count_in(t, meta, S("candidatesTokenCount"), &n)) return;
    uint32_t details = json_find(t, meta, S("candidatesTokensDetails"));
    take(u, USAGE_OUT_AUDIO, modality(t, details, S("AUDIO")), &n);
    take(u, USAGE_OUT_IMAGE, modality(t, details, S("IMAGE")), &n);
    usage_set(u, USAGE_OUT_VISIBLE, n, USAGE_REPORTED);
}
