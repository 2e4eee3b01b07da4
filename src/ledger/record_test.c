/* Slots: what goes in comes out, at the worst case too; a slot torn or changed at any byte is never read as another record. */
#include "base/test.h"

#include "ledger/record.h"

static char slot[SLOT_BYTES + 64] __attribute__((aligned(64)));

static struct attempt_start small_start(void)
{
    return (struct attempt_start){
        .id = "0123456789abcdefghjkmnpqrs",
        .request_id = "zyxwvtsrqpnmkjhgfedcba9876",
        .number = 2,
        .stream = true,
        .key_id = S("k1"),
        .route = S("fast"),
        .provider = S("main"),
        .model = S("gpt-4o-mini"),
        .format = S("openai_chat"),
        .key_place = 77,
        .started_ms = 1790000000000,
        .estimate_input = 10,
        .estimate_output = 20,
        .price = {.known = true, .per = {[USAGE_IN_FRESH] = 150000, [USAGE_OUT_VISIBLE] = 600000}},
    };
}

static struct attempt_result small_result(void)
{
    struct attempt_result r = {.end = ATTEMPT_CUT,
                               .status = 200,
                               .err = ERR_UPSTREAM_CUT,
                               .ended_ms = 1790000000999,
                               .first_byte_us = 5,
                               .duration_us = 999000,
                               .cost_known = true,
                               .cost = ((money)1 << 90) + 3};
    usage_set(&r.usage, USAGE_IN_FRESH, 1000, USAGE_REPORTED);
    usage_set(&r.usage, USAGE_OUT_VISIBLE, 0, USAGE_PARTIAL);
    memcpy(r.usage.tier, "default", 8);
    return r;
}

static void assert_same(const struct record *r, const struct attempt_start *a, const struct attempt_result *e)
{
    assert_memory_equal(r->start.id, a->id, sizeof a->id);
    assert_memory_equal(r->start.request_id, a->request_id, sizeof a->request_id);
    assert_int_equal(r->start.number, a->number);
    assert_int_equal(r->start.stream, a->stream);
    assert_true(str_eq(r->start.key_id, a->key_id) && str_eq(r->start.route, a->route) && str_eq(r->start.provider, a->provider));
    assert_true(str_eq(r->start.model, a->model) && str_eq(r->start.format, a->format));
    assert_int_equal(r->start.key_place, a->key_place);
    assert_int_equal(r->start.started_ms, a->started_ms);
    assert_int_equal(r->start.estimate_input, a->estimate_input);
    assert_int_equal(r->start.estimate_output, a->estimate_output);
    assert_int_equal(r->start.price.known, a->price.known);
    assert_int_equal(r->start.price.per[USAGE_OUT_VISIBLE], a->price.per[USAGE_OUT_VISIBLE]);
    assert_int_equal(r->result.end, e->end);
    assert_int_equal(r->result.status, e->status);
    assert_int_equal(r->result.err, e->err);
    assert_int_equal(r->result.ended_ms, e->ended_ms);
    assert_int_equal(r->result.first_byte_us, e->first_byte_us);
    assert_int_equal(r->result.duration_us, e->duration_us);
    assert_int_equal(r->result.cost_known, e->cost_known);
    assert_true(r->result.cost == e->cost);
    assert_memory_equal(&r->result.usage, &e->usage, sizeof e->usage);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct record got;
    struct attempt_start a = small_start();
    struct attempt_result e = small_result();
    memset(slot, 0, sizeof slot);
    assert_int_equal(slot_read(slot, &got), SLOT_BLANK);
    slot_start(slot, &a);
    assert_int_equal(slot_read(slot, &got), SLOT_OPEN);
    assert_str(got.start.model, "gpt-4o-mini");
    slot_settle(slot, &e);
    assert_int_equal(slot_read(slot, &got), SLOT_SETTLED);
    assert_same(&got, &a, &e);
}

enum { WIDE = 256 };
static void test_worst_case_fits(void **state)
{
    (void)state;
    char text[WIDE];
    struct record got;
    struct attempt_start a = small_start();
    struct attempt_result e = small_result();
    memset(text, 'x', sizeof text);
    memset(slot, 0, sizeof slot);
    memset(slot + SLOT_BYTES, 0x5a, 64);
    a.key_id = str_make(text, 24), a.route = str_make(text, 64), a.provider = str_make(text, 32);
    a.model = str_make(text, WIDE), a.format = str_make(text, 24);
    for (unsigned c = 0; c < SLOT_CELLS; c++) usage_set(&e.usage, (enum usage_cell)c, UINT64_MAX - c, USAGE_ESTIMATED);
    memset(e.usage.tier, 't', sizeof e.usage.tier - 1);
    e.cost = ((money)UINT64_MAX << 63) - 1;
    slot_start(slot, &a);
    slot_settle(slot, &e);
    assert_int_equal(slot_read(slot, &got), SLOT_SETTLED);
    assert_same(&got, &a, &e);
    for (int i = 0; i < 64; i++) assert_int_equal(slot[SLOT_BYTES + i], 0x5a);
}

static void test_names_beyond_the_bounds_are_cut(void **state)
{
    (void)state;
    char text[600];
    struct record got;
    struct attempt_start a = small_start();
    memset(text, 'x', sizeof text);
    memset(slot, 0, sizeof slot);
    a.model = str_make(text, sizeof text);
    slot_start(slot, &a);
    assert_int_equal(slot_read(slot, &got), SLOT_OPEN);
    assert_true(got.start.model.n < SLOT_NAMES_BYTES && got.start.format.n == 0);
    assert_int_equal(slot[SLOT_RESULT], 0);
}

/* Pages reach the disk in any order: everything from a byte on, or everything before it, may be missing. */
static void test_torn_at_every_byte(void **state)
{
    (void)state;
    char whole[SLOT_BYTES], torn[SLOT_BYTES] __attribute__((aligned(64)));
    struct record got;
    struct attempt_start a = small_start();
    struct attempt_result e = small_result();
    memset(slot, 0, sizeof slot);
    slot_start(slot, &a);
    slot_settle(slot, &e);
    memcpy(whole, slot, sizeof whole);
    for (size_t cut = 0; cut <= SLOT_BYTES; cut++) {
        for (int tail = 0; tail < 2; tail++) {
            memset(torn, 0, sizeof torn);
            if (tail) memcpy(torn + cut, whole + cut, sizeof torn - cut);
            else memcpy(torn, whole, cut);
            enum slot_state s = slot_read(torn, &got);
            bool same = memcmp(torn, whole, sizeof torn) == 0;
            assert_true((s == SLOT_SETTLED) == same);
            if (s == SLOT_OPEN) assert_memory_equal(torn, whole, SLOT_RESULT);
        }
    }
}

static void test_changed_at_every_bit(void **state)
{
    (void)state;
    struct record got;
    struct attempt_start a = small_start();
    struct attempt_result e = small_result();
    memset(slot, 0, sizeof slot);
    slot_start(slot, &a);
    slot_settle(slot, &e);
    for (size_t bit = 0; bit < SLOT_BYTES * 8; bit++) {
        slot[bit / 8] = (char)(slot[bit / 8] ^ (1 << bit % 8));
        enum slot_state s = slot_read(slot, &got);
        if (s == SLOT_SETTLED) assert_same(&got, &a, &e); /* a byte that no half uses */
        else assert_true(s == SLOT_TORN || s == SLOT_OPEN);
        if (s == SLOT_OPEN) assert_true(bit / 8 >= SLOT_RESULT && bit / 8 < SLOT_RESULT + 4);
        slot[bit / 8] = (char)(slot[bit / 8] ^ (1 << bit % 8));
    }
}

static void test_halves_of_two_records_never_fit(void **state)
{
    (void)state;
    struct record got;
    struct attempt_start a = small_start(), b = small_start();
    struct attempt_result e = small_result();
    b.id[0] = 'z';
    memset(slot, 0, sizeof slot);
    slot_start(slot, &a);
    slot_settle(slot, &e);
    slot_start(slot, &b);
    assert_int_equal(slot_read(slot, &got), SLOT_TORN);
}

static void test_head(void **state)
{
    (void)state;
    struct segment_head h = {0};
    struct fault why;
    segment_head_write(&h, 10, 0, 1790000000000);
    assert_int_equal(segment_head_check(&h, SEGMENT_HEAD + 10 * SLOT_BYTES, &why), OK);
    assert_int_equal(segment_head_check(&h, SEGMENT_HEAD + 10 * SLOT_BYTES - 1, &why), ERR_IO);
    h.n_slots++;
    assert_int_equal(segment_head_check(&h, MIB(4), &why), ERR_IO);
    h.version = SEGMENT_VERSION + 1;
    h.crc = crc32c(0, &h, offsetof(struct segment_head, crc));
    assert_int_equal(segment_head_check(&h, MIB(4), &why), ERR_PARSE);
    assert_non_null(strstr(why.text, "newer Aquifer"));
    h.version = SEGMENT_VERSION - 1;
    h.crc = crc32c(0, &h, offsetof(struct segment_head, crc));
    assert_int_equal(segment_head_check(&h, MIB(4), &why), ERR_IO);
    assert_non_null(strstr(why.text, "before the first release"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_worst_case_fits),
        cmocka_unit_test(test_names_beyond_the_bounds_are_cut),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_changed_at_every_bit),
        cmocka_unit_test(test_halves_of_two_records_never_fit),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
