/* The log: one line, one write(2), as text for people or as one JSON object (RFC 8259).
 * Called from every room. Owns nothing but its settings, which are set once at start, before threads. Nothing that
 * comes from outside can forge a line: control characters and broken UTF-8 are escaped; secrets have no printer. */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192, TAIL_BYTES = 64 }; /* the tail is kept free to close what a cut line has open */

_Atomic(enum log_level) log_threshold = LOG_INFO;
static const char *log_process = "aquifer";
static enum log_format log_format_now = LOG_TEXT;
static int log_fd = STDERR_FILENO;

static const struct {
    const char *name, *upper;
} LEVELS[] = {[LOG_DEBUG] = {"debug", "DEBUG"}, {"info", "INFO"}, {"warn", "WARN"}, {"error", "ERROR"}};

struct line {
    size_t n, limit;
    bool cut;
    char p[LINE_MAX_BYTES];
};

void log_setup(const char *process, enum log_format format, enum log_level threshold, int fd)
{
    log_process = process;
    log_format_now = format;
    log_threshold = threshold;
    log_fd = fd;
}

bool log_parse_level(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < COUNTOF(LEVELS); i++) {
        if (!str_eq(name, str_z(LEVELS[i].name))) continue;
        *ret_level = (enum log_level)i;
        return true;
    }
    return false;
}

/* All or nothing, so that no escape is ever cut in two. */
static inline bool put(struct line *l, struct str s)
{
    if (l->cut || s.n > l->limit - l->n) {
        l->cut = true;
        return false;
    }
    memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
    return true;
}

static inline void put_z(struct line *l, const char *z) { put(l, str_z(z)); }

static void put_number(struct line *l, const struct log_field *f)
{
    char text[24], *end = text + sizeof text, *at = end;
    bool negative = f->kind == FIELD_INT && f->num < 0;
    uint64_t left = negative ? 0 - (uint64_t)f->num : (uint64_t)f->num;
    do *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (negative) *--at = '-';
    put(l, str_make(at, (size_t)(end - at)));
}

/* C0 and C1 controls, DEL, line separators and marks that turn the direction of writing: they could fake or hide text. */
static bool is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200E && point <= 0x200F) ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

static bool put_escape(struct line *l, enum log_format format, uint32_t point)
{
    static const struct {
        uint32_t point;
        const char *text;
    } SHORT[] = {{'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}, {'"', "\\\""}, {'\\', "\\\\"}};
    for (size_t i = 0; i < COUNTOF(SHORT); i++)
        if (SHORT[i].point == point) return put(l, str_z(SHORT[i].text));
    char text[8];
    int n = snprintf(text, sizeof text, format == LOG_TEXT && point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)point);
    return put(l, str_make(text, (size_t)n));
}

/* `quoted`: quotes and backslashes are escaped as well. */
static void put_safe(struct line *l, enum log_format format, struct str s, bool quoted)
{
    for (size_t at = 0; at < s.n;) {
        size_t run = str_plain_run(s, at);
        size_t room = l->limit - l->n;
        if (run) {
            if (!put(l, str_make(s.p + at, run < room ? run : room))) return;
            at += run < room ? run : room;
            l->cut = run > room;
            if (l->cut) return;
            continue;
        }
        uint32_t point = 0;
        size_t n = str_utf8_at(s, at, &point);
        bool special = n == 0 || is_unsafe(point) || (quoted && (point == '"' || point == '\\'));
        bool whole;
        if (!special) whole = put(l, str_make(s.p + at, n));
        else if (n == 0) whole = put_escape(l, format, format == LOG_TEXT ? (unsigned char)s.p[at] : 0xFFFD);
        else whole = put_escape(l, format, point);
        if (!whole) return;
        at += n ? n : 1;
    }
}

/* Text values stand bare when they are one plain word. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=' || s.p[i] == 0x7F) return false;
    return s.n > 0;
}

/* Starts a piece with room kept for its end; false: the line is full and the piece is left out. */
static bool piece_open(struct line *l, size_t least)
{
    if (l->cut || l->limit - l->n < least) {
        l->cut = true;
        return false;
    }
    return true;
}

static void put_string(struct line *l, enum log_format format, struct str s)
{
    if (format == LOG_TEXT && is_plain(s)) {
        put_safe(l, format, s, false);
        return;
    }
    put_z(l, "\"");
    l->limit -= 1;
    put_safe(l, format, s, true);
    l->limit += 1;
    l->p[l->n++] = '"'; /* its place was kept free: a cut value is still closed */
}

static void put_value(struct line *l, enum log_format format, const struct log_field *f)
{
    switch (f->kind) {
    case FIELD_STR: put_string(l, format, f->str); break;
    case FIELD_INT:
    case FIELD_UINT: put_number(l, f); break;
    case FIELD_BOOL: put_z(l, f->num ? "true" : "false"); break;
    case FIELD_SECRET: put_string(l, format, f->str.n ? S("[secret]") : S("[none]")); break;
    }
}

static void put_field(struct line *l, enum log_format format, const struct log_field *f)
{
    struct str name = str_z(f->name);
    if (!piece_open(l, name.n + 40)) return; /* a name, its marks and any number */
    if (format == LOG_TEXT) {
        put_z(l, " ");
        put(l, name);
        put_z(l, "=");
    } else {
        put_z(l, ",\"");
        put(l, name);
        put_z(l, "\":");
    }
    put_value(l, format, f);
}

static void put_head_text(struct line *l, enum log_level level, const char *event, const char *text)
{
    put_z(l, " ");
    put_z(l, LEVELS[level].upper);
    put_z(l, " ");
    put_z(l, log_process);
    put_z(l, " ");
    put_z(l, event);
    put_z(l, " ");
    put_safe(l, LOG_TEXT, str_z(text), false);
}

static void put_head_json(struct line *l, enum log_level level, const char *event, const char *text)
{
    put_z(l, "\",\"level\":\"");
    put_z(l, LEVELS[level].name);
    put_z(l, "\",\"process\":\"");
    put_z(l, log_process);
    put_z(l, "\",\"event\":\"");
    put_z(l, event);
    put_z(l, "\",\"text\":");
    put_string(l, LOG_JSON, str_z(text));
}

static void line_end(struct line *l, enum log_format format)
{
    bool cut = l->cut;
    l->cut = false;
    l->limit = sizeof l->p;
    if (cut) put_z(l, format == LOG_TEXT ? " cut=true" : ",\"cut\":true");
    put_z(l, format == LOG_TEXT ? "\n" : "}\n");
}

void log_write(enum log_level level, const char *event, const char *text, const struct log_field *fields)
{
    enum log_format format = log_format_now;
    struct line l;
    l.n = 0;
    l.limit = sizeof l.p - TAIL_BYTES;
    l.cut = false;
    char now[25];
    clock_rfc3339(clock_wall_ms(), now);
    if (format == LOG_JSON) put_z(&l, "{\"time\":\"");
    put_z(&l, now);
    if (format == LOG_JSON) put_head_json(&l, level, event, text);
    else put_head_text(&l, level, event, text);
    for (; fields->name; fields++) put_field(&l, format, fields);
    line_end(&l, format);
    int saved = errno;
    while (write(log_fd, l.p, l.n) < 0 && errno == EINTR) continue; /* a log that cannot be written has nobody to tell */
    errno = saved;
}
