/* A form as text: for tests to compare and to print when they fail. */
#include "chat/test.h"

static const char *const ITEMS[ITEM_KINDS] = {
    [ITEM_MESSAGE] = "message",         [ITEM_REASONING] = "reasoning",
    [ITEM_TOOL_CALL] = "call",          [ITEM_TOOL_RESULT] = "result",
    [ITEM_SERVER_CALL] = "server call", [ITEM_SERVER_RESULT] = "server result",
    [ITEM_COMPACTION] = "compaction",   [ITEM_TOOLS] = "tools",
    [ITEM_REFERENCE] = "reference",     [ITEM_UNKNOWN] = "unknown",
};
static const char *const PARTS[PART_KINDS] = {
    [PART_TEXT] = "text",         [PART_REFUSAL] = "refusal",   [PART_IMAGE] = "image",     [PART_AUDIO] = "audio",
    [PART_VIDEO] = "video",       [PART_DOCUMENT] = "document", [PART_THOUGHT] = "thought", [PART_SUMMARY] = "summary",
    [PART_REDACTED] = "redacted", [PART_UNKNOWN] = "unknown",
};
static const char *const ROLES[] = {"none", "system", "developer", "user", "assistant"};

static void put_span(struct buf *out, const char *name, struct str span)
{
    if (!span.p) return;
    buf_fmt(out, " %s=\"", name);
    json_span_unescape(span, out);
    buf_char(out, '"');
}

static void put_raw(struct buf *out, const char *name, struct str raw)
{
    if (raw.p) buf_fmt(out, " %s=%.*s", name, STR_ARG(raw));
}

static void put_number(struct buf *out, const char *name, uint64_t n)
{
    if (n) buf_fmt(out, " %s=%llu", name, (unsigned long long)n);
}

static void put_extra(struct buf *out, const struct chat_node *n)
{
    for (const struct chat_extra *e = n->extra; e; e = e->next)
        buf_fmt(out, " +%.*s/%.*s=%.*s", STR_ARG(e->inside), STR_ARG(e->name), STR_ARG(e->raw));
}

static void put_opaque(struct buf *out, const struct chat_opaque *o)
{
    for (; o; o = o->next) {
        buf_fmt(out, " opaque%d", (int)o->kind);
        put_span(out, "", o->span);
    }
}

static void put_cache(struct buf *out, struct chat_cache c)
{
    put_span(out, "cache", c.kind);
    put_span(out, "ttl", c.ttl);
}

static void put_annotation(struct buf *out, const struct chat_annotation *n)
{
    buf_fmt(out, "\n      annotation %.*s", STR_ARG(n->kind));
    put_span(out, "url", n->url), put_span(out, "title", n->title), put_span(out, "quote", n->quote);
    put_span(out, "file", n->file);
    put_number(out, "start", n->start), put_number(out, "end", n->end), put_number(out, "unit", (uint64_t)n->unit);
    put_opaque(out, n->opaque);
    put_extra(out, &n->node);
}

static void put_part(struct buf *out, const struct chat_part *p)
{
    buf_fmt(out, "\n    %s", PARTS[p->kind]);
    put_span(out, "text", p->text);
    put_span(out, "type", p->media.type), put_span(out, "value", p->media.value), put_span(out, "owner", p->media.owner);
    put_number(out, "form", (uint64_t)p->media.form);
    put_span(out, "name", p->name), put_span(out, "title", p->title), put_span(out, "context", p->context);
    put_span(out, "detail", p->detail), put_raw(out, "citations", p->citations), put_raw(out, "logprobs", p->logprobs);
    put_cache(out, p->cache), put_opaque(out, p->opaque);
    put_raw(out, "raw", p->raw), put_extra(out, &p->node);
    for (const struct chat_annotation *n = p->annotations; n; n = n->next) put_annotation(out, n);
}

static void put_tools(struct buf *out, const struct chat_tool *t, int depth)
{
    for (; t; t = t->next) {
        buf_fmt(out, "\n%*s  tool%d", depth * 2, "", (int)t->kind);
        put_span(out, "name", t->name), put_span(out, "description", t->description);
        put_raw(out, "schema", t->schema), put_raw(out, "output", t->output_schema);
        put_number(out, "strict", (uint64_t)t->strict), put_number(out, "deferred", (uint64_t)t->deferred);
        put_raw(out, "grammar", t->grammar), put_cache(out, t->cache);
        put_raw(out, "raw", t->raw), put_extra(out, &t->node);
        put_tools(out, t->children, depth + 1);
    }
}

static void put_json(struct buf *out, const char *name, const struct chat_json *j)
{
    if (j->quoted) put_span(out, name, j->text);
    else if (j->text.p) buf_fmt(out, " %s=\"%.*s\"", name, STR_ARG(j->text));
}

static void put_item(struct buf *out, const struct chat_item *i)
{
    const struct chat_group *g = i->group;
    if (i->kind == ITEM_MESSAGE && !i->parts && !i->node.extra && !i->id.p) return; /* a message that says nothing */
    buf_fmt(out, "\n  %s choice=%u role=%s", ITEMS[i->kind], i->choice, ROLES[g ? g->role : ROLE_NONE]);
    if (g) put_span(out, "author", g->name), put_span(out, "message", g->id), put_number(out, "apart", g->apart);
    if (g) put_raw(out, "audio", g->audio), put_cache(out, g->cache), put_extra(out, &g->node);
    put_span(out, "id", i->id), put_span(out, "call", i->call_id);
    put_span(out, "namespace", i->name_space), put_span(out, "name", i->name);
    put_span(out, "status", i->status), put_span(out, "phase", i->phase);
    put_number(out, "form", (uint64_t)i->form), put_number(out, "error", (uint64_t)i->error);
    put_json(out, "arguments", &i->arguments);
    put_cache(out, i->cache), put_opaque(out, i->opaque);
    put_raw(out, "raw", i->raw), put_extra(out, &i->node);
    put_tools(out, i->tools, 1);
    for (const struct chat_part *p = i->parts; p; p = p->next) put_part(out, p);
}

static void put_settings(struct buf *out, const struct chat *c)
{
    for (unsigned s = 0; s < CHAT_SETTINGS_N; s++)
        if (c->node.has & 1ull << s) put_raw(out, chat_setting_word((enum chat_setting)s), c->settings[s]);
    put_number(out, "parallel", (uint64_t)c->parallel), put_number(out, "output", (uint64_t)c->output);
    put_span(out, "schema_name", c->schema_name), put_json(out, "schema", &c->schema);
    put_span(out, "schema_description", c->schema_description), put_number(out, "strict", (uint64_t)c->schema_strict);
    put_span(out, "effort", c->effort), put_raw(out, "budget", c->budget), put_span(out, "summary", c->summary);
    put_number(out, "thinking", (uint64_t)c->thinking), put_number(out, "stream", c->stream);
}

void chat_show(const struct chat *c, struct buf *out)
{
    buf_str(out, S("chat"));
    put_settings(out, c);
    buf_fmt(out, " choice=%d/%d", (int)c->choice.mode, c->choice.mode == CHOICE_ALLOWED ? (int)c->choice.within : 0);
    for (unsigned i = 0; i < c->choice.n_names; i++) put_span(out, "name", c->choice.names[i]);
    put_extra(out, &c->node);
    put_tools(out, c->tools, 0);
    for (const struct chat_item *i = c->items; i; i = i->next) put_item(out, i);
    buf_char(out, '\n');
}

static void put_usage(struct buf *out, const struct usage *u)
{
    buf_str(out, S("\n  usage"));
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (u->quality[c]) buf_fmt(out, " %s=%llu/%u", usage_cell_name(c), (unsigned long long)u->n[c], u->quality[c]);
    if (u->tier[0]) buf_fmt(out, " tier=%s", u->tier);
}

static void put_stop(struct buf *out, const struct chat_stop *s)
{
    buf_fmt(out, "\n  stop %d", (int)s->kind);
    put_span(out, "word", s->word), put_span(out, "sequence", s->sequence), put_span(out, "category", s->category);
    put_number(out, "of_prompt", s->of_prompt);
}

static void put_meta(struct buf *out, const struct chat_meta *m)
{
    put_span(out, "id", m->id), put_span(out, "model", m->model);
    put_number(out, "created", (uint64_t)m->created_s);
}

void chat_show_answer(const struct chat_answer *a, struct buf *out)
{
    buf_str(out, S("answer"));
    put_meta(out, &a->meta), put_extra(out, &a->node);
    for (const struct chat_item *i = a->items; i; i = i->next) put_item(out, i);
    for (uint32_t c = 0; c < a->n_choices; c++) put_stop(out, &a->stops[c]);
    put_usage(out, &a->usage);
    buf_char(out, '\n');
}

void chat_show_event(const struct chat_event *e, struct buf *out)
{
    static const char *const KINDS[EVENT_KINDS] = {"meta",  "item start", "part start", "delta", "part end", "item end",
                                                   "usage", "stop",       "error",      "ping",  "raw",      "end"};
    buf_fmt(out, "%s %u.%u/%u", KINDS[e->kind], e->item, e->part, e->choice);
    if (e->meta) put_meta(out, e->meta);
    if (e->node) put_item(out, e->node);
    if (e->what) put_part(out, e->what);
    if (e->kind == EVENT_DELTA) buf_fmt(out, " %d %.*s", (int)e->field, STR_ARG(e->text));
    if (e->annotation) put_annotation(out, e->annotation);
    if (e->usage) put_usage(out, e->usage);
    if (e->stop) put_stop(out, e->stop);
    if (e->error) buf_fmt(out, " %.*s: %.*s", STR_ARG(e->error->word), STR_ARG(e->error->message));
    if (e->raw) buf_fmt(out, " %.*s=%.*s", STR_ARG(e->raw->name), STR_ARG(e->raw->raw));
    buf_char(out, '\n');
}
