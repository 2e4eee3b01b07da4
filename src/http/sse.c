/* Server-sent events: whole events out of any cut of the bytes, in place where an event came in one piece.
 * Called by whoever reads an upstream's stream; owns the bytes of an event that is not yet whole. */
#include "http/http.h"

#define CARRY_KEPT 1024

void sse_init(struct sse_reader *r, size_t event_max)
{
    *r = (struct sse_reader){.event_max = event_max, .blank = true};
    buf_init(&r->carry, event_max);
    buf_init(&r->joined, event_max);
}

void sse_done(struct sse_reader *r)
{
    buf_done(&r->carry);
    buf_done(&r->joined);
}

static enum err check_failed(const struct sse_reader *r, struct fault *why)
{
    if (!r->failed) return OK;
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the stream holds an event of more than %zu bytes", r->event_max);
}

enum err sse_feed(struct sse_reader *r, struct str bytes, struct fault *why)
{
    TRY(check_failed(r, why));
    r->fresh = bytes;
    return OK;
}

enum err sse_finish(struct sse_reader *r, struct fault *why)
{
    TRY(check_failed(r, why));
    r->fresh = STR_NONE;
    r->after_cr = false; /* no LF can follow */
    return OK;
}

size_t sse_pending(const struct sse_reader *r) { return r->handed_out ? 0 : r->carry.n; }

/* ---- finding the blank line ---------------------------------------------------------------------------------------
 */

/* Walks line ends; remembers the next LF so that lines which end in CR do not make it search again and again. */
struct walk {
    const char *at, *end, *lf;
};

static const char *next_line_end(struct walk *w)
{
    if (!w->lf || w->lf < w->at) {
        w->lf = memchr(w->at, '\n', (size_t)(w->end - w->at));
        if (!w->lf) w->lf = w->end;
    }
    const char *cr = memchr(w->at, '\r', (size_t)(w->lf - w->at));
    return cr ? cr : w->lf;
}

/* Steps over the line end; true when it is known to be all of it. */
static bool step_over(struct walk *w, const char *eol)
{
    w->at = eol + 1;
    if (*eol == '\n') return true;
    if (w->at == w->end) return false;
    if (*w->at == '\n') w->at++;
    return true;
}

/* The LF of a CR that was the last byte of the bytes before. True: an event is whole by it. */
static bool settle_cr(struct sse_reader *r, struct walk *w)
{
    if (r->after_cr) {
        if (w->at == w->end) return false;
        if (*w->at == '\n') w->at++;
        r->after_cr = false;
    }
    bool whole = r->at_end;
    r->at_end = false;
    return whole;
}

/* Bytes of `fresh` that belong to the event that is whole now; 0 with all walked over: none is. */
static bool find_end(struct sse_reader *r, size_t *ret_n)
{
    struct walk w = {r->fresh.p, r->fresh.p + r->fresh.n, NULL};
    *ret_n = 0;
    if (settle_cr(r, &w)) {
        *ret_n = (size_t)(w.at - r->fresh.p);
        return true;
    }
    while (w.at < w.end) {
        const char *eol = next_line_end(&w);
        bool blank = r->blank && eol == w.at;
        r->blank = eol < w.end;
        if (eol == w.end) break;
        r->after_cr = !step_over(&w, eol);
        r->at_end = blank && r->after_cr;
        if (!blank || r->after_cr) continue;
        *ret_n = (size_t)(w.at - r->fresh.p);
        return true;
    }
    return false;
}

/* ---- reading an event ---------------------------------------------------------------------------------------------
 */

static void add_data(struct sse_reader *r, struct sse_event *ev, struct str value)
{
    if (!ev->has_data) {
        ev->has_data = true;
        ev->data = value;
        return;
    }
    if (r->joined.n == 0) buf_str(&r->joined, ev->data);
    buf_char(&r->joined, '\n');
    buf_str(&r->joined, value);
    ev->data = buf_view(&r->joined);
}

static void read_line(struct sse_reader *r, struct sse_event *ev, struct str line)
{
    struct str field, value;
    if (str_cut(line, ':', &field, &value) && value.n > 0 && value.p[0] == ' ') value = str_from(value, 1);
    if (str_eq(field, S("data"))) add_data(r, ev, value);
    else if (str_eq(field, S("event"))) ev->name = value;
    else if (str_eq(field, S("error"))) ev->name = field, add_data(r, ev, value);
}

static struct str skip_mark(struct sse_reader *r, struct str raw)
{
    bool first = !r->begun;
    r->begun = true;
    return first && str_starts(raw, S("\xEF\xBB\xBF")) ? str_from(raw, 3) : raw;
}

static void read_event(struct sse_reader *r, struct str raw, struct sse_event *ret_event)
{
    *ret_event = (struct sse_event){.raw = raw, .name = S(""), .data = S("")};
    buf_clear(&r->joined);
    struct str text = skip_mark(r, raw);
    struct walk w = {text.p, text.p + text.n, NULL};
    while (w.at < w.end) {
        const char *start = w.at;
        const char *eol = next_line_end(&w);
        read_line(r, ret_event, str_make(start, (size_t)(eol - start)));
        if (eol == w.end) break;
        step_over(&w, eol);
    }
}

/* The event's bytes in one place: as they lie when they came together, else in the carry. */
static bool gather(struct sse_reader *r, size_t n, struct str *ret_raw)
{
    struct str part = str_make(r->fresh.p, n);
    if (r->carry.n == 0) {
        *ret_raw = part;
    } else {
        buf_str(&r->carry, part);
        r->handed_out = true;
        *ret_raw = buf_view(&r->carry);
    }
    r->failed = r->carry.over || ret_raw->n > r->event_max;
    r->fresh = str_from(r->fresh, n);
    return !r->failed;
}

/* A stream that rests holds next to no memory, yet one whose events come in two parts allocates nothing for each. */
static void empty_carry(struct sse_reader *r)
{
    r->handed_out = false;
    if (r->carry.cap > CARRY_KEPT) buf_done(&r->carry);
    else buf_clear(&r->carry);
}

bool sse_next(struct sse_reader *r, struct sse_event *ret_event)
{
    if (r->failed) return false;
    if (r->handed_out) empty_carry(r);
    size_t n;
    if (!find_end(r, &n)) {
        buf_str(&r->carry, r->fresh);
        r->failed = r->carry.over;
        r->fresh = STR_NONE;
        return false;
    }
    struct str raw;
    if (!gather(r, n, &raw)) return false;
    read_event(r, raw, ret_event);
    return true;
}
