/* Content of a Chat Completions request written from the form: texts, media, what is lost of them. Facts: OpenAI API reference
 * "Create chat completion". Pure. */
#include "wire/openai_chat/priv.h"

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

static void put_text(struct openai_chat_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("text"));
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
}

static void put_refusal(struct openai_chat_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("refusal"));
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "refusal", p->text);
}

static void put_image(struct openai_chat_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("image_url"));
    json_add_object(&w->o.w, S("image_url"));
    chat_told(&p->node, PART_HAS_MEDIA);
    json_put_name(&w->o.w, S("url"));
    if (p->media.form == MEDIA_URL) json_put_span(&w->o.w, p->media.value);
    else wire_put_data_url(&w->o.w, &p->media);
    wire_put_field(&w->o, &p->node, PART_HAS_DETAIL, "detail", p->detail);
    wire_put_extra(&w->o, &p->node, S("image_url"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static void put_audio(struct openai_chat_writing *w, struct chat_part *p)
{
    struct str type = p->media.type;
    json_add_str(&w->o.w, S("type"), S("input_audio"));
    json_add_object(&w->o.w, S("input_audio"));
    chat_told(&p->node, PART_HAS_MEDIA);
    json_put_name(&w->o.w, S("data"));
    json_put_span(&w->o.w, p->media.value);
    json_put_name(&w->o.w, S("format"));
    json_put_span(&w->o.w, str_starts(type, S("audio/")) ? str_from(type, 6) : type);
    wire_put_extra(&w->o, &p->node, S("input_audio"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static void put_document(struct openai_chat_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("file"));
    json_add_object(&w->o.w, S("file"));
    chat_told(&p->node, PART_HAS_MEDIA);
    json_put_name(&w->o.w, p->media.form == MEDIA_FILE ? S("file_id") : S("file_data"));
    if (p->media.form == MEDIA_BASE64) wire_put_data_url(&w->o.w, &p->media);
    else json_put_span(&w->o.w, p->media.value);
    if (!p->name.p && p->title.p) wire_put_field(&w->o, &p->node, PART_HAS_TITLE, "filename", p->title);
    wire_put_field(&w->o, &p->node, PART_HAS_NAME, "filename", p->name);
    wire_put_extra(&w->o, &p->node, S("file"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

/* Which forms of media each kind of part can be written from; the rest is left for chat_account() to refuse. */
static const struct {
    void (*put)(struct openai_chat_writing *, struct chat_part *);
    unsigned media; /* bits of enum chat_media_form; 0: it has none */
} PUT_PART[PART_KINDS] = {
    [PART_TEXT] = {put_text, 0},
    [PART_REFUSAL] = {put_refusal, 0},
    [PART_IMAGE] = {put_image, 1u << MEDIA_BASE64 | 1u << MEDIA_URL},
    [PART_AUDIO] = {put_audio, 1u << MEDIA_BASE64},
    [PART_DOCUMENT] = {put_document, 1u << MEDIA_BASE64 | 1u << MEDIA_FILE},
};

bool openai_chat_can_put(const struct chat_part *p)
{
    unsigned media = PUT_PART[p->kind].media;
    return PUT_PART[p->kind].put && (!media || media >> p->media.form & 1);
}

/* A document of plain text is told as text, under its title. */
static bool put_plain_document(struct openai_chat_writing *w, struct chat_part *p)
{
    if (p->kind != PART_DOCUMENT || p->media.form != MEDIA_TEXT) return false;
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), S("text"));
    json_put_name(&w->o.w, S("text"));
    wire_put_plain_document(&w->o, p);
    json_put_end(&w->o.w);
    return true;
}

bool openai_chat_is_empty_text(const struct chat_part *p) { return p->kind == PART_TEXT && p->text.n == 0; }

void openai_chat_put_part(struct openai_chat_writing *w, struct chat_part *p)
{
    wire_lose_part(&w->o, p);
    if (put_plain_document(w, p)) return;
    if (w->same_format && p->kind == PART_UNKNOWN) {
        if (chat_told(&p->node, PART_HAS_RAW)) json_put_raw(&w->o.w, p->raw);
        return;
    }
    if (!openai_chat_can_put(p)) return;
    json_put_object(&w->o.w);
    PUT_PART[p->kind].put(w, p);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

/* One text alone is a string, as every server understands it; the source's own spelling counts when it is this format. */
bool openai_chat_as_string(const struct openai_chat_writing *w, const struct chat_part *first, enum chat_shape shape)
{
    if (!first || first->next || first->kind != PART_TEXT || first->node.extra) return false;
    return shape == SHAPE_STRING || !w->same_format;
}

void openai_chat_put_string(struct openai_chat_writing *w, struct chat_part *p)
{
    wire_lose_part(&w->o, p);
    chat_told(&p->node, PART_HAS_TEXT);
    json_put_span(&w->o.w, p->text);
}
