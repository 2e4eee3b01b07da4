/* Random bytes fit for secrets: getrandom(2), taken in small portions per thread so that an id costs no system call.
 * Called for ids, keys, seeds and jitter. Owns one pool per thread; handed-out bytes are wiped from it at once, and a
 * forked child starts with an empty pool, so that no two processes ever hand out the same bytes. */
#include "base/base.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

static _Thread_local struct {
    unsigned char bytes[512];
    size_t left;
} pool;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void on_fork_child(void) { pool.left = 0; }
static void fork_watch(void) { must(pthread_atfork(NULL, NULL, on_fork_child) == 0); }

static void fill(void *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((char *)out + done, n - done, 0);
        must(got > 0 || errno == EINTR);
        if (got > 0) done += (size_t)got;
    }
}

void random_bytes(void *out, size_t n)
{
    if (n > sizeof pool.bytes) {
        fill(out, n);
        return;
    }
    if (n > pool.left) {
        pthread_once(&fork_once, fork_watch);
        fill(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
    }
    pool.left -= n;
    memcpy(out, pool.bytes + pool.left, n);
    explicit_bzero(pool.bytes + pool.left, n);
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}

static const char LETTERS[] = "0123456789abcdefghjkmnpqrstvwxyz";

void random_id(char *out, size_t n_chars)
{
    random_bytes(out, n_chars);
    for (size_t i = 0; i < n_chars; i++) out[i] = LETTERS[(unsigned char)out[i] & 31];
    out[n_chars] = '\0';
}

/* The next text of the same letters, which are in their order. */
static void step(char *text, size_t n)
{
    while (n-- > 0) {
        const char *letter = strchr(LETTERS, text[n]);
        bool carry = letter == &LETTERS[31];
        text[n] = carry ? LETTERS[0] : letter[1];
        if (!carry) return;
    }
}

void random_id_next(char *id, size_t n_chars, int64_t wall_ms)
{
    char time[RANDOM_ID_TIME];
    must(n_chars > RANDOM_ID_TIME);
    for (size_t i = RANDOM_ID_TIME; i-- > 0; wall_ms >>= 5) time[i] = LETTERS[wall_ms & 31];
    if (memcmp(id, time, sizeof time) == 0) {
        step(id + RANDOM_ID_TIME, n_chars - RANDOM_ID_TIME);
        return;
    }
    memcpy(id, time, sizeof time);
    random_id(id + RANDOM_ID_TIME, n_chars - RANDOM_ID_TIME);
}
