/* A property over seeded random texts, whole and mutated: all twins and yyjson agree; and what is written is read. */
#include "base/test.h"
#include "json/oracle.h"

#include <stdlib.h>

enum { TEXTS = 10000, MUTANTS = 3 };
static struct json_tape tape;
static uint64_t seed = 0x243F6A8885A308D3u; /* fixed: a failure comes again */

static uint32_t pick(uint32_t below)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % below;
}

static void put_blank(struct buf *out)
{
    if (pick(8)) return;
    for (uint32_t n = pick(4) ? 1 : pick(40); n; n--) buf_char(out, " \n\t\r"[pick(4)]);
}

static void put_string(struct buf *out)
{
    static const struct str PARTS[] = {
        S("\\n"),
        S("\\\""),
        S("\\\\"),
        S("\\u00e9"),
        S("\\ud83d\\ude00"),
        S("\xc3\xa9"),
        S("\xe4\xbd\xa0\xe5\xa5\xbd"),
        S("\xf0\x9f\x98\x80"),
        S("a"),
        S("/"),
        S("{}[],:"),
        S("Rain falls anywhere"),
        S("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf"),
        S("\\u0000"),
    };
    buf_char(out, '"');
    for (uint32_t n = pick(3) ? pick(4) : pick(60); n; n--) buf_str(out, PARTS[pick(COUNTOF(PARTS))]);
    buf_char(out, '"');
}

static void put_scalar(struct buf *out)
{
    static const struct str WORDS[] = {S("true"),   S("false"), S("null"), S("0"), S("-0.5"), S("1e3"), S("12345678901234567890"),
                                       S("1.50E-7")};
    if (pick(2)) put_string(out);
    else if (pick(2)) buf_u64(out, pick(100000));
    else buf_str(out, WORDS[pick(COUNTOF(WORDS))]);
}

static void put_value(struct buf *out, int depth)
{
    put_blank(out);
    uint32_t kind = depth > 6 ? 0 : pick(4);
    if (kind < 2) {
        put_scalar(out);
        put_blank(out);
        return;
    }
    buf_char(out, kind == 2 ? '[' : '{');
    for (uint32_t i = 0, n = pick(3) ? pick(5) : pick(12); i < n; i++) {
        if (i) buf_char(out, ',');
        put_blank(out);
        if (kind == 3 && pick(3)) buf_fmt(out, "\"k%u\"", i);
        else if (kind == 3) put_string(out);
        if (kind == 3) put_blank(out), buf_char(out, ':');
        put_value(out, depth + 1);
    }
    put_blank(out);
    buf_char(out, kind == 2 ? ']' : '}');
    put_blank(out);
}

static void mutate(struct buf *text)
{
    static const char BYTES[] = "{}[]\",:\\u0019eE+-.tfn \n\x01\x80\xc3\xe2\xed\xf0\xff/";
    for (uint32_t n = 1 + pick(3); n && text->n; n--) {
        uint32_t at = pick((uint32_t)text->n), how = pick(4), left = (uint32_t)text->n - at;
        if (how == 0) text->p[at] = BYTES[pick(sizeof BYTES)];
        else if (how == 1) text->p[at] = (char)(text->p[at] ^ (1 << pick(8)));
        else if (how == 2) memmove(text->p + at, text->p + at + 1, left - 1), text->n--;
        else if (pick(4) == 0) text->n = at;
    }
}

static enum err look(const struct buf *text, const struct json_limits *limits)
{
    struct fault why;
    char *exact = malloc(text->n ? text->n : 1);
    if (text->n) memcpy(exact, text->p, text->n);
    enum err e = oracle_scan(&tape, str_make(exact, text->n), limits, &why);
    free(exact);
    return e;
}

static void test_agree(void **state)
{
    struct buf text;
    int good = 0, bad = 0;
    buf_init(&text, SIZE_MAX);
    for (int i = 0; i < TEXTS; i++) {
        struct json_limits limits = {1 + pick(600), 1 + pick(4) * pick(200)};
        buf_clear(&text);
        put_value(&text, 0);
        look(&text, NULL);
        look(&text, &limits);
        for (int k = 0; k < MUTANTS; k++) {
            mutate(&text);
            if (look(&text, NULL) == OK) good++;
            else bad++;
        }
    }
    assert_true(good > TEXTS / 10 && bad > TEXTS / 10); /* the mutations were neither too mild nor too wild */
    buf_done(&text);
}

/* A tape written out again, strings through unescape and escape, is the same tape but for spelling. */
static void write_node(struct json_writer *w, const struct json_tape *t, uint32_t at, struct buf *room)
{
    uint32_t key, value;
    buf_clear(room);
    if (json_is(t, at, JSON_STRING)) {
        json_put_str(w, json_str(t, at, room));
    } else if (json_is(t, at, JSON_OBJECT)) {
        json_put_object(w);
        for (struct json_iter it = json_each(t, at); json_next_member(t, &it, &key, &value);) {
            buf_clear(room);
            json_put_name(w, json_str(t, key, room));
            write_node(w, t, value, room);
        }
        json_put_end(w);
    } else if (json_is(t, at, JSON_ARRAY)) {
        json_put_array(w);
        for (struct json_iter it = json_each(t, at); json_next(t, &it, &value);) write_node(w, t, value, room);
        json_put_end(w);
    } else {
        json_put_raw(w, json_raw(t, at));
    }
}

static void rewrite(struct buf *out, struct str text, struct buf *room)
{
    struct json_writer w;
    struct fault why;
    buf_clear(out);
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
    json_write(&w, out);
    write_node(&w, &tape, 0, room);
    assert_true(json_write_done(&w));
}

static void test_write_again(void **state)
{
    struct buf text, once, twice, room;
    struct fault why;
    buf_init(&text, SIZE_MAX), buf_init(&once, SIZE_MAX), buf_init(&twice, SIZE_MAX), buf_init(&room, SIZE_MAX);
    for (int i = 0; i < TEXTS / 4; i++) {
        buf_clear(&text);
        put_value(&text, 0);
        if (json_scan(&tape, buf_view(&text), NULL, &why) != OK) continue; /* a name that stands twice */
        uint32_t n = tape.n;
        rewrite(&once, buf_view(&text), &room);
        rewrite(&twice, buf_view(&once), &room);
        assert_int_equal(tape.n, n);
        assert_true(str_eq(buf_view(&once), buf_view(&twice)));
    }
    buf_done(&text), buf_done(&once), buf_done(&twice), buf_done(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agree), cmocka_unit_test(test_write_again)};
    json_tape_init(&tape, 0);
    int failed = cmocka_run_group_tests_name("random", tests, NULL, NULL);
    json_tape_done(&tape);
    return failed;
}
