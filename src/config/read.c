/* From the document to struct config, by the table: unknown keys, wrong types and missing values are noted with file,
 * line and key, and reading goes on, so that one run shows all of them. Called by supervisor, control and commands;
 * works on text alone, but for config_load(). */
#include "config/priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static config_read_fn read_section, read_maps;

static config_read_fn *const READ[CONFIG_TYPES] = {
    [CONFIG_SECTION] = read_section,
    [CONFIG_MAPS] = read_maps,
    [CONFIG_TEXT] = read_text,
    [CONFIG_NAME] = read_name,
    [CONFIG_PATH] = read_path,
    [CONFIG_ADDRESS] = read_address,
    [CONFIG_URL] = read_url,
    [CONFIG_SECRET] = read_secret,
    [CONFIG_FLAG] = read_flag,
    [CONFIG_COUNT] = read_count,
    [CONFIG_DURATION] = read_duration,
    [CONFIG_SIZE] = read_size,
    [CONFIG_SHARE] = read_share,
    [CONFIG_WORD] = read_word,
    [CONFIG_TEXTS] = read_texts,
    [CONFIG_NAMES] = read_names,
    [CONFIG_PATHS] = read_paths,
    [CONFIG_HEADERS] = read_headers,
    [CONFIG_BODY_FIELDS] = read_body_fields,
    [CONFIG_PRICE] = read_price,
};

void *config_list_make(struct reader *r, void *field, unsigned n, size_t size)
{
    struct any_list list = {NULL, n};
    if (n) list.at = arena_alloc(&r->config->arena, n * size);
    if (n && !list.at) {
        config_complain(r, 0, "the configuration is too large");
        return NULL;
    }
    memcpy(field, &list, sizeof list);
    return list.at;
}

/* The part of a key's path behind "prefix." when it is a direct child of it; empty otherwise. */
static struct str leaf(const struct config_key *k, struct str prefix)
{
    struct str path = str_z(k->path);
    if (prefix.n) {
        if (!str_starts(path, prefix) || path.n <= prefix.n || path.p[prefix.n] != '.') return STR_NONE;
        path = str_from(path, prefix.n + 1);
    }
    return memchr(path.p, '.', path.n) || memchr(path.p, '[', path.n) ? STR_NONE : path;
}

static const struct config_key *find_leaf(struct str prefix, struct str name)
{
    for (unsigned i = 0; config_key_at(i); i++)
        if (name.n && str_eq(leaf(config_key_at(i), prefix), name)) return config_key_at(i);
    return NULL;
}

static void unknown(struct reader *r, const struct yaml_node *map, const struct yaml_node *n, struct str prefix)
{
    struct str near = STR_NONE;
    unsigned best = 4;
    for (unsigned i = 0; config_key_at(i); i++) {
        struct str name = leaf(config_key_at(i), prefix);
        unsigned far = name.n ? str_distance(name, n->name) : best;
        if (far < best && far < name.n) {
            best = far;
            near = name;
        }
    }
    struct str name = str_make(n->name.p, n->name.n < 60 ? n->name.n : 60);
    if (near.n)
        config_complain_of(r, n->line, "", "\"%.*s\" is not a key here; did you mean \"%.*s\"?", STR_ARG(name), STR_ARG(near));
    else config_complain_of(r, n->line, "", "\"%.*s\" is not a key here; `aquifer config explain` lists them", STR_ARG(name));
    if (near.n && !yaml_find(map, near)) config_mark_wrong(r, near); /* that it is missing only follows */
}

/* A plain scalar that stands for a default. */
static void read_fallback(struct reader *r, const struct config_key *k, void *base)
{
    struct yaml_node n = {.kind = YAML_TEXT, .plain = true, .text = str_z(k->fallback)};
    READ[k->type](r, k, &n, (char *)base + k->at);
}

static void unset_number(const struct config_key *k, void *base)
{
    if (k->type == CONFIG_COUNT || k->type == CONFIG_DURATION || k->type == CONFIG_SIZE)
        *(uint64_t *)(void *)((char *)base + k->at) = CONFIG_UNSET;
}

/* Defaults of all keys of one struct: those below the prefix that are in no further list. */
static void read_fallbacks(struct reader *r, struct str prefix, void *base)
{
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        struct str path = str_z(k->path), rest = path;
        size_t at;
        if (prefix.n && (!str_starts(path, prefix) || path.p[prefix.n] != '.')) continue;
        if (prefix.n) rest = str_from(path, prefix.n);
        if (str_find(rest, S("[]"), &at)) continue;
        if (k->fallback) read_fallback(r, k, base);
        else unset_number(k, base);
    }
}

static void find_missing(struct reader *r, const struct yaml_node *map, struct str prefix)
{
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        struct str name = k->required ? leaf(k, prefix) : STR_NONE;
        char key[64];
        if (name.n == 0 || !yaml_is_null(yaml_find(map, name))) continue;
        snprintf(key, sizeof key, "%.*s", STR_ARG(name));
        config_complain_of(r, map->line, key, "%s is missing: %s", key, k->help);
        config_mark_wrong(r, name);
    }
}

static void read_members(struct reader *r, const struct yaml_node *map, struct str prefix, void *base)
{
    for (const struct yaml_node *n = map->first; n; n = n->next) {
        size_t path = r->path.n;
        const struct config_key *k = find_leaf(prefix, n->name);
        if (!k) {
            unknown(r, map, n, prefix);
            continue;
        }
        if (yaml_is_null(n)) continue;
        buf_fmt(&r->path, "%s%.*s", path ? "." : "", STR_ARG(n->name));
        READ[k->type](r, k, n, (char *)base + k->at);
        r->path.n = path;
    }
    find_missing(r, map, prefix);
}

/* `field` is the struct that the section's keys lie in: a section has no place of its own. */
static void read_section(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (n->kind == YAML_MAP) read_members(r, n, str_z(k->path), field);
    else config_complain(r, n->line, "must be a map of keys, it is %s", yaml_kind_name(n));
}

static void read_element(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *base)
{
    struct buf prefix;
    struct yaml_node wrapped = {.kind = YAML_MAP, .line = n->line, .n = 1}, text = *n;
    if (n->kind == YAML_TEXT && k->words) { /* a plain text stands for the map's main key */
        text.name = str_z(k->words);
        text.next = NULL;
        wrapped.first = &text;
        n = &wrapped;
    }
    if (n->kind != YAML_MAP) {
        config_complain(r, n->line, "must be a map of keys, it is %s", yaml_kind_name(n));
        return;
    }
    buf_init(&prefix, 128);
    buf_fmt(&prefix, "%s[]", k->path);
    read_fallbacks(r, buf_view(&prefix), base);
    read_members(r, n, buf_view(&prefix), base);
    buf_done(&prefix);
}

static void set_line(const struct config_key *k, void *base, unsigned line)
{
    static const struct {
        size_t size, at;
    } LINES[] = {
        {sizeof(struct config_listener), offsetof(struct config_listener, line)},
        {sizeof(struct config_provider), offsetof(struct config_provider, line)},
        {sizeof(struct config_deployment), offsetof(struct config_deployment, line)},
        {sizeof(struct config_route), offsetof(struct config_route, line)},
        {sizeof(struct config_engine_model), offsetof(struct config_engine_model, line)},
    };
    for (size_t i = 0; i < COUNTOF(LINES); i++)
        if (LINES[i].size == k->size) *(uint64_t *)(void *)((char *)base + LINES[i].at) = line;
}

static void read_maps(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    bool single = n->kind == YAML_TEXT || (n->kind == YAML_MAP && k->words);
    if (!single && n->kind != YAML_LIST) {
        config_complain(r, n->line, "must be a list, it is %s; begin each element with \"- \"", yaml_kind_name(n));
        return;
    }
    unsigned count = single ? 1 : n->n, i = 0;
    if (count > k->max) {
        config_complain(r, n->line, "has %u elements, at most %llu are allowed", count, (unsigned long long)k->max);
        return;
    }
    char *out = config_list_make(r, field, count, k->size);
    for (const struct yaml_node *at = single ? n : n->first; out && i < count; at = at->next, i++) {
        size_t path = r->path.n;
        if (!single) buf_fmt(&r->path, "[%u]", i);
        set_line(k, out + i * k->size, at->line);
        read_element(r, k, at, out + i * k->size);
        r->path.n = path;
    }
}

/* ---- the file ---------------------------------------------------------------------------------------------------------- */

static enum err verdict(const struct config_report *report, struct fault *why)
{
    if (report->n == 0) return OK;
    unsigned more = report->n - 1 + report->more;
    if (more == 0) return FAIL(why, ERR_CONFIG, "%s", report->items[0].text);
    return FAIL(why, ERR_CONFIG, "%.280s (and %u more)", report->items[0].text, more);
}

static struct config *config_new(const char *file)
{
    struct config *c = mem_alloc(sizeof *c);
    const char *slash = strrchr(file, '/');
    arena_init(&c->arena, KIB(64), MIB(256));
    must(arena_str(&c->arena, str_z(file), &c->file));
    c->dir = str_make(c->file.p, slash ? (size_t)(slash - file) + 1 : 0);
    return c;
}

static void read_root(struct reader *r)
{
    static const struct yaml_node EMPTY = {.kind = YAML_MAP, .line = 1};
    const struct yaml_node *root = yaml_is_null(r->config->root) ? &EMPTY : r->config->root;
    if (root->kind != YAML_MAP) {
        config_complain(r, root->line, "the file must be a map of keys, it is %s", yaml_kind_name(root));
        return;
    }
    read_fallbacks(r, STR_NONE, r->config);
    read_members(r, root, STR_NONE, r->config);
    config_check(r);
}

static enum err read_text_of(struct config *c, struct str text, struct config_report *report, struct fault *why)
{
    struct config_report *own = report ? NULL : mem_alloc(sizeof *own);
    struct reader r = {.config = c, .report = report ? report : own};
    struct yaml_node *root;
    struct fault broken;
    *r.report = (struct config_report){0};
    buf_init(&r.path, CONFIG_PATH_MAX);
    map_init(&r.wrong);
    if (yaml_read(c->file.p, text, &c->arena, &root, &broken) == OK) {
        c->root = root;
        read_root(&r);
    } else {
        snprintf(r.report->items[0].text, sizeof r.report->items[0].text, "%s", broken.text);
        r.report->n = 1;
    }
    enum err got = verdict(r.report, why);
    map_done(&r.wrong);
    buf_done(&r.path);
    free(own);
    return got;
}

enum err config_read(const char *file, struct str text, struct config **ret_config, struct config_report *report,
                     struct fault *why)
{
    struct config *c = config_new(file);
    enum err got = read_text_of(c, text, report, why);
    if (got == OK) *ret_config = c;
    else config_free(c);
    return got;
}

static enum err slurp(const char *file, struct buf *text, struct fault *why)
{
    FILE *in = fopen(file, "re");
    if (!in) return FAIL(why, ERR_IO, "cannot read %s: %s", file, strerror(errno));
    char piece[8192];
    struct stat st;
    size_t n;
    bool is_dir = fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode);
    while (!is_dir && !text->over && (n = fread(piece, 1, sizeof piece, in)) > 0) buf_add(text, piece, n);
    bool broken = is_dir || ferror(in);
    fclose(in);
    if (broken) return FAIL(why, ERR_IO, "cannot read %s: %s", file, is_dir ? "it is a directory" : strerror(errno));
    if (text->over) return FAIL(why, ERR_CONFIG, "%s is larger than %zu MiB", file, (size_t)(CONFIG_FILE_MAX / MIB(1)));
    return OK;
}

enum err config_look(const char *file, struct config **ret_config, struct config_report *report, struct fault *why)
{
    struct buf text;
    *ret_config = NULL;
    if (report) *report = (struct config_report){0};
    buf_init(&text, CONFIG_FILE_MAX);
    enum err got = slurp(file, &text, why);
    if (got == OK) {
        *ret_config = config_new(file);
        got = read_text_of(*ret_config, buf_view(&text), report, why);
    }
    buf_done(&text);
    return got;
}

enum err config_load(const char *file, struct config **ret_config, struct config_report *report, struct fault *why)
{
    struct config *c;
    enum err got = config_look(file, &c, report, why);
    if (got == OK) *ret_config = c;
    else config_free(c);
    return got;
}

void config_free(struct config *c)
{
    if (!c) return;
    arena_done(&c->arena);
    free(c);
}
