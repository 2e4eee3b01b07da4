/* From libyaml's events to a tree of nodes. Called when configuration or catalogue is read; bounded in depth and nodes,
 * so that a hostile file costs no more than its own size. Owns nothing: the arena is the caller's. */
#include "yaml/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

enum { DEPTH_MAX = 24, NODES_MAX = 1000000 };

struct builder {
    const char *file;
    struct arena *arena;
    struct fault *why;
    yaml_parser_t parser;
    struct {
        struct yaml_node *node, **end; /* the open container and where its next child goes */
        struct str name;               /* of the member under way; p NULL: a name comes next */
        unsigned name_line;
        struct map names; /* those that stand already */
    } open[DEPTH_MAX];
    unsigned depth, nodes;
    struct yaml_node *root;
};

static enum err complain(struct builder *b, size_t line, const char *what)
{
    return FAIL(b->why, ERR_CONFIG, "%s:%zu: %s", b->file, line + 1, what);
}

static struct yaml_node *make(struct builder *b, enum yaml_kind kind, size_t line) /* NULL: no room */
{
    struct yaml_node *n = b->nodes++ < NODES_MAX ? arena_alloc(b->arena, sizeof *n) : NULL;
    if (!n) return NULL;
    n->kind = kind;
    n->line = (unsigned)line + 1;
    return n;
}

/* Hangs a node into the innermost open container, or makes it the root. */
static void hang(struct builder *b, struct yaml_node *n)
{
    if (b->depth == 0) {
        b->root = n;
        return;
    }
    unsigned top = b->depth - 1;
    if (b->open[top].node->kind == YAML_MAP) {
        n->name = b->open[top].name;
        n->line = b->open[top].name_line;
        b->open[top].name = STR_NONE;
    }
    *b->open[top].end = n;
    b->open[top].end = &n->next;
    b->open[top].node->n++;
}

static bool awaits_name(const struct builder *b)
{
    return b->depth > 0 && b->open[b->depth - 1].node->kind == YAML_MAP && !b->open[b->depth - 1].name.p;
}

static enum err take_name(struct builder *b, struct str name, size_t line)
{
    unsigned top = b->depth - 1;
    if (!map_add(&b->open[top].names, name, b->open[top].node))
        return FAIL(b->why, ERR_CONFIG, "%s:%zu: \"%.*s\" stands twice; keep one of them", b->file, line + 1,
                    (int)(name.n < 64 ? name.n : 64), name.p);
    b->open[top].name = name;
    b->open[top].name_line = (unsigned)line + 1;
    return OK;
}

static enum err take_scalar(struct builder *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line;
    if (e->data.scalar.anchor || e->data.scalar.tag)
        return complain(b, line, "anchors (&) and tags (!) are not used here; write the value itself");
    struct str text = str_make((const char *)e->data.scalar.value, e->data.scalar.length);
    if (memchr(text.p, '\0', text.n)) return complain(b, line, "a value contains a NUL character");
    if (!arena_str(b->arena, text, &text)) return complain(b, line, "the file is too large");
    if (awaits_name(b)) return take_name(b, text, line);
    struct yaml_node *n = make(b, YAML_TEXT, line);
    if (!n) return complain(b, line, "the file is too large");
    n->text = text;
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    hang(b, n);
    return OK;
}

static enum err take_start(struct builder *b, const yaml_event_t *e, enum yaml_kind kind, const void *anchor)
{
    size_t line = e->start_mark.line;
    if (anchor) return complain(b, line, "anchors (&) and tags (!) are not used here; write the value itself");
    if (awaits_name(b)) return complain(b, line, "the name of a key must be plain text, not a list or a map");
    if (b->depth == DEPTH_MAX) return complain(b, line, "nested too deep");
    struct yaml_node *n = make(b, kind, line);
    if (!n) return complain(b, line, "the file is too large");
    hang(b, n);
    b->open[b->depth].node = n;
    b->open[b->depth].end = &n->first;
    b->open[b->depth].name = STR_NONE;
    map_init(&b->open[b->depth++].names);
    return OK;
}

static enum err take_document(struct builder *b, const yaml_event_t *e)
{
    if (b->root) return complain(b, e->start_mark.line, "a second document (---); a file holds one");
    if (e->data.document_start.version_directive ||
        e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        return complain(b, e->start_mark.line, "directives (%) are not used here; remove the line");
    return OK;
}

static enum err take_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT: return take_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return take_start(b, e, YAML_LIST,
                          e->data.sequence_start.anchor ? e->data.sequence_start.anchor : e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return take_start(b, e, YAML_MAP,
                          e->data.mapping_start.anchor ? e->data.mapping_start.anchor : e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: map_done(&b->open[--b->depth].names); return OK;
    case YAML_ALIAS_EVENT:
        return complain(b, e->start_mark.line,
                        "aliases (*) are not used here; write the value itself (in quotes if it begins with *)");
    case YAML_DOCUMENT_START_EVENT: return take_document(b, e);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    }
    return OK;
}

static enum err parser_fault(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    size_t line = p->problem_mark.line + 1;
    if (p->error == YAML_READER_ERROR)
        return FAIL(b->why, ERR_CONFIG, "%s: not text in UTF-8 at byte %zu (%s)", b->file, p->problem_offset, p->problem);
    if (p->context)
        return FAIL(b->why, ERR_CONFIG, "%s:%zu: not YAML: %s, %s", b->file, line, p->context,
                    p->problem ? p->problem : "broken");
    return FAIL(b->why, ERR_CONFIG, "%s:%zu: not YAML: %s", b->file, line, p->problem ? p->problem : "broken");
}

static enum err take_all(struct builder *b)
{
    for (bool end = false; !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&b->parser, &e)) return parser_fault(b);
        enum err got = take_event(b, &e);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
        if (got != OK) return got;
    }
    return OK;
}

enum err yaml_read(const char *file, struct str text, struct arena *a, struct yaml_node **ret_root, struct fault *why)
{
    *ret_root = NULL;
    struct builder *b = mem_alloc(sizeof *b);
    b->file = file;
    b->arena = a;
    b->why = why;
    must(yaml_parser_initialize(&b->parser));
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    enum err got = take_all(b);
    while (b->depth > 0) map_done(&b->open[--b->depth].names);
    yaml_parser_delete(&b->parser);
    if (got == OK) *ret_root = b->root;
    free(b);
    return got;
}

struct yaml_node *yaml_find(const struct yaml_node *map, struct str name)
{
    if (!map || map->kind != YAML_MAP) return NULL;
    for (struct yaml_node *n = map->first; n; n = n->next)
        if (str_eq(n->name, name)) return n;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
    if (!n) return true;
    if (n->kind != YAML_TEXT || !n->plain) return false;
    return n->text.n == 0 || str_eq(n->text, S("~")) || str_eq(n->text, S("null"));
}

const char *yaml_kind_name(const struct yaml_node *n)
{
    static const char *const NAMES[] = {[YAML_TEXT] = "a single value", [YAML_LIST] = "a list", [YAML_MAP] = "a map"};
    return NAMES[n->kind];
}
