/* Reserve: the most that a request may come to, taken of its key's means before anything is sent. What goes up bounds what can be spent: the
 * caller's body after what the deployment drops and adds, or what a writer makes of it; of all deployments of the route the dearest
 * counts. Called by admit and route; owns x->hold. */
#include "priv.h"

static bool is_capped(const struct exchange *x) { return x->key->limits.spend_day >= 0 || x->key->limits.spend_month >= 0; }

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t all;
    return __builtin_mul_overflow(a, b, &all) ? UINT64_MAX : all;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------ */

/* What a body that goes up lets an answer be. */
struct allowed {
    uint64_t most;    /* tokens of one answer; 0: nothing bounds it */
    uint64_t choices; /* at least 1 */
    uint64_t least;   /* tokens of one answer that may go up as a bound where `most` is 0 */
};

static bool is_dropped(const struct deployment *d, struct str name)
{
    unsigned i = 0;
    while (i < d->n_drop && !str_eq(d->drop[i], name)) i++;
    return i < d->n_drop;
}

static struct wire_bound default_of(const struct deployment *d, struct str name)
{
    for (unsigned i = 0; i < d->n_defaults; i++)
        if (str_eq(d->defaults[i].name, name)) return d->defaults[i].bound;
    return (struct wire_bound){0};
}

static void raise_to(struct wire_bound *b, struct wire_bound other)
{
    b->most = larger(b->most, other.most);
    b->choices = larger(b->choices, other.choices);
}

/* The caller's own body, spliced. A default comes in where the body lacks the name, also beside another one of the same meaning. */
static struct allowed allowed_spliced(const struct exchange *x, const struct deployment *d)
{
    const struct json_tape *t = &x->gl->tape;
    enum wire_format f = x->wire->format;
    struct wire_bound up = {0};
    struct str name;
    for (unsigned i = 0; (name = wire_bound_name(f, i)).n; i++) {
        uint32_t at = json_find(t, 0, name);
        if (!wire_bound_counts(f, name, d->quirks) || (at && is_dropped(d, name))) continue;
        if (at) wire_bound_read(t, name, at, &up);
        else raise_to(&up, default_of(d, name));
    }
    return (struct allowed){up.most, larger(up.choices, 1), 0};
}

/* What a writer of that format makes of it. It says the caller's bound by one name, and may say one of its own where he said none;
 * whether a default still finds its place free only the written body tells, so it counts where it is the larger one. */
static struct allowed allowed_written(const struct exchange *x, const struct deployment *d, enum wire_format f)
{
    uint64_t choices = larger(x->request.choices, 1),
             asked = x->request.max_output / choices + (x->request.max_output % choices > 0);
    struct wire_bound added = {0};
    struct str name;
    bool gone = false;
    for (unsigned i = 0; (name = wire_bound_name(f, i)).n; i++) {
        raise_to(&added, default_of(d, name));
        gone |= !str_eq(name, S("n")) && wire_bound_is_written(f, name, d->quirks) && is_dropped(d, name);
    }
    struct allowed a = {.choices = larger(choices, added.choices)};
    if (asked && !gone) a.most = larger(larger(asked, added.most), wire_bound_least(f));
    else a.least = larger(added.most, WIRE_MESSAGES_MOST);
    return a;
}

/* The one that lets more. */
static struct allowed looser(struct allowed a, struct allowed b)
{
    return (struct allowed){.most = a.most && b.most ? larger(a.most, b.most) : 0,
                            .choices = larger(a.choices, b.choices),
                            .least = larger(larger(a.least, b.least), a.most && b.most ? 0 : larger(a.most, b.most))};
}

/* Its own format's writer comes in where something that was sealed or kept is put into the body. */
static bool may_be_written(const struct exchange *x, const struct deployment *d)
{
    if (x->request.marked || x->calls) return true;
    if (x->wire->format != WIRE_OPENAI_CHAT || d->formats.n < 2) return false;
    return wire_leaves_chat(deployment_manners(d, x->request.model), &x->request);
}

static struct allowed allowed_by(const struct exchange *x, const struct deployment *d)
{
    uint64_t choices = larger(x->request.choices, 1);
    bool own = wire_formats_have(&d->formats, x->wire->format), has = false;
    struct allowed all = {.most = x->request.max_output / choices + (x->request.max_output % choices > 0), .choices = choices};
    bool edited = d->rebounds && !wire_manner(x->request.operation)->form;
    if (own && edited) all = allowed_spliced(x, d);
    if (own && !may_be_written(x, d)) return all;
    for (unsigned i = 0; i < d->formats.n; i++) {
        struct allowed written = allowed_written(x, d, (enum wire_format)d->formats.at[i]);
        all = own || has ? looser(all, written) : written;
        has = true;
    }
    return all;
}

static uint64_t output_bound(const struct exchange *x, const struct deployment *d)
{
    const struct allowed a = allowed_by(x, d);
    uint64_t most = deployment_max_output(d, x->request.model), one = a.most;
    if (most && (!one || most < one)) one = most;
    if (!one) one = larger(x->generation->settings.assume_output, a.least);
    return times(one, a.choices);
}

/* Of a rate: what the model could write at most if nobody bounds it would let one request in a minute through. */
static uint64_t output_likely(const struct exchange *x)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < x->route->n_deployments; i++) {
        const struct allowed a = allowed_by(x, &x->route->deployments[i]);
        all = larger(all, times(a.most ? a.most : x->generation->settings.assume_output, a.choices));
    }
    return all;
}

/* ---- what is asked ----------------------------------------------------------------------------------------------------------- */

/* Members whose value stands for more input than its bytes: what the provider fetches or keeps. In a text their quotes would
 * have backslashes, so a hit is a name (or a value that says the same). `plain`: an object there is not meant (a schema's
 * property; a picture whose address is within). */
static const struct {
    const char *name;
    bool plain;
} REFERENCES[] = {
    {"\"url\"", true},           {"\"image_url\"", true}, {"\"file_id\"", true},       {"\"file_url\"", true},
    {"\"fileUri\"", true},       {"\"file_uri\"", true},  {"\"s3Location\"", false},   {"\"container\"", false},
    {"\"conversation\"", false}, {"\"prompt\"", false},   {"\"cachedContent\"", true}, {"\"previous_response_id\"", true},
};

/* Behind the name: nothing but a data URL says itself what it is. */
static bool is_inline(const char *at, size_t n)
{
    static const char data[] = "data:";
    size_t i = 0;
    while (i < n && (at[i] == ':' || at[i] == ' ' || at[i] == '"')) i++;
    return n - i >= sizeof data - 1 && memcmp(at + i, data, sizeof data - 1) == 0;
}

static bool refers(struct str body, const char *name, bool plain)
{
    size_t len = strlen(name);
    for (const char *at = body.p, *end = body.p + body.n; (at = memmem(at, (size_t)(end - at), name, len));) {
        at += len;
        size_t near = end - at < 4 ? (size_t)(end - at) : 4;
        bool object = plain && memchr(at, '{', near);
        if (!object && !is_inline(at, (size_t)(end - at))) return true;
    }
    return false;
}

static bool is_word(unsigned c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

static unsigned hex_of(char c) { return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10); }

/* A letter, digit or underline that is written as \u00XX: nobody needs to, and a name with one in it is not found in the text. The body is
 * JSON, so that four digits follow. (Of a text that tells of such a spelling it is said, too: more is reserved, and no harm done.) */
static bool hides_names(struct str body)
{
    static const char escape[] = "\\u00";
    const size_t len = sizeof escape - 1;
    for (const char *at = body.p, *end = body.p + body.n; (at = memmem(at, (size_t)(end - at), escape, len));) {
        at += len;
        if (end - at >= 2 && is_word(hex_of(at[0]) << 4 | hex_of(at[1]))) return true;
    }
    return false;
}

static bool text_refers(struct str text)
{
    for (unsigned i = 0; i < COUNTOF(REFERENCES); i++)
        if (refers(text, REFERENCES[i].name, REFERENCES[i].plain)) return true;
    return hides_names(text);
}

/* A default's name stands without quotation marks. */
static bool default_refers(const struct body_default *b)
{
    for (unsigned i = 0; i < COUNTOF(REFERENCES); i++)
        if (str_eq(b->name, str_make(REFERENCES[i].name + 1, strlen(REFERENCES[i].name) - 2))) return true;
    return text_refers(b->raw);
}

static bool has_references(const struct exchange *x)
{
    if (text_refers(x->stream->request->body)) return true;
    for (unsigned i = 0; i < x->route->n_deployments; i++)
        for (unsigned j = 0; j < x->route->deployments[i].n_defaults; j++)
            if (default_refers(&x->route->deployments[i].defaults[j])) return true;
    return false;
}

/* Prompts of its own that a provider adds: for tools, which defaults or a writer may bring in as well. */
static bool has_tools(const struct exchange *x, const struct deployment *d)
{
    struct str body = x->stream->request->body;
    return d->default_size || !wire_formats_have(&d->formats, x->wire->format) || memmem(body.p, body.n, "\"tools\"", 7);
}

/* How much input may be charged. What is fetched or kept there fills at most the model's context, which is taken as large when nobody
 * told it. */
enum input_reach { REACH_BYTES, REACH_CONTEXT };
static uint64_t input_bound(const struct exchange *x, const struct deployment *d, enum input_reach reach)
{
    enum { CONTEXT_MOST = 2000000, TOOL_PROMPT = 2048 };
    uint64_t bytes = x->request.input_bound + d->default_size, context;
    if (reach == REACH_BYTES) return has_tools(x, d) ? bytes + TOOL_PROMPT : bytes;
    context = deployment_context(d, x->request.model);
    return larger(bytes + TOOL_PROMPT,
                  context ? context : CONTEXT_MOST); /* looks at no byte: this is every capped request's way */
}

/* ---- its price ----------------------------------------------------------------------------------------------------------------- */

/* The dearest of the tokens that may come, so that no answer costs more than was reserved. */
static uint64_t dearest(const struct price *p, enum usage_side side)
{
    uint64_t most = 0;
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (usage_cell_side((enum usage_cell)c) == side && p->per[c] > most) most = p->per[c];
    return most;
}

static int64_t to_pico(money m) { return m > INT64_MAX ? INT64_MAX : (int64_t)m; }

static money cost_at(const struct exchange *x, const struct deployment *d, const struct price *p, enum input_reach reach)
{
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    money cost = (money)dearest(p, USAGE_INPUT) * input_bound(x, d, reach);
    if (meter != WIRE_METER_INPUT) cost += (money)dearest(p, USAGE_OUTPUT) * output_bound(x, d);
    if (meter == WIRE_METER_TOLD) cost += (money)p->per[USAGE_UNIT_IMAGE] * allowed_by(x, d).choices;
    return cost;
}

/* Those without a price are passed over for who asks this (reserve_is_bound). */
static int64_t worst_cost(const struct exchange *x, int64_t now_ms, enum input_reach reach)
{
    money worst = 0;
    for (unsigned i = 0; i < x->route->n_deployments; i++) {
        const struct deployment *d = &x->route->deployments[i];
        const struct price *p = deployment_price_of(d, x->request.model, now_ms);
        if (!p) continue;
        money cost = cost_at(x, d, p, reach);
        if (cost > worst) worst = cost;
    }
    return to_pico(worst);
}

bool reserve_is_bound(const struct exchange *x)
{
    return !x->opaque && is_capped(x) && wire_manner(x->request.operation)->meter != WIRE_METER_NONE;
}

enum err reserve_refuse_unpriced(struct exchange *x)
{
    return FAIL(&x->fault, ERR_SPEND_UNPRICED,
                "this key has a spend cap, and '%.*s' has no price: nobody could say what it spends; use a key without a cap, or "
                "give the model a price",
                STR_ARG(x->request.model));
}

/* ---- taking it ------------------------------------------------------------------------------------------------------------------- */

/* What was taken ahead stays taken: were it given back first, another request could come between. */
static enum err take(struct exchange *x, const struct budget_wish *wish)
{
    struct gateway *g = x->gl->gateway;
    struct key_meter *m = &g->board->keys[x->key->place % BOARD_KEYS];
    if (x->hold.meter == m) return budget_widen(&x->hold, &x->key->limits, wish, &x->fault);
    return budget_reserve(m, g->slot_number, &x->key->limits, wish, &x->hold, &x->fault);
}

static uint64_t tokens_of(const struct exchange *x)
{
    enum wire_meter meter = wire_manner(x->request.operation)->meter;
    uint64_t input = exchange_input_tokens(x), sum;
    if (!x->key->limits.tokens_per_minute || meter == WIRE_METER_NONE) return 0;
    if (meter == WIRE_METER_INPUT) return input;
    return __builtin_add_overflow(input, output_likely(x), &sum) ? UINT64_MAX : sum;
}

static bool is_money(enum err e) { return e == ERR_SPEND_DAY || e == ERR_SPEND_MONTH || e == ERR_SPEND_RESERVED; }

/* Against a cap the whole context is reserved where there is money for it; looking through the body for what refers to more
 * than itself comes only when there is not. */
enum err reserve_worst(struct exchange *x)
{
    struct budget_wish wish = {.now_ms = clock_wall_ms(), .tokens = tokens_of(x)};
    if (!reserve_is_bound(x)) return take(x, &wish);
    wish.pico = worst_cost(x, wish.now_ms, REACH_CONTEXT);
    enum err e = take(x, &wish);
    if (!is_money(e) || has_references(x)) return e;
    wish.pico = worst_cost(x, wish.now_ms, REACH_BYTES);
    return take(x, &wish);
}
