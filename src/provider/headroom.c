/* What vendors tell of the rest of their limits in the head of each answer. OpenAI and Azure: "Rate limits", x-ratelimit-*, resets as
 * durations; Anthropic: "Rate limits", anthropic-ratelimit-*, resets as RFC 3339. Called by the gateway once per answer. Pure. */
#include "provider/provider.h"

enum unit { REQUESTS, TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, UNITS };

static const struct {
    struct str name;
    enum unit unit;
    bool is_reset;
} FIELDS[] = {
    {{"x-ratelimit-remaining-requests", 30}, REQUESTS, false},
    {{"x-ratelimit-reset-requests", 26}, REQUESTS, true},
    {{"x-ratelimit-remaining-tokens", 28}, TOKENS, false},
    {{"x-ratelimit-reset-tokens", 24}, TOKENS, true},
    {{"anthropic-ratelimit-requests-remaining", 38}, REQUESTS, false},
    {{"anthropic-ratelimit-requests-reset", 34}, REQUESTS, true},
    {{"anthropic-ratelimit-tokens-remaining", 36}, TOKENS, false},
    {{"anthropic-ratelimit-tokens-reset", 32}, TOKENS, true},
    {{"anthropic-ratelimit-input-tokens-remaining", 42}, INPUT_TOKENS, false},
    {{"anthropic-ratelimit-input-tokens-reset", 38}, INPUT_TOKENS, true},
    {{"anthropic-ratelimit-output-tokens-remaining", 43}, OUTPUT_TOKENS, false},
    {{"anthropic-ratelimit-output-tokens-reset", 39}, OUTPUT_TOKENS, true},
};

#define RESET_MAX_MS ((uint64_t)86400000) /* what is further away is no limit of minutes */

static uint64_t unit_ms(struct str *rest)
{
    static const struct {
        struct str name;
        uint64_t ms;
    } NAMES[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}, {{"d", 1}, 86400000}};
    for (unsigned i = 0; i < COUNTOF(NAMES); i++) {
        if (!str_starts(*rest, NAMES[i].name)) continue;
        *rest = str_from(*rest, NAMES[i].name.n);
        return NAMES[i].ms;
    }
    return 0;
}

/* "12ms", "1s", "6m0s", "1h2m3.5s"; fractions are rounded up. False: not one. */
static bool read_duration(struct str text, uint64_t *ret_ms)
{
    *ret_ms = 0;
    if (!text.n) return false;
    while (text.n) {
        size_t n = 0, whole;
        uint64_t value, unit;
        while (n < text.n && n < 9 && text.p[n] >= '0' && text.p[n] <= '9') n++;
        if (!str_u64(str_make(text.p, n), &value)) return false;
        whole = n;
        if (n < text.n && text.p[n] == '.')
            for (n++; n < text.n && text.p[n] >= '0' && text.p[n] <= '9';) n++;
        text = str_from(text, n);
        unit = unit_ms(&text);
        if (!unit) return false;
        *ret_ms += (value + (n > whole)) * unit;
        if (*ret_ms > RESET_MAX_MS) return false;
    }
    return true;
}

static uint64_t read_reset(struct str text, int64_t now_ms)
{
    uint64_t ms;
    int64_t at;
    text = str_trim(text);
    if (read_duration(text, &ms)) return ms;
    if (!clock_parse_rfc3339(text, &at) || at <= now_ms || at - now_ms > (int64_t)RESET_MAX_MS) return 0;
    return (uint64_t)(at - now_ms);
}

void provider_headroom(struct http_fields fields, int64_t now_ms, struct provider_headroom *ret_room)
{
    struct {
        bool told;
        uint64_t left, reset_ms;
    } units[UNITS] = {0};
    *ret_room = (struct provider_headroom){.requests = -1, .tokens = -1};
    for (size_t i = 0; i < fields.n; i++) {
        struct str name = fields.at[i].name, value = str_trim(fields.at[i].value);
        if (name.n < 24 || (name.p[0] != 'x' && name.p[0] != 'a')) continue;
        for (unsigned k = 0; k < COUNTOF(FIELDS); k++) {
            if (!str_eq(name, FIELDS[k].name)) continue;
            if (FIELDS[k].is_reset) units[FIELDS[k].unit].reset_ms = read_reset(value, now_ms);
            else units[FIELDS[k].unit].told = str_u64(value, &units[FIELDS[k].unit].left);
        }
    }
    for (unsigned u = 0; u < UNITS; u++) {
        int64_t *least = u == REQUESTS ? &ret_room->requests : &ret_room->tokens;
        if (!units[u].told || units[u].left > INT64_MAX) continue;
        if (*least < 0 || (int64_t)units[u].left < *least) *least = (int64_t)units[u].left;
        if (units[u].left == 0 && units[u].reset_ms > ret_room->rest_ms) ret_room->rest_ms = units[u].reset_ms;
    }
}
