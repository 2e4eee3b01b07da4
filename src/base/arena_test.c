/* Tests of the arena. */
#include "base/test.h"

#include <stdlib.h>

static bool is_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

/* Blocks of all sizes are zeroed, aligned and apart from each other, also after the arena was used before. */
static void test_blocks(void **state)
{
    struct arena a;
    arena_init(&a, 1024, 1 << 20);
    for (int round = 0; round < 2; round++) {
        unsigned char *blocks[600];
        for (size_t n = 0; n < COUNTOF(blocks); n++) {
            blocks[n] = arena_alloc(&a, n);
            assert_non_null(blocks[n]);
            assert_int_equal((uintptr_t)blocks[n] % 16, 0);
            assert_true(is_zero(blocks[n], n));
            memset(blocks[n], (int)(n & 0xFF), n);
        }
        for (size_t n = 0; n < COUNTOF(blocks); n++)
            for (size_t i = 0; i < n; i++) assert_int_equal(blocks[n][i], n & 0xFF);
        arena_done(&a);
        assert_int_equal(a.used, 0);
    }
}

/* Cleared, it gives the same again without another chunk; more than it may keep goes. */
static void test_clear(void **state)
{
    struct arena a;
    arena_init(&a, 256, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned char *p = arena_alloc(&a, 50);
            assert_non_null(p);
            assert_true(is_zero(p, 50));
            memset(p, 0xAA, 50);
        }
        assert_non_null(arena_alloc(&a, 1000));
        arena_clear(&a, 1 << 16);
        assert_int_equal(a.used, 0);
        assert_non_null(a.at);
    }
    char *place = a.at;
    assert_ptr_equal(arena_alloc(&a, 16), place);
    arena_clear(&a, 100);
    assert_null(a.chunks);
    arena_clear(&a, 100);
    assert_non_null(arena_alloc(&a, 16));
    arena_done(&a);
}

static void test_bound(void **state)
{
    struct arena a;
    arena_init(&a, 256, 1000);
    assert_null(arena_alloc(&a, 1001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    size_t given = 0;
    while (arena_alloc(&a, 16)) given += 16;
    assert_int_equal(given, 992); /* exactly what fits, with whatever chunks lie under it */
    assert_int_equal(a.used, 992);
    assert_null(arena_alloc(&a, 1));
    arena_done(&a);
    assert_non_null(arena_alloc(&a, 990));
    assert_null(arena_alloc(&a, 16));
    arena_done(&a);
}

static void test_copy(void **state)
{
    struct arena a;
    struct str copy;
    arena_init(&a, 64, 128);
    assert_true(arena_str(&a, S("hello"), &copy));
    assert_string_equal(copy.p, "hello");
    assert_int_equal(copy.n, 5);
    assert_true(arena_str(&a, STR_NONE, &copy));
    assert_string_equal(copy.p, "");
    char large[200] = {0};
    assert_false(arena_str(&a, str_make(large, sizeof large), &copy));
    arena_done(&a);
}

static void test_mem(void **state)
{
    unsigned char *p = mem_alloc(100);
    assert_true(is_zero(p, 100));
    p[0] = 7;
    p = mem_resize(p, 10000);
    assert_int_equal(p[0], 7);
    p = mem_resize(p, 0); /* still a block: 0 bytes is no way to free */
    assert_non_null(p);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks), cmocka_unit_test(test_bound), cmocka_unit_test(test_clear),
        cmocka_unit_test(test_copy),   cmocka_unit_test(test_mem),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
