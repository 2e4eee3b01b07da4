/* The laws of the chat form for requests, over every format that is registered with a translator: law 3, an unknown member at any
 * level is found in what goes up, or refused, or counted, for every pair; law 4, it crosses only inside its family; law 5, what is read and written in the same format is
 * the same. And bad shapes: whatever value stands in a place, it is read or refused by its path. */
#include "wire/test.h"

enum { SEEDS = 1000 };

static char last_refusal[sizeof((struct fault *)0)->text]; /* for the one who asks why so little could be tested */

static struct wire_target target_of(struct bench *b, unsigned f, bool stream)
{
    return (struct wire_target){.model = S("a-model"),
                                .origin = {str_z(ops_of(f)->family), 7},
                                .stream = stream,
                                .max_output = 4096,
                                .losses = &b->losses,
                                .tape = &b->tape,
                                .memo = &b->arena};
}

/* STR_NONE: refused; the fault says why. */
static struct str written(struct bench *b, unsigned f, struct chat *c)
{
    struct buf out;
    struct wire_name *names = NULL;
    b->losses = (struct chat_losses){0};
    struct wire_target to = target_of(b, f, c->stream);
    buf_init(&out, MIB(8));
    enum err e = wire_adapt(c, (enum wire_format)f, &to, &names, &b->why);
    if (e == OK) e = translator_of(f)->write_request(c, &to, &out, &b->why);
    if (e == OK) e = chat_account(c, ops_of(f)->name, &b->why);
    if (e == OK) return keep(b, &out);
    assert_true(e == ERR_FORMAT_UNSUPPORTED || e == ERR_BAD_REQUEST || e == ERR_LIMIT);
    memcpy(last_refusal, b->why.text, sizeof last_refusal);
    buf_done(&out);
    return STR_NONE;
}

static enum err read_request(struct bench *b, unsigned f, struct str body, struct chat *ret_chat)
{
    struct wire_request r;
    *ret_chat = (struct chat){.arena = &b->arena, .source = body};
    TRY(json_scan(&b->tape, body, NULL, &b->why));
    TRY(ops_of(f)->read(WIRE_GENERATE, &b->tape, &b->arena, &r, &b->why));
    ret_chat->stream = r.stream;
    return translator_of(f)->read_request(&b->tape, ret_chat, &b->why);
}

static struct str show(struct bench *b, const struct chat *c)
{
    struct buf out;
    buf_init(&out, MIB(8));
    chat_show(c, &out);
    return keep(b, &out);
}

/* A random request that f can express; false: this one it cannot. */
static bool random_request(struct bench *b, unsigned f, uint64_t seed, struct chat *ret_chat, struct str *ret_body)
{
    struct dice d = {seed};
    unsigned with = (unsigned)dice_next(&d) & RANDOM_ALL & ~(unsigned)(RANDOM_EXTRA | RANDOM_ALL_SETTINGS);
    if (dice_one_in(&d, 4)) with |= RANDOM_ALL_SETTINGS;
    chat_random(&d, &b->arena, with, ret_chat);
    *ret_body = written(b, f, ret_chat);
    return ret_body->p;
}

/* ---- law 5 ---------------------------------------------------------------------------------------------------------------------- */

/* Returns whether there was anything to test. */
typedef bool law_fn(struct bench *b, unsigned f, unsigned g, uint64_t seed);

static bool read_is_written(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    struct chat c, again, third;
    struct str body, second;
    if (!random_request(b, f, seed, &c, &body)) return false;
    if (read_request(b, f, body, &again) != OK) broken(f, f, b->why.text, body, STR_NONE);
    struct str want = show(b, &again);
    second = written(b, f, &again);
    if (!second.p) broken(f, f, b->why.text, body, STR_NONE);
    assert_int_equal(count_losses(&b->losses), 0); /* its own format loses nothing */
    if (!str_eq(body, second)) broken(f, f, "read, it is written otherwise", body, second);
    assert_int_equal(read_request(b, f, second, &third), OK);
    struct str got = show(b, &third);
    if (!str_eq(got, want)) broken(f, f, "written and read, the form is another", want, got);
    return true;
}

/* At least a quarter of the seeds must have been good for something in each pair of two that are the same. */
static void for_all(law_fn *law, bool same_only)
{
    unsigned formats = 0;
    for (unsigned pair = 0; pair < WIRE_FORMATS * WIRE_FORMATS; pair++) {
        unsigned f = pair / WIRE_FORMATS, g = pair % WIRE_FORMATS, good = 0;
        if (!is_translated(f) || !is_translated(g) || (same_only && f != g)) continue;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct bench b;
            bench_start(&b);
            good += law(&b, f, g, seed);
            bench_stop(&b);
        }
        formats += f == g;
        if (good < SEEDS / 4)
            fail_msg("%s to %s: only %u of %d said anything; the last: %s", wire_format_name(f), wire_format_name(g), good, SEEDS,
                     last_refusal);
    }
    assert_true(formats > 0);
}

static void law_5_read_and_written_is_the_same(void **state) { for_all(read_is_written, true); }

/* ---- law 3 ---------------------------------------------------------------------------------------------------------------------- */

/* In g's words, with how much was counted. */
static struct str through(struct bench *b, unsigned f, unsigned g, struct str body, struct chat *ret_chat, unsigned *ret_lost)
{
    if (read_request(b, f, body, ret_chat) != OK) return STR_NONE;
    struct str out = written(b, g, ret_chat);
    *ret_lost = count_losses(&b->losses);
    return out;
}

/* A setting that the table lets fall is counted once, whatever is in it. */
static bool is_in_lost_setting(const struct chat *c, struct str body, size_t at)
{
    for (unsigned s = 0; s < CHAT_SETTINGS_N; s++) {
        struct str raw = c->settings[s];
        size_t start = (size_t)(raw.p - body.p);
        if (c->node.has & 1ull << s && raw.p && at >= start && at < start + raw.n) return true;
    }
    return false;
}

/* Tools that the target leaves out are counted once, too. */
static bool is_in_lost_tool(const struct bench *b, const struct chat *c, struct str body, size_t at)
{
    for (const struct chat_tool *t = c->tools; b->losses.n[LOSS_CHOICE] && t; t = t->next) {
        size_t start = (size_t)(t->schema.p - body.p);
        if (t->schema.p && at >= start && at < start + t->schema.n) return true;
    }
    return false;
}

static bool needle(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    struct chat c, same;
    struct dice d = {~seed};
    struct str body, needled, out;
    unsigned before = 0, after = 0;
    size_t at = 0;
    if (!random_request(b, f, seed, &c, &body)) return false;
    if (!through(b, f, g, body, &same, &before).p) return false; /* g cannot express it anyway */
    needled = with_needle(b, &d, body, &at);
    out = through(b, f, g, needled, &c, &after);
    bool told = !out.p || has_needle(out) || after > before || (after && is_in_lost_setting(&c, needled, at)) ||
                is_in_lost_tool(b, &c, needled, at);
    if (!told) broken(f, g, "the needle is gone", needled, out);
    return out.p;
}

static void law_3_an_unknown_member_is_found_refused_or_counted(void **state) { for_all(needle, false); }

/* ---- law 4 ---------------------------------------------------------------------------------------------------------------------- */

/* What only f knows is in what goes up in g exactly when both are of one family. */
static bool extra_stays(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    struct chat c;
    struct dice d = {seed * 2 + 1};
    struct str body, out;
    unsigned lost;
    size_t at;
    if (!random_request(b, f, seed, &c, &body)) return false;
    body = with_needle(b, &d, body, &at);
    if (read_request(b, f, body, &c) != OK) return false;
    if (!is_extra(&c.node) && !is_extra_of_items(c.items) && !is_extra_of_tools(c.tools)) return false;
    out = through(b, f, g, body, &c, &lost);
    if (!out.p) return false;
    if (has_needle(out) == is_family(f, g)) return true;
    broken(f, g, is_family(f, g) ? "an extra member was lost within its family" : "an extra member left its family", body, out);
    return false;
}

/* Most needles fall into what is not of the form: schemas, arguments, settings. */
static void law_4_extra_members_stay_in_their_family(void **state)
{
    for (unsigned pair = 0; pair < WIRE_FORMATS * WIRE_FORMATS; pair++) {
        unsigned f = pair / WIRE_FORMATS, g = pair % WIRE_FORMATS, good = 0;
        for (uint64_t seed = 0; is_translated(f) && is_translated(g) && seed < SEEDS; seed++) {
            struct bench b;
            bench_start(&b);
            good += extra_stays(&b, f, g, seed);
            bench_stop(&b);
        }
        if (is_translated(f) && is_translated(g) && good < SEEDS / 50)
            fail_msg("%s to %s: only %u of %d seeds had an extra member", wire_format_name(f), wire_format_name(g), good, SEEDS);
    }
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------------------- */

/* Any value in the text replaced by another: it is read, or refused with the path, and never anything else. */
static bool other_shape(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    static const char *const VALUES[] = {"null", "true", "-1.5",   "\"\"",      "\"x\"",
                                         "[]",   "{}",   "[null]", "{\"a\":1}", "99999999999999999999"};
    struct chat c;
    struct dice d = {seed};
    struct str body;
    if (!random_request(b, f, seed, &c, &body)) return false;
    assert_int_equal(json_scan(&b->tape, body, NULL, &b->why), OK);
    uint32_t at = 0;
    do at = dice_roll(&d, b->tape.n);
    while (json_node(&b->tape, at)->flags & JSON_KEY);
    struct str raw = json_raw(&b->tape, at);
    struct buf out;
    buf_init(&out, body.n + 100);
    buf_add(&out, body.p, (size_t)(raw.p - body.p));
    buf_str(&out, str_z(VALUES[dice_roll(&d, COUNTOF(VALUES))]));
    buf_str(&out, str_from(body, (size_t)(raw.p - body.p) + raw.n));
    body = keep(b, &out);
    enum err e = read_request(b, f, body, &c);
    if (e != OK && e != ERR_BAD_REQUEST) broken(f, f, b->why.text, body, STR_NONE);
    if (e == OK) (void)written(b, g, &c);
    return true;
}

static void whatever_stands_somewhere_is_read_or_refused(void **state) { for_all(other_shape, false); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(law_5_read_and_written_is_the_same),
        cmocka_unit_test(law_3_an_unknown_member_is_found_refused_or_counted),
        cmocka_unit_test(law_4_extra_members_stay_in_their_family),
        cmocka_unit_test(whatever_stands_somewhere_is_read_or_refused),
    };
    return cmocka_run_group_tests_name("laws of requests", tests, NULL, NULL);
}
