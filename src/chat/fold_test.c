/* Law 1 in the form itself, fold(unfold(answer)) = answer; the rules of events; and what cut deltas, several open items and a
 * full arena do to the folder. */
#include "base/test.h"
#include "chat/test.h"

static struct arena arena;
static struct fault why;

static int start(void **state)
{
    arena_init(&arena, KIB(16), MIB(64));
    return 0;
}

static int stop(void **state)
{
    arena_done(&arena);
    return 0;
}

static void assert_same(const struct chat_answer *got, const struct chat_answer *want)
{
    struct buf a, b;
    buf_init(&a, MIB(4)), buf_init(&b, MIB(4));
    chat_show_answer(got, &a), chat_show_answer(want, &b);
    assert_false(a.over || b.over);
    if (!str_eq(buf_view(&a), buf_view(&b))) fail_msg("got\n%s\nwant\n%s", buf_z(&a), buf_z(&b));
    buf_done(&a), buf_done(&b);
}

static void folding_what_was_unfolded(void **state)
{
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct chat_answer answer, again;
        struct dice d = {seed};
        stop(NULL), start(NULL);
        chat_random_answer(&d, &arena, RANDOM_ALL, &answer);
        struct chat_fold *f = chat_fold_new(&arena, &again);
        assert_int_equal(chat_unfold(&answer, &(struct chat_sink){chat_fold_event, f}, &why), OK);
        assert_int_equal(chat_fold_done(f, &why), OK);
        assert_same(&again, &answer);
    }
}

/* ---- deltas cut anywhere --------------------------------------------------------------------------------------------------------- */

struct cutter {
    struct chat_sink to;
    struct dice *d;
};

/* Cuts a text's delta in two where both halves are whole. */
static enum err cut_event(void *user, const struct chat_event *e, struct fault *fault)
{
    struct cutter *c = user;
    struct chat_event head = *e, tail = *e;
    uint32_t at = e->text.n > 1 ? 1 + dice_roll(c->d, (uint32_t)e->text.n - 1) : 0;
    bool is_text = e->kind == EVENT_DELTA && (e->field == DELTA_TEXT || e->field == DELTA_ARGUMENTS);
    head.text.n = at;
    tail.text = str_from(e->text, at);
    if (!is_text || !at || !json_is_span(head.text) || !json_is_span(tail.text)) return chat_emit(&c->to, e, fault);
    TRY(cut_event(user, &head, fault));
    return cut_event(user, &tail, fault);
}

static void cut_deltas_fold_to_the_same(void **state)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct chat_answer answer, again;
        struct dice d = {seed};
        stop(NULL), start(NULL);
        chat_random_answer(&d, &arena, RANDOM_ALL, &answer);
        struct chat_fold *f = chat_fold_new(&arena, &again);
        struct cutter c = {{chat_fold_event, f}, &d};
        assert_int_equal(chat_unfold(&answer, &(struct chat_sink){cut_event, &c}, &why), OK);
        assert_int_equal(chat_fold_done(f, &why), OK);
        assert_same(&again, &answer);
    }
}

/* ---- sequences, told in short ------------------------------------------------------------------------------------------------------- */

/* A letter for each event, as in the table; a digit before it is its item (of a stop: its choice), a second one its part. */
static struct chat_event event_of(char letter, unsigned number, unsigned part)
{
    static const struct chat_item MESSAGE = {.kind = ITEM_MESSAGE}, CALL = {.kind = ITEM_TOOL_CALL},
                                  THINKS = {.kind = ITEM_REASONING};
    static const struct chat_item WRONG = {.kind = ITEM_TOOLS}, SECOND = {.kind = ITEM_MESSAGE, .choice = 1};
    static const struct chat_part TEXT = {.kind = PART_TEXT}, THOUGHT = {.kind = PART_THOUGHT},
                                  EARLY = {.kind = PART_TEXT, .text = {"x", 1}};
    static const struct chat_meta META = {.created_s = 1};
    static const struct usage USAGE = {.quality = {USAGE_REPORTED}}, FORGETS = {.n = {0}};
    static const struct chat_stop STOP = {.kind = STOP_END};
    static const struct chat_error ERROR = {.word = {"overloaded", 10}, .message = {"later", 5}};
    static struct chat_extra extra = {.name = {"x", 1}, .raw = {"1", 1}};
    static const struct {
        char letter;
        struct chat_event event;
    } EVENTS[] = {
        {'M', {.kind = EVENT_META, .meta = &META}},
        {'m', {.kind = EVENT_META}},
        {'I', {.kind = EVENT_ITEM_START, .node = &MESSAGE}},
        {'C', {.kind = EVENT_ITEM_START, .node = &CALL}},
        {'T', {.kind = EVENT_ITEM_START, .node = &THINKS}},
        {'W', {.kind = EVENT_ITEM_START, .node = &WRONG}},
        {'c', {.kind = EVENT_ITEM_START, .node = &SECOND, .choice = 1}},
        {'j', {.kind = EVENT_ITEM_END, .choice = 1}},
        {'P', {.kind = EVENT_PART_START, .what = &TEXT}},
        {'H', {.kind = EVENT_PART_START, .what = &THOUGHT}},
        {'e', {.kind = EVENT_PART_START, .what = &EARLY}},
        {'D', {.kind = EVENT_DELTA, .text = {"a", 1}}},
        {'d', {.kind = EVENT_DELTA}},
        {'h', {.kind = EVENT_DELTA, .text = {"\\ud83d", 6}}},
        {'G', {.kind = EVENT_DELTA, .field = DELTA_ARGUMENTS, .text = {"{}", 2}}},
        {'L', {.kind = EVENT_DELTA, .field = DELTA_LOGPROBS, .text = {"[1]", 3}}},
        {'l', {.kind = EVENT_DELTA, .field = DELTA_LOGPROBS, .text = {"{}", 2}}},
        {'a', {.kind = EVENT_DELTA, .field = DELTA_ANNOTATION}},
        {'Q', {.kind = EVENT_PART_END}},
        {'J', {.kind = EVENT_ITEM_END}},
        {'U', {.kind = EVENT_USAGE, .usage = &USAGE}},
        {'u', {.kind = EVENT_USAGE, .usage = &FORGETS}},
        {'S', {.kind = EVENT_STOP, .stop = &STOP}},
        {'X', {.kind = EVENT_ERROR, .error = &ERROR}},
        {'p', {.kind = EVENT_PING}},
        {'R', {.kind = EVENT_RAW, .raw = &extra}},
        {'E', {.kind = EVENT_END}},
    };
    for (size_t k = 0; k < COUNTOF(EVENTS); k++) {
        if (EVENTS[k].letter != letter) continue;
        struct chat_event e = EVENTS[k].event;
        e.item = number, e.part = part;
        if (letter == 'S') e.choice = number, e.item = 0;
        return e;
    }
    fail_msg("no event %c", letter);
    return (struct chat_event){0};
}

/* The result of the first event that is refused. */
static enum err play(const struct chat_sink *sink, const char *story, struct fault *fault)
{
    unsigned digits[2] = {0}, n = 0;
    for (; *story; story++) {
        if (*story == ' ') continue;
        if (*story >= '0' && *story <= '9') {
            assert_true(n < 2);
            digits[n++] = (unsigned)(*story - '0');
            continue;
        }
        struct chat_event e = event_of(*story, digits[0], digits[1]);
        TRY(chat_emit(sink, &e, fault));
        digits[0] = digits[1] = n = 0;
    }
    return OK;
}

static enum err check(const char *story)
{
    struct chat_check *c = chat_check_new(&arena, NULL);
    assert_non_null(c);
    TRY(play(&(struct chat_sink){chat_check_event, c}, story, &why));
    return chat_check_done(c, &why);
}

static void legal_sequences(void **state)
{
    static const char *const STORIES[] = {
        "M I P D D Q J S E",
        "p R M p R I P Q J U S U E",   /* a part without text; usage on both sides of the stop */
        "M S E",                       /* nothing but a stop: a blocked prompt */
        "M I 1C P D Q 1G J 1G 1J S E", /* several items open */
        "M I P D Q 01P 01D 01D 01L 01Q J S E",
        "M T H D Q J 1C 1G 1J S E",
        "M I P D Q J 1c 1j S 1S E", /* two choices */
        "M I P D Q J S 1c 1j 1S E",
        "X E",
        "M I P X E",
    };
    for (size_t k = 0; k < COUNTOF(STORIES); k++)
        if (check(STORIES[k]) != OK) fail_msg("%s: %s", STORIES[k], why.text);
}

static void illegal_sequences(void **state)
{
    static const struct {
        const char *story, *why;
    } CASES[] = {
        {"I", "something comes before its beginning"},
        {"M M", "it begins twice"},
        {"m", "its beginning says nothing"},
        {"M 1I", "item 1 begins where 0 should"},
        {"M W", "item 0 is none of an answer"},
        {"M I D", "part 0 of item 0 is not open"},
        {"M I P Q D", "part 0 of item 0 is not open"},
        {"M I P 1D", "item 1 is not open"},
        {"M I P 01D", "part 1 of item 0 is not open"},
        {"M I P 01P", "item 0 has a part open already"},
        {"M I 01P", "part 1 of item 0 begins where 0 should"},
        {"M I H", "item 0 cannot hold a part of this kind"},
        {"M T P", "item 0 cannot hold a part of this kind"},
        {"M I e", "part 0 of item 0 begins with its text"},
        {"M I P d", "a delta of item 0 is empty or not whole text"},
        {"M I P h", "a delta of item 0 is empty or not whole text"},
        {"M I P l", "the logprobs of item 0 are no array"},
        {"M I P a", "an annotation of item 0 is none"},
        {"M I G", "item 0 takes no arguments"},
        {"M I P J", "item 0 ends before its part"},
        {"M I J J", "item 0 is not open"},
        {"M I j", "item 0 is not open"}, /* of another choice */
        {"M I S", "choice 0 stops before item 0"},
        {"M S S", "choice 0 stops twice"},
        {"M S I", "item 0 begins after its choice has stopped"},
        {"M U u", "the usage of input was known already"},
        {"M I E", "it ends with an item open"},
        {"M I J E", "it ends before a choice has stopped"},
        {"M I J S 1c 1j E", "it ends before a choice has stopped"},
        {"M E", "it ends without having stopped"},
        {"M S E p", "something follows its end"},
        {"X p", "something follows its error"},
    };
    for (size_t k = 0; k < COUNTOF(CASES); k++) {
        static const char HEAD[] = "the provider's stream breaks the rules: ";
        assert_int_equal(check(CASES[k].story), ERR_UPSTREAM_GARBAGE);
        if (strcmp(why.text + sizeof HEAD - 1, CASES[k].why) != 0) fail_msg("%s: %s", CASES[k].story, why.text);
    }
    assert_int_equal(check("M I P D"), ERR_UPSTREAM_CUT);
}

static void what_the_folder_says(void **state)
{
    struct chat_answer answer;
    struct chat_fold *f = chat_fold_new(&arena, &answer);
    struct chat_sink sink = {chat_fold_event, f};
    assert_int_equal(play(&sink, "M I P D X", &why), ERR_UPSTREAM_ERROR);
    assert_string_equal(why.text, "the provider broke off: overloaded: later");
    f = chat_fold_new(&arena, &answer), sink.user = f;
    assert_int_equal(play(&sink, "M I P D L L Q J", &why), OK);
    assert_int_equal(chat_fold_done(f, &why), ERR_UPSTREAM_CUT);
    assert_str(answer.items->parts->logprobs, "[1,1]");
    f = chat_fold_new(&arena, &answer), sink.user = f;
    assert_int_equal(play(&sink, "M D", &why), ERR_UPSTREAM_GARBAGE);
    f = chat_fold_new(&arena, &answer), sink.user = f;
    assert_int_equal(play(&sink, "M R 5S E", &why), OK); /* choices that never began are there, without a word */
    assert_int_equal(chat_fold_done(f, &why), OK);
    assert_true(answer.n_choices == 6 && answer.stops[5].kind == STOP_END && answer.stops[4].kind == STOP_UNKNOWN);
    assert_str(answer.node.extra->name, "x");
}

static void a_full_arena_is_told(void **state)
{
    for (size_t max = 0; max < KIB(40); max += 500) {
        struct arena small;
        struct chat_answer answer;
        arena_init(&small, 1024, max);
        struct chat_fold *f = chat_fold_new(&small, &answer);
        enum err e = f ? play(&(struct chat_sink){chat_fold_event, f}, "M C G 1I 1P 1D", &why) : ERR_UPSTREAM_TOO_LARGE;
        while (e == OK) e = play(&(struct chat_sink){chat_fold_event, f}, "1D G R U", &why);
        if (e != ERR_UPSTREAM_TOO_LARGE) fail_msg("%zu: %s", max, why.text);
        arena_done(&small);
    }
}

static void many_items_stay_what_they_were(void **state)
{
    struct chat_answer answer;
    struct chat_fold *f = chat_fold_new(&arena, &answer);
    struct chat_item node = {.kind = ITEM_TOOL_CALL};
    struct chat_meta meta = {0};
    assert_int_equal(chat_fold_event(f, &(struct chat_event){.kind = EVENT_META, .meta = &meta}, &why), OK);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(chat_fold_event(f, &(struct chat_event){.kind = EVENT_ITEM_START, .item = i, .node = &node}, &why), OK);
    for (uint32_t i = 0; i < 1000; i++) {
        struct chat_event e = {.kind = EVENT_DELTA, .field = DELTA_ARGUMENTS, .item = i, .text = i % 2 ? S("odd") : S("even")};
        assert_int_equal(chat_fold_event(f, &e, &why), OK);
        assert_int_equal(chat_fold_event(f, &e, &why), OK);
    }
    uint32_t n = 0;
    for (struct chat_item *i = answer.items; i; i = i->next, n++)
        assert_true(str_eq(i->arguments.text, n % 2 ? S("oddodd") : S("eveneven")));
    assert_int_equal(n, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_what_was_unfolded),
        cmocka_unit_test(cut_deltas_fold_to_the_same),
        cmocka_unit_test(legal_sequences),
        cmocka_unit_test(illegal_sequences),
        cmocka_unit_test(what_the_folder_says),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(many_items_stay_what_they_were),
    };
    return cmocka_run_group_tests_name("fold", tests, start, stop);
}
