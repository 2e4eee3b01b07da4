/* Betas of Anthropic's models: a header field of Messages, a member of the body in Bedrock's formats. What one says must reach the
 * other, since fields of the body go with them. Called by translate, between reading a request and writing it. */
#include "priv.h"

static bool has_betas_in_body(enum wire_format f) { return f == WIRE_BEDROCK_INVOKE || f == WIRE_BEDROCK_CONVERSE; }

/* The field may stand several times, each a list. */
static void put_field_betas(struct str list, struct json_writer *w)
{
    while (list.n) {
        struct str one;
        str_cut(list, ',', &one, &list);
        if (str_trim(one).n) json_put_str(w, str_trim(one));
    }
}

static enum err betas_from_field(struct exchange *x, struct chat *c)
{
    struct http_fields theirs = x->stream->request->fields;
    struct json_writer w;
    struct buf out;
    if (!http_field_get(theirs, S("anthropic-beta")).n || c->node.has & 1ull << SET_BETAS) return OK;
    buf_init(&out, KIB(64));
    json_write(&w, &out);
    json_put_array(&w);
    for (size_t i = 0; i < theirs.n; i++)
        if (str_eq(theirs.at[i].name, S("anthropic-beta"))) put_field_betas(theirs.at[i].value, &w);
    json_put_end(&w);
    bool kept = json_write_done(&w) && arena_str(c->arena, buf_view(&out), &c->settings[SET_BETAS]);
    buf_done(&out);
    if (!kept) return FAIL(&x->fault, ERR_LIMIT, "anthropic-beta: too long");
    chat_has(&c->node, SET_BETAS);
    return OK;
}

/* Nothing that could end a field, or an element of its list. */
static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ',' || s.p[i] == '\\') return false;
    return s.n > 0;
}

static enum err betas_to_field(struct exchange *x, struct arena *keep, struct chat *c, struct str *ret_field)
{
    struct json_tape *tape = &x->gl->tape;
    struct buf out;
    uint32_t one;
    if (!(c->node.has & 1ull << SET_BETAS) || json_scan(tape, c->settings[SET_BETAS], &JSON_LIMITS, NULL) != OK) return OK;
    buf_init(&out, KIB(4));
    for (struct json_iter it = json_each(tape, 0); json_next(tape, &it, &one);) {
        if (!is_word(json_text(tape, one))) continue;
        if (out.n) buf_char(&out, ',');
        buf_str(&out, json_text(tape, one));
    }
    bool kept = !out.over && arena_str(keep, buf_view(&out), ret_field);
    buf_done(&out);
    chat_told(&c->node, SET_BETAS);
    return kept ? OK : FAIL(&x->fault, ERR_LIMIT, "anthropic_beta: too long");
}

enum err betas_carry(struct exchange *x, const struct wire_target *to, enum wire_format f, struct chat *c, struct str *ret_field)
{
    bool anthropic = str_eq(to->origin.family, S("anthropic"));
    *ret_field = STR_NONE;
    if (anthropic && has_betas_in_body(f)) return betas_from_field(x, c);
    return f == WIRE_ANTHROPIC_MESSAGES ? betas_to_field(x, to->memo, c, ret_field) : OK;
}
