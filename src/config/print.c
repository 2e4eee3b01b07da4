/* The table and the present values as text: for `aquifer config explain` and `show`, the admin API and the manual page.
 * Owns nothing. Secrets are references in the file and are shown as such. */
#include "config/priv.h"

#include "json/json.h"

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static void explain_key(const struct config_key *k, struct buf *out)
{
    buf_fmt(out, "%s\n    %s\n    type: ", k->path, k->help);
    if (k->type == CONFIG_WORD) buf_fmt(out, "one of %s", k->words);
    else buf_fmt(out, "%s", config_type_name(k->type));
    if (k->required) buf_fmt(out, "; needed");
    else if (k->fallback) buf_fmt(out, "; default: %s", k->fallback);
    if (k->type != CONFIG_SECTION) buf_fmt(out, "; a change takes effect %s", k->reloadable ? "at once" : "at the next start");
    buf_fmt(out, "; since %s\n", k->since);
}

/* "providers.key" and "providers[0].key" mean "providers[].key". */
static void normal_path(struct str path, struct buf *out)
{
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] >= '0' && path.p[i] <= '9' && i && path.p[i - 1] == '[') {
            while (i + 1 < path.n && path.p[i + 1] >= '0' && path.p[i + 1] <= '9') i++;
            continue;
        }
        struct str so_far;
        buf_char(out, path.p[i]);
        if (i + 1 >= path.n || path.p[i + 1] != '.') continue;
        so_far = buf_view(out);
        const struct config_key *k = config_key_find(so_far);
        if (k && k->type == CONFIG_MAPS) buf_str(out, S("[]"));
    }
}

static bool is_below(const struct config_key *k, struct str path)
{
    struct str own = str_z(k->path);
    return path.n == 0 || (str_starts(own, path) && (own.n == path.n || own.p[path.n] == '.' || own.p[path.n] == '['));
}

static void write_key(const struct config_key *k, struct json_writer *w)
{
    json_put_object(w);
    json_add_str(w, S("key"), str_z(k->path));
    json_add_str(w, S("help"), str_z(k->help));
    json_add_str(w, S("type"), str_z(config_type_name(k->type)));
    if (k->type == CONFIG_WORD) {
        struct str word, rest = str_z(k->words);
        json_add_array(w, S("words"));
        while (rest.n) {
            str_cut(rest, '|', &word, &rest);
            json_put_str(w, word);
        }
        json_put_end(w);
    }
    if (k->fallback) json_add_str(w, S("default"), str_z(k->fallback));
    else json_add_null(w, S("default"));
    json_add_bool(w, S("required"), k->required);
    json_add_bool(w, S("reloadable"), k->reloadable);
    json_add_str(w, S("since"), str_z(k->since));
    json_put_end(w);
}

static void not_found(struct str path, struct buf *out)
{
    const char *near = NULL;
    unsigned best = 8;
    int n = (int)(path.n < 80 ? path.n : 80);
    for (unsigned i = 0; config_key_at(i); i++) {
        unsigned far = str_distance(str_z(config_key_at(i)->path), path);
        if (far >= best) continue;
        best = far;
        near = config_key_at(i)->path;
    }
    if (near) buf_fmt(out, "there is no key %.*s; did you mean %s?\n", n, path.p, near);
    else buf_fmt(out, "there is no key %.*s; `aquifer config explain` lists them all\n", n, path.p);
}

/* Keys at and below the path, from *at on; NULL: no more. */
static const struct config_key *next_below(struct str path, unsigned *at)
{
    for (const struct config_key *k; (k = config_key_at((*at)++));)
        if (is_below(k, path)) return k;
    return NULL;
}

bool config_explain(struct str path, struct buf *out)
{
    struct buf normal;
    unsigned at = 0, found = 0;
    buf_init(&normal, 512);
    normal_path(path, &normal);
    for (const struct config_key *k; (k = next_below(buf_view(&normal), &at));) {
        if (found++) buf_char(out, '\n');
        explain_key(k, out);
    }
    if (!found) not_found(path, out);
    buf_done(&normal);
    return found > 0;
}

bool config_explain_json(struct str path, struct buf *out)
{
    struct buf normal;
    struct json_writer w;
    unsigned at = 0, found = 0;
    buf_init(&normal, 512);
    normal_path(path, &normal);
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (const struct config_key *k; (k = next_below(buf_view(&normal), &at)); found++) write_key(k, &w);
    json_put_end(&w);
    json_put_end(&w);
    json_write_done(&w);
    if (!found) {
        buf_clear(out);
        not_found(path, out);
    }
    buf_done(&normal);
    return found > 0;
}

/* mdoc takes a backslash and a leading dot or quote as its own. */
static void put_roff(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'') buf_str(out, S("\\&"));
    for (; *text; text++) {
        if (*text == '\\') buf_str(out, S("\\e"));
        else if (*text == '-') buf_str(out, S("\\-"));
        else buf_char(out, *text);
    }
}

void config_manual(struct buf *out)
{
    buf_str(out, S(".Sh CONFIGURATION\nOne YAML file. Durations are written 300ms, 5s, 10m, 1h or 30d, sizes 64KiB or "
                   "32MiB.\n.Bl -tag -width Ds\n"));
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        buf_str(out, S(".It "));
        put_roff(out, k->path);
        buf_char(out, '\n');
        put_roff(out, k->help);
        buf_fmt(out, "\n.br\n");
        put_roff(out, k->type == CONFIG_WORD ? k->words : config_type_name(k->type));
        if (k->required) buf_str(out, S("; needed"));
        if (k->fallback) {
            buf_str(out, S("; default "));
            put_roff(out, k->fallback);
        }
        buf_str(out, k->reloadable || k->type == CONFIG_SECTION ? S(".\n") : S("; read at the start only.\n"));
    }
    buf_str(out, S(".El\n"));
}

/* ---- the values ------------------------------------------------------------------------------------------------------- */

/* line 0: a default. */
typedef void emit_fn(void *to, const struct config *c, struct str path, struct str json, unsigned line);
struct show {
    const struct config *config;
    struct buf path;
    emit_fn *emit;
    void *to;
};

static void show_node(struct show *s, const struct yaml_node *n)
{
    struct buf json;
    buf_init(&json, MIB(1));
    yaml_write_json(n, &json);
    s->emit(s->to, s->config, buf_view(&s->path), buf_view(&json), n->line);
    buf_done(&json);
}

static void show_members(struct show *s, struct str prefix, const struct yaml_node *map);

static void show_elements(struct show *s, const struct config_key *k, const struct yaml_node *n)
{
    struct buf prefix;
    size_t path = s->path.n;
    unsigned i = 0;
    buf_init(&prefix, 128);
    buf_fmt(&prefix, "%s[]", k->path);
    if (n->n == 0) show_node(s, n);
    for (const struct yaml_node *at = n->kind == YAML_LIST ? n->first : n; at; at = n->kind == YAML_LIST ? at->next : NULL) {
        buf_fmt(&s->path, "[%u]", i++);
        if (at->kind == YAML_MAP) show_members(s, buf_view(&prefix), at);
        else show_node(s, at);
        s->path.n = path;
    }
    buf_done(&prefix);
}

static void show_key(struct show *s, const struct config_key *k, const struct yaml_node *n)
{
    if (k->type == CONFIG_SECTION) show_members(s, str_z(k->path), n);
    else if (k->type == CONFIG_MAPS && !yaml_is_null(n)) show_elements(s, k, n);
    else if (!yaml_is_null(n)) show_node(s, n);
    else if (k->fallback) {
        struct yaml_node given = {.kind = YAML_TEXT, .plain = true, .text = str_z(k->fallback)};
        show_node(s, &given);
    }
}

static void show_members(struct show *s, struct str prefix, const struct yaml_node *map)
{
    size_t path = s->path.n;
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        struct str own = str_z(k->path);
        if (prefix.n && (!str_starts(own, prefix) || own.p[prefix.n] != '.')) continue;
        if (prefix.n) own = str_from(own, prefix.n + 1);
        if (memchr(own.p, '.', own.n) || memchr(own.p, '[', own.n)) continue;
        buf_fmt(&s->path, "%s%.*s", path ? "." : "", STR_ARG(own));
        show_key(s, k, yaml_find(map, own));
        s->path.n = path;
    }
}

static void show_all(const struct config *c, emit_fn *emit, void *to)
{
    struct show s = {.config = c, .emit = emit, .to = to};
    buf_init(&s.path, 512);
    show_members(&s, STR_NONE, c->root);
    buf_done(&s.path);
}

static void emit_text(void *to, const struct config *c, struct str path, struct str json, unsigned line)
{
    struct buf *out = to;
    bool quoted = json.n >= 2 && json.p[0] == '"' && !memchr(json.p, '\\', json.n);
    if (quoted) json = str_make(json.p + 1, json.n - 2);
    buf_fmt(out, "%.*s: %.*s  # ", STR_ARG(path), STR_ARG(json));
    if (line) buf_fmt(out, "%.*s:%u\n", STR_ARG(c->file), line);
    else buf_str(out, S("default\n"));
}

static void emit_json(void *to, const struct config *c, struct str path, struct str json, unsigned line)
{
    struct json_writer *w = to;
    struct buf source;
    buf_init(&source, KIB(8));
    if (line) buf_fmt(&source, "%.*s:%u", STR_ARG(c->file), line);
    else buf_str(&source, S("default"));
    json_put_object(w);
    json_add_str(w, S("key"), path);
    json_add_raw(w, S("value"), json);
    json_add_str(w, S("source"), buf_view(&source));
    json_put_end(w);
    buf_done(&source);
}

void config_show(const struct config *c, struct buf *out) { show_all(c, emit_text, out); }

void config_show_json(const struct config *c, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_array(&w);
    show_all(c, emit_json, &w);
    json_put_end(&w);
    json_write_done(&w);
}

/* A key's value as JSON, given or by default. */
static void value_at(const struct config *c, const struct config_key *k, struct buf *out)
{
    struct str rest = str_z(k->path), name;
    const struct yaml_node *n = c->root;
    while (n && rest.n) {
        str_cut(rest, '.', &name, &rest);
        n = yaml_find(n, name);
    }
    const struct yaml_node fallback = {.kind = YAML_TEXT, .plain = true, .text = str_z(k->fallback)};
    if (!yaml_is_null(n)) yaml_write_json(n, out);
    else if (k->fallback) yaml_write_json(&fallback, out);
}

void config_restart_needed(const struct config *was, const struct config *is, struct buf *out)
{
    struct buf a, b;
    buf_init(&a, MIB(1));
    buf_init(&b, MIB(1));
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        if (k->reloadable || k->type == CONFIG_SECTION || strchr(k->path, '[')) continue;
        buf_clear(&a);
        buf_clear(&b);
        value_at(was, k, &a);
        value_at(is, k, &b);
        if (!str_eq(buf_view(&a), buf_view(&b))) buf_fmt(out, "%s%s", out->n ? ", " : "", k->path);
    }
    buf_done(&a);
    buf_done(&b);
}

bool config_where(const struct config *c, const char *kind, struct str name, struct buf *out)
{
    uint64_t line = 0;
    for (unsigned i = 0; i < c->providers.n && !strcmp(kind, "provider"); i++)
        if (str_eq(c->providers.at[i].name, name)) line = c->providers.at[i].line;
    for (unsigned i = 0; i < c->routes.n && !strcmp(kind, "route"); i++)
        if (str_eq(c->routes.at[i].name, name)) line = c->routes.at[i].line;
    if (line) buf_fmt(out, "%.*s:%llu", STR_ARG(c->file), (unsigned long long)line);
    return line > 0;
}
