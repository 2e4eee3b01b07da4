/* Readers of what several formats say in the same way: items and parts, things that only their family knows, media in a URL, which
 * tool shall be called. See wire/parts.h. Called from the tables of the formats; owns nothing. */
#include "wire/parts.h"

/* ---- texts ------------------------------------------------------------------------------------------------------------------ */

struct str wire_text(const struct json_tape *t, uint32_t at)
{
    return at && json_is(t, at, JSON_STRING) ? json_text(t, at) : STR_NONE;
}

struct str wire_text_in(const struct json_tape *t, uint32_t object, const char *name)
{
    return wire_text(t, json_find(t, object, str_z(name)));
}

struct str wire_text_copy(const struct json_tape *t, uint32_t at, struct arena *a)
{
    struct buf text;
    struct str copy = STR_NONE;
    if (!at || !json_is(t, at, JSON_STRING)) return STR_NONE;
    buf_init(&text, KIB(8));
    json_unescape(t, at, &text);
    if (text.over || !arena_str(a, buf_view(&text), &copy)) copy = STR_NONE;
    buf_done(&text);
    return copy;
}

/* ---- items and parts -------------------------------------------------------------------------------------------------------- */

struct chat_item *wire_new_item(struct wire_in *in, enum chat_item_kind kind, struct chat_group *g, uint32_t at)
{
    struct chat_item *i = chat_add_item(in->a, &in->c->items, &in->c->items_last, kind, g);
    if (i) i->node.at = wire_at(in, at);
    return i;
}

struct chat_part *wire_new_part(struct wire_in *in, struct chat_item *i, enum chat_part_kind kind, uint32_t at)
{
    struct chat_part *p = i ? chat_add_part(in->a, i, kind) : NULL;
    if (p) p->node.at = wire_at(in, at);
    return p;
}

/* In this order, as clients' libraries write it. What is spelled otherwise is read by the tables, and to the same end. */
static bool is_said(const struct json_tape *t, uint32_t at)
{
    const struct json_node *n = json_node(t, at);
    if (n->type != JSON_OBJECT || n->next != at + 5) return false;
    return n[1].flags == JSON_KEY && json_eq(t, at + 1, S("role")) && n[2].type == JSON_STRING && n[3].flags == JSON_KEY &&
           json_eq(t, at + 3, S("content")) && n[4].type == JSON_STRING;
}

enum err wire_take_said(struct wire_in *in, uint32_t at, const struct wire_kind *roles, size_t n, bool *ret_taken)
{
    *ret_taken = false;
    if (!is_said(in->t, at)) return OK;
    for (size_t i = 0; i < n; i++) {
        if (!json_eq(in->t, at + 2, roles[i].word)) continue;
        const uint32_t places[] = {wire_at(in, at), wire_at(in, at + 4)};
        *ret_taken = true;
        return chat_add_said(in->c, (enum chat_role)roles[i].value, json_text(in->t, at + 4), places) ? OK : wire_full(in);
    }
    return OK;
}

enum err wire_raw_item(struct wire_in *in, struct chat_item *i, struct str word, uint32_t at)
{
    if (!i) return wire_full(in);
    i->word = word;
    i->raw = json_raw(in->t, at);
    chat_has(&i->node, ITEM_HAS_RAW);
    return OK;
}

enum err wire_raw_part(struct wire_in *in, struct chat_part *p, struct str word, uint32_t at)
{
    p->word = word;
    p->raw = json_raw(in->t, at);
    chat_has(&p->node, PART_HAS_RAW);
    return OK;
}

enum err wire_raw_tool(struct wire_in *in, struct chat_tool *tool, struct str word, uint32_t at)
{
    tool->word = word;
    tool->raw = json_raw(in->t, at);
    chat_has(&tool->node, TOOL_HAS_RAW);
    return OK;
}

struct str wire_type_of(struct wire_in *in, uint32_t at) { return wire_plain(in, json_find(in->t, at, S("type"))); }

enum err wire_take_url(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct str url = json_text(in->t, at), head, data;
    chat_has(&p->node, PART_HAS_MEDIA);
    p->media = (struct chat_media){.form = MEDIA_URL, .value = url};
    if (!str_starts(url, S("data:"))) return OK;
    if (!str_cut(str_from(url, 5), ',', &head, &data) || !str_ends(head, S(";base64")))
        return wire_bad(in, at, "a data URL must be data:TYPE;base64,DATA");
    p->media = (struct chat_media){.form = MEDIA_BASE64, .type = str_make(head.p, head.n - 7), .value = data};
    return OK;
}

/* ---- settings with code of their own ------------------------------------------------------------------------------------------ */

enum err wire_keep_setting(struct wire_in *in, enum chat_setting s, uint32_t at)
{
    in->c->settings[s] = json_raw(in->t, at);
    chat_has(&in->c->node, s);
    return OK;
}

enum err wire_take_output_kind(struct wire_in *in, uint32_t at, enum wire_outputs outputs)
{
    static const struct wire_kind TYPES[] = {
        {WIRE_STR("json_schema"), OUTPUT_SCHEMA, NULL},
        {WIRE_STR("text"), OUTPUT_TEXT, NULL},
        {WIRE_STR("json_object"), OUTPUT_JSON, NULL},
    };
    bool only = outputs == OUTPUTS_SCHEMA_ONLY;
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", TYPES, only ? 1 : COUNTOF(TYPES), &kind));
    if (!kind) return wire_bad(in, at, "type must be %s", only ? "json_schema" : "text, json_object or json_schema");
    in->c->output = (enum chat_output)kind->value;
    chat_has(&in->c->node, CHAT_HAS_OUTPUT);
    return OK;
}

/* ---- which tool shall be called ------------------------------------------------------------------------------------------------- */

enum err wire_take_choice_name(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_choice *choice = &in->c->choice;
    (void)into;
    if (choice->n_names == COUNTOF(choice->names)) return wire_bad(in, at, "too many tools are named");
    choice->names[choice->n_names++] = json_text(in->t, at);
    return OK;
}

static const struct wire_word MODES[] = {
    {WIRE_STR("auto"), CHOICE_AUTO},
    {WIRE_STR("none"), CHOICE_NONE},
    {WIRE_STR("required"), CHOICE_REQUIRED},
};

struct str wire_choice_word(enum chat_choice_mode mode) { return wire_word_of(MODES, COUNTOF(MODES), mode); }

enum err wire_take_choice_mode(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    int mode = wire_word_value(MODES, COUNTOF(MODES), json_text(in->t, at), CHOICE_ABSENT);
    if (mode == CHOICE_ABSENT) return wire_bad(in, at, "must be auto, none or required");
    in->c->choice.within = (enum chat_choice_mode)mode;
    return OK;
}

enum err wire_take_choice_word(struct wire_in *in, uint32_t at)
{
    TRY(wire_take_choice_mode(in, NULL, at));
    in->c->choice.mode = in->c->choice.within;
    return OK;
}
