/* Reading heads in one go: each byte at each place against the plainest possible twin, and the whole head. Built twice: with
 * and without the machine's wide registers. */
#include "http/quick.c"

#include "base/test.h"

static bool names_letter(unsigned char c)
{
    return c && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'));
}
static bool values_letter(unsigned char c) { return c == '\t' || (c >= ' ' && c != 0x7F); }

static void a_name_ends_at_the_first_byte_that_is_none(void **state)
{
    (void)state;
    char text[80];
    bool upper;
    for (size_t n = 0; n <= sizeof text; n++) {
        for (size_t at = 0; at < n; at++) {
            for (int c = 0; c < 256; c++) {
                memset(text, "a-9z"[at % 4], sizeof text);
                text[at] = (char)c;
                size_t end = names_letter((unsigned char)c) ? n : at;
                assert_int_equal(quick_name_n(str_make(text, n), &upper), end);
                assert_int_equal(upper, c >= 'A' && c <= 'Z');
            }
        }
    }
}

static void a_value_ends_at_the_first_control(void **state)
{
    (void)state;
    char text[80];
    for (size_t n = 0; n <= sizeof text; n++) {
        for (size_t at = 0; at < n; at++) {
            for (int c = 0; c < 256; c++) {
                memset(text, " \t\xC3~"[at % 4], sizeof text);
                text[at] = (char)c;
                assert_int_equal(quick_value_n(str_make(text, n)), values_letter((unsigned char)c) ? n : at);
            }
        }
    }
}

/* Names of any length anywhere in the head; what stands around them stays as it is. */
static void only_names_are_made_small(void **state)
{
    (void)state;
    char bytes[64], want[64];
    for (uint32_t at = 0; at <= sizeof bytes; at++) {
        for (uint32_t n = 0; at + n <= sizeof bytes; n++) {
            for (size_t i = 0; i < sizeof bytes; i++) want[i] = bytes[i] = "AZ@[az-\xC9"[i % 8];
            for (uint32_t i = at; i < at + n; i++)
                if (want[i] >= 'A' && want[i] <= 'Z') want[i] |= 0x20;
            quick_lower(bytes, sizeof bytes, &(struct head_slot){.name_at = at, .name_n = n}, 1);
            assert_memory_equal(bytes, want, sizeof bytes);
        }
    }
}

/* Each byte at each place of a name or a value, with the block behind them that may be read and never counts. */
static void a_written_field_is_judged_by_its_own_bytes(void **state)
{
    (void)state;
    char line[120 + QUICK_BLOCK];
    for (size_t name_n = 0; name_n <= 40; name_n += 1 + name_n / 5) {
        for (size_t value_n = 0; value_n <= 70; value_n += 1 + value_n / 9) {
            size_t end = name_n + 2 + value_n;
            for (size_t at = 0; at < end + QUICK_BLOCK; at++) {
                for (int c = 0; c < 256; c += c < 0x82 ? 1 : 31) {
                    bool in_name = at < name_n, in_value = at >= name_n + 2 && at < end;
                    bool is_good = (!in_name || names_letter((unsigned char)c)) && (!in_value || values_letter((unsigned char)c));
                    memset(line, 'a', sizeof line);
                    line[at] = (char)c;
                    assert_int_equal(quick_field_is_valid(line, name_n, value_n), name_n > 0 && is_good);
                }
            }
        }
    }
}

static bool reads(const char *text, struct quick_head *ret_head)
{
    struct head_slot slots[4];
    return quick_read(str_z(text), slots, COUNTOF(slots), ret_head);
}

static void plain_heads_are_read(void **state)
{
    (void)state;
    struct quick_head h;
    assert_true(reads("POST /v1 HTTP/1.1\r\nHost: a\r\ncontent-length:  12 \r\nx: \r\n\r\nbody", &h));
    assert_int_equal(h.n_slots, 3);
    assert_int_equal(h.length, 12);
    assert_true(h.has_length && h.upper);
    assert_true(str_eq(h.first[1], S("/v1")));
    assert_int_equal(h.size, strlen("POST /v1 HTTP/1.1\r\nHost: a\r\ncontent-length:  12 \r\nx: \r\n\r\n"));
}

static void all_others_are_left_alone(void **state)
{
    (void)state;
    static const char *const OTHERS[] = {
        "",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: \ta\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a \t \r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\x01\r\n\r\n",
        "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\ncontent-length: 1x\r\n\r\n",
        "GET / HTTP/1.1\r\nupgrade: x\r\n\r\n",
        "GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n\r\n",
    };
    struct quick_head h;
    for (size_t i = 0; i < COUNTOF(OTHERS); i++) assert_false(reads(OTHERS[i], &h));
}

/* Nothing that would end a line elsewhere than meant gets out. */
static void only_valid_fields_are_written(void **state)
{
    (void)state;
    static const struct http_field BAD[] = {
        {S(""), S("v")},
        {S("a:b"), S("v")},
        {S("a b"), S("v")},
        {S("a"), S("v\r\nx: y")},
        {S("a"), S("v\n")},
        {S("a\r"), S("v")},
        {S("a-name-that-is-over-sixteen\0"), S("v")},
        {S("a"), S("a value of over sixteen bytes\x7F and more")},
    };
    struct buf out;
    buf_init(&out, KIB(1));
    for (size_t i = 0; i < COUNTOF(BAD); i++) assert_false(http_field_write(&out, &BAD[i]));
    assert_int_equal(out.n, 0);
    assert_true(http_field_write(&out, &(struct http_field){S("X-Any_name"), S("")}));
    assert_true(http_field_write(&out, &(struct http_field){S("n"), S("a value: with\ttab")}));
    assert_true(str_eq(buf_view(&out), S("X-Any_name: \r\nn: a value: with\ttab\r\n")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_ends_at_the_first_byte_that_is_none),
        cmocka_unit_test(a_value_ends_at_the_first_control),
        cmocka_unit_test(only_names_are_made_small),
        cmocka_unit_test(a_written_field_is_judged_by_its_own_bytes),
        cmocka_unit_test(plain_heads_are_read),
        cmocka_unit_test(all_others_are_left_alone),
        cmocka_unit_test(only_valid_fields_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
