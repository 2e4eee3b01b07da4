/* What is reserved: an upper bound of what the bytes that go up let a provider bill, for random requests of all formats at deployments
 * that drop, add and translate; what hides in a body; and who may call what has no price. */
#include <stdlib.h>

#include "gateway/test.h"

enum {
    ROUNDS = 3000,
    IN_PRICE = 3,
    OUT_PRICE = 7,
    DEAR = 10007, /* next to it what is reserved of the input is little */
    ASSUMED = 900,
    CONTEXT = 5000,
};

static struct gateway gateway;
static struct generation generation;
static struct route route;
static struct key key;
static struct http_request request;
static struct http_stream stream;
static struct price_period prices;
static struct wire_formats formats;

static bool any_path(const struct provider_call *call, struct buf *out)
{
    (void)call, (void)out;
    return true;
}
static const struct provider_kind KIND = {.path = any_path};

static int start(void **state)
{
    set_up(state);
    gateway = (struct gateway){.board = calloc(1, sizeof(struct board))};
    generation = (struct generation){.settings = {.assume_output = ASSUMED, .answer_hold_max = MIB(1)}};
    prices = (struct price_period){.from_ms = INT64_MIN, .price = {.known = true}};
    prices.price.per[USAGE_IN_FRESH] = IN_PRICE;
    prices.price.per[USAGE_OUT_VISIBLE] = OUT_PRICE;
    key = (struct key){.limits = {.spend_day = INT64_MAX / 4, .spend_month = -1}};
    provider.kind = &KIND;
    deployment.prices = &prices;
    deployment.n_prices = 1;
    deployment.context = CONTEXT;
    formats = (struct wire_formats){0};
    must(wire_formats_add(&formats, WIRE_OPENAI_CHAT));
    deployment.formats = formats;
    route = (struct route){.name = S("m"), .deployments = &deployment, .n_deployments = 1};
    loop.gateway = &gateway;
    arena_init(&loop.form, KIB(4), MIB(4));
    stream = (struct http_stream){.request = &request};
    x.stream = &stream;
    x.generation = &generation;
    x.route = &route;
    x.key = &key;
    return 0;
}

static int stop(void **state)
{
    free(gateway.board);
    arena_done(&loop.form);
    return tear_down(state);
}

/* As admit reads it. */
static void ask(enum wire_format f, const char *body)
{
    request = (struct http_request){.body = str_z(body)};
    x.wire = wire_ops_get(f);
    assert_int_equal(json_scan(&loop.tape, request.body, &WIRE_LIMITS, &x.fault), OK);
    assert_int_equal(x.wire->read(WIRE_GENERATE, &loop.tape, &x.arena, &x.request, &x.fault), OK);
    x.request.model = S("m");
}

static int64_t reserved(void)
{
    assert_int_equal(reserve_worst(&x), OK);
    int64_t pico = x.hold.pico;
    budget_undo(&x.hold);
    return pico;
}

/* ---- the property ------------------------------------------------------------------------------------------------------------ */

static uint64_t seed;
static unsigned roll(unsigned n) /* xorshift: the same on every machine */
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 11) % n;
}

static const char *const TURNS[WIRE_FORMATS] = {
    [WIRE_OPENAI_CHAT] = "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]",
    [WIRE_OPENAI_RESPONSES] = "\"model\":\"m\",\"input\":\"hi\"",
    [WIRE_ANTHROPIC_MESSAGES] = "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]",
    [WIRE_BEDROCK_CONVERSE] = "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]",
    [WIRE_BEDROCK_INVOKE] = "\"anthropic_version\":\"bedrock-2023-05-31\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]",
    [WIRE_GEMINI_GENERATE] = "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]",
};
enum { CHAT_FORMATS = WIRE_GEMINI_GENERATE + 1 };

/* A member that bounds an answer; %s a number of tokens. `many`: with a number of answers behind it. */
struct bounding {
    const char *name, *most, *many;
    unsigned formats;
};
#define IN(f) (1u << (f))
static const struct bounding NAMES[] = {
    {"max_tokens", "%u", NULL, IN(WIRE_OPENAI_CHAT) | IN(WIRE_ANTHROPIC_MESSAGES) | IN(WIRE_BEDROCK_INVOKE)},
    {"max_completion_tokens", "%u", NULL, IN(WIRE_OPENAI_CHAT)},
    {"n", NULL, "%u", IN(WIRE_OPENAI_CHAT)},
    {"max_output_tokens", "%u", NULL, IN(WIRE_OPENAI_RESPONSES)},
    {"inferenceConfig", "{\"maxTokens\":%u}", NULL, IN(WIRE_BEDROCK_CONVERSE)},
    {"generationConfig", "{\"maxOutputTokens\":%u}", "{\"candidateCount\":%u}", IN(WIRE_GEMINI_GENERATE)},
    {"generation_config", "{\"max_output_tokens\":%u}", "{\"candidate_count\":%u}", IN(WIRE_GEMINI_GENERATE)},
};

static const char *member(const struct bounding *b, char room[64])
{
    const char *form = !b->most || (b->many && roll(3) == 0) ? b->many : b->most; /* one of them is there */
    unsigned n = form == b->most ? 1 + roll(roll(2) ? 3000 : 30) : 1 + roll(9);
    if (form && strcmp(form, "%u") == 0 && roll(8) == 0) return "null";
    char *at = room;
    for (const char *c = form; c && *c; c++) {
        if (c[0] == '%') at += snprintf(at, 16, "%u", n), c++;
        else *at++ = *c;
    }
    *at = '\0';
    return room;
}

static const char *random_body(enum wire_format f, char *room, size_t cap)
{
    char value[64];
    size_t n = (size_t)snprintf(room, cap, "{%s", TURNS[f]);
    bool gemini = false;
    for (unsigned i = 0; i < COUNTOF(NAMES); i++) {
        if (!(NAMES[i].formats & IN(f)) || roll(2) || gemini) continue;
        gemini = f == WIRE_GEMINI_GENERATE; /* two spellings at once are refused */
        const char *text = member(&NAMES[i], value);
        if (strcmp(text, "null") == 0 && strcmp(NAMES[i].name, "max_tokens") == 0 && f != WIRE_OPENAI_CHAT)
            continue; /* refused */
        n += (size_t)snprintf(room + n, cap - n, ",\"%s\":%s", NAMES[i].name, text);
    }
    snprintf(room + n, cap - n, "}");
    return room;
}

static struct body_default defaults[COUNTOF(NAMES)];
static char default_text[COUNTOF(NAMES)][64];
static struct str drops[COUNTOF(NAMES)];

static void random_deployment(enum wire_format to)
{
    deployment.n_defaults = deployment.n_drop = 0;
    deployment.defaults = defaults;
    deployment.drop = drops;
    for (unsigned i = 0; i < COUNTOF(NAMES); i++) {
        struct body_default *d = &defaults[deployment.n_defaults];
        if (!(NAMES[i].formats & IN(to))) continue;
        if (roll(3) == 0) drops[deployment.n_drop++] = str_z(NAMES[i].name);
        if (roll(3)) continue;
        *d = (struct body_default){.name = str_z(NAMES[i].name), .raw = str_z(member(&NAMES[i], default_text[i]))};
        deployment.n_defaults++;
    }
    deployment.quirks = roll(4) ? 0 : QUIRK_MAX_TOKENS;
    deployment.max_output = roll(2) ? 0 : 1 + roll(2000);
    deployment.formats = (struct wire_formats){0};
    must(wire_formats_add(&deployment.formats, to));
    deployment_note_bounds(&deployment);
}

/* The bytes that go up: the caller's or a writer's, changed as send changes them. False: this request cannot be told there. */
static bool go_up(enum wire_format to, struct buf *out)
{
    struct json_change changes[2 * COUNTOF(NAMES)];
    struct json_edit edits[JSON_EDITS(COUNTOF(changes))];
    struct str pieces[2 * COUNTOF(edits) + 1], body = request.body;
    size_t n = 0;
    x.attempt = (struct attempt){.deployment = &deployment, .wire = x.wire, .operation = WIRE_GENERATE};
    if (to != x.wire->format && translate_request(&x) != OK) return false;
    if (x.attempt.translation) body = translate_body(x.attempt.translation);
    assert_int_equal(json_scan(&loop.tape, body, &JSON_LIMITS_TOP, NULL), OK);
    for (unsigned i = 0; i < deployment.n_drop; i++)
        if (json_find(&loop.tape, 0, drops[i])) changes[n++] = (struct json_change){JSON_DROP, drops[i], STR_NONE};
    for (unsigned i = 0; i < deployment.n_defaults; i++)
        if (!json_find(&loop.tape, 0, defaults[i].name))
            changes[n++] = (struct json_change){JSON_DEFAULT, defaults[i].name, defaults[i].raw};
    n = json_plan(&loop.tape, 0, changes, n, edits);
    n = json_splice(body, edits, n, pieces);
    for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
    translation_free(&x);
    return true;
}

/* The largest number behind any of these names in the text; 0: none. Our bodies have each in one place only. */
static uint64_t largest(struct str text, const char *const *names)
{
    uint64_t most = 0;
    for (; *names; names++) {
        char quoted[32];
        snprintf(quoted, sizeof quoted, "\"%s\":", *names);
        const char *at = memmem(text.p, text.n, quoted, strlen(quoted));
        uint64_t n = at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
        if (n > most) most = n;
    }
    return most;
}

/* What a provider bills that takes each byte for a token, obeys the largest bound that it knows, and writes until that one, the model's
 * or, where there is neither, as much as the owner assumes. */
static int64_t billed(enum wire_format to, struct str up)
{
    static const char *const ALL[] = {"max_tokens", "max_completion_tokens", "max_output_tokens",
                                      "maxTokens",  "maxOutputTokens",       NULL};
    static const char *const OLD[] = {"max_tokens", NULL};
    static const char *const MANY[] = {"n", "candidateCount", "candidate_count", NULL};
    bool old = to == WIRE_OPENAI_CHAT && deployment.quirks & QUIRK_MAX_TOKENS;
    uint64_t most = largest(up, old ? OLD : ALL), many = largest(up, MANY);
    if (deployment.max_output && (!most || most > deployment.max_output)) most = deployment.max_output;
    if (!most) most = ASSUMED;
    return (int64_t)(up.n * IN_PRICE + most * (many ? many : 1) * DEAR);
}

static void what_goes_up_costs_no_more_than_was_reserved(void **state)
{
    (void)state;
    unsigned told = 0;
    seed = 20261123;
    prices.price.per[USAGE_OUT_VISIBLE] = DEAR;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char room[512];
        struct buf up;
        enum wire_format from = (enum wire_format)roll(CHAT_FORMATS), to = roll(2) ? from : (enum wire_format)roll(CHAT_FORMATS);
        random_deployment(to);
        ask(from, random_body(from, room, sizeof room));
        buf_init(&up, MIB(1));
        key.limits.spend_day = INT64_MAX / 4;
        int64_t held = reserved();
        if (go_up(to, &up)) {
            int64_t bill = billed(to, buf_view(&up));
            if (held < bill)
                fail_msg("%u: %lld reserved, %lld billed: %s as %s", i, (long long)held, (long long)bill, room, buf_z(&up));
            /* The same where only its bytes are reserved, since there is no money for the whole context. */
            ask(from, room);
            key.limits.spend_day = bill - 1;
            assert_int_not_equal(reserve_worst(&x), OK);
            told++;
        }
        buf_done(&up);
        x.fault = (struct fault){0};
        arena_clear(&x.arena, KIB(1));
    }
    assert_true(told > ROUNDS / 2);
}

/* ---- what hides ---------------------------------------------------------------------------------------------------------------- */

static void names_with_escapes_are_no_way_around(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        bool whole; /* the model's context is reserved */
    } CASES[] = {
        {"\"hi\"", false},
        {"\"caf\\u00e9 \\u003cb\\u003e \\u0026 \\u0022\"", false},
        {"[{\"type\":\"image\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}]", false},
        {"[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/y.png\"}}]", true},
        {"[{\"type\":\"image\\u005furl\",\"image\\u005furl\":{\"\\u0075rl\":\"https://example.com/y.png\"}}]", true},
        {"[{\"type\":\"image_url\",\"image_url\":{\"u\\u0072\\u006C\":\"https://example.com/y.png\"}}]", true},
        {"[{\"type\":\"file\",\"file\":{\"file\\u005Fid\":\"file-1\"}}]", true},
    };
    deployment.max_output = 1;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        char body[512];
        snprintf(body, sizeof body, "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":%s}]}",
                 CASES[i].content);
        ask(WIRE_OPENAI_CHAT, body);
        key.limits.spend_day = (CONTEXT - 1) * IN_PRICE;
        enum err e = reserve_worst(&x);
        assert_int_equal(e, CASES[i].whole ? ERR_SPEND_DAY : OK);
        if (e == OK) budget_undo(&x.hold);
    }
}

static void hidden_tools_are_tools(void **state)
{
    (void)state;
    static const char *const BODIES[] = {
        "{\"model\":\"m\",\"max_tokens\":1,\"tools\":[{}],\"messages\":[]}",
        "{\"model\":\"m\",\"max_tokens\":1,\"\\u0074ools\":[{}],\"messages\":[]}",
    };
    for (unsigned i = 0; i < COUNTOF(BODIES); i++) {
        ask(WIRE_OPENAI_CHAT, BODIES[i]);
        key.limits.spend_day = 2048 * IN_PRICE;
        assert_int_equal(reserve_worst(&x), ERR_SPEND_DAY);
    }
}

static void what_defaults_fetch_counts(void **state)
{
    (void)state;
    static struct body_default with[] = {{.name = S("previous_response_id"), .raw = S("\"resp_1\"")}};
    deployment.defaults = with;
    deployment.n_defaults = 1;
    deployment_note_bounds(&deployment);
    ask(WIRE_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[]}");
    key.limits.spend_day = (CONTEXT - 1) * IN_PRICE;
    assert_int_equal(reserve_worst(&x), ERR_SPEND_DAY);
}

/* ---- tokens a minute, and no price ----------------------------------------------------------------------------------------------- */

static void tokens_of_a_minute_stand_on_the_same_bounds(void **state)
{
    (void)state;
    static struct str dropped[] = {S("max_tokens")};
    static struct body_default many[] = {{.name = S("n"), .raw = S("100")}};
    key.limits.tokens_per_minute = 1000000;
    ask(WIRE_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[]}");
    uint64_t input = request.body.n / 4;
    assert_int_equal(reserve_worst(&x), OK);
    assert_int_equal(x.hold.tokens, input + 1);
    budget_undo(&x.hold);
    deployment.drop = dropped;
    deployment.n_drop = 1;
    deployment_note_bounds(&deployment);
    assert_int_equal(reserve_worst(&x), OK);
    assert_int_equal(x.hold.tokens, input + ASSUMED);
    budget_undo(&x.hold);
    deployment.n_drop = 0;
    deployment.defaults = many;
    deployment.n_defaults = 1;
    deployment_note_bounds(&deployment);
    assert_int_equal(reserve_worst(&x), OK);
    assert_int_equal(x.hold.tokens, input + 100);
    budget_undo(&x.hold);
}

static void only_a_cap_needs_a_price(void **state)
{
    (void)state;
    ask(WIRE_OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[]}");
    assert_true(reserve_is_bound(&x));
    x.request.operation = WIRE_COUNT_TOKENS;
    assert_false(reserve_is_bound(&x));
    x.request.operation = WIRE_GENERATE;
    key.limits.spend_day = -1;
    assert_false(reserve_is_bound(&x));
    key.limits.spend_month = 0;
    assert_true(reserve_is_bound(&x));
    assert_int_equal(reserve_refuse_unpriced(&x), ERR_SPEND_UNPRICED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_up_costs_no_more_than_was_reserved, start, stop),
        cmocka_unit_test_setup_teardown(names_with_escapes_are_no_way_around, start, stop),
        cmocka_unit_test_setup_teardown(hidden_tools_are_tools, start, stop),
        cmocka_unit_test_setup_teardown(what_defaults_fetch_counts, start, stop),
        cmocka_unit_test_setup_teardown(tokens_of_a_minute_stand_on_the_same_bounds, start, stop),
        cmocka_unit_test_setup_teardown(only_a_cap_needs_a_price, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
