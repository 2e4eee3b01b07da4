/* request: see request.h. Strict enough to notice a damaged request, and no stricter: it is a measuring tool. */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net.h"

static void ends_keep(struct request *r, const char *p, size_t n)
{
    if (r->size < ENDS) {
        size_t room = ENDS - r->size;
        memcpy(r->first + r->size, p, n < room ? n : room);
    }
    r->size += n;
    if (n >= ENDS) {
        memcpy(r->last, p + n - ENDS, ENDS);
        return;
    }
    memmove(r->last, r->last + n, ENDS - n);
    memcpy(r->last + ENDS - n, p, n);
}

/* True when the line is this header; its name is given in lower case. */
static bool line_is(const char *line, const char *end, const char *name, const char **ret_value)
{
    size_t n = strlen(name);
    if ((size_t)(end - line) < n || (*line | 32) != *name || strncasecmp(line, name, n)) return false;
    *ret_value = line + n;
    while (*ret_value < end && **ret_value == ' ') ++*ret_value;
    return true;
}

static bool head_read(struct request *r, const char *p, const char *end)
{
    const char *value;
    const char *line = memchr(p, '\n', (size_t)(end - p));
    if (!line || strncmp(p, "POST ", 5)) return false;
    r->messages = memmem(p, (size_t)(line - p), "/v1/messages", 12) != NULL;
    if (!r->messages && !memmem(p, (size_t)(line - p), "/chat/completions", 17)) return false;
    for (line++; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (line_is(line, end, "content-length:", &value)) r->left = strtoull(value, NULL, 10);
        if (line_is(line, end, "transfer-encoding:", &value)) r->chunked = !strncasecmp(value, "chunked", 7);
        line = stop ? stop + 1 : end;
    }
    r->in_body = true;
    r->framing = r->chunked;
    return r->chunked || r->left > 0;
}

/* Puts a piece without its end aside; the caller comes back with more. */
static enum request_result tear(struct request *r, const char *p, size_t n)
{
    if (n > HEAD_MAX) return REQUEST_BAD;
    char *copy = malloc(n + 1);
    if (!copy) die("out of memory");
    memcpy(copy, p, n);
    free(r->torn);
    r->torn = copy;
    r->torn_n = n;
    return REQUEST_MORE;
}

static enum request_result plain_feed(struct request *r, const char *p, size_t n)
{
    if (n > r->left) return REQUEST_BAD;
    ends_keep(r, p, n);
    r->left -= n;
    return r->left ? REQUEST_MORE : REQUEST_WHOLE;
}

/* One line of chunk framing. An empty line ends a chunk, a size line starts one, after size 0 an empty line ends all.
 */
static bool framing_read(struct request *r, const char *line, const char *stop, bool *ret_whole)
{
    if (stop - line == 1) {
        *ret_whole = r->in_last_chunk;
        return r->in_last_chunk || r->size > 0;
    }
    char *end;
    r->left = strtoull(line, &end, 16);
    r->in_last_chunk = r->left == 0;
    r->framing = r->in_last_chunk;
    return end != line;
}

static enum request_result chunked_feed(struct request *r, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        if (!r->framing) {
            size_t take = (uint64_t)(end - p) < r->left ? (size_t)(end - p) : (size_t)r->left;
            ends_keep(r, p, take);
            p += take;
            r->left -= take;
            r->framing = r->left == 0;
            continue;
        }
        bool whole = false;
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) return tear(r, p, (size_t)(end - p));
        if (!framing_read(r, p, stop, &whole)) return REQUEST_BAD;
        p = stop + 1;
        if (whole) return p == end ? REQUEST_WHOLE : REQUEST_BAD;
    }
    return REQUEST_MORE;
}

static enum request_result piece_feed(struct request *r, const char *p, size_t n)
{
    if (!r->in_body) {
        const char *blank = memmem(p, n, "\r\n\r\n", 4);
        if (!blank) return tear(r, p, n);
        if (!head_read(r, p, blank + 2)) return REQUEST_BAD;
        n -= (size_t)(blank + 4 - p);
        p = blank + 4;
    }
    if (n == 0) return REQUEST_MORE;
    return r->chunked ? chunked_feed(r, p, n) : plain_feed(r, p, n);
}

enum request_result request_feed(struct request *r, const char *p, size_t n)
{
    if (!r->torn) return piece_feed(r, p, n);
    char *old = r->torn;
    char *whole = malloc(r->torn_n + n);
    if (!whole) die("out of memory");
    memcpy(whole, old, r->torn_n);
    memcpy(whole + r->torn_n, p, n);
    n += r->torn_n;
    free(old);
    r->torn = NULL;
    r->torn_n = 0;
    enum request_result result = piece_feed(r, whole, n);
    free(whole);
    return result;
}

bool request_is_intact(const struct request *r) { return r->size > 1 && r->first[0] == '{' && r->last[ENDS - 1] == '}'; }

/* True when `name` stands at one of the body's ends with the value true, blanks allowed. */
static bool end_says(const char *p, size_t n, const char *name)
{
    const char *at = memmem(p, n, name, strlen(name));
    if (!at) return false;
    const char *end = p + n;
    for (at += strlen(name); at < end && (*at == ' ' || *at == ':'); at++);
    return end - at >= 4 && !memcmp(at, "true", 4);
}

static bool says(const struct request *r, const char *name)
{
    size_t n = r->size < ENDS ? (size_t)r->size : ENDS;
    return end_says(r->first, n, name) || end_says(r->last + ENDS - n, n, name);
}

bool request_wants_stream(const struct request *r) { return says(r, "\"stream\""); }

bool request_wants_usage(const struct request *r) { return says(r, "\"include_usage\""); }

void request_clear(struct request *r)
{
    free(r->torn);
    r->torn = NULL;
    r->torn_n = 0;
    r->in_body = r->chunked = r->in_last_chunk = r->framing = false;
    r->left = r->size = 0;
}
