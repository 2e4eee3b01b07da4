/* Segments of the journal and the memory they take: those that are full rest in the kernel's cache until an attempt ends. */
#include "ledger/priv.h"
#include "ledger/test.h"

/* The number of "Rss:   56 kB"; false for other lines. */
static bool is_resident(struct str line, uint64_t *ret_kb)
{
    struct str number, rest;
    if (!str_starts(line, S("Rss:"))) return false;
    line = str_trim(str_from(line, 4));
    assert_true(str_cut(line, ' ', &number, &rest));
    return str_u64(number, ret_kb);
}

/* Kilobytes of a mapping that this process holds. */
static uint64_t resident_kb(const char *map)
{
    char line[512], begins[32];
    uint64_t kb = 0;
    bool within = false, told = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    assert_non_null(f);
    snprintf(begins, sizeof begins, "%lx-", (unsigned long)(uintptr_t)map);
    while (!told && fgets(line, sizeof line, f)) {
        within = within || str_starts(str_z(line), str_z(begins));
        told = within && is_resident(str_z(line), &kb);
    }
    fclose(f);
    assert_true(told);
    return kb;
}

/* Thousands of streams that wait fill segment after segment, and all of their records come. */
static void test_full_segments_rest(void **state)
{
    (void)state;
    struct journal_place open[SLOTS + 1];
    open_gateway();
    const struct journal_segment *first = writer->segment;
    for (uint64_t i = 0; i < SLOTS; i++) open[i] = begin(i + 1);
    assert_true(resident_kb(first->map) > 0);
    open[SLOTS] = begin(SLOTS + 1);
    assert_true(writer->segment != first);
    assert_int_equal(resident_kb(first->map), 0);
    for (uint64_t i = 0; i <= SLOTS; i++) end_as(open[i], ATTEMPT_OK, 10, 5, 75000000);
    close_gateway();
    assert_int_equal(run(), SLOTS + 1);
    assert_int_equal(attempts(), SLOTS + 1);
}

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_full_segments_rest, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
