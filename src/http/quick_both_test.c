/* Unit tests of the quick reader of requests: what it takes, what it leaves, and that it never differs from llhttp. */
#include "base/test.h"

#include "http/quick_both.h"

static struct both_ways w;

#define T(text) {text, sizeof(text) - 1}
#define LINE "POST /v1/chat/completions HTTP/1.1\r\n"

static const struct {
    struct str text;
    bool is_taken;
} ROWS[] = {
    {T(LINE "Host: a\r\nContent-Length: 12\r\nAuthorization: Bearer x\r\n\r\n{"), true},
    {T("GET /a?b=c HTTP/1.1\r\nhost: a\r\nConnection: keep-alive\r\n\r\nGET /"), true},
    {T(LINE "Host: a\r\nEmpty:\r\nSpaces:   around   \r\nTab:in\tside\r\n\r\n"), true},
    {T(LINE "Host: a\r\nX: \xc3\xa4\r\n\r\n"), true},
    {T(LINE "\r\n"), true},                                 /* no Host: refused by both */
    {T("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"), true}, /* no such target: refused by both */
    {T(LINE "Host: a\r\nContent-Length: 12\r\n"), false},   /* not whole */
    {T(LINE "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"), false},
    {T(LINE "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"), false},
    {T(LINE "Host: a\r\nContent-Length: +1\r\n\r\n"), false},
    {T(LINE "Host: a\r\nConnection: close\r\n\r\n"), false},
    {T(LINE "Host: a\r\nUpgrade: h2c\r\n\r\n"), false},
    {T(LINE "Host : a\r\n\r\n"), false},
    {T(LINE "Host: a\r\nFolded: one\r\n two\r\n\r\n"), false},
    {T(LINE "Host: a\nX: y\n\n"), false},
    {T(LINE "Host: a\r\nX: nul\0\r\n\r\n"), false},
    {T(LINE "Host: a\r\nX:\tb\r\n\r\n"), false},
    {T("POST  /a HTTP/1.1\r\nHost: a\r\n\r\n"), false},
    {T("GET /a HTTP/1.0\r\nHost: a\r\n\r\n"), false},
    {T("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), false},
    {T("DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n"), false},
};

static void takes_what_is_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        if (read_both_ways(&w, ROWS[i].text) != ROWS[i].is_taken) fail_msg("row %zu: %.*s", i, STR_ARG(ROWS[i].text));
}

/* Bytes that mean something in a head, and some that must not stand in one. */
static const char PIECES[] = "\r\n\t :,;/?#*%azAZ09\"()<>@[]{}~\x7f\x01\x80\xff\x0b";

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static struct str mutate(char *room, struct str s, uint64_t *seed)
{
    memcpy(room, s.p, s.n);
    for (uint64_t changes = next(seed) % 4; changes > 0; changes--) {
        size_t at = next(seed) % s.n;
        bool inserts = next(seed) % 2;
        if (inserts) memmove(room + at + 1, room + at, s.n++ - at);
        room[at] = PIECES[next(seed) % (sizeof PIECES - 1)];
    }
    return str_make(room, s.n);
}

static void never_differs_from_llhttp(void **state)
{
    (void)state;
    char room[256];
    unsigned taken = 0;
    uint64_t seed = 1;
    for (int i = 0; i < 500000; i++) taken += read_both_ways(&w, mutate(room, ROWS[next(&seed) % COUNTOF(ROWS)].text, &seed));
    assert_true(taken > 50000); /* or nothing was compared */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_what_is_plain), cmocka_unit_test(never_differs_from_llhttp)};
    both_ways_init(&w);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_free(w.bench);
    return failed;
}
