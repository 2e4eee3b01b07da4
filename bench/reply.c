/* reply: see reply.h. */
#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void tail_keep(struct reply *r, const char *p, size_t n)
{
    if (n >= TAIL) {
        memcpy(r->tail, p + n - TAIL, TAIL);
        return;
    }
    memmove(r->tail, r->tail + n, TAIL - n);
    memcpy(r->tail + TAIL - n, p, n);
}

/* An event ends in an empty line, so two line ends in a row, also across pieces. */
static void events_count(struct reply *r, const char *p, size_t n)
{
    const char *end = p + n;
    if (r->body && *p == '\n' && r->tail[TAIL - 1] == '\n') r->events++;
    for (const char *at = p; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        if (at + 1 < end && at[1] == '\n') r->events++;
}

static void body_keep(struct reply *r, const char *p, size_t n)
{
    if (n == 0) return;
    if (r->body == 0) r->first = *p;
    if (r->is_stream) events_count(r, p, n);
    r->body += n;
    tail_keep(r, p, n);
}

static bool header_is(const char *line, size_t n, const char *name, const char **ret_value)
{
    size_t len = strlen(name);
    if (n < len || (*line | 32) != *name || strncasecmp(line, name, len)) return false;
    *ret_value = line + len;
    while (**ret_value == ' ') ++*ret_value;
    return true;
}

static void header_read(struct reply *r, const char *line, size_t n)
{
    const char *value;
    if (header_is(line, n, "content-length:", &value)) r->left = strtoull(value, NULL, 10);
    if (header_is(line, n, "transfer-encoding:", &value) && !strncasecmp(value, "chunked", 7)) r->phase = PHASE_CHUNK_LINE;
    if (header_is(line, n, "connection:", &value)) r->closes = !strncasecmp(value, "close", 5);
    if (header_is(line, n, "content-type:", &value)) r->is_stream = !strncasecmp(value, "text/event-stream", 17);
}

/* `p` to `end` is the head with the line end of its last line, without the empty line. */
static bool head_read(struct reply *r, const char *p, const char *end)
{
    if (end - p < 13 || memcmp(p, "HTTP/1.1 ", 9)) return false;
    r->status = (int)strtol(p + 9, NULL, 10);
    r->phase = PHASE_SIZED;
    r->left = 0;
    for (const char *stop; p < end; p = stop + 1) {
        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) return false;
        header_read(r, p, (size_t)(stop - p));
    }
    return true;
}

/* Copies up to and with the line's end into `line`; what was there comes first. False while the end is missing. */
static bool line_take(struct reply *r, const char **p, const char *end, const char *stop_at)
{
    size_t want = strlen(stop_at);
    while (*p < end && r->line_n < REPLY_HEAD_MAX - 1) {
        r->line[r->line_n++] = *(*p)++;
        if (r->line_n >= want && !memcmp(r->line + r->line_n - want, stop_at, want)) {
            r->line[r->line_n] = 0;
            return true;
        }
    }
    return false;
}

static enum reply_result head_step(struct reply *r, const char **p, const char *end)
{
    const char *blank = r->line_n ? NULL : memmem(*p, (size_t)(end - *p), "\r\n\r\n", 4);
    if (blank) {
        const char *start = *p;
        *p = blank + 4;
        return head_read(r, start, blank + 2) ? REPLY_MORE : REPLY_BAD;
    }
    if (!line_take(r, p, end, "\r\n\r\n")) return r->line_n < REPLY_HEAD_MAX - 1 ? REPLY_MORE : REPLY_BAD;
    size_t n = r->line_n - 2;
    r->line_n = 0;
    return head_read(r, r->line, r->line + n) ? REPLY_MORE : REPLY_BAD;
}

static enum reply_result bytes_step(struct reply *r, const char **p, const char *end)
{
    size_t n = (uint64_t)(end - *p) < r->left ? (size_t)(end - *p) : (size_t)r->left;
    body_keep(r, *p, n);
    *p += n;
    r->left -= n;
    if (r->left) return REPLY_MORE;
    if (r->phase == PHASE_SIZED) return REPLY_WHOLE;
    r->phase = PHASE_CHUNK_END;
    return REPLY_MORE;
}

static enum reply_result line_step(struct reply *r, const char **p, const char *end)
{
    if (!line_take(r, p, end, "\n")) return r->line_n < REPLY_HEAD_MAX - 1 ? REPLY_MORE : REPLY_BAD;
    bool empty = r->line_n <= 2;
    r->line_n = 0;
    if (r->phase == PHASE_TRAILER) return empty ? REPLY_WHOLE : REPLY_MORE;
    if (r->phase == PHASE_CHUNK_END) {
        r->phase = PHASE_CHUNK_LINE;
        return empty ? REPLY_MORE : REPLY_BAD;
    }
    char *stop;
    r->left = strtoull(r->line, &stop, 16);
    r->phase = r->left ? PHASE_CHUNK : PHASE_TRAILER;
    return stop == r->line ? REPLY_BAD : REPLY_MORE;
}

enum reply_result reply_feed(struct reply *r, const char *p, size_t n)
{
    static enum reply_result (*const STEPS[])(struct reply *, const char **, const char *) = {
        [PHASE_HEAD] = head_step,   [PHASE_SIZED] = bytes_step,    [PHASE_CHUNK_LINE] = line_step,
        [PHASE_CHUNK] = bytes_step, [PHASE_CHUNK_END] = line_step, [PHASE_TRAILER] = line_step,
    };
    const char *end = p + n;
    enum reply_result result = REPLY_MORE;
    while (result == REPLY_MORE && p < end) result = STEPS[r->phase](r, &p, end);
    /* A sized body of no bytes ends with its head. */
    if (result == REPLY_MORE && r->phase == PHASE_SIZED && r->left == 0) result = REPLY_WHOLE;
    return result == REPLY_WHOLE && p < end ? REPLY_BAD : result;
}

bool reply_is_good(const struct reply *r)
{
    static const char done[] = "data: [DONE]\n\n";
    if (r->status != 200) return false;
    if (r->is_stream) return !memcmp(r->tail + TAIL - (sizeof done - 1), done, sizeof done - 1);
    char last = r->tail[TAIL - 1] == '\n' ? r->tail[TAIL - 2] : r->tail[TAIL - 1];
    return r->first == '{' && last == '}';
}

void reply_clear(struct reply *r)
{
    r->phase = PHASE_HEAD;
    r->status = 0;
    r->closes = r->is_stream = false;
    r->left = r->events = r->body = 0;
    r->first = 0;
    r->line_n = 0;
    memset(r->tail, 0, sizeof r->tail);
}
