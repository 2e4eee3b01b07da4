/* Pieces that whole answers and streams of Responses are read from; all borrowed from the tape. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- usage: totals include their shares -------------------------------------------------------------------------------- */

struct side {
    struct str total, details, shares[2];
    enum usage_cell rest, cells[2];
};
static const struct side SIDES[] = {
    {{"input_tokens", 12},
     {"input_tokens_details", 20},
     {{"cached_tokens", 13}, {"cache_write_tokens", 18}},
     USAGE_IN_FRESH,
     {USAGE_IN_CACHE_READ, USAGE_IN_CACHE_WRITE}},
    {{"output_tokens", 13}, {"output_tokens_details", 21}, {{"reasoning_tokens", 16}}, USAGE_OUT_VISIBLE, {USAGE_OUT_REASONING}},
};

static void split_total(const struct json_tape *t, uint32_t usage, const struct side *side, struct usage *u)
{
    uint64_t left, part;
    uint32_t total = json_find(t, usage, side->total), details = json_find(t, usage, side->details);
    if (!total || !json_u64(t, total, &left)) return;
    for (size_t i = 0; details && i < COUNTOF(side->shares) && side->shares[i].n; i++) {
        uint32_t at = json_find(t, details, side->shares[i]);
        if (!at || !json_u64(t, at, &part)) continue;
        if (part > left) part = left;
        left -= part;
        usage_set(u, side->cells[i], part, USAGE_REPORTED);
    }
    usage_set(u, side->rest, left, USAGE_REPORTED);
}

void openai_responses_read_usage(const struct json_tape *t, uint32_t response, struct usage *u)
{
    uint32_t usage = json_find(t, response, S("usage"));
    wire_read_tier(t, json_find(t, response, S("service_tier")), u);
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    for (unsigned i = 0; i < COUNTOF(SIDES); i++) split_total(t, usage, &SIDES[i], u);
}

/* ---- errors -------------------------------------------------------------------------------------------------------------- */

/* Codes of response.error for what clients of this format know how to treat: they wait after rate_limit_exceeded. */
struct str openai_responses_error_code(enum err_class class, struct str otherwise)
{
    static const struct str CODES[] = {
        [CLASS_RATE] = {"rate_limit_exceeded", 19},
        [CLASS_BILLING] = {"insufficient_quota", 18},
        [CLASS_OVERLOADED] = {"server_is_overloaded", 20},
        [CLASS_INTERNAL] = {NULL, 0},
    };
    bool known = (unsigned)class < COUNTOF(CODES) && CODES[class].n;
    if (known) return CODES[class];
    return otherwise.n ? otherwise : S("server_error");
}

static void put_word(const struct json_tape *t, uint32_t at, struct buf *out)
{
    if (!at || !json_is(t, at, JSON_STRING)) return;
    if (out->n) buf_str(out, S(": "));
    json_unescape(t, at, out);
}

/* A failed answer, an event `error` in both of its shapes, or response.failed. */
void openai_responses_blame(struct str body, struct json_tape *t, struct buf *out)
{
    const struct json_limits limits = {.max_depth = 512, .record_depth = 3};
    if (json_scan(t, body, &limits, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return;
    uint32_t response = json_find(t, 0, S("response"));
    uint32_t error = json_find(t, response, S("error"));
    if (response && error && json_is(t, error, JSON_OBJECT)) {
        put_word(t, json_find(t, error, S("code")), out);
        put_word(t, json_find(t, error, S("message")), out);
        return;
    }
    if (!error && json_find(t, 0, S("code"))) put_word(t, json_find(t, 0, S("code")), out);
    if (!error && out->n) put_word(t, json_find(t, 0, S("message")), out);
    else wire_blame(body, t, out);
}
