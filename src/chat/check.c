/* The law of events: which may follow which. A sink that every stream of a reader goes through in tests, and under the folder
 * in production. Called per event; owns a few words for each item, in the arena. */
#include "chat/chat.h"

struct slot {
    uint32_t choice, parts;
    uint8_t item_kind, part_kind;
    bool open, part_open;
};

struct chat_check {
    struct arena *arena;
    struct chat_sink next;
    bool has_meta, has_error, has_end;
    uint32_t n_open, n_items, cap;
    struct slot *slots;
    uint64_t used[CHAT_CHOICES_MAX / 64], stopped[CHAT_CHOICES_MAX / 64]; /* a bit for each choice */
    uint8_t known[USAGE_CELLS];
};

struct chat_check *chat_check_new(struct arena *a, const struct chat_sink *next)
{
    struct chat_check *c = arena_alloc(a, sizeof *c);
    if (!c) return NULL;
    c->arena = a;
    if (next) c->next = *next;
    return c;
}

#define BROKEN(why, ...) FAIL((why), ERR_UPSTREAM_GARBAGE, "the provider's stream breaks the rules: " __VA_ARGS__)

static bool get_bit(const uint64_t *bits, uint32_t i) { return bits[i / 64] >> i % 64 & 1; }
static void set_bit(uint64_t *bits, uint32_t i) { bits[i / 64] |= 1ull << i % 64; }

static bool slots_grow(struct chat_check *c)
{
    uint32_t cap = c->cap ? c->cap * 2 : 8;
    struct slot *slots = arena_alloc(c->arena, cap * sizeof *slots);
    if (!slots) return false;
    if (c->n_items) memcpy(slots, c->slots, c->n_items * sizeof *slots);
    c->slots = slots;
    c->cap = cap;
    return true;
}

/* ---- one rule for each kind of event ----------------------------------------------------------------------------------- */

static enum err on_meta(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    if (c->has_meta) return BROKEN(why, "it begins twice");
    if (!e->meta) return BROKEN(why, "its beginning says nothing");
    c->has_meta = true;
    return OK;
}

static enum err on_item_start(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    const struct chat_item *i = e->node;
    if (!i || i->kind == ITEM_TOOLS || i->kind == ITEM_REFERENCE) return BROKEN(why, "item %u is none of an answer", e->item);
    if (e->item != c->n_items) return BROKEN(why, "item %u begins where %u should", e->item, c->n_items);
    if (e->choice >= CHAT_CHOICES_MAX || i->choice != e->choice) return BROKEN(why, "item %u has no such choice", e->item);
    if (get_bit(c->stopped, e->choice)) return BROKEN(why, "item %u begins after its choice has stopped", e->item);
    if (i->parts || i->arguments.text.n) return BROKEN(why, "item %u begins with its content", e->item);
    if (c->n_items == c->cap && !slots_grow(c))
        return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer has too many items");
    c->slots[c->n_items++] = (struct slot){.choice = e->choice, .item_kind = (uint8_t)i->kind, .open = true};
    set_bit(c->used, e->choice);
    c->n_open++;
    return OK;
}

/* NULL, and the fault is set: the item is not open, or not of this choice. */
static struct slot *open_slot(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    struct slot *s = e->item < c->n_items ? &c->slots[e->item] : NULL;
    if (s && s->open && s->choice == e->choice) return s;
    ignore_err(BROKEN(why, "item %u is not open", e->item));
    return NULL;
}

static struct slot *open_part(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    struct slot *s = open_slot(c, e, why);
    if (s && s->part_open && s->parts == e->part + 1) return s;
    if (s) ignore_err(BROKEN(why, "part %u of item %u is not open", e->part, e->item));
    return NULL;
}

static bool is_of_reasoning(enum chat_part_kind kind)
{
    return kind == PART_THOUGHT || kind == PART_SUMMARY || kind == PART_REDACTED;
}

static enum err on_part_start(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    struct slot *s = open_slot(c, e, why);
    const struct chat_part *p = e->what;
    if (!s) return ERR_UPSTREAM_GARBAGE;
    if (s->part_open) return BROKEN(why, "item %u has a part open already", e->item);
    if (!p || e->part != s->parts) return BROKEN(why, "part %u of item %u begins where %u should", e->part, e->item, s->parts);
    if (p->text.n) return BROKEN(why, "part %u of item %u begins with its text", e->part, e->item);
    if (p->kind != PART_UNKNOWN && is_of_reasoning(p->kind) != (s->item_kind == ITEM_REASONING))
        return BROKEN(why, "item %u cannot hold a part of this kind", e->item);
    s->parts++;
    s->part_open = true;
    s->part_kind = (uint8_t)p->kind;
    return OK;
}

static enum err on_part_end(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    struct slot *s = open_part(c, e, why);
    if (!s) return ERR_UPSTREAM_GARBAGE;
    s->part_open = false;
    return OK;
}

static bool is_array(struct str raw)
{
    struct json_tape t;
    json_tape_init(&t, 0);
    bool good = json_scan(&t, raw, &JSON_LIMITS_TOP, NULL) == OK && json_is(&t, 0, JSON_ARRAY);
    json_tape_done(&t);
    return good;
}

static enum err on_delta(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    bool of_item = e->field == DELTA_ARGUMENTS, is_text = of_item || e->field == DELTA_TEXT;
    struct slot *s = of_item ? open_slot(c, e, why) : open_part(c, e, why);
    if (!s) return ERR_UPSTREAM_GARBAGE;
    if (of_item && s->item_kind != ITEM_TOOL_CALL && s->item_kind != ITEM_SERVER_CALL)
        return BROKEN(why, "item %u takes no arguments", e->item);
    if (e->field == DELTA_TEXT && (s->part_kind == PART_REDACTED || s->part_kind == PART_UNKNOWN))
        return BROKEN(why, "part %u of item %u takes no text", e->part, e->item);
    if (e->field == DELTA_ANNOTATION) return e->annotation ? OK : BROKEN(why, "an annotation of item %u is none", e->item);
    if (is_text && (!e->text.n || !json_is_span(e->text)))
        return BROKEN(why, "a delta of item %u is empty or not whole text", e->item);
    if (e->field == DELTA_LOGPROBS && !is_array(e->text)) return BROKEN(why, "the logprobs of item %u are no array", e->item);
    return OK;
}

static enum err on_item_end(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    struct slot *s = open_slot(c, e, why);
    if (!s) return ERR_UPSTREAM_GARBAGE;
    if (s->part_open) return BROKEN(why, "item %u ends before its part", e->item);
    if (e->node && e->node->kind != s->item_kind) return BROKEN(why, "item %u ends as another kind", e->item);
    s->open = false;
    c->n_open--;
    return OK;
}

static enum err on_usage(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    if (!e->usage) return BROKEN(why, "a usage event has none");
    for (unsigned i = 0; i < USAGE_CELLS; i++) {
        if (c->known[i] && !e->usage->quality[i]) return BROKEN(why, "the usage of %s was known already", usage_cell_name(i));
        c->known[i] = e->usage->quality[i];
    }
    return OK;
}

static enum err on_stop(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    if (!e->stop || e->choice >= CHAT_CHOICES_MAX) return BROKEN(why, "a stop is of no choice");
    if (get_bit(c->stopped, e->choice)) return BROKEN(why, "choice %u stops twice", e->choice);
    for (uint32_t i = 0; c->n_open && i < c->n_items; i++)
        if (c->slots[i].open && c->slots[i].choice == e->choice)
            return BROKEN(why, "choice %u stops before item %u", e->choice, i);
    set_bit(c->stopped, e->choice);
    return OK;
}

static enum err on_error(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    if (!e->error) return BROKEN(why, "an error says nothing");
    c->has_error = true;
    return OK;
}

static enum err on_end(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    bool any = false;
    c->has_end = true;
    if (c->has_error) return OK;
    if (c->n_open) return BROKEN(why, "it ends with an item open");
    for (uint32_t i = 0; i < COUNTOF(c->used); i++) {
        if (c->used[i] & ~c->stopped[i]) return BROKEN(why, "it ends before a choice has stopped");
        any |= c->stopped[i] != 0;
    }
    return any ? OK : BROKEN(why, "it ends without having stopped");
}

static enum err on_ping(struct chat_check *c, const struct chat_event *e, struct fault *why) { return OK; }

static enum err on_raw(struct chat_check *c, const struct chat_event *e, struct fault *why)
{
    return e->raw ? OK : BROKEN(why, "an unknown event says nothing");
}

/* ---- all rules ------------------------------------------------------------------------------------------------------------ */

static const struct {
    enum err (*rule)(struct chat_check *c, const struct chat_event *e, struct fault *why);
    bool before_meta; /* may come first */
} RULES[EVENT_KINDS] = {
    [EVENT_META] = {on_meta, true},
    [EVENT_ITEM_START] = {on_item_start, false},
    [EVENT_PART_START] = {on_part_start, false},
    [EVENT_DELTA] = {on_delta, false},
    [EVENT_PART_END] = {on_part_end, false},
    [EVENT_ITEM_END] = {on_item_end, false},
    [EVENT_USAGE] = {on_usage, false},
    [EVENT_STOP] = {on_stop, false},
    [EVENT_ERROR] = {on_error, true},
    [EVENT_PING] = {on_ping, true},
    [EVENT_RAW] = {on_raw, true},
    [EVENT_END] = {on_end, false},
};

enum err chat_check_event(void *check, const struct chat_event *e, struct fault *why)
{
    struct chat_check *c = check;
    if ((unsigned)e->kind >= EVENT_KINDS) return BROKEN(why, "an event is of no kind");
    if (c->has_end) return BROKEN(why, "something follows its end");
    if (c->has_error && e->kind != EVENT_END) return BROKEN(why, "something follows its error");
    if (!c->has_meta && !c->has_error && !RULES[e->kind].before_meta) return BROKEN(why, "something comes before its beginning");
    TRY(RULES[e->kind].rule(c, e, why));
    return c->next.on_event ? chat_emit(&c->next, e, why) : OK;
}

enum err chat_check_done(const struct chat_check *c, struct fault *why)
{
    return c->has_end ? OK : FAIL(why, ERR_UPSTREAM_CUT, "the provider's stream ended before its last event");
}
