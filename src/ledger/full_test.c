/* A journal without space for one more segment, seen by the writers of several loops. */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ledger/priv.h"

enum { SMALL = 61440, SLOTS = (SMALL - SEGMENT_HEAD) / SLOT_BYTES };

static char dir[64];
static struct fault why;
static struct board *board;
static struct loop *loop;
static struct journal *journal;
static struct journal_writer *first, *second;
static struct journal_options options;

static int set_up(void **state)
{
    snprintf(dir, sizeof dir, "journal-full-test-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    options = (struct journal_options){
        .dir = dir, .safety = LEDGER_PROCESS, .stall_ms = 60000, .max_bytes = 3 * SMALL, .segment_bytes = SMALL};
    board = mem_alloc(sizeof *board);
    loop = loop_new();
    if (journal_open(&options, board, &journal, &why) != OK) return -1;
    return journal_writer_new(journal, loop, &first, &why) == OK && journal_writer_new(journal, loop, &second, &why) == OK ? 0
                                                                                                                           : -1;
}

static int tear_down(void **state)
{
    char command[96];
    journal_writer_free(first);
    journal_writer_free(second);
    journal_close(journal);
    loop_free(loop);
    free(board);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* Polls for some seconds at the most: the next segment is made on another thread. */
static bool says(struct journal_writer *w, bool space)
{
    static const struct timespec pause = {0, 1000000};
    for (unsigned i = 0; i < 20000 && journal_has_space(w) != space; i++) nanosleep(&pause, NULL);
    return journal_has_space(w) == space;
}

static void use(struct journal_writer *w, unsigned n)
{
    static const struct attempt_start START = {.number = 1};
    static const struct attempt_result RESULT = {.end = ATTEMPT_OK, .status = 200};
    struct journal_place p;
    for (unsigned i = 0; i < n; i++) {
        if (w->segment->next_slot == w->segment->n_slots) assert_true(says(w, true));
        assert_int_equal(journal_take(w, &p, &why), OK);
        journal_start(w, &p, &START);
        journal_settle(w, &p, &RESULT);
    }
}

/* No space for new exchanges on one loop is none on all; what runs still finds its places; new space is told to all. */
static void test_all_writers_say_the_same(void **state)
{
    struct journal_place p;
    assert_true(journal_has_space(first) && journal_has_space(second));
    use(first, 2 * SLOTS);
    assert_true(says(second, false)); /* it has not taken a single place yet */
    assert_false(journal_has_space(first));
    assert_int_equal(journal_take(first, &p, &why), ERR_JOURNAL_FULL);
    assert_int_equal(journal_take(second, &p, &why), OK);
    journal_give_back(second, &p);
    assert_false(journal_has_space(second));
    options.max_bytes = MIB(8);
    journal_set_options(journal, &options);
    assert_true(says(second, true));
    assert_true(says(first, true));
    use(first, 1);
}

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_writers_say_the_same, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
