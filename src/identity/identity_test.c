/* Keys: made ones read back, every damaged one is refused, digests are SHA-256 and differ by secret only. */
#include "identity/identity.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void made_key_reads_back(void **state)
{
    char id[KEY_ID_LEN + 1], text[KEY_TEXT_MAX];
    uint8_t made[KEY_DIGEST_LEN], read[KEY_DIGEST_LEN];
    struct key_text k;
    key_make(id, text, made);
    assert_int_equal(strlen(text), 74);
    assert_true(key_read(str_z(text), &k));
    assert_string_equal(k.id, id);
    assert_int_equal(k.secret.value.n, 52);
    key_digest(k.secret, read);
    assert_true(key_digest_is(made, read));
}

static void rotated_key_keeps_its_id(void **state)
{
    char id[KEY_ID_LEN + 1], first[KEY_TEXT_MAX], second[KEY_TEXT_MAX];
    uint8_t a[KEY_DIGEST_LEN], b[KEY_DIGEST_LEN];
    struct key_text k;
    key_make(id, first, a);
    key_make_secret(id, second, b);
    assert_true(key_read(str_z(second), &k));
    assert_string_equal(k.id, id);
    assert_string_not_equal(first, second);
    assert_false(key_digest_is(a, b));
}

static void every_changed_letter_is_refused(void **state)
{
    static const char TRY[] = "0123456789abcdefghijklmnopqrstuvwxyz_-A";
    char id[KEY_ID_LEN + 1], text[KEY_TEXT_MAX];
    uint8_t digest[KEY_DIGEST_LEN];
    struct key_text k;
    key_make(id, text, digest);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        for (const char *t = TRY; *t; t++) {
            text[i] = *t;
            if (*t != was) assert_false(key_read(str_z(text), &k));
        }
        text[i] = was;
    }
    assert_true(key_read(str_z(text), &k));
}

static void other_forms_are_refused(void **state)
{
    char id[KEY_ID_LEN + 1], text[KEY_TEXT_MAX + 1];
    uint8_t digest[KEY_DIGEST_LEN];
    struct key_text k;
    key_make(id, text, digest);
    for (size_t n = 0; n < strlen(text); n++) assert_false(key_read(str_make(text, n), &k));
    text[74] = '0';
    text[75] = '\0';
    assert_false(key_read(str_z(text), &k));
    assert_false(key_read(STR_NONE, &k));
    assert_false(key_read(S("sk-proj-abcdefghijklmnopqrstuvwxyz"), &k));
    text[20] = '\0'; /* a NUL inside a text of the right length */
    assert_false(key_read(str_make(text, 74), &k));
}

/* FIPS 180-2, appendix B.1. */
static void digest_is_sha256(void **state)
{
    uint8_t d[KEY_DIGEST_LEN];
    char hex[2 * KEY_DIGEST_LEN + 1];
    key_digest((struct secret){S("abc")}, d);
    for (int i = 0; i < KEY_DIGEST_LEN; i++) snprintf(hex + 2 * i, 3, "%02x", d[i]);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void *digest_in_thread(void *arg)
{
    key_digest((struct secret){S("abc")}, arg);
    return NULL;
}

static void threads_agree(void **state)
{
    uint8_t want[KEY_DIGEST_LEN], got[4][KEY_DIGEST_LEN];
    pthread_t t[4];
    key_digest((struct secret){S("abc")}, want);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, digest_in_thread, got[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        assert_true(key_digest_is(want, got[i]));
    }
    got[0][31] ^= 1;
    assert_false(key_digest_is(want, got[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_key_reads_back),
        cmocka_unit_test(rotated_key_keeps_its_id),
        cmocka_unit_test(every_changed_letter_is_refused),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(digest_is_sha256),
        cmocka_unit_test(threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
