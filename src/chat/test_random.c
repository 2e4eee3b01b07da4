/* Random conversations and answers, from seeds: valid by the form's own rules, with everything that a reader would have set.
 * Called by tests only; all that it makes is in the arena given. */
#include "chat/test.h"

#include <stdio.h>

uint64_t dice_next(struct dice *d) /* splitmix64 */
{
    uint64_t z = d->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

struct maker {
    struct dice *d;
    struct arena *a;
    unsigned with;
    unsigned n_names; /* so that ids differ */
};

static struct str copy(const struct maker *m, struct str s)
{
    struct str kept;
    must(arena_str(m->a, s, &kept));
    return kept;
}

#define PICK(m, table) (table)[dice_roll((m)->d, COUNTOF(table))]

/* Spans as they come: escapes of all kinds, characters of one to four bytes, quotes, what looks like markup. Never empty. */
static struct str random_text(const struct maker *m)
{
    static const char *const PIECES[] = {
        "word ", "\\n", "\\u00e4", "\\ud83d\\ude00", "ß",    "語", "🎈",      "\\\"", "\\\\", "\\/",
        "\\t",   "{}",  "data: ",  "[DONE]",         "</x>", "0",  "\\u0000", "'",    "a, b", "\\u2028"};
    struct buf out;
    buf_init(&out, KIB(64));
    for (uint32_t n = 1 + dice_roll(m->d, 12); n; n--) buf_str(&out, str_z(PICK(m, PIECES)));
    if (dice_one_in(m->d, 40))
        for (int i = 0; i < 3000; i++) buf_str(&out, S("long \\u00fc "));
    struct str s = copy(m, buf_view(&out));
    buf_done(&out);
    return s;
}

static struct str random_name(struct maker *m, const char *stem)
{
    char name[48];
    int n = snprintf(name, sizeof name, "%s_%u%x", stem, ++m->n_names, dice_roll(m->d, 4096));
    return copy(m, str_make(name, (size_t)n));
}

/* An object as text: what arguments and schemas look like inside. */
static struct str random_object(const struct maker *m)
{
    static const char *const OBJECTS[] = {"{}",
                                          "{\"path\":\"/a b\"}",
                                          "{\"n\":1.50,\"list\":[1,2,{\"x\":null}]}",
                                          "{\"text\":\"\\n\\u00e4\\\"\"}",
                                          "{\"deep\":{\"deeper\":{\"flag\":true}},\"empty\":\"\"}",
                                          "{\"unit\":\"\u00b0C\"}"};
    return str_z(PICK(m, OBJECTS));
}

static struct chat_json random_json(const struct maker *m)
{
    struct chat_json j = {random_object(m), false};
    if (dice_one_in(m->d, 2)) return j;
    struct str span;
    must(chat_json_span(&j, m->a, &span));
    return (struct chat_json){span, true};
}

static void maybe_extra(const struct maker *m, struct chat_node *n)
{
    if (!(m->with & RANDOM_EXTRA) || !dice_one_in(m->d, 6)) return;
    struct str name = random_name(&(struct maker){m->d, m->a, m->with, dice_roll(m->d, 1000)}, "x");
    must(chat_add_extra(m->a, n, name, random_object(m), n->at));
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

static struct chat_part *add_part(const struct maker *m, struct chat_item *i, enum chat_part_kind kind)
{
    struct chat_part *p = chat_add_part(m->a, i, kind);
    must(p);
    i->shape = SHAPE_ARRAY;
    maybe_extra(m, &p->node);
    return p;
}

static void add_text(const struct maker *m, struct chat_item *i, enum chat_part_kind kind)
{
    struct chat_part *p = add_part(m, i, kind);
    p->text = random_text(m);
    chat_has(&p->node, PART_HAS_TEXT);
}

static void add_image(const struct maker *m, struct chat_item *i)
{
    struct chat_part *p = add_part(m, i, PART_IMAGE);
    bool by_url = dice_one_in(m->d, 3);
    p->media = by_url ? (struct chat_media){.form = MEDIA_URL, .value = S("https://pictures.example/a.png?b=1")}
                      : (struct chat_media){.form = MEDIA_BASE64, .type = S("image/png"), .value = S("iVBORw0KGgo=")};
    chat_has(&p->node, PART_HAS_MEDIA);
}

static void add_document(struct maker *m, struct chat_item *i)
{
    struct chat_part *p = add_part(m, i, PART_DOCUMENT);
    p->media = (struct chat_media){.form = MEDIA_BASE64, .type = S("application/pdf"), .value = S("JVBERi0xLjQ=")};
    p->name = random_name(m, "report");
    chat_has(&p->node, PART_HAS_MEDIA), chat_has(&p->node, PART_HAS_NAME);
}

static void add_annotation(const struct maker *m, struct chat_part *p)
{
    struct chat_annotation *n = chat_add_annotation(m->a, &p->annotations);
    must(n);
    *n = (struct chat_annotation){.kind = S("url_citation"),
                                  .url = S("https://news.example/1"),
                                  .title = random_text(m),
                                  .start = 0,
                                  .end = 1 + dice_roll(m->d, 5),
                                  .unit = UNIT_POINTS,
                                  .last = n};
    chat_has(&p->node, PART_HAS_ANNOTATIONS);
}

static void add_logprobs(const struct maker *m, struct chat_part *p)
{
    static const char one[] = "[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[]}]";
    static const char two[] = "[{\"token\":\"b\",\"logprob\":-1e-3,\"bytes\":null,\"top_logprobs\":[]},"
                              "{\"token\":\"c\",\"logprob\":0,\"bytes\":[99],\"top_logprobs\":[]}]";
    static const char *const LISTS[] = {"[]", one, two};
    p->logprobs = str_z(PICK(m, LISTS));
    chat_has(&p->node, PART_HAS_LOGPROBS);
}

/* ---- items ------------------------------------------------------------------------------------------------------------------ */

struct list {
    struct chat_item **first, **last;
    uint32_t choice;
};

static struct chat_item *add_item(struct maker *m, const struct list *l, enum chat_item_kind kind, struct chat_group *g)
{
    struct chat_item *i = chat_add_item(m->a, l->first, l->last, kind, g);
    must(i);
    i->choice = l->choice;
    return i;
}

static struct chat_group *add_group(struct maker *m, enum chat_role role)
{
    struct chat_group *g = chat_add_group(m->a, role, 0);
    must(g);
    chat_has(&g->node, GROUP_HAS_ROLE);
    g->shape = SHAPE_ARRAY;
    return g;
}

static struct chat_item *add_reasoning(struct maker *m, const struct list *l, struct chat_group *g)
{
    struct chat_item *i = add_item(m, l, ITEM_REASONING, g);
    add_text(m, i, PART_THOUGHT);
    return i;
}

static struct chat_item *add_call(struct maker *m, const struct list *l, struct chat_group *g, struct str name)
{
    struct chat_item *i = add_item(m, l, ITEM_TOOL_CALL, g);
    i->form = CALL_FUNCTION;
    i->call_id = random_name(m, "call");
    i->name = name;
    i->arguments = random_json(m);
    chat_has(&i->node, ITEM_HAS_CALL_ID), chat_has(&i->node, ITEM_HAS_NAME), chat_has(&i->node, ITEM_HAS_ARGUMENTS);
    maybe_extra(m, &i->node);
    return i;
}

/* ---- requests --------------------------------------------------------------------------------------------------------------- */

static void add_user_turn(struct maker *m, struct chat *c, const struct list *l)
{
    struct chat_group *g = add_group(m, ROLE_USER);
    maybe_extra(m, &g->node);
    struct chat_item *i = add_item(m, l, ITEM_MESSAGE, g);
    add_text(m, i, PART_TEXT);
    if (m->with & RANDOM_IMAGES && dice_one_in(m->d, 3)) add_image(m, i);
    if (m->with & RANDOM_DOCUMENTS && dice_one_in(m->d, 4)) add_document(m, i);
    if (dice_one_in(m->d, 4)) add_text(m, i, PART_TEXT);
}

static void add_results(struct maker *m, const struct list *l, struct chat_item *const *calls, unsigned n)
{
    struct chat_group *g = add_group(m, ROLE_USER);
    for (unsigned k = 0; k < n; k++) {
        struct chat_item *i = add_item(m, l, ITEM_TOOL_RESULT, g);
        i->form = CALL_FUNCTION;
        i->call_id = calls[k]->call_id;
        chat_has(&i->node, ITEM_HAS_CALL_ID);
        add_text(m, i, PART_TEXT);
        if (!dice_one_in(m->d, 6)) continue;
        i->error = FLAG_YES;
        chat_has(&i->node, ITEM_HAS_ERROR);
    }
}

static void add_assistant_turn(struct maker *m, struct chat *c, const struct list *l)
{
    struct chat_item *calls[3];
    struct chat_group *g = add_group(m, ROLE_ASSISTANT);
    unsigned n = c->tools ? dice_roll(m->d, 4) : 0;
    if (m->with & RANDOM_REASONING && dice_one_in(m->d, 3)) add_reasoning(m, l, g);
    if (n == 0 || dice_one_in(m->d, 2)) add_text(m, add_item(m, l, ITEM_MESSAGE, g), PART_TEXT);
    for (unsigned k = 0; k < n; k++) calls[k] = add_call(m, l, g, c->tools->name);
    if (n) add_results(m, l, calls, n);
}

static void add_tools(struct maker *m, struct chat *c)
{
    static const char *const SCHEMAS[] = {
        "{\"type\":\"object\",\"properties\":{}}",
        "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}},\"required\":[\"path\"]}"};
    for (uint32_t n = dice_roll(m->d, 4); n; n--) {
        struct chat_tool *t = chat_add_tool(m->a, &c->tools, TOOL_FUNCTION);
        must(t);
        t->name = random_name(m, "tool");
        t->schema = str_z(PICK(m, SCHEMAS));
        chat_has(&t->node, TOOL_HAS_NAME), chat_has(&t->node, TOOL_HAS_SCHEMA);
        maybe_extra(m, &t->node);
        if (dice_one_in(m->d, 3)) continue;
        t->description = random_text(m);
        chat_has(&t->node, TOOL_HAS_DESCRIPTION);
    }
    if (!c->tools || dice_one_in(m->d, 2)) return;
    static const enum chat_choice_mode MODES[] = {CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED};
    c->choice.mode = PICK(m, MODES);
    if (c->choice.mode == CHOICE_NAMED) c->choice.names[c->choice.n_names++] = c->tools->name;
    chat_has(&c->node, CHAT_HAS_CHOICE);
}

static void set(struct chat *c, enum chat_setting s, const char *raw)
{
    c->settings[s] = str_z(raw);
    chat_has(&c->node, s);
}

static void add_settings(struct maker *m, struct chat *c)
{
    static const char *const BY_TYPE[128] = {
        ['N'] = "1.50", ['W'] = "7", ['S'] = "\"word\"", ['B'] = "true", ['A'] = "[\"a\"]", ['J'] = "{\"k\":\"v\"}"};
    static const enum chat_setting COMMON[] = {SET_TEMPERATURE, SET_TOP_P, SET_MAX_OUTPUT, SET_STOP};
    for (size_t k = 0; k < COUNTOF(COMMON); k++)
        if (dice_one_in(m->d, 3)) set(c, COMMON[k], BY_TYPE[(unsigned char)chat_setting_type(COMMON[k])]);
    for (unsigned s = 0; m->with & RANDOM_ALL_SETTINGS && s < CHAT_SETTINGS_N; s++)
        if (dice_one_in(m->d, 20)) set(c, (enum chat_setting)s, BY_TYPE[(unsigned char)chat_setting_type((enum chat_setting)s)]);
}

static void add_output(struct maker *m, struct chat *c)
{
    if (dice_one_in(m->d, 3)) {
        c->output = OUTPUT_SCHEMA;
        c->schema_name = random_name(m, "answer");
        c->schema = (struct chat_json){S("{\"type\":\"object\",\"properties\":{}}"), false};
        chat_has(&c->node, CHAT_HAS_OUTPUT);
    }
    if (dice_one_in(m->d, 3)) {
        static const char *const EFFORT_SPANS[] = {"low", "medium", "high"};
        c->effort = str_z(PICK(m, EFFORT_SPANS));
        chat_has(&c->node, CHAT_HAS_EFFORT);
    }
}

static void add_system(struct maker *m, const struct list *l)
{
    struct chat_group *g = add_group(m, ROLE_SYSTEM);
    struct chat_item *i = add_item(m, l, ITEM_MESSAGE, g);
    for (uint32_t n = 1 + dice_roll(m->d, 2); n; n--) add_text(m, i, PART_TEXT);
}

void chat_random(struct dice *d, struct arena *a, unsigned with, struct chat *ret_chat)
{
    struct chat *c = ret_chat;
    struct maker m = {d, a, with, 0};
    struct list l = {&c->items, &c->items_last, 0};
    *c = (struct chat){.arena = a, .source = S(""), .stream = dice_one_in(d, 2)};
    maybe_extra(&m, &c->node);
    if (with & RANDOM_TOOLS) add_tools(&m, c);
    if (with & (RANDOM_SETTINGS | RANDOM_ALL_SETTINGS)) add_settings(&m, c);
    if (with & RANDOM_OUTPUT) add_output(&m, c);
    if (with & RANDOM_SYSTEM && dice_one_in(d, 2)) add_system(&m, &l);
    for (uint32_t turns = dice_roll(d, 4); turns; turns--) {
        add_user_turn(&m, c, &l);
        add_assistant_turn(&m, c, &l);
    }
    add_user_turn(&m, c, &l);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

void chat_random_usage(struct dice *d, struct usage *ret_usage)
{
    static const enum usage_cell MAYBE[] = {USAGE_IN_CACHE_READ, USAGE_OUT_REASONING};
    *ret_usage = (struct usage){0};
    usage_set(ret_usage, USAGE_IN_FRESH, dice_roll(d, 100000), USAGE_REPORTED);
    usage_set(ret_usage, USAGE_OUT_VISIBLE, dice_roll(d, 100000), USAGE_REPORTED);
    for (size_t k = 0; k < COUNTOF(MAYBE); k++)
        if (dice_one_in(d, 2)) usage_set(ret_usage, MAYBE[k], dice_roll(d, 1000), USAGE_REPORTED);
}

static void add_answer_text(struct maker *m, const struct list *l, struct chat_group *g)
{
    struct chat_item *i = add_item(m, l, ITEM_MESSAGE, g);
    add_text(m, i, PART_TEXT);
    if (m->with & RANDOM_ANNOTATIONS && dice_one_in(m->d, 2)) add_annotation(m, i->parts_last);
    if (m->with & RANDOM_LOGPROBS && dice_one_in(m->d, 2)) add_logprobs(m, i->parts_last);
}

static void add_answer_reasoning(struct maker *m, const struct list *l, struct chat_group *g)
{
    struct chat_item *i = add_reasoning(m, l, g);
    struct chat_part *p = i->parts_last;
    if (!dice_one_in(m->d, 2)) return;
    must(chat_add_opaque(m->a, &p->opaque, OPAQUE_SIGNATURE, S("c2lnbmF0dXJl")));
    p->opaque->origin.family = S("anthropic");
    chat_has(&p->node, PART_HAS_OPAQUE);
}

static struct chat_stop random_choice(struct maker *m, const struct list *l)
{
    struct chat_group *g = add_group(m, ROLE_ASSISTANT);
    unsigned calls = m->with & RANDOM_TOOLS ? dice_roll(m->d, 3) : 0;
    if (m->with & RANDOM_REASONING && dice_one_in(m->d, 2)) add_answer_reasoning(m, l, g);
    if (!calls || dice_one_in(m->d, 2)) add_answer_text(m, l, g);
    for (unsigned k = 0; k < calls; k++) add_call(m, l, g, random_name(m, "tool"));
    if (calls) return (struct chat_stop){.kind = STOP_TOOL};
    return (struct chat_stop){.kind = dice_one_in(m->d, 4) ? STOP_LIMIT : STOP_END};
}

void chat_random_answer(struct dice *d, struct arena *a, unsigned with, struct chat_answer *ret_answer)
{
    struct chat_answer *answer = ret_answer;
    struct maker m = {d, a, with, 0};
    *answer = (struct chat_answer){.arena = a, .n_choices = with & RANDOM_CHOICES ? 1 + dice_roll(d, 3) : 1};
    answer->meta = (struct chat_meta){.id = random_name(&m, "answer"), .model = S("a-model"), .created_s = 1700000000};
    answer->stops = arena_alloc(a, answer->n_choices * sizeof *answer->stops);
    must(answer->stops);
    for (uint32_t c = 0; c < answer->n_choices; c++)
        answer->stops[c] = random_choice(&m, &(struct list){&answer->items, &answer->items_last, c});
    maybe_extra(&m, &answer->node);
    chat_random_usage(d, &answer->usage);
}
