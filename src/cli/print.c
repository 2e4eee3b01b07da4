/* What people see: tables, faults. */
#include "cli/priv.h"

#include <stdio.h>

enum { COLUMNS_MAX = 16 };

/* The text stands in `room` or in the row. */
static struct str cell(struct json_ref row, const struct cli_column *c, struct buf *room)
{
    struct json_ref value = json_ref_find(row, c->field);
    if (!c->write) return json_ref_ok(value) ? json_ref_text(value) : STR_NONE;
    buf_clear(room);
    c->write(row, room);
    return buf_view(room);
}

/* Width in characters, so that names outside ASCII stay in line. */
static unsigned width(struct str s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

static void put_cell(struct str text, unsigned room, bool right, bool last)
{
    int pad = (int)(room > width(text) ? room - width(text) : 0);
    if (right) printf("%*s%.*s", pad, "", STR_ARG(text));
    else printf("%.*s%*s", STR_ARG(text), last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

void cli_table(const struct cli_column *columns, unsigned n, struct json_ref rows)
{
    unsigned room[COLUMNS_MAX];
    struct json_ref row;
    struct buf text;
    must(n <= COLUMNS_MAX);
    buf_init(&text, KIB(4));
    for (unsigned i = 0; i < n; i++) room[i] = width(str_z(columns[i].title));
    for (struct json_walk w = json_walk(rows); json_walk_next(&w, NULL, &row);)
        for (unsigned i = 0; i < n; i++) {
            unsigned wide = width(cell(row, &columns[i], &text));
            if (wide > room[i]) room[i] = wide;
        }
    for (unsigned i = 0; i < n; i++) put_cell(str_z(columns[i].title), room[i], columns[i].right, i + 1 == n);
    for (struct json_walk w = json_walk(rows); json_walk_next(&w, NULL, &row);)
        for (unsigned i = 0; i < n; i++) put_cell(cell(row, &columns[i], &text), room[i], columns[i].right, i + 1 == n);
    buf_done(&text);
}

int cli_fail(const struct fault *why)
{
    fprintf(stderr, "aquifer: %s\n", why->text);
    return 1;
}

void cli_print_body(const struct buf *body)
{
    fwrite(body->p, 1, body->n, stdout);
    if (body->n && body->p[body->n - 1] != '\n') putchar('\n');
}

int cli_wrong_use(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("aquifer ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return 2;
}

/* C0 but for tab and line end, DEL, and C1, which some terminals obey. */
static bool is_control(uint32_t point)
{
    return (point < 0x20 && point != '\n' && point != '\t') || (point >= 0x7f && point < 0xa0);
}

void cli_plain(struct str text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        uint32_t point;
        size_t n = str_utf8_at(text, at, &point);
        if (n && !is_control(point)) buf_add(out, text.p + at, n);
        if (!n) buf_str(out, S("\xef\xbf\xbd")); /* U+FFFD */
        at += n ? n : 1;
    }
}

void cli_bytes(uint64_t bytes, struct buf *out)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    unsigned unit = 0;
    double n = (double)bytes;
    for (; n >= 1000 && unit + 1 < COUNTOF(UNITS); unit++) n /= 1000;
    buf_fmt(out, n < 10 && unit ? "%.1f %s" : "%.0f %s", n, UNITS[unit]);
}
