/* Tests of CRC-32C: known values (RFC 3720 B.4), any split, and the fast path against the plain one. */
#include "base/crc32c.c"
#include "base/test.h"

static void test_known(void **state)
{
    unsigned char bytes[32] = {0};
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void test_twins(void **state)
{
    unsigned char bytes[300];
    random_bytes(bytes, sizeof bytes);
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n + from <= sizeof bytes; n++) {
            uint32_t whole = crc32c(0, bytes + from, n);
            assert_int_equal(whole, ~crc_plain(~0u, bytes + from, n));
            assert_int_equal(whole, crc32c(crc32c(0, bytes + from, n / 3), bytes + from + n / 3, n - n / 3));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_twins)};
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
