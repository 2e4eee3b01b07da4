/* Content and cache marks of a Messages request written from the form. Facts: Anthropic API reference "Create a message"; A10,
 * A13 in docs/wire.md. Pure. */
#include "wire/anthropic_messages/priv.h"

/* ---- cache marks ---------------------------------------------------------------------------------------------------------- */

void anthropic_messages_put_cache(struct anthropic_messages_writing *w, struct chat_node *n, unsigned field,
                                  const struct chat_cache *cache)
{
    struct json_writer *j = &w->o.w;
    if (!chat_told(n, field)) return;
    json_add_object(j, S("cache_control"));
    json_put_name(j, S("type"));
    json_put_span(j, cache->kind);
    if (cache->ttl.p) json_put_name(j, S("ttl"));
    if (cache->ttl.p) json_put_span(j, cache->ttl);
    if (w->o.same_family) wire_put_extra(&w->o, n, S("cache_control"), LOSS_EXTRA);
    json_put_end(j);
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

static void put_citations(struct anthropic_messages_writing *w, struct chat_part *p)
{
    if (!w->o.same_family) chat_lose(w->o.losses, &p->node, PART_HAS_ANNOTATIONS, LOSS_CITATION);
    else if (chat_told(&p->node, PART_HAS_ANNOTATIONS)) {
        json_add_array(&w->o.w, S("citations"));
        for (struct chat_annotation *n = p->annotations; n; n = n->next) json_put_raw(&w->o.w, n->raw);
        json_put_end(&w->o.w);
    }
    for (struct chat_annotation *n = p->annotations; n; n = n->next) n->node.told = n->node.has;
}

static void put_text(struct anthropic_messages_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("text"));
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
    put_citations(w, p);
}

static void put_source(struct anthropic_messages_writing *w, struct chat_part *p)
{
    static const struct {
        struct str type, member;
    } FORMS[] = {
        [MEDIA_BASE64] = {{"base64", 6}, {"data", 4}},
        [MEDIA_URL] = {{"url", 3}, {"url", 3}},
        [MEDIA_FILE] = {{"file", 4}, {"file_id", 7}},
        [MEDIA_TEXT] = {{"text", 4}, {"data", 4}},
    };
    struct json_writer *j = &w->o.w;
    bool typed = p->media.form == MEDIA_BASE64 || p->media.form == MEDIA_TEXT;
    chat_told(&p->node, PART_HAS_MEDIA);
    json_add_object(j, S("source"));
    json_add_str(j, S("type"), FORMS[p->media.form].type);
    if (typed) json_put_name(j, S("media_type"));
    if (typed) json_put_span(j, p->media.type.p ? p->media.type : S("text/plain"));
    json_put_name(j, FORMS[p->media.form].member);
    json_put_span(j, p->media.value);
    wire_put_extra(&w->o, &p->node, S("source"), LOSS_EXTRA);
    json_put_end(j);
}

static void put_image(struct anthropic_messages_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("image"));
    put_source(w, p);
    chat_lose(w->o.losses, &p->node, PART_HAS_DETAIL, LOSS_DETAIL);
}

static void put_document(struct anthropic_messages_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("document"));
    if (w->same_format && chat_told(&p->node, PART_HAS_RAW)) json_add_raw(&w->o.w, S("source"), p->raw);
    else put_source(w, p);
    if (p->title.p) chat_lose(w->o.losses, &p->node, PART_HAS_NAME, LOSS_NAME);
    else wire_put_field(&w->o, &p->node, PART_HAS_NAME, "title", p->name);
    wire_put_field(&w->o, &p->node, PART_HAS_TITLE, "title", p->title);
    wire_put_field(&w->o, &p->node, PART_HAS_CONTEXT, "context", p->context);
    wire_put_field_raw(&w->o, &p->node, PART_HAS_CITATIONS, "citations", p->citations);
}

static const struct {
    void (*put)(struct anthropic_messages_writing *, struct chat_part *);
    unsigned media; /* bits of enum chat_media_form */
} PUT_PART[PART_KINDS] = {
    [PART_TEXT] = {put_text, 0},
    [PART_REFUSAL] = {put_text, 0},
    [PART_IMAGE] = {put_image, 1u << MEDIA_BASE64 | 1u << MEDIA_URL},
    [PART_DOCUMENT] = {put_document, 1u << MEDIA_BASE64 | 1u << MEDIA_URL | 1u << MEDIA_TEXT},
};

/* A file's id belongs to the account that has it. */
static bool can_put(const struct anthropic_messages_writing *w, const struct chat_part *p)
{
    unsigned media = PUT_PART[p->kind].media;
    if (!PUT_PART[p->kind].put) return false;
    if (p->node.has & 1ull << PART_HAS_RAW) return w->o.same_family;
    if (p->media.form == MEDIA_FILE && media) return w->o.same_family;
    bool bytes = p->kind == PART_DOCUMENT && p->media.form == MEDIA_BASE64;
    if (bytes && !w->o.same_family && !json_span_eq(p->media.type, S("application/pdf"))) return false;
    return !media || media >> p->media.form & 1;
}

void anthropic_messages_put_part(struct anthropic_messages_writing *w, struct chat_part *p)
{
    chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
    chat_lose(w->o.losses, &p->node, PART_HAS_LOGPROBS, LOSS_ANSWER_FIELD);
    if (p->kind == PART_UNKNOWN && w->o.same_family && chat_told(&p->node, PART_HAS_RAW)) json_put_raw(&w->o.w, p->raw);
    if (!can_put(w, p)) return;
    if (wire_is_silent(p) && !w->same_format) { /* A13: refused, and says nothing */
        chat_told(&p->node, PART_HAS_TEXT);
        return;
    }
    json_put_object(&w->o.w);
    PUT_PART[p->kind].put(w, p);
    anthropic_messages_put_cache(w, &p->node, PART_HAS_CACHE, &p->cache);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}
