/* How each type of value is read: from a scalar's text to a number, word or string, or a list of them. Called by the
 * reader through its table. Owns nothing: strings live in the configuration's arena. */
#include "config/priv.h"

#include <stdio.h>

static struct str brief(struct str s) { return str_make(s.p, s.n < 60 ? s.n : 60); }

static bool scalar(struct reader *r, const struct config_key *k, const struct yaml_node *n)
{
    if (n->kind == YAML_TEXT) return true;
    config_complain(r, n->line, "must be a %s, it is %s", config_type_name(k->type), yaml_kind_name(n));
    return false;
}

void read_text(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    uint64_t max = k->max ? k->max : 1024;
    if (!scalar(r, k, n)) return;
    if (n->text.n == 0) config_complain(r, n->line, "is empty; write a value or remove the key");
    else if (n->text.n > max)
        config_complain(r, n->line, "has %zu bytes, at most %llu are allowed", n->text.n, (unsigned long long)max);
    else *(struct str *)field = n->text;
}

bool config_name_is_valid(struct str s, bool pattern)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._:/@-", c));
        if (!letter && !(pattern && c == '*' && i + 1 == s.n)) return false;
    }
    return s.n > 0;
}

void read_name(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    bool pattern = k->words;
    if (!scalar(r, k, n)) return;
    if (n->text.n > k->max)
        config_complain(r, n->line, "has %zu characters, at most %llu are allowed", n->text.n, (unsigned long long)k->max);
    else if (!config_name_is_valid(n->text, pattern))
        config_complain(r, n->line, "\"%.*s\" is not a name; use letters, digits and . _ : / @ -%s", STR_ARG(brief(n->text)),
                        pattern ? ", and one * at the end" : "");
    else *(struct str *)field = n->text;
}

static struct str place(struct reader *r, struct str path)
{
    struct str dir = r->config->dir, out;
    if (path.n == 0 || path.p[0] == '/' || dir.n == 0) return path;
    while (str_starts(path, S("./")) && path.n > 2 && path.p[2] != '/') path = str_from(path, 2); /* people read these paths */
    char *p = arena_alloc(&r->config->arena, dir.n + path.n + 1);
    if (!p) return path;
    memcpy(p, dir.p, dir.n);
    memcpy(p + dir.n, path.p, path.n);
    out = str_make(p, dir.n + path.n);
    return out;
}

void read_path(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    struct str text = STR_NONE;
    read_text(r, k, n, &text);
    if (text.n) *(struct str *)field = place(r, text);
}

void read_address(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    struct sockaddr_storage address;
    socklen_t len;
    if (!scalar(r, k, n)) return;
    if (config_address(n->text, &address, &len)) *(struct str *)field = n->text;
    else
        config_complain(r, n->line, "\"%.*s\" is not an address; write 127.0.0.1:8400, [::1]:8400 or *:8400",
                        STR_ARG(brief(n->text)));
}

/* http(s)://host[:port][/path], without anything that could hide a secret or confuse a parser. */
static bool is_base_url(struct str s)
{
    struct str rest = str_starts(s, S("https://")) ? str_from(s, 8) : str_starts(s, S("http://")) ? str_from(s, 7) : STR_NONE;
    for (size_t i = 0; i < rest.n; i++)
        if ((unsigned char)rest.p[i] <= ' ' || (unsigned char)rest.p[i] >= 0x7f || strchr("\"<>\\^`{|}#?@", rest.p[i]))
            return false;
    return rest.n > 0 && rest.p[0] != '/';
}

void read_url(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    bool may_refer = k->words;
    if (!scalar(r, k, n)) return;
    if (may_refer && config_is_reference(n->text)) read_secret(r, k, n, field);
    else if (is_base_url(n->text) && n->text.n <= k->max) *(struct str *)field = n->text;
    else if (memchr(n->text.p, '@', n->text.n))
        config_complain(r, n->line, "a password does not stand in this file; %s",
                        may_refer ? "write env:NAME and put the whole URL into the variable NAME"
                                  : "a provider's credential is its key");
    else config_complain(r, n->line, "is not a base URL; write http:// or https://, a host and a path, without query");
}

bool config_is_reference(struct str s) { return (str_starts(s, S("env:")) && s.n > 4) || (str_starts(s, S("file:")) && s.n > 5); }

static struct str reference(struct reader *r, struct str s)
{
    if (!str_starts(s, S("file:"))) return s;
    struct str path = place(r, str_from(s, 5));
    char *p = arena_alloc(&r->config->arena, path.n + 6);
    if (!p) return s;
    memcpy(p, "file:", 5);
    memcpy(p + 5, path.p, path.n);
    return str_make(p, path.n + 5);
}

/* The value is never repeated in the error: it may be the secret itself. */
void read_secret(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (!scalar(r, k, n)) return;
    if (config_is_reference(n->text) && n->text.n <= 1024) *(struct str *)field = reference(r, n->text);
    else
        config_complain(r, n->line,
                        "a secret does not stand in this file; write env:NAME and set the variable NAME, or file:path");
}

void read_flag(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (!scalar(r, k, n)) return;
    bool yes = n->plain && str_eq(n->text, S("true")), no = n->plain && str_eq(n->text, S("false"));
    if (yes || no) *(bool *)field = yes;
    else config_complain(r, n->line, "\"%.*s\" is neither; write true or false", STR_ARG(brief(n->text)));
}

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit TIME[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit BYTES[] = {
    {"", 1},      {"B", 1},        {"KiB", 1u << 10},  {"MiB", 1u << 20}, {"GiB", 1u << 30}, {"TiB", 1ull << 40},
    {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {NULL, 0}};

/* One number with its unit; the unit ends at the next digit, so that 1h30m is two of them. */
static bool take_quantity(struct str *s, const struct unit *units, uint64_t *sum)
{
    size_t digits = 0, unit_end;
    while (digits < s->n && s->p[digits] >= '0' && s->p[digits] <= '9') digits++;
    for (unit_end = digits; unit_end < s->n && (s->p[unit_end] < '0' || s->p[unit_end] > '9');) unit_end++;
    uint64_t n, more;
    struct str unit = str_make(s->p + digits, unit_end - digits);
    if (!str_u64(str_make(s->p, digits), &n)) return false;
    for (; units->name; units++)
        if (str_eq(str_z(units->name), unit)) {
            *s = str_from(*s, unit_end);
            return !__builtin_mul_overflow(n, units->factor, &more) && !__builtin_add_overflow(*sum, more, sum);
        }
    return false;
}

static bool quantity(struct str s, const struct unit *units, uint64_t *ret_value)
{
    uint64_t sum = 0;
    if (s.n == 0) return false;
    while (s.n)
        if (!take_quantity(&s, units, &sum)) return false;
    *ret_value = sum;
    return true;
}

static void bounded(struct reader *r, const struct config_key *k, const struct yaml_node *n, uint64_t value, void *field)
{
    if (value < k->min)
        config_complain(r, n->line, "%.*s is too small; the least is %llu%s", STR_ARG(brief(n->text)), (unsigned long long)k->min,
                        k->type == CONFIG_DURATION ? "ms" : "");
    else if (k->max && value > k->max)
        config_complain(r, n->line, "%.*s is too large; the most is %llu%s", STR_ARG(brief(n->text)), (unsigned long long)k->max,
                        k->type == CONFIG_DURATION ? "ms" : "");
    else *(uint64_t *)field = value;
}

void read_count(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    uint64_t value;
    if (!scalar(r, k, n)) return;
    if (str_u64(n->text, &value)) bounded(r, k, n, value, field);
    else config_complain(r, n->line, "\"%.*s\" is not a whole number", STR_ARG(brief(n->text)));
}

bool config_duration(struct str text, uint64_t *ret_ms)
{
    *ret_ms = 0;
    return str_eq(text, S("0")) || quantity(text, TIME, ret_ms);
}

void read_duration(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    uint64_t value = 0;
    if (!scalar(r, k, n)) return;
    if (config_duration(n->text, &value)) bounded(r, k, n, value, field);
    else
        config_complain(r, n->line, "\"%.*s\" is not a duration; write a number with its unit: 300ms, 5s, 10m, 1h, 30d",
                        STR_ARG(brief(n->text)));
}

void read_size(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    uint64_t value;
    if (!scalar(r, k, n)) return;
    if (quantity(n->text, BYTES, &value)) bounded(r, k, n, value, field);
    else
        config_complain(r, n->line, "\"%.*s\" is not a size; write bytes or a unit: 65536, 64KiB, 32MiB, 2GiB",
                        STR_ARG(brief(n->text)));
}

/* Two fields: bytes, and percent behind them. */
void read_share(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    uint64_t *bytes = field, *percent = bytes + 1, value;
    if (!scalar(r, k, n)) return;
    if (!str_ends(n->text, S("%"))) {
        read_size(r, k, n, bytes);
        *percent = 0;
    } else if (str_u64(str_make(n->text.p, n->text.n - 1), &value) && value >= 1 && value <= 100) {
        *percent = value;
        *bytes = 0;
    } else config_complain(r, n->line, "\"%.*s\" is not a share; write 1%% to 100%%, or a size", STR_ARG(brief(n->text)));
}

void read_word(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (!scalar(r, k, n)) return;
    struct str rest = str_z(k->words), word;
    for (uint64_t i = 0; rest.n; i++) {
        str_cut(rest, '|', &word, &rest);
        if (!str_eq(word, n->text)) continue;
        *(uint64_t *)field = i;
        return;
    }
    config_complain(r, n->line, "\"%.*s\" is none of %s", STR_ARG(brief(n->text)), k->words);
}

/* A list of scalars, or a single one in its place. */
static void read_each(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field, config_read_fn *read)
{
    struct config_key element = *k;
    element.max = 0;
    element.type = CONFIG_TEXT;
    if (k->type == CONFIG_NAMES) element.max = 256; /* aliases: as long as a model's name */
    if (n->kind == YAML_MAP) {
        config_complain(r, n->line, "must be a list, it is a map");
        return;
    }
    unsigned count = n->kind == YAML_LIST ? n->n : 1;
    if (count > k->max) {
        config_complain(r, n->line, "has %u elements, at most %llu are allowed", count, (unsigned long long)k->max);
        return;
    }
    struct str *out = config_list_make(r, field, count, sizeof *out);
    const struct yaml_node *at = n->kind == YAML_LIST ? n->first : n;
    for (unsigned i = 0; out && i < count; i++, at = at->next) {
        size_t path = r->path.n;
        if (n->kind == YAML_LIST) buf_fmt(&r->path, "[%u]", i);
        read(r, &element, at, &out[i]);
        r->path.n = path;
    }
}

void read_texts(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    read_each(r, k, n, field, read_text);
}
void read_names(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    read_each(r, k, n, field, read_name);
}
void read_paths(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    read_each(r, k, n, field, read_path);
}
