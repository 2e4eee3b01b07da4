/* Fuzz: compressed request bodies. The first byte chooses the coding, the second the pieces: every cut gives the same
 * body or is refused, within the limit. A body that is too large and broken besides may be refused for either: libzstd says
 * nothing of what it has made when the same call of it ends in an error. */
#include "http/server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum err decode(struct body *b, const struct http_server_options *o, struct str coding, struct str in, size_t piece)
{
    enum err e = body_begin(b, o, coding, in.n, NULL);
    while (in.n && e == OK) {
        struct str part = str_make(in.p, piece < in.n ? piece : in.n);
        e = body_add(b, o, part, NULL);
        in = str_from(in, part.n);
    }
    return e == OK ? body_end(b, NULL) : e;
}

static bool is_refusal(enum err e) { return e == ERR_BODY_TOO_LARGE || e == ERR_BAD_ENCODING; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct http_server_options o = {0};
    struct body whole, cut;
    if (n < 3) return 0;
    http_limits_default(&o.limits);
    o.limits.body_max = KIB(200);
    struct str in = {(const char *)data + 2, n - 2}, coding = data[0] & 1 ? S("gzip") : S("zstd");
    enum err e = decode(&whole, &o, coding, in, in.n);
    enum err other = decode(&cut, &o, coding, in, data[1] + in.n / 64 + 1u);
    must(other == e || (is_refusal(other) && is_refusal(e)));
    must(e != OK || str_eq(str_make(whole.p, whole.n), str_make(cut.p, cut.n)));
    must(whole.n <= o.limits.body_max && cut.n <= o.limits.body_max);
    body_done(&whole, &o);
    body_done(&cut, &o);
    return 0;
}
