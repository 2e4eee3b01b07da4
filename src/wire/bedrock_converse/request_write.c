/* The form's conversation written as a Converse request: system items first, neighbours of one role as one message (roles
 * alternate; results of parallel calls stand together). Facts: Amazon Bedrock API reference, "Converse", "ContentBlock",
 * "DocumentBlock"; docs/wire.md. Pure. */
#include "wire/bedrock_converse/priv.h"

#include <stdio.h>

typedef struct bedrock_converse_writing writing;

/* ---- cache points stand behind what they mark ------------------------------------------------------------------------------- */

void bedrock_converse_put_cache(writing *w, struct chat_node *n, unsigned field, const struct chat_cache *cache)
{
    struct json_writer *j = &w->o.w;
    if (!chat_told(n, field)) return;
    json_put_object(j);
    json_add_object(j, S("cachePoint"));
    json_put_name(j, S("type"));
    json_put_span(j, str_eq(cache->kind, S("ephemeral")) ? S("default") : cache->kind);
    if (cache->ttl.p) json_put_name(j, S("ttl"));
    if (cache->ttl.p) json_put_span(j, cache->ttl);
    if (w->same_format) wire_put_extra(&w->o, n, S("cachePoint"), LOSS_EXTRA);
    json_put_end(j);
    if (w->same_format) wire_put_extra(&w->o, n, S("cache block"), LOSS_EXTRA);
    json_put_end(j);
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

/* Names of documents: letters, digits, single spaces, hyphens, brackets; each once in a request. */
static void put_document_name(writing *w, struct chat_part *p)
{
    struct buf from;
    char name[200];
    size_t n = 0;
    bool changed = !p->name.n || w->documents;
    buf_init(&from, KIB(4));
    json_span_unescape(p->name.n ? p->name : p->title, &from);
    for (size_t i = 0; i < from.n && n < sizeof name - 16; i++) {
        char c = from.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-()[]", c);
        if (!plain) changed = true;
        if (plain || (n && name[n - 1] != '-')) name[n++] = plain ? c : '-';
    }
    buf_done(&from);
    if (n == 0) n = (size_t)snprintf(name, sizeof name, "document");
    if (w->documents++) n += (size_t)snprintf(name + n, sizeof name - n, "-%u", w->documents);
    json_add_str(&w->o.w, S("name"), str_make(name, n));
    if (changed) w->o.losses->n[LOSS_NAME]++;
    chat_told(&p->node, PART_HAS_NAME);
    chat_told(&p->node, PART_HAS_TITLE);
}

static void put_location(writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    json_add_object(j, S("s3Location"));
    json_put_name(j, S("uri"));
    json_put_span(j, p->media.value);
    if (p->media.owner.p) json_put_name(j, S("bucketOwner"));
    if (p->media.owner.p) json_put_span(j, p->media.owner);
    wire_put_extra(&w->o, &p->node, S("s3Location"), LOSS_EXTRA);
    json_put_end(j);
}

static void put_source(writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    json_add_object(j, S("source"));
    if (chat_told(&p->node, PART_HAS_RAW)) json_add_raw(j, S("content"), p->raw);
    else if (p->media.form == MEDIA_OBJECT) put_location(w, p);
    else {
        json_put_name(j, p->media.form == MEDIA_TEXT ? S("text") : S("bytes"));
        json_put_span(j, p->media.value);
    }
    wire_put_extra(&w->o, &p->node, S("source"), LOSS_EXTRA);
    json_put_end(j);
}

static void put_media(writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    struct str word = bedrock_converse_media_word(p->kind);
    chat_told(&p->node, PART_HAS_MEDIA);
    json_add_object(j, word);
    if (p->media.type.p) json_put_name(j, S("format"));
    if (p->media.type.p) json_put_span(j, bedrock_converse_format_of(p->kind, p->media.type));
    put_source(w, p);
    if (p->kind == PART_DOCUMENT) {
        if (w->same_format) wire_put_field(&w->o, &p->node, PART_HAS_NAME, "name", p->name);
        else put_document_name(w, p);
        wire_put_field(&w->o, &p->node, PART_HAS_CONTEXT, "context", p->context);
        wire_put_field_raw(&w->o, &p->node, PART_HAS_CITATIONS, "citations", p->citations);
    }
    chat_lose(w->o.losses, &p->node, PART_HAS_DETAIL, LOSS_DETAIL);
    wire_put_extra(&w->o, &p->node, word, LOSS_EXTRA);
    json_put_end(j);
}

static void put_cited(writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    json_add_object(j, S("citationsContent"));
    json_add_array(j, S("content"));
    json_put_object(j);
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
    json_put_end(j);
    json_put_end(j);
    json_add_array(j, S("citations"));
    for (struct chat_annotation *n = p->annotations; n; n = n->next) json_put_raw(j, n->raw);
    json_put_end(j);
    json_put_end(j);
    chat_told(&p->node, PART_HAS_ANNOTATIONS);
}

static void put_text(writing *w, struct chat_part *p)
{
    bool cited = w->same_format && p->node.has & 1ull << PART_HAS_ANNOTATIONS;
    if (cited) put_cited(w, p);
    else if (w->same_format && str_eq(p->word, S("json")) && chat_told(&p->node, PART_HAS_TEXT))
        json_add_raw(&w->o.w, S("json"), p->raw);
    else wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
    chat_lose(w->o.losses, &p->node, PART_HAS_ANNOTATIONS, LOSS_CITATION);
    for (struct chat_annotation *n = p->annotations; n; n = n->next) {
        n->node.told = n->node.has;
        chat_lose_extra(w->o.losses, &n->node, LOSS_CITATION);
    }
}

/* What the vendor takes: bytes and S3, no addresses; of documents a text as well. */
static bool can_put(const writing *w, const struct chat_part *p)
{
    if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return true;
    if (!bedrock_converse_media_word(p->kind).p) return false;
    bool document = p->kind == PART_DOCUMENT, text = p->media.form == MEDIA_TEXT;
    if (p->node.has & 1ull << PART_HAS_RAW) return w->same_format && document;
    if (p->media.form != MEDIA_BASE64 && p->media.form != MEDIA_OBJECT && !(document && text)) return false;
    if (p->media.form == MEDIA_OBJECT && !w->same_format && !str_starts(p->media.value, S("s3:"))) return false;
    if (!p->media.type.p) return text || w->same_format;
    return bedrock_converse_format_of(p->kind, p->media.type).p;
}

static void put_part(writing *w, struct chat_part *p)
{
    chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
    chat_lose(w->o.losses, &p->node, PART_HAS_LOGPROBS, LOSS_ANSWER_FIELD);
    if (p->kind == PART_UNKNOWN && w->same_format && chat_told(&p->node, PART_HAS_RAW)) json_put_raw(&w->o.w, p->raw);
    else if (wire_is_silent(p) && !w->same_format) {
        chat_told(&p->node, PART_HAS_TEXT); /* refused, and says nothing */
        chat_lose(w->o.losses, &p->node, PART_HAS_CACHE, LOSS_CACHE);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
        return;
    } else if (can_put(w, p)) {
        json_put_object(&w->o.w);
        if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) put_text(w, p);
        else put_media(w, p);
        wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
        json_put_end(&w->o.w);
    } else {
        return; /* left for chat_account() */
    }
    bedrock_converse_put_cache(w, &p->node, PART_HAS_CACHE, &p->cache);
}

/* ---- items ------------------------------------------------------------------------------------------------------------------ */

static enum err put_message(writing *w, struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) put_part(w, p);
    wire_lose_item(&w->o, i);
    chat_lose(w->o.losses, &i->node, ITEM_HAS_CACHE, LOSS_CACHE);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
    return OK;
}

/* Only what this model's family signed may come back. */
static struct chat_opaque *own_opaque(const writing *w, const struct chat_part *p)
{
    struct chat_opaque *o = p->opaque;
    bool kind = o && o->kind == (p->kind == PART_REDACTED ? OPAQUE_REDACTED : OPAQUE_SIGNATURE);
    bool family = o && (w->same_format || str_eq(o->origin.family, w->to->origin.family));
    bool place = o && (!o->origin.deployment || o->origin.deployment == w->to->origin.deployment);
    return kind && family && place ? o : NULL;
}

static bool goes_back(const writing *w, const struct chat_part *p) { return w->same_format || own_opaque(w, p); }

static void put_thought(writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    struct chat_opaque *o = own_opaque(w, p);
    if (!goes_back(w, p)) {
        chat_lose(w->o.losses, &p->node, PART_HAS_OPAQUE, LOSS_OPAQUE_FOREIGN);
        chat_lose(w->o.losses, &p->node, PART_HAS_TEXT, LOSS_REASONING);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
        return;
    }
    json_put_object(j);
    json_add_object(j, S("reasoningContent"));
    if (p->kind == PART_REDACTED) {
        wire_put_field(&w->o, &p->node, PART_HAS_OPAQUE, "redactedContent", o ? o->span : S(""));
    } else {
        json_add_object(j, S("reasoningText"));
        chat_told(&p->node, PART_HAS_TEXT);
        json_put_name(j, S("text"));
        json_put_span(j, p->text.p ? p->text : S(""));
        wire_put_field(&w->o, &p->node, PART_HAS_OPAQUE, "signature", o ? o->span : S(""));
        wire_put_extra(&w->o, &p->node, S("reasoningText"), LOSS_EXTRA);
        json_put_end(j);
    }
    wire_put_extra(&w->o, &p->node, S("reasoningContent"), LOSS_EXTRA);
    json_put_end(j);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
}

static enum err put_reasoning(writing *w, struct chat_item *i)
{
    chat_told(&i->node, ITEM_HAS_PARTS);
    for (struct chat_part *p = i->parts; p; p = p->next) put_thought(w, p);
    wire_lose_item(&w->o, i);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
    return OK;
}

static enum err put_call(writing *w, struct chat_item *i)
{
    struct json_writer *j = &w->o.w;
    struct str input;
    if (i->form != CALL_FUNCTION) return OK; /* left for chat_account() */
    TRY(wire_call_object(&w->o, i, w->to->tape, &input, w->why));
    json_put_object(j);
    json_add_object(j, S("toolUse"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "toolUseId", i->call_id);
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    json_add_raw(j, S("input"), input);
    wire_lose_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, S("toolUse"), LOSS_EXTRA);
    json_put_end(j);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
    bedrock_converse_put_cache(w, &i->node, ITEM_HAS_CACHE, &i->cache);
    return OK;
}

static enum err put_result(writing *w, struct chat_item *i)
{
    struct json_writer *j = &w->o.w;
    json_put_object(j);
    json_add_object(j, S("toolResult"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "toolUseId", i->call_id);
    chat_told(&i->node, ITEM_HAS_PARTS);
    chat_told(&i->node, ITEM_HAS_NAME); /* the call says it */
    json_add_array(j, S("content"));
    for (struct chat_part *p = i->parts; p; p = p->next) put_part(w, p);
    json_put_end(j);
    if (chat_told(&i->node, ITEM_HAS_ERROR)) json_add_str(j, S("status"), i->error == FLAG_YES ? S("error") : S("success"));
    wire_lose_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, S("toolResult"), LOSS_EXTRA);
    json_put_end(j);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
    bedrock_converse_put_cache(w, &i->node, ITEM_HAS_CACHE, &i->cache);
    return OK;
}

static enum err put_nothing(writing *w, struct chat_item *i) /* left for chat_account() */
{
    (void)w, (void)i;
    return OK;
}

static enum err (*const PUT_ITEM[ITEM_KINDS])(writing *, struct chat_item *) = {
    [ITEM_MESSAGE] = put_message,    [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call,
    [ITEM_TOOL_RESULT] = put_result, [ITEM_SERVER_CALL] = put_nothing, [ITEM_SERVER_RESULT] = put_nothing,
    [ITEM_COMPACTION] = put_nothing, [ITEM_TOOLS] = put_nothing,       [ITEM_REFERENCE] = put_nothing,
    [ITEM_UNKNOWN] = put_nothing,
};

/* ---- messages ---------------------------------------------------------------------------------------------------------------- */

static bool is_system(const struct chat_item *i) { return i->group->role == ROLE_SYSTEM || i->group->role == ROLE_DEVELOPER; }

static void tick_group(writing *w, struct chat_group *g)
{
    chat_told(&g->node, GROUP_HAS_ROLE);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_NAME, LOSS_NAME);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_CACHE, LOSS_CACHE);
    chat_lose_extra(w->o.losses, &g->node, LOSS_EXTRA);
}

static enum err put_system(writing *w)
{
    bool any = false, spoken = false;
    for (struct chat_item *i = w->c->items; i; i = i->next) {
        if (!is_system(i)) {
            spoken = true;
            continue;
        }
        if (spoken) w->o.losses->n[LOSS_SYSTEM_PLACE]++;
        if (!any) json_add_array(&w->o.w, S("system"));
        any = true;
        TRY(put_message(w, i));
        tick_group(w, i->group);
    }
    if (any) json_put_end(&w->o.w);
    return OK;
}

static bool of_assistant(const struct chat_item *i) { return i->group->role == ROLE_ASSISTANT; }

static struct chat_item *next_spoken(struct chat_item *i)
{
    while (i && is_system(i)) i = i->next;
    return i;
}

/* Would anything of it be written? A message without content is refused by the vendor. */
static bool says(const writing *w, const struct chat_item *i)
{
    if (i->kind != ITEM_MESSAGE && i->kind != ITEM_REASONING) return true;
    for (const struct chat_part *p = i->parts; p; p = p->next)
        if (i->kind == ITEM_REASONING ? goes_back(w, p) : !wire_is_silent(p)) return true;
    return false;
}

/* Results come first in a user's message, as the models behind want them. */
static enum err put_blocks(writing *w, struct chat_item *first, const struct chat_item *end)
{
    for (struct chat_item *i = first; i != end; i = next_spoken(i->next)) {
        if (!w->same_format && i->kind == ITEM_TOOL_RESULT) TRY(put_result(w, i));
        tick_group(w, i->group);
    }
    for (struct chat_item *i = first; i != end; i = next_spoken(i->next))
        if (w->same_format || i->kind != ITEM_TOOL_RESULT) TRY(PUT_ITEM[i->kind](w, i));
    return OK;
}

static enum err put_run(writing *w, struct chat_item **at)
{
    struct chat_item *first = *at, *end = first;
    struct json_writer *j = &w->o.w;
    bool speaks = false;
    do {
        speaks |= says(w, end);
        end = next_spoken(end->next);
    } while (end && (w->same_format ? end->group == first->group : of_assistant(end) == of_assistant(first)));
    *at = end;
    if (!speaks && !w->same_format) return put_blocks(w, first, end); /* counted; nothing is written */
    json_put_object(j);
    json_add_str(j, S("role"), of_assistant(first) ? S("assistant") : S("user"));
    json_add_array(j, S("content"));
    struct chat_node *group = &first->group->node;
    struct chat_extra *extra = group->extra;
    if (w->same_format) group->extra = NULL; /* stands outside of the content */
    TRY(put_blocks(w, first, end));
    group->extra = extra;
    json_put_end(j);
    wire_put_extra(&w->o, group, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
    return OK;
}

static enum err put_messages(writing *w)
{
    struct chat_item *i = next_spoken(w->c->items);
    json_add_array(&w->o.w, S("messages"));
    while (i) TRY(put_run(w, &i));
    json_put_end(&w->o.w);
    return OK;
}

enum err bedrock_converse_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    bool same = str_eq(c->format, S("bedrock_converse"));
    writing w = {
        .o = {.a = c->arena, .losses = to->losses, .same_family = same},
        .c = c,
        .to = to,
        .same_format = same,
        .why = why,
    };
    json_write(&w.o.w, out);
    json_put_object(&w.o.w);
    TRY(put_system(&w));
    TRY(put_messages(&w));
    bedrock_converse_put_tools(&w);
    TRY(bedrock_converse_put_config(&w));
    wire_put_extra(&w.o, &c->node, STR_NONE, LOSS_EXTRA);
    return wire_request_done(&w.o.w, why);
}
