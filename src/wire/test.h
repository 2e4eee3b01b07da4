/* What the law tests of this room share: a format's answer written, read, streamed and read again, and a member that nobody knows
 * put into any object of a text. Only *_test.c files use it. */
#pragma once

#include <stdio.h>

#include "base/test.h"
#include "chat/test.h"
#include "wire/wire.h"

#define NEEDLE "zq_needle"

/* One law's surroundings: begun anew for each seed. */
struct bench {
    struct arena arena;
    struct json_tape tape;
    struct chat_losses losses;
    struct chat_seal seal;
    struct fault why;
};

UNUSED static void bench_start(struct bench *b)
{
    *b = (struct bench){0};
    arena_init(&b->arena, KIB(64), MIB(64));
    json_tape_init(&b->tape, 0);
    chat_seal_key(&b->seal, S("0123456789abcdef0123456789abcdef"), S("a project"));
}

UNUSED static void bench_stop(struct bench *b)
{
    arena_done(&b->arena);
    json_tape_done(&b->tape);
}

UNUSED static struct wire_reply reply_of(struct bench *b)
{
    return (struct wire_reply){.model = S("a-model"),
                               .id = S("0123456789abcdef"),
                               .now_s = 1700000000,
                               .include_usage = true,
                               .origin = {S("nobody"), 7},
                               .seal = &b->seal,
                               .losses = &b->losses};
}

UNUSED static bool is_translated(unsigned f)
{
    const struct wire_ops *ops = wire_ops_get((enum wire_format)f);
    return ops && ops->translator;
}

UNUSED static const struct wire_ops *ops_of(unsigned f)
{
    const struct wire_ops *ops = wire_ops_get((enum wire_format)f);
    must(ops);
    return ops;
}

UNUSED static const struct wire_translator *translator_of(unsigned f)
{
    const struct wire_translator *t = ops_of(f)->translator;
    must(t);
    return t;
}

UNUSED static unsigned count_losses(const struct chat_losses *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CHAT_LOSSES_N; i++) n += l->n[i];
    return n;
}

UNUSED static struct str keep(struct bench *b, struct buf *text)
{
    struct str kept;
    assert_false(text->over);
    assert_true(arena_str(&b->arena, buf_view(text), &kept));
    buf_done(text);
    return kept;
}

/* Fails with two texts of any length; cmocka's own messages are cut. */
UNUSED static void broken(unsigned f, unsigned g, const char *why, struct str first, struct str second)
{
    fprintf(stderr, "from %s to %s: %s\n", wire_format_name((enum wire_format)f), wire_format_name((enum wire_format)g), why);
    fwrite(first.p, 1, first.n, stderr);
    fputs("\n---\n", stderr);
    fwrite(second.p, 1, second.n, stderr);
    fputc('\n', stderr);
    fail_msg("%s", why);
}

/* ---- streams ---------------------------------------------------------------------------------------------------------------- */

struct frames {
    struct wire_frame frame[4096];
    size_t n;
};

UNUSED static bool is_event_stream(unsigned f)
{
    return strcmp(ops_of(f)->stream_type, "application/vnd.amazon.eventstream") == 0;
}

UNUSED static struct str copy_of(struct bench *b, struct str s)
{
    struct str kept;
    assert_true(arena_str(&b->arena, s, &kept));
    return kept;
}

UNUSED static void add_frame(struct bench *b, struct frames *to, struct str name, struct str data, bool exception)
{
    assert_true(to->n < COUNTOF(to->frame));
    to->frame[to->n++] = (struct wire_frame){.name = copy_of(b, name), .data = copy_of(b, data), .exception = exception};
}

/* Bytes handed in as `dice` cuts them (NULL: at once). */
UNUSED static size_t cut_off(struct dice *dice, size_t left)
{
    return dice && left > 1 ? 1 + dice_roll(dice, left < 40 ? (uint32_t)left : 40) : left;
}

UNUSED static void frames_of_sse(struct bench *b, struct str bytes, struct dice *dice, struct frames *to)
{
    struct sse_reader r;
    struct sse_event e;
    sse_init(&r, MIB(4));
    while (bytes.n) {
        size_t n = cut_off(dice, bytes.n);
        assert_int_equal(sse_feed(&r, str_make(bytes.p, n), &b->why), OK);
        while (sse_next(&r, &e))
            if (e.has_data) add_frame(b, to, e.name, e.data, false);
        bytes = str_from(bytes, n);
    }
    assert_int_equal(sse_pending(&r), 0);
    sse_done(&r);
}

UNUSED static void frames_of_events(struct bench *b, struct str bytes, struct dice *dice, struct frames *to)
{
    struct event_stream_reader r;
    struct event_stream_frame f;
    bool got;
    event_stream_init(&r, MIB(4));
    while (bytes.n) {
        size_t n = cut_off(dice, bytes.n);
        event_stream_feed(&r, str_make(bytes.p, n));
        while (event_stream_next(&r, &f, &got, &b->why) == OK && got)
            add_frame(b, to, f.type, f.payload, f.kind == EVENT_STREAM_EXCEPTION);
        bytes = str_from(bytes, n);
    }
    assert_int_equal(event_stream_pending(&r), 0);
    event_stream_done(&r);
}

UNUSED static void frames_of(struct bench *b, unsigned f, struct str bytes, struct dice *dice, struct frames *to)
{
    to->n = 0;
    if (is_event_stream(f)) frames_of_events(b, bytes, dice, to);
    else frames_of_sse(b, bytes, dice, to);
}

/* A stream's writer as a sink. */
struct outflow {
    const struct wire_translator *t;
    void *writer;
    struct buf out;
};

UNUSED static enum err outflow_event(void *user, const struct chat_event *e, struct fault *why)
{
    struct outflow *o = user;
    return o->t->write_event(o->writer, e, &o->out, why);
}

UNUSED static void outflow_start(struct bench *b, struct outflow *o, unsigned f, const struct wire_reply *reply)
{
    *o = (struct outflow){.t = translator_of(f)};
    o->writer = arena_alloc(&b->arena, o->t->writer_size);
    assert_non_null(o->writer);
    o->t->writer_start(o->writer, reply, &b->arena);
    buf_init(&o->out, MIB(8));
}

/* Every frame through the format's reader and the law of events, to `sink`. */
UNUSED static enum err read_frames(struct bench *b, unsigned f, const struct frames *frames, const struct chat_sink *sink)
{
    const struct wire_translator *t = translator_of(f);
    struct chat_check *check = chat_check_new(&b->arena, sink);
    struct chat_sink checked = {chat_check_event, check};
    void *reader = arena_alloc(&b->arena, t->reader_size);
    assert_true(reader && check);
    t->reader_start(reader, &b->arena);
    for (size_t i = 0; i < frames->n; i++) TRY(t->read_event(reader, &frames->frame[i], &b->tape, &checked, &b->why));
    TRY(t->read_end(reader, &checked, &b->why));
    return chat_check_done(check, &b->why);
}

/* ---- a member that nobody knows --------------------------------------------------------------------------------------------- */

/* The text with the needle as first member of one of its objects; STR_NONE: it has none. *ret_at: where the object begins. */
UNUSED static struct str with_needle(struct bench *b, struct dice *d, struct str text, size_t *ret_at)
{
    uint32_t n = 0, k = 0;
    if (json_scan(&b->tape, text, NULL, NULL) != OK) return STR_NONE;
    for (uint32_t i = 0; i < b->tape.n; i++) n += json_is(&b->tape, i, JSON_OBJECT);
    if (!n) return STR_NONE;
    uint32_t chosen = dice_roll(d, n), at = 0;
    for (uint32_t i = 0; i < b->tape.n; i++)
        if (json_is(&b->tape, i, JSON_OBJECT) && k++ == chosen) at = i;
    *ret_at = json_node(&b->tape, at)->start;
    struct buf out;
    buf_init(&out, text.n + 100);
    buf_str(&out, str_make(text.p, *ret_at + 1));
    buf_str(&out, S("\"" NEEDLE "\":{\"" NEEDLE "\":1}"));
    if (json_count(&b->tape, at)) buf_char(&out, ',');
    buf_str(&out, str_from(text, *ret_at + 1));
    return keep(b, &out);
}

/* Whether members that only one of them knows mean the same in the other: Messages, and what carries its bodies (law 4). */
UNUSED static bool is_family(unsigned f, unsigned g)
{
    static const uint32_t MESSAGES = 1u << WIRE_ANTHROPIC_MESSAGES | 1u << WIRE_BEDROCK_INVOKE;
    return f == g || (MESSAGES >> f & MESSAGES >> g & 1);
}

/* Whether the needle was kept as a member that the form has no place for. */
UNUSED static bool is_extra(const struct chat_node *n)
{
    for (const struct chat_extra *e = n->extra; e; e = e->next)
        if (str_eq(e->name, S(NEEDLE))) return true;
    return false;
}

UNUSED static bool is_extra_of_items(const struct chat_item *i)
{
    for (; i; i = i->next) {
        if (is_extra(&i->node) || (i->group && is_extra(&i->group->node))) return true;
        for (const struct chat_part *p = i->parts; p; p = p->next) {
            if (is_extra(&p->node)) return true;
            for (const struct chat_annotation *n = p->annotations; n; n = n->next)
                if (is_extra(&n->node)) return true;
        }
    }
    return false;
}

UNUSED static bool is_extra_of_tools(const struct chat_tool *t)
{
    for (; t; t = t->next)
        if (is_extra(&t->node) || is_extra_of_tools(t->children)) return true;
    return false;
}

UNUSED static bool has_needle(struct str text)
{
    /* also in base64, at each of the three places that it can have there (Bedrock's Invoke carries chunks so) */
    static const struct str SPELLINGS[] = {{NEEDLE, sizeof NEEDLE - 1}, {"enFfbmVlZGxl", 12}, {"X25lZWRs", 8}, {"cV9uZWVk", 8}};
    size_t at;
    for (unsigned i = 0; i < COUNTOF(SPELLINGS); i++)
        if (str_find(text, SPELLINGS[i], &at)) return true;
    return false;
}
