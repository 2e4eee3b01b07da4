/* Betas of Anthropic's models: a header field of Messages, a member of the body in Bedrock's formats, or both. All must reach the
 * provider, since fields of the body go with them. Called by translate, between reading a request and writing it. */
#include "priv.h"

enum { BETAS_MAX = 128 }; /* far above what any client sends; each word of the field is looked for among them */

static bool has_betas_in_body(enum wire_format f) { return f == WIRE_BEDROCK_INVOKE || f == WIRE_BEDROCK_CONVERSE; }

static bool is_listed(const struct json_tape *body, struct str word)
{
    uint32_t one;
    if (!body) return false;
    for (struct json_iter it = json_each(body, 0); json_next(body, &it, &one);)
        if (str_eq(json_text(body, one), word)) return true;
    return false;
}

static enum err put_body_betas(const struct json_tape *body, struct json_writer *w, struct fault *why)
{
    uint32_t one, n = 0;
    if (!body) return OK;
    for (struct json_iter it = json_each(body, 0); json_next(body, &it, &one);) {
        if (++n > BETAS_MAX) return FAIL(why, ERR_LIMIT, "anthropic_beta: more than %d entries", BETAS_MAX);
        json_put_raw(w, json_raw(body, one));
    }
    return OK;
}

/* Bedrock refuses a request with a beta that it does not know. What its own callers write into the body is theirs to know; the field
 * is said by clients that believe to talk to Anthropic: of it goes what the list has, the rest is lost and counted. */
struct field {
    const struct json_tape *body; /* NULL: no betas in it */
    const struct provider *provider;
    bool sifts;
    unsigned n;
};

static bool is_taken(const struct provider *p, struct str word)
{
    for (unsigned i = 0; i < p->n_betas; i++)
        if (str_eq(p->betas[i], word) || str_eq(p->betas[i], S("*"))) return true;
    return provider_takes_beta(p->kind, word);
}

/* The field may stand several times, each a list. */
static void put_field_betas(struct field *f, struct str list, struct json_writer *w, struct chat_losses *losses)
{
    while (list.n) {
        struct str one;
        str_cut(list, ',', &one, &list);
        one = str_trim(one);
        if (!one.n || is_listed(f->body, one)) continue;
        if (f->sifts && !is_taken(f->provider, one)) {
            losses->n[LOSS_HINT]++;
            continue;
        }
        json_put_str(w, one);
        f->n++;
    }
}

/* Claude Code says some in the body and others in the field of one and the same request: those of the body, then the field's others. */
static enum err betas_from_field(struct exchange *x, struct chat *c, bool sifts, struct chat_losses *losses)
{
    struct http_fields theirs = x->stream->request->fields;
    struct field field = {.provider = x->attempt.deployment->provider, .sifts = sifts};
    struct json_writer w;
    struct buf out;
    if (!http_field_get(theirs, S("anthropic-beta")).n) return OK;
    if (c->node.has & 1ull << SET_BETAS) {
        field.body = &x->gl->tape;
        TRY(json_scan(&x->gl->tape, c->settings[SET_BETAS], &JSON_LIMITS, &x->fault));
        if (!json_is(field.body, 0, JSON_ARRAY)) return OK; /* Converse leaves it to the model what stands there */
    }
    buf_init(&out, KIB(64));
    json_write(&w, &out);
    json_put_array(&w);
    enum err e = put_body_betas(field.body, &w, &x->fault);
    for (size_t i = 0; i < theirs.n && e == OK; i++)
        if (str_eq(theirs.at[i].name, S("anthropic-beta"))) put_field_betas(&field, theirs.at[i].value, &w, losses);
    json_put_end(&w);
    bool done = json_write_done(&w), wanted = e == OK && field.n; /* else the body's own stay as they are */
    bool kept = done && (!wanted || arena_str(c->arena, buf_view(&out), &c->settings[SET_BETAS]));
    buf_done(&out);
    if (e != OK) return e;
    if (!kept) return FAIL(&x->fault, ERR_LIMIT, "anthropic-beta: too long");
    if (wanted) chat_has(&c->node, SET_BETAS);
    return OK;
}

/* Nothing that could end a field, or an element of its list. */
static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ',' || s.p[i] == '\\') return false;
    return s.n > 0;
}

static void put_words(const struct json_tape *tape, struct buf *out)
{
    uint32_t one;
    for (struct json_iter it = json_each(tape, 0); json_next(tape, &it, &one);) {
        if (!json_is(tape, one, JSON_STRING) || !is_word(json_text(tape, one))) continue;
        if (out->n) buf_char(out, ',');
        buf_str(out, json_text(tape, one));
    }
}

bool betas_of_body(struct exchange *x, struct str raw, struct str *ret_field)
{
    struct json_tape *tape = &x->gl->tape;
    struct buf out;
    if (!raw.n || json_scan(tape, raw, &JSON_LIMITS, NULL) != OK || !json_is(tape, 0, JSON_ARRAY)) return false;
    buf_init(&out, KIB(4));
    put_words(tape, &out);
    bool kept = !out.over && out.n && arena_str(&x->arena, buf_view(&out), ret_field);
    buf_done(&out);
    return kept;
}

static enum err betas_to_field(struct exchange *x, struct arena *keep, struct chat *c, struct str *ret_field)
{
    struct json_tape *tape = &x->gl->tape;
    struct buf out;
    if (!(c->node.has & 1ull << SET_BETAS) || json_scan(tape, c->settings[SET_BETAS], &JSON_LIMITS, NULL) != OK) return OK;
    buf_init(&out, KIB(4));
    put_words(tape, &out);
    bool kept = !out.over && arena_str(keep, buf_view(&out), ret_field);
    buf_done(&out);
    chat_told(&c->node, SET_BETAS);
    return kept ? OK : FAIL(&x->fault, ERR_LIMIT, "anthropic_beta: too long");
}

enum err betas_carry(struct exchange *x, const struct wire_target *to, enum wire_format f, struct chat *c, struct str *ret_field)
{
    bool anthropic = str_eq(to->origin.family, S("anthropic"));
    *ret_field = STR_NONE;
    bool sifts = has_betas_in_body(f);
    if (f == WIRE_ANTHROPIC_MESSAGES || (anthropic && sifts)) TRY(betas_from_field(x, c, sifts, to->losses));
    return f == WIRE_ANTHROPIC_MESSAGES ? betas_to_field(x, to->memo, c, ret_field) : OK;
}

/* Bedrock's mantle takes a system message within a conversation unasked, and Claude Code relies on it there; Anthropic wants a beta for
 * it. Only callers of mantle's path are looked at: others say it themselves. */
bool betas_add_system(const struct exchange *x, struct str *ret_beta)
{
    const struct http_request *r = x->stream->request;
    bool same = !x->attempt.crossing && strcmp(x->attempt.deployment->provider->kind->name, "anthropic") == 0;
    if (!same || !str_starts(r->path, S("/anthropic/"))) return false;
    for (size_t i = 0, at; i < r->fields.n; i++)
        if (str_eq(r->fields.at[i].name, S("anthropic-beta")) &&
            str_find(r->fields.at[i].value, S("mid-conversation-system"), &at))
            return false;
    *ret_beta = S("mid-conversation-system-2026-04-07");
    return memmem(r->body.p, r->body.n, "\"role\":\"system\"", 15) || memmem(r->body.p, r->body.n, "\"role\": \"system\"", 16);
}
