/* The board's descriptors cross an exec as text: written and read back, and nothing else is taken. */
#include "base/test.h"
#include "board/board.h"

static void descriptors_come_back(void **state)
{
    struct board_fds fds = {.memory = 3, .bells = {4, 5, 2147483647}}, back;
    char text[64];
    board_fds_write(&fds, text);
    assert_string_equal(text, "3,4,5,2147483647");
    assert_true(board_fds_parse(text, &back));
    assert_memory_equal(&back, &fds, sizeof fds);
}

static void other_texts_are_refused(void **state)
{
    static const char *const BAD[] = {"",       "3",        "3,4,5",   "3,4,5,6,7",        "3,4,5,6,",
                                      ",4,5,6", "3,4,5,-6", "3,4,5,x", "3,4,5,2147483648", "3, 4,5,6"};
    struct board_fds fds;
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        if (board_fds_parse(BAD[i], &fds)) fail_msg("'%s' was taken", BAD[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_come_back),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
