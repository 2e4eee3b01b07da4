/* What the tests of incremental readers share: whatever the cuts, the events are the same (split invariance). Only *_test.c files
 * use it; one of them says how it runs its reader. */
#pragma once

#include <stdlib.h>

#include "base/test.h"

/* Runs a reader over all bytes in pieces that end at the cuts (ascending), and tells all it gave as one text. */
typedef void cuts_run_fn(struct str all, const size_t *cuts, size_t n_cuts, struct buf *out);

/* Every piece is a copy in memory of its own, so that a sanitizer sees a look past its end or after its time. False: `feed`
 * wants no more. */
typedef bool cuts_feed_fn(void *reader, struct str piece, struct buf *out);
UNUSED static bool feed_cut(cuts_feed_fn *feed, void *reader, struct str piece, struct buf *out)
{
    char *copy = mem_alloc(piece.n + 1);
    memcpy(copy, piece.p, piece.n);
    bool more = feed(reader, str_make(copy, piece.n), out);
    free(copy);
    return more;
}

struct cuts {
    const size_t *at;
    size_t n;
};
UNUSED static bool feed_cuts(cuts_feed_fn *feed, void *reader, struct str all, struct cuts cuts, struct buf *out)
{
    size_t at = 0;
    bool more = true;
    for (size_t i = 0; i < cuts.n && more; i++) {
        more = feed_cut(feed, reader, str_make(all.p + at, cuts.at[i] - at), out);
        at = cuts.at[i];
    }
    return more && feed_cut(feed, reader, str_from(all, at), out);
}

UNUSED static void assert_runs(cuts_run_fn *run, struct str bytes, const char *want)
{
    struct buf out;
    buf_init(&out, MIB(1));
    run(bytes, NULL, 0, &out);
    assert_string_equal(buf_z(&out), want);
    buf_done(&out);
}

UNUSED static void assert_same(cuts_run_fn *run, struct str all, const size_t *cuts, size_t n_cuts)
{
    struct buf whole, cut;
    buf_init(&whole, MIB(1));
    buf_init(&cut, MIB(1));
    run(all, NULL, 0, &whole);
    run(all, cuts, n_cuts, &cut);
    assert_true(str_eq(buf_view(&whole), buf_view(&cut)));
    buf_done(&whole);
    buf_done(&cut);
}
