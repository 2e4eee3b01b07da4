/* The fields of an answer on its way to the client: what of the provider's comes down, what we add. Called by relay; what is held
 * lies in the exchange's arena. */
#include "priv.h"

#include <stdio.h>

#define MORE_FIELDS 5 /* may come yet: of what was lost, an error's type and name, x-should-retry, retry-after */

/* Of a translated answer the type and the vendor's own limits would be wrong. */
static bool comes_down(const struct exchange *x, struct str name)
{
    return x->attempt.crossing ? wire_header_recrosses(name) : wire_header_comes_down(name);
}

/* The fields that come down, pointing into `theirs`, and ours behind them. */
size_t down_fields(struct exchange *x, struct http_fields theirs, struct str type, struct http_field *ret_fields, size_t room)
{
    size_t n = 0;
    bool own_type = x->attempt.crossing || x->wants_array;
    if (!x->attempt.crossing && translate_opened_field(x, ret_fields)) n++;
    if (own_type) ret_fields[n++] = (struct http_field){S("content-type"), x->wants_array ? S("application/json") : type};
    for (size_t i = 0; i < theirs.n && n + OUR_FIELDS_MAX < room; i++) {
        if (own_type && str_eq(theirs.at[i].name, S("content-type"))) continue;
        if (comes_down(x, theirs.at[i].name)) ret_fields[n++] = theirs.at[i];
    }
    return n + our_fields(x, theirs, ret_fields + n);
}

static struct str put_copy(char **at, struct str s)
{
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    *at += s.n;
    return str_make(p, s.n);
}

bool down_keep(struct exchange *x, struct http_fields theirs)
{
    struct http_field fields[DOWN_FIELDS_MAX];
    bool streams = x->request.stream && x->status < 300; /* a translated body that should have been a stream becomes one */
    struct str type = streams ? str_z(x->wire->stream_type) : S("application/json");
    size_t n = down_fields(x, theirs, type, fields, DOWN_FIELDS_MAX), bytes = (n + MORE_FIELDS) * sizeof *x->down;
    for (size_t i = 0; i < n; i++) bytes += fields[i].name.n + fields[i].value.n;
    x->n_down = 0;
    x->down = arena_alloc(&x->arena, bytes);
    if (!x->down) return false;
    char *at = (char *)(x->down + n + MORE_FIELDS);
    for (size_t i = 0; i < n; i++) {
        struct str name = put_copy(&at, fields[i].name);
        x->down[i] = (struct http_field){name, put_copy(&at, fields[i].value)};
    }
    x->n_down = (unsigned)n;
    return true;
}

static bool is_of_answer(struct str name)
{
    return str_eq(name, S("x-amzn-errortype")) || str_eq(name, S("content-type")) || str_eq(name, S("x-aquifer-losses"));
}

void down_failed(struct exchange *x, enum err_class class)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < x->n_down; i++)
        if (!is_of_answer(x->down[i].name)) x->down[kept++] = x->down[i];
    x->down[kept++] = (struct http_field){S("content-type"), S("application/json")};
    if (x->wire->error_type)
        x->down[kept++] = (struct http_field){S("x-amzn-errortype"), x->wire->error_type(class, OK, x->status)};
    x->n_down = kept;
}

/* Whoever tries again gets the same answer. The provider's own word comes first. */
static void forbid_retry(struct exchange *x)
{
    static const struct http_field NO = {{"x-should-retry", 14}, {"false", 5}};
    for (unsigned i = 0; i < x->n_down; i++)
        if (str_eq(x->down[i].name, NO.name)) return;
    x->down[x->n_down++] = NO;
}

/* A wait that SDKs can read: whole seconds, or milliseconds, of a month at most. Fractions, dates and nonsense are none. */
static bool is_plain_wait(const struct http_field *f)
{
    enum { MONTH_S = 31 * 86400 };
    uint64_t n;
    return str_u64(f->value, &n) && n <= (str_eq(f->name, S("retry-after")) ? MONTH_S : MONTH_S * 1000ull);
}

/* False: of what the provider said, no whole seconds are left. */
static bool keep_plain_waits(struct exchange *x)
{
    unsigned kept = 0;
    bool told = false;
    for (unsigned i = 0; i < x->n_down; i++) {
        const struct http_field *f = &x->down[i];
        bool seconds = str_eq(f->name, S("retry-after"));
        if ((seconds || str_eq(f->name, S("retry-after-ms"))) && !is_plain_wait(f)) continue;
        told |= seconds;
        x->down[kept++] = *f;
    }
    x->n_down = kept;
    return told;
}

/* A wait that stands in the body alone (google.rpc.RetryInfo), or in another form than seconds: SDKs look for the field. */
static void tell_wait(struct exchange *x)
{
    uint64_t ms = x->attempt.verdict.retry_after_ms;
    char text[24];
    struct str seconds;
    if (keep_plain_waits(x) || !ms || x->attempt.verdict.spent) return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)((ms + 999) / 1000));
    if (arena_str(&x->arena, str_z(text), &seconds)) x->down[x->n_down++] = (struct http_field){S("retry-after"), seconds};
}

void down_refused(struct exchange *x)
{
    if (x->attempt.verdict.spent) forbid_retry(x);
    tell_wait(x);
}
