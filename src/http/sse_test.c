/* SSE: what an event is, and that no cut of the bytes changes it. */
#include "http/cuts_test.h"
#include "http/http.h"

#define EVENT_MAX 4096

/* All events as one text: "name|data|raw length;" so that two runs can be compared. */
static void take_all(struct sse_reader *r, struct buf *out)
{
    struct sse_event ev;
    while (sse_next(r, &ev)) {
        buf_fmt(out, "%.*s|%s%.*s|", STR_ARG(ev.name), ev.has_data ? "+" : "-", STR_ARG(ev.data));
        buf_str(out, ev.raw);
        buf_char(out, ';');
    }
}

static bool feed(void *reader, struct str piece, struct buf *out)
{
    struct fault why;
    assert_int_equal(sse_feed(reader, piece, &why), OK);
    take_all(reader, out);
    return true;
}

static void finish(struct sse_reader *r, struct buf *out)
{
    struct fault why;
    assert_int_equal(sse_finish(r, &why), OK);
    take_all(r, out);
    buf_fmt(out, "pending %zu", sse_pending(r));
    sse_done(r);
}

static void run(struct str all, const size_t *cuts, size_t n_cuts, struct buf *out)
{
    struct sse_reader r;
    sse_init(&r, EVENT_MAX);
    feed_cuts(feed, &r, all, (struct cuts){cuts, n_cuts}, out);
    finish(&r, out);
}

static void assert_reads(struct str bytes, const char *want) { assert_runs(run, bytes, want); }

static void reads_events(void **state)
{
    (void)state;
    assert_reads(S("data: a\n\n"), "|+a|data: a\n\n;pending 0");
    assert_reads(S("event: x\ndata:a\ndata:  b\n\n"), "x|+a\n b|event: x\ndata:a\ndata:  b\n\n;pending 0");
    assert_reads(S(": ping\n\ndata: 1\r\n\r\n"), "|-|: ping\n\n;|+1|data: 1\r\n\r\n;pending 0");
    assert_reads(S("data\n\n"), "|+|data\n\n;pending 0");
    assert_reads(S("data\ndata\n\n"), "|+\n|data\ndata\n\n;pending 0");
    assert_reads(S("id: 1\nretry: 5\ndatax: 1\nevent\n\n"), "|-|id: 1\nretry: 5\ndatax: 1\nevent\n\n;pending 0");
    assert_reads(S("error: {\"code\":500}\n\n"), "error|+{\"code\":500}|error: {\"code\":500}\n\n;pending 0"); /* llama.cpp */
    assert_reads(S("\xEF\xBB\xBF"
                   "data: a\n\n\xEF\xBB\xBF"
                   "data: b\n\n"),
                 "|+a|\xEF\xBB\xBF"
                 "data: a\n\n;|-|\xEF\xBB\xBF"
                 "data: b\n\n;pending 0");
    assert_reads(S(""), "pending 0");
}

static void line_ends_may_be_mixed(void **state)
{
    (void)state;
    assert_reads(S("data: a\r\rdata: b\r\r"), "|+a|data: a\r\r;|+b|data: b\r\r;pending 0");
    assert_reads(S("data: a\r\n\ndata: b\n\r\n"), "|+a|data: a\r\n\n;|+b|data: b\n\r\n;pending 0");
    assert_reads(S("\n\r\n\rdata: a\n\n"), "|-|\n;|-|\r\n;|-|\r;|+a|data: a\n\n;pending 0");
}

static void what_is_not_whole_is_pending(void **state)
{
    (void)state;
    assert_reads(S("data: a\n\ndata: b\n"), "|+a|data: a\n\n;pending 8");
    assert_reads(S("data: b"), "pending 7");
}

static const struct str STREAMS[] = {
    S("event: message_start\ndata: {\"a\":1}\n\ndata: x\n\n: ping\n\ndata: 1\ndata: 2\ndata\n\nevent: e\n\ndata: "
      "[DONE]\n\n"),
    S("data: a\r\n\r\ndata: b\r\ndata: c\r\n\r\nevent: z\r\n\r\n"),
    S("data: a\r\rdata: b\rdata: c\r\r:x\r\r"),
    S("\n\n\r\r\r\n\r\n\n\r\r\n\ndata:\r\n\n\rdata"),
    S("\xEF\xBB\xBF"
      "data: \xC3\xA4\n\ndata: cut"),
};

static void any_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(STREAMS); i++)
        for (size_t cut[2] = {0, 0}; cut[0] <= STREAMS[i].n; cut[0]++)
            for (cut[1] = cut[0]; cut[1] <= STREAMS[i].n; cut[1]++) assert_same(run, STREAMS[i], cut, 2);
}

/* Streams of only the bytes that mean something, cut anywhere. */
static void random_streams_in_random_cuts(void **state)
{
    (void)state;
    static const char LETTERS[] = "\r\n\n: adtaev";
    uint64_t seed = 20261123;
    for (int round = 0; round < 3000; round++) {
        char text[60];
        size_t cuts[8], n_cuts = 0, at = 0;
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[i] = LETTERS[(seed >> 33) % (sizeof LETTERS - 1)];
        }
        memcpy(text + (seed >> 40) % 50, "data:", 5);
        while (n_cuts < COUNTOF(cuts) && (at += (seed >> (20 + 3 * n_cuts)) % 13) < sizeof text) cuts[n_cuts++] = at;
        assert_same(run, str_make(text, sizeof text), cuts, n_cuts);
    }
}

/* The error comes with the feed after the bytes that were too many, and memory stays bounded. */
static void an_endless_event_is_refused(void **state)
{
    (void)state;
    struct sse_reader r;
    struct sse_event ev;
    struct fault why;
    sse_init(&r, 100);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sse_feed(&r, S("0123456789"), &why), OK);
        assert_false(sse_next(&r, &ev));
    }
    assert_int_equal(sse_pending(&r), 100);
    assert_int_equal(sse_feed(&r, S("\n\n"), &why), OK);
    assert_false(sse_next(&r, &ev));
    assert_int_equal(sse_feed(&r, S("data: a\n\n"), &why), ERR_UPSTREAM_TOO_LARGE);
    assert_non_null(strstr(why.text, "100 bytes"));
    assert_false(sse_next(&r, &ev));
    assert_int_equal(sse_finish(&r, &why), ERR_UPSTREAM_TOO_LARGE);
    sse_done(&r);

    char text[120];
    memset(text, 'a', sizeof text);
    memcpy(text, "data: ", 6);
    memcpy(text + sizeof text - 2, "\n\n", 2);
    sse_init(&r, 100); /* the same when it comes in one piece */
    assert_int_equal(sse_feed(&r, str_make(text, sizeof text), &why), OK);
    assert_false(sse_next(&r, &ev));
    assert_int_equal(sse_finish(&r, &why), ERR_UPSTREAM_TOO_LARGE);
    sse_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_events),
        cmocka_unit_test(line_ends_may_be_mixed),
        cmocka_unit_test(what_is_not_whole_is_pending),
        cmocka_unit_test(any_cut_gives_the_same),
        cmocka_unit_test(random_streams_in_random_cuts),
        cmocka_unit_test(an_endless_event_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
