/* AWS key pairs: ids there and back, secrets that open under the right key and words only. */
#include "base/test.h"
#include "identity/identity.h"

static void an_access_key_is_the_keys_id(void **state)
{
    (void)state;
    char access[AWS_ACCESS_LEN + 1], id[KEY_ID_LEN + 1];
    aws_access_key("0123456789az", access);
    assert_int_equal(strlen(access), AWS_ACCESS_LEN);
    assert_memory_equal(access, "AQAK0123456789AZ", 16);
    assert_true(aws_access_key_read(str_z(access), id));
    assert_string_equal(id, "0123456789az");
}

static void a_mistyped_access_key_is_none(void **state)
{
    (void)state;
    char access[AWS_ACCESS_LEN + 1], id[KEY_ID_LEN + 1];
    aws_access_key("0123456789az", access);
    for (int i = 0; i < AWS_ACCESS_LEN; i++) {
        char was = access[i];
        access[i] = was == 'B' ? 'C' : 'B';
        assert_false(aws_access_key_read(str_z(access), id));
        access[i] = '\0';
        assert_false(aws_access_key_read(str_make(access, AWS_ACCESS_LEN), id));
        access[i] = (char)(was | 0x20);
        if (access[i] != was) assert_false(aws_access_key_read(str_z(access), id));
        access[i] = was;
    }
    assert_false(aws_access_key_read(str_make(access, AWS_ACCESS_LEN - 1), id));
    assert_false(aws_access_key_read(STR_NONE, id));
}

static void a_secret_opens_for_its_key_only(void **state)
{
    (void)state;
    struct seal_key k, other;
    char text[SEAL_TEXT_LEN + 1], secret[AWS_SECRET_LEN + 1], opened[AWS_SECRET_LEN];
    uint8_t sealed[AWS_SEALED_LEN];
    seal_key_make(text);
    assert_true(seal_key_read(str_z(text), &k));
    text[0] = text[0] == '0' ? '1' : '0';
    assert_true(seal_key_read(str_z(text), &other));
    aws_secret_make(&k, "0123456789az", secret, sealed);
    assert_true(aws_secret_open(&k, "0123456789az", sealed, opened));
    assert_memory_equal(opened, secret, AWS_SECRET_LEN);
    assert_false(aws_secret_open(&k, "0123456789ay", sealed, opened));
    assert_false(aws_secret_open(&other, "0123456789az", sealed, opened));
    for (int i = 0; i < AWS_SEALED_LEN; i++) {
        sealed[i] ^= 1;
        assert_false(aws_secret_open(&k, "0123456789az", sealed, opened));
        sealed[i] ^= 1;
    }
    assert_false(seal_open(&k, S("x"), str_make((const char *)sealed, SEAL_MORE - 1), opened));
}

static void a_sealing_key_is_64_small_hexadecimal_digits(void **state)
{
    (void)state;
    struct seal_key k;
    char text[SEAL_TEXT_LEN + 1];
    seal_key_make(text);
    assert_false(seal_key_read(str_make(text, SEAL_TEXT_LEN - 1), &k));
    text[3] = 'G';
    assert_false(seal_key_read(str_z(text), &k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_access_key_is_the_keys_id),
        cmocka_unit_test(a_mistyped_access_key_is_none),
        cmocka_unit_test(a_secret_opens_for_its_key_only),
        cmocka_unit_test(a_sealing_key_is_64_small_hexadecimal_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
