/* What an answer says that no reader asks for: found by walking it beside the tree of what is known. Called by readers of answers
 * and streams, once for each text; owns nothing. */
#include "wire/parts.h"

struct search {
    const struct json_tape *t;
    enum err (*found)(void *user, uint32_t key, uint32_t value, const struct search *s);
    void *user;
};

static const struct wire_known *find_known(const struct json_tape *t, uint32_t key, const struct wire_tree *tree)
{
    for (size_t i = 0; i < tree->n; i++)
        if (json_eq(t, key, tree->rows[i].name)) return &tree->rows[i];
    return NULL;
}

/* As deep as the tree of what is known. */
static enum err search_object(const struct search *s, uint32_t at, const struct wire_tree *tree);

static enum err search_value(const struct search *s, uint32_t at, const struct wire_tree *tree)
{
    uint32_t value;
    if (json_is(s->t, at, JSON_OBJECT)) return search_object(s, at, tree);
    for (struct json_iter it = json_each(s->t, at); json_next(s->t, &it, &value);)
        if (json_is(s->t, value, JSON_OBJECT)) TRY(search_object(s, value, tree));
    return OK;
}

static enum err search_object(const struct search *s, uint32_t at, const struct wire_tree *tree)
{
    uint32_t key, value;
    for (struct json_iter it = json_each(s->t, at); json_next_member(s->t, &it, &key, &value);) {
        const struct wire_known *known = find_known(s->t, key, tree);
        if (!known && !json_is(s->t, value, JSON_NULL)) TRY(s->found(s->user, key, value, s));
        if (known && known->inside) TRY(search_value(s, value, &(struct wire_tree){known->inside, known->n}));
    }
    return OK;
}

static enum err keep_one(void *user, uint32_t key, uint32_t value, const struct search *s)
{
    struct chat_answer *a = user;
    uint32_t at = json_node(s->t, key)->start;
    return chat_add_extra(a->arena, &a->node, json_text(s->t, key), json_raw(s->t, value), at) ? OK : ERR_UPSTREAM_TOO_LARGE;
}

enum err wire_keep_unknown(const struct json_tape *t, const struct wire_tree *tree, struct chat_answer *answer, struct fault *why)
{
    const struct search s = {t, keep_one, answer};
    if (search_value(&s, 0, tree) == OK) return OK;
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
}

static enum err emit_one(void *user, uint32_t key, uint32_t value, const struct search *s)
{
    return wire_emit_raw(user, json_text(s->t, key), json_raw(s->t, value));
}

enum err wire_emit_unknown(const struct wire_emitter *m, const struct json_tape *t, const struct wire_tree *tree)
{
    struct wire_emitter emitter = *m;
    return search_value(&(struct search){t, emit_one, &emitter}, 0, tree);
}
