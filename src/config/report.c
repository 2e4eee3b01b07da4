/* What is wrong with a file: errors in the order of its lines, up to a bound, and which keys were told already, so that one
 * mistake is not told again as what follows from it. Called by the reader and the checks, and by commands that look further.
 * Owns the reader's set of wrong keys, whose names lie in the configuration's arena. */
#include "config/priv.h"

#include <stdio.h>

/* Where an error of this line goes: behind all of its line and those before. */
static unsigned place_of(const struct config_report *report, unsigned line)
{
    unsigned at = report->n;
    while (at > 0 && report->items[at - 1].line > line) at--;
    return at;
}

void config_report_add(struct config_report *report, struct str file, unsigned line, const char *text)
{
    unsigned at = place_of(report, line);
    if (report->n == CONFIG_REPORT_MAX) report->more++;
    else report->n++;
    if (at == CONFIG_REPORT_MAX) return;
    memmove(&report->items[at + 1], &report->items[at], (report->n - 1 - at) * sizeof report->items[0]);
    report->items[at].line = line;
    snprintf(report->items[at].text, sizeof report->items[at].text, "%.*s:%u: %s", (int)(file.n < 120 ? file.n : 120), file.p,
             line, text);
}

/* The full name of a key below the present path. */
static struct str full_name(const struct reader *r, struct str key, char *out, size_t room)
{
    int n = snprintf(out, room, "%.*s%s%.*s", STR_ARG(r->path), r->path.n && key.n ? "." : "", STR_ARG(key));
    return str_make(out, (size_t)n < room ? (size_t)n : room - 1);
}

void config_mark_wrong(struct reader *r, struct str key)
{
    char name[CONFIG_PATH_MAX * 2];
    struct str full = full_name(r, key, name, sizeof name), kept;
    if (full.n && !map_find(&r->wrong, full) && arena_str(&r->config->arena, full, &kept)) map_add(&r->wrong, kept, r);
}

bool config_is_wrong(const struct reader *r, const char *keys)
{
    char name[CONFIG_PATH_MAX * 2];
    struct str rest = str_z(keys), key;
    do {
        str_cut(rest, ' ', &key, &rest);
        if (map_find(&r->wrong, full_name(r, key, name, sizeof name))) return true;
    } while (rest.n);
    return false;
}

/* Where "routes[1].deployments[0].drop" stands; NULL: nowhere. */
static const struct yaml_node *node_at(const struct yaml_node *n, struct str path)
{
    struct str part, name, index;
    uint64_t i;
    while (path.n && n) {
        str_cut(path, '.', &part, &path);
        bool listed = str_cut(part, '[', &name, &index);
        n = yaml_find(n, name);
        if (!listed || !n || n->kind != YAML_LIST || !str_u64(str_make(index.p, index.n - 1), &i)) continue;
        for (n = n->first; n && i > 0; i--) n = n->next;
    }
    return n;
}

/* Of the first of the keys that stands in the file, else `otherwise`. */
static unsigned line_of(const struct reader *r, const char *keys, unsigned otherwise)
{
    char name[CONFIG_PATH_MAX * 2];
    struct str rest = str_z(keys), key;
    while (rest.n) {
        str_cut(rest, ' ', &key, &rest);
        const struct yaml_node *n = node_at(r->config->root, full_name(r, key, name, sizeof name));
        if (n) return n->line;
    }
    return otherwise;
}

static void tell(struct reader *r, unsigned line, const char *fmt, va_list args) PRINTF(3, 0);
static void tell(struct reader *r, unsigned line, const char *fmt, va_list args)
{
    char said[320], text[440];
    vsnprintf(said, sizeof said, fmt, args);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(r->path.n < 100 ? r->path.n : 100), r->path.p, r->path.n ? ": " : "", said);
    config_report_add(r->report, r->config->file, line, text);
}

void config_complain(struct reader *r, unsigned line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(r, line, fmt, args);
    va_end(args);
    config_mark_wrong(r, STR_NONE);
}

void config_complain_of(struct reader *r, unsigned line, const char *keys, const char *fmt, ...)
{
    va_list args;
    if (config_is_wrong(r, "") || config_is_wrong(r, keys)) return;
    va_start(args, fmt);
    tell(r, line_of(r, keys, line), fmt, args);
    va_end(args);
}
