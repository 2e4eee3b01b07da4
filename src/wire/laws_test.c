/* The laws of the chat form for answers, over every format that is registered with a translator (docs/wire.md names them):
 * law 1 a folded stream is the whole answer, law 2 any cut of the bytes gives the same events, law 3 an unknown member is found,
 * or counted, in every pair, law 6 all readers of usage agree. Requests: laws_request_test.c. */
#include "wire/test.h"

enum { SEEDS = 500 };

/* What an answer in a format can hold, where it is less than RANDOM_ALL. */
static unsigned holds(unsigned f)
{
    return f == WIRE_OPENAI_CHAT ? RANDOM_ALL : RANDOM_ALL & ~(unsigned)(RANDOM_CHOICES | RANDOM_LOGPROBS);
}

static void unseal(struct bench *b, struct chat_opaque *first)
{
    struct chat_opaque open;
    for (struct chat_opaque *o = first; o; o = o->next)
        if (chat_is_sealed(o->span) && chat_unseal(&b->seal, &b->arena, o->span, &open, &b->why) == OK) o->span = open.span;
}

/* Sealed state is another text each time, so what is in it is shown. */
static struct str show(struct bench *b, const struct chat_answer *a)
{
    struct buf out;
    for (struct chat_item *i = a->items; i; i = i->next) {
        unseal(b, i->opaque);
        for (struct chat_part *p = i->parts; p; p = p->next) unseal(b, p->opaque);
    }
    buf_init(&out, MIB(8));
    chat_show_answer(a, &out);
    return keep(b, &out);
}

static struct str whole_answer(struct bench *b, unsigned f, struct chat_answer *answer)
{
    struct buf out;
    struct wire_reply reply = reply_of(b);
    buf_init(&out, MIB(8));
    if (translator_of(f)->write_answer(answer, &reply, &out, &b->why) != OK) fail_msg("%s: %s", wire_format_name(f), b->why.text);
    return keep(b, &out);
}

static struct str streamed_answer(struct bench *b, unsigned f, const struct chat_answer *answer)
{
    struct outflow o;
    struct wire_reply reply = reply_of(b);
    outflow_start(b, &o, f, &reply);
    if (chat_unfold(answer, &(struct chat_sink){outflow_event, &o}, &b->why) != OK)
        fail_msg("%s: %s", wire_format_name(f), b->why.text);
    return keep(b, &o.out);
}

static void read_whole(struct bench *b, unsigned f, struct str body, struct chat_answer *ret_answer)
{
    *ret_answer = (struct chat_answer){.arena = &b->arena};
    enum err e = json_scan(&b->tape, body, NULL, &b->why);
    if (e == OK) e = translator_of(f)->read_answer(&b->tape, ret_answer, &b->why);
    if (e != OK) broken(f, f, b->why.text, body, STR_NONE);
}

static void read_stream(struct bench *b, unsigned f, struct str bytes, struct dice *cut, struct chat_answer *ret_answer)
{
    static struct frames frames;
    struct chat_fold *fold = chat_fold_new(&b->arena, ret_answer);
    assert_non_null(fold);
    frames_of(b, f, bytes, cut, &frames);
    enum err e = read_frames(b, f, &frames, &(struct chat_sink){chat_fold_event, fold});
    if (e == OK) e = chat_fold_done(fold, &b->why);
    if (e != OK) broken(f, f, b->why.text, bytes, STR_NONE);
}

/* The answer as the format itself can tell it: random, then once through the format. */
static void random_answer(struct bench *b, unsigned kinds, uint64_t seed, struct chat_answer *ret_answer)
{
    struct dice d = {seed};
    unsigned with = (unsigned)dice_next(&d) & kinds & ~(unsigned)RANDOM_EXTRA;
    chat_random_answer(&d, &b->arena, with, ret_answer);
}

typedef void law_fn(struct bench *b, unsigned f, uint64_t seed);

static void for_all_formats(law_fn *law)
{
    unsigned n = 0;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        if (!is_translated(f)) continue;
        n++;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct bench b;
            bench_start(&b);
            law(&b, f, seed);
            bench_stop(&b);
        }
    }
    assert_true(n > 0);
}

/* ---- laws 1 and 2 ------------------------------------------------------------------------------------------------------------- */

static void folded(struct bench *b, unsigned f, uint64_t seed)
{
    struct chat_answer answer, whole, folded_stream;
    random_answer(b, holds(f), seed, &answer);
    struct str stream = streamed_answer(b, f, &answer), body = whole_answer(b, f, &answer);
    read_whole(b, f, body, &whole);
    read_stream(b, f, stream, NULL, &folded_stream);
    struct str got = show(b, &folded_stream), want = show(b, &whole);
    if (str_eq(got, want)) return;
    broken(f, f, "the stream folds to another answer", want, got);
}

static void law_1_a_folded_stream_is_the_whole_answer(void **state) { for_all_formats(folded); }

/* What must survive any format: the words, the calls, how it ended, what it cost. */
static void survives(struct bench *b, unsigned f, uint64_t seed)
{
    struct chat_answer answer, whole;
    random_answer(b, holds(f), seed, &answer);
    read_whole(b, f, whole_answer(b, f, &answer), &whole);
    const struct chat_item *got = whole.items;
    for (const struct chat_item *i = answer.items; i; i = i->next) {
        if (i->kind != ITEM_TOOL_CALL) continue;
        while (got && got->kind != ITEM_TOOL_CALL) got = got->next;
        if (!got) {
            fail_msg("%s lost a call", wire_format_name(f));
            return;
        }
        assert_true(str_eq(got->name, i->name) && str_eq(got->call_id, i->call_id));
        struct str a, c;
        struct fault *why = &b->why;
        assert_int_equal(chat_json_raw(&i->arguments, &b->arena, &b->tape, &a, why), OK);
        assert_int_equal(chat_json_raw(&got->arguments, &b->arena, &b->tape, &c, why), OK);
        assert_true(str_eq(a, c));
        got = got->next;
    }
    for (uint32_t c = 0; c < answer.n_choices; c++) assert_int_equal(whole.stops[c].kind, answer.stops[c].kind);
}

static void calls_and_stops_survive_every_format(void **state) { for_all_formats(survives); }

static void cut_anywhere(struct bench *b, unsigned f, uint64_t seed)
{
    struct chat_answer answer, once, cut;
    struct dice d = {seed};
    random_answer(b, holds(f), seed, &answer);
    struct str stream = streamed_answer(b, f, &answer);
    read_stream(b, f, stream, NULL, &once);
    read_stream(b, f, stream, &d, &cut);
    assert_true(str_eq(show(b, &once), show(b, &cut)));
}

static void law_2_any_cut_gives_the_same_events(void **state) { for_all_formats(cut_anywhere); }

/* ---- law 3 ---------------------------------------------------------------------------------------------------------------------- */

static bool told(struct str out, unsigned before, unsigned after) { return has_needle(out) || after > before; }

/* Read in f, written in g: the text, and how much was counted. False: f's reader refuses it. */
static bool through(struct bench *b, unsigned f, unsigned g, struct str body, struct str *ret_out, unsigned *ret_lost)
{
    struct chat_answer answer = {.arena = &b->arena};
    b->losses = (struct chat_losses){0};
    assert_int_equal(json_scan(&b->tape, body, NULL, NULL), OK);
    if (translator_of(f)->read_answer(&b->tape, &answer, &b->why) != OK) return false;
    *ret_out = whole_answer(b, g, &answer);
    *ret_lost = count_losses(&b->losses);
    return true;
}

static void needle_in_answer(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    struct chat_answer answer;
    struct dice d = {seed};
    struct str out, body;
    unsigned before, after;
    size_t at;
    random_answer(b, holds(f) & holds(g), seed, &answer);
    body = whole_answer(b, f, &answer);
    assert_true(through(b, f, g, body, &out, &before));
    struct str needled = with_needle(b, &d, body, &at);
    if (needled.p && through(b, f, g, needled, &out, &after) && !told(out, before, after))
        broken(f, g, "the needle is gone", needled, out);
}

static bool stream_through(struct bench *b, unsigned f, unsigned g, const struct frames *frames, struct str *ret_out,
                           unsigned *ret_lost)
{
    struct outflow o;
    struct wire_reply reply = reply_of(b);
    b->losses = (struct chat_losses){0};
    outflow_start(b, &o, g, &reply);
    bool good = read_frames(b, f, frames, &(struct chat_sink){outflow_event, &o}) == OK;
    *ret_out = keep(b, &o.out);
    *ret_lost = count_losses(&b->losses);
    return good;
}

static void needle_in_stream(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    static struct frames frames;
    struct chat_answer answer;
    struct dice d = {seed};
    struct str out;
    unsigned before, after;
    size_t at;
    random_answer(b, holds(f) & holds(g), seed, &answer);
    frames_of(b, f, streamed_answer(b, f, &answer), NULL, &frames);
    if (!stream_through(b, f, g, &frames, &out, &before))
        fail_msg("%s to %s: %s", wire_format_name(f), wire_format_name(g), b->why.text);
    struct wire_frame *chosen = &frames.frame[dice_roll(&d, (uint32_t)frames.n)];
    struct str needled = with_needle(b, &d, chosen->data, &at);
    if (!needled.p) return;
    chosen->data = needled;
    if (stream_through(b, f, g, &frames, &out, &after) && !told(out, before, after))
        broken(f, g, "the needle is gone", needled, out);
}

static void for_all_pairs(void (*law)(struct bench *, unsigned, unsigned, uint64_t))
{
    for (unsigned pair = 0; pair < WIRE_FORMATS * WIRE_FORMATS; pair++) {
        unsigned f = pair / WIRE_FORMATS, g = pair % WIRE_FORMATS;
        for (uint64_t seed = 0; is_translated(f) && is_translated(g) && seed < SEEDS; seed++) {
            struct bench b;
            bench_start(&b);
            law(&b, f, g, seed);
            bench_stop(&b);
        }
    }
}

static void law_3_an_unknown_member_of_an_answer_is_told(void **state) { for_all_pairs(needle_in_answer); }
static void law_3_an_unknown_member_of_a_stream_is_told(void **state) { for_all_pairs(needle_in_stream); }

/* ---- law 4 ---------------------------------------------------------------------------------------------------------------------- */

/* An answer's extra members reach a caller of another family never. */
static void extra_of_answer(struct bench *b, unsigned f, unsigned g, uint64_t seed)
{
    struct chat_answer answer, read = {.arena = &b->arena};
    struct dice d = {seed * 2 + 1};
    struct str out;
    unsigned lost;
    size_t at;
    if (is_family(f, g)) return;
    random_answer(b, holds(f) & holds(g), seed, &answer);
    struct str needled = with_needle(b, &d, whole_answer(b, f, &answer), &at);
    assert_int_equal(json_scan(&b->tape, needled, NULL, NULL), OK);
    if (translator_of(f)->read_answer(&b->tape, &read, &b->why) != OK) return;
    if (!is_extra(&read.node) && !is_extra_of_items(read.items)) return;
    assert_true(through(b, f, g, needled, &out, &lost));
    if (has_needle(out)) broken(f, g, "an extra member left its family", needled, out);
    assert_true(lost > 0);
}

static void law_4_extra_members_of_an_answer_stay_in_their_family(void **state) { for_all_pairs(extra_of_answer); }

/* ---- law 6 ---------------------------------------------------------------------------------------------------------------------- */

static void assert_totals(unsigned f, const struct usage *got, const struct usage *want)
{
    if (usage_input(got) == usage_input(want) && usage_output(got) == usage_output(want)) return;
    fail_msg("%s: %llu in, %llu out; want %llu and %llu", wire_format_name(f), (unsigned long long)usage_input(got),
             (unsigned long long)usage_output(got), (unsigned long long)usage_input(want),
             (unsigned long long)usage_output(want));
}

static void usage_agrees(struct bench *b, unsigned f, uint64_t seed)
{
    static struct frames frames;
    struct chat_answer answer, whole;
    struct usage of_body = {0}, of_stream = {0};
    const struct wire_ops *ops = ops_of(f);
    struct wire_stream stream = {.format = (enum wire_format)f, .usage = &of_stream};
    random_answer(b, holds(f), seed, &answer);
    struct str body = whole_answer(b, f, &answer);
    read_whole(b, f, body, &whole);
    assert_totals(f, &whole.usage, &answer.usage);
    assert_int_equal(ops->answer(WIRE_GENERATE, body, &b->tape, &of_body, &b->why), OK);
    assert_memory_equal(of_body.n, whole.usage.n, sizeof of_body.n);
    assert_memory_equal(of_body.quality, whole.usage.quality, sizeof of_body.quality);
    if (is_event_stream(f)) return; /* ops->event() takes SSE */
    frames_of(b, f, streamed_answer(b, f, &answer), NULL, &frames);
    for (size_t i = 0; i < frames.n; i++) {
        struct wire_step step;
        struct sse_event e = {.name = frames.frame[i].name, .data = frames.frame[i].data, .has_data = true};
        ops->event(&stream, &e, &b->tape, &step);
        assert_false(step.garbage || step.error);
    }
    assert_true(stream.finished || f == WIRE_GEMINI_GENERATE);
    assert_totals(f, &of_stream, &answer.usage);
}

static void law_6_all_readers_of_usage_agree(void **state) { for_all_formats(usage_agrees); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(law_1_a_folded_stream_is_the_whole_answer),
        cmocka_unit_test(calls_and_stops_survive_every_format),
        cmocka_unit_test(law_2_any_cut_gives_the_same_events),
        cmocka_unit_test(law_3_an_unknown_member_of_an_answer_is_told),
        cmocka_unit_test(law_3_an_unknown_member_of_a_stream_is_told),
        cmocka_unit_test(law_4_extra_members_of_an_answer_stay_in_their_family),
        cmocka_unit_test(law_6_all_readers_of_usage_agree),
    };
    return cmocka_run_group_tests_name("laws", tests, NULL, NULL);
}
