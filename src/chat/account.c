/* Accounting for loss (law 3): what a writer has ticked, what it lost on purpose, and what it left over.
 * Called by writers and, after them, by whoever let them write. Owns nothing; the path of what is left over is looked up in the
 * source only when there is something to refuse. */
#include "chat/priv.h"

static const struct {
    const char *word, *how;
} LOSSES[CHAT_LOSSES_N] = {
#define X(code, word, what, how) {word, how},
    CHAT_LOSSES(X)
#undef X
};

const char *chat_loss_word(enum chat_loss l) { return LOSSES[l].word; }
const char *chat_loss_how(enum chat_loss l) { return LOSSES[l].how; }

static const struct {
    const char *word;
    char type;
} SETTINGS[CHAT_SETTINGS_N] = {
#define X(bit, word, type) {word, #type[0]},
    CHAT_SETTINGS(X)
#undef X
};

const char *chat_setting_word(enum chat_setting s) { return SETTINGS[s].word; }
char chat_setting_type(enum chat_setting s) { return SETTINGS[s].type; }

/* ---- counting --------------------------------------------------------------------------------------------------------- */

static void count(struct chat_losses *l, enum chat_loss how, unsigned n)
{
    if (l) l->n[how] = (uint16_t)(n > (unsigned)UINT16_MAX - l->n[how] ? UINT16_MAX : l->n[how] + n);
}

void chat_lose_known(struct chat_losses *l, struct chat_node *n, unsigned field, enum chat_loss how)
{
    count(l, how, 1);
    n->told |= 1ull << field;
}

void chat_lose_extra(struct chat_losses *l, struct chat_node *n, enum chat_loss how)
{
    for (struct chat_extra *e = n->extra; e; e = e->next) {
        if (!e->told) count(l, how, 1);
        e->told = true;
    }
}

void chat_lose_rest(struct chat_losses *l, struct chat_node *n, enum chat_loss how)
{
    count(l, how, (unsigned)__builtin_popcountll(n->has & ~n->told));
    n->told |= n->has;
    chat_lose_extra(l, n, how);
}

/* ---- the walk: every node of a form, in the order of the source as far as it has one --------------------------------------- */

enum node_kind { NODE_ROOT, NODE_TOOL, NODE_GROUP, NODE_ITEM, NODE_PART, NODE_ANNOTATION, NODE_KINDS };

/* False ends the walk. */
typedef bool visit_fn(void *user, struct chat_node *n, enum node_kind kind);
struct visitor {
    visit_fn *visit;
    void *user;
};

/* As deep as the source's JSON, which is bounded. */
static bool walk_tools(const struct visitor *v, struct chat_tool *t)
{
    for (; t; t = t->next)
        if (!v->visit(v->user, &t->node, NODE_TOOL) || !walk_tools(v, t->children)) return false;
    return true;
}

static bool walk_parts(const struct visitor *v, struct chat_part *p)
{
    for (; p; p = p->next) {
        if (!v->visit(v->user, &p->node, NODE_PART)) return false;
        for (struct chat_annotation *a = p->annotations; a; a = a->next)
            if (!v->visit(v->user, &a->node, NODE_ANNOTATION)) return false;
    }
    return true;
}

static bool walk_items(const struct visitor *v, struct chat_item *i)
{
    const struct chat_group *seen = NULL; /* neighbours share theirs */
    for (; i; i = i->next) {
        if (i->group && i->group != seen && !v->visit(v->user, &i->group->node, NODE_GROUP)) return false;
        seen = i->group;
        if (!v->visit(v->user, &i->node, NODE_ITEM) || !walk_parts(v, i->parts) || !walk_tools(v, i->tools)) return false;
    }
    return true;
}

static bool lose_node(void *user, struct chat_node *n, enum node_kind kind)
{
    chat_lose_rest(user, n, LOSS_ANSWER_FIELD);
    return true;
}

void chat_lose_answer(struct chat_losses *l, struct chat_answer *a)
{
    chat_lose_rest(l, &a->node, LOSS_ANSWER_FIELD);
    walk_items(&(struct visitor){lose_node, l}, a->items);
}

static bool lose_extra_of(void *user, struct chat_node *n, enum node_kind kind)
{
    chat_lose_extra(user, n, LOSS_ANSWER_FIELD);
    return true;
}

void chat_lose_answer_extra(struct chat_losses *l, struct chat_answer *a)
{
    chat_lose_extra(l, &a->node, LOSS_ANSWER_FIELD);
    walk_items(&(struct visitor){lose_extra_of, l}, a->items);
}

/* The event borrows its nodes; what is ticked is in the list behind them, which is the source's. */
void chat_lose_event_extra(struct chat_losses *l, const struct chat_event *e)
{
    struct chat_extra *const lists[] = {
        e->node ? e->node->node.extra : NULL,
        e->kind == EVENT_ITEM_START && e->node->group ? e->node->group->node.extra : NULL,
        e->what ? e->what->node.extra : NULL,
        e->annotation ? e->annotation->node.extra : NULL,
        e->raw,
    };
    for (size_t i = 0; i < COUNTOF(lists); i++) chat_lose_extra(l, &(struct chat_node){.extra = lists[i]}, LOSS_ANSWER_FIELD);
}

/* ---- refusing --------------------------------------------------------------------------------------------------------- */

#define X(bit, word) word,
static const char *const ROOT_WORDS[] = {CHAT_ROOT_FIELDS(X)};
static const char *const TOOL_WORDS[] = {CHAT_TOOL_FIELDS(X)};
static const char *const GROUP_WORDS[] = {CHAT_GROUP_FIELDS(X)};
static const char *const ITEM_WORDS[] = {CHAT_ITEM_FIELDS(X)};
static const char *const PART_WORDS[] = {CHAT_PART_FIELDS(X)};
#undef X

static const struct {
    const char *const *words;
    unsigned n;
} WORDS[NODE_KINDS] = {
    [NODE_ROOT] = {ROOT_WORDS, COUNTOF(ROOT_WORDS)},    [NODE_TOOL] = {TOOL_WORDS, COUNTOF(TOOL_WORDS)},
    [NODE_GROUP] = {GROUP_WORDS, COUNTOF(GROUP_WORDS)}, [NODE_ITEM] = {ITEM_WORDS, COUNTOF(ITEM_WORDS)},
    [NODE_PART] = {PART_WORDS, COUNTOF(PART_WORDS)},
};

/* The first thing that nobody ticked. */
struct left_over {
    uint32_t at;
    bool is_extra;
    const char *word;
};

static const char *word_of(enum node_kind kind, unsigned bit)
{
    if (kind == NODE_ROOT && bit < CHAT_SETTINGS_N) return SETTINGS[bit].word;
    if (kind == NODE_ROOT) bit -= CHAT_SETTINGS_N;
    return bit < WORDS[kind].n ? WORDS[kind].words[bit] : "a field";
}

static bool find_left_over(void *user, struct chat_node *n, enum node_kind kind)
{
    struct left_over *left = user;
    uint64_t bits = n->has & ~n->told;
    if (bits) {
        *left = (struct left_over){.at = n->at, .word = word_of(kind, (unsigned)__builtin_ctzll(bits))};
        return false;
    }
    for (const struct chat_extra *e = n->extra; e; e = e->next) {
        if (e->told) continue;
        *left = (struct left_over){.at = e->at, .is_extra = true, .word = ""};
        return false;
    }
    return true;
}

void chat_put_path(struct str source, uint32_t at, struct buf *out)
{
    struct json_tape t;
    json_tape_init(&t, 0);
    if (at && source.n && json_scan(&t, source, NULL, NULL) == OK) json_where(&t, at, out);
    json_tape_done(&t);
}

static enum err refuse(const struct chat *c, const char *target, const struct left_over *left, struct fault *why)
{
    struct buf path;
    buf_init(&path, JSON_WHERE_MAX + 8);
    chat_put_path(c->source, left->at, &path);
    const char *of = path.n && !left->is_extra ? " of " : "";
    FAIL(why, ERR_FORMAT_UNSUPPORTED,
         "%s cannot express %s%s%.*s; call a model whose provider speaks the caller's format, or leave it out", target,
         left->word, of, STR_ARG(buf_view(&path)));
    buf_done(&path);
    return ERR_FORMAT_UNSUPPORTED;
}

static bool is_all_told(const struct chat_node *n) { return !(n->has & ~n->told) && !n->extra; }

/* Of most requests nothing is left over: a look at each node, without what would tell what it is. */
static bool are_all_told(const struct chat_item *i)
{
    for (; i; i = i->next) {
        if (!is_all_told(&i->node) || i->tools || (i->group && !is_all_told(&i->group->node))) return false;
        for (const struct chat_part *p = i->parts; p; p = p->next)
            if (!is_all_told(&p->node) || p->annotations) return false;
    }
    return true;
}

enum err chat_account(const struct chat *c, const char *target, struct fault *why)
{
    struct left_over left;
    struct visitor v = {find_left_over, &left};
    struct chat_node root = c->node;
    if (find_left_over(&left, &root, NODE_ROOT) && walk_tools(&v, c->tools) &&
        (are_all_told(c->items) || walk_items(&v, c->items)))
        return OK;
    return refuse(c, target, &left, why);
}
