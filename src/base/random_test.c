/* Tests of random bytes: they differ, in threads and in forked children too. */
#include "base/test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_differ(void **state)
{
    unsigned char seen[256] = {0}, bytes[4096];
    random_bytes(bytes, sizeof bytes); /* over the pool's size */
    for (size_t i = 0; i < sizeof bytes; i++) seen[bytes[i]] = 1;
    int values = 0;
    for (size_t i = 0; i < sizeof seen; i++) values += seen[i];
    assert_true(values > 200);
    uint64_t first = random_u64();
    for (int i = 0; i < 1000; i++) assert_true(random_u64() != first);
    random_bytes(bytes, 0);
}

static void test_id(void **state)
{
    char id[301];
    memset(id, '#', sizeof id);
    random_id(id, 300);
    assert_int_equal(strlen(id), 300);
    assert_int_equal(strspn(id, "0123456789abcdefghjkmnpqrstvwxyz"), 300);
    random_id(id, 0);
    assert_string_equal(id, "");
}

/* The pool is full when the process forks: parent and child must not draw the same bytes from it. */
static void test_fork(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(random_u64() != random_u64());
    pid_t child = fork();
    uint64_t mine = random_u64(), theirs = 0;
    if (child == 0) _exit(write(ends[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
    assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    assert_true(mine != theirs);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
}

static void *draw(void *out)
{
    random_bytes(out, 16);
    return NULL;
}

static void test_threads(void **state)
{
    unsigned char ours[16], theirs[16];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, draw, theirs), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    draw(ours);
    assert_memory_not_equal(ours, theirs, sizeof ours);
}

static void ids_of_later_times_sort_behind(void **state)
{
    (void)state;
    char before[27] = "", after[27] = "";
    for (int64_t ms = 1790000000000; ms < 1790000000000 + 5000; ms += 7) {
        random_id_next(before, 26, ms);
        random_id_next(after, 26, ms + 1);
        assert_true(strcmp(before, after) < 0);
        assert_int_equal(strlen(before), 26);
    }
}

static void ids_of_one_time_follow_each_other(void **state)
{
    (void)state;
    char before[27] = "", id[27] = "", other[27] = "";
    for (int i = 0; i < 5000; i++) {
        random_id_next(id, 26, 1790000000000);
        assert_true(strcmp(before, id) < 0);
        assert_int_equal(strspn(id, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
        memcpy(before, id, sizeof id);
    }
    random_id_next(other, 26, 1790000000000);
    assert_memory_equal(id, other, RANDOM_ID_TIME);
    assert_memory_not_equal(id + RANDOM_ID_TIME, other + RANDOM_ID_TIME, 8); /* two loops begin at different places */
}

static void a_full_id_starts_over(void **state)
{
    (void)state;
    char id[27] = "";
    random_id_next(id, 26, 1790000000000);
    memset(id + RANDOM_ID_TIME, 'z', 26 - RANDOM_ID_TIME);
    random_id_next(id, 26, 1790000000000);
    assert_int_equal(strspn(id + RANDOM_ID_TIME, "0"), 26 - RANDOM_ID_TIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differ),
        cmocka_unit_test(ids_of_later_times_sort_behind),
        cmocka_unit_test(ids_of_one_time_follow_each_other),
        cmocka_unit_test(a_full_id_starts_over),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
