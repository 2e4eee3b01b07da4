/* Fuzz: the first byte chooses a pair of formats with translators, the second a part. Whatever comes as request, answer or stream
 * of the one is read without harm; what the form then holds is written in the other as valid JSON; events obey their law. */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct json_tape tape, second;

struct pair {
    const struct wire_ops *from, *to;
    struct arena arena;
    struct chat_losses losses;
    struct chat_seal seal;
};

static const struct wire_ops *pick(unsigned k)
{
    const struct wire_ops *built[WIRE_FORMATS];
    unsigned n = 0;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        const struct wire_ops *ops = wire_ops_get((enum wire_format)f);
        if (ops && ops->translator) built[n++] = ops;
    }
    must(n > 0);
    return built[k % n];
}

static struct wire_reply reply_of(struct pair *p)
{
    return (struct wire_reply){.model = S("m"),
                               .id = S("0123456789abcdef"),
                               .now_s = 1,
                               .include_usage = true,
                               .origin = {S("nobody"), 7},
                               .seal = &p->seal,
                               .losses = &p->losses};
}

static void request(struct pair *p, struct str body)
{
    struct chat c = {.arena = &p->arena, .source = body, .stream = body.n & 1};
    const struct wire_target to = {.model = S("m"),
                                   .origin = {str_z(p->to->family), 7},
                                   .stream = c.stream,
                                   .quirks = body.n & 2 ? QUIRK_SCHEMA_SUBSET : 0,
                                   .max_output = 99,
                                   .losses = &p->losses,
                                   .tape = &second,
                                   .memo = &p->arena};
    struct wire_name *names = NULL;
    struct buf out;
    if (json_scan(&tape, body, NULL, NULL) != OK) return;
    if (p->from->translator->read_request(&tape, &c, NULL) != OK || chat_unseal_all(&c, &p->seal, NULL) != OK) return;
    if (wire_adapt(&c, p->to->format, &to, &names, NULL) != OK) return;
    buf_init(&out, MIB(64));
    bool good = p->to->translator->write_request(&c, &to, &out, NULL) == OK && chat_account(&c, "f", NULL) == OK;
    must(!good || out.over || json_scan(&tape, buf_view(&out), NULL, NULL) == OK);
    buf_done(&out);
}

static void answer(struct pair *p, struct str body)
{
    struct chat_answer a = {.arena = &p->arena};
    struct wire_reply reply = reply_of(p);
    struct buf out;
    if (json_scan(&tape, body, NULL, NULL) != OK || p->from->translator->read_answer(&tape, &a, NULL) != OK) return;
    buf_init(&out, MIB(64));
    if (p->to->translator->write_answer(&a, &reply, &out, NULL) == OK)
        must(out.over || json_scan(&tape, buf_view(&out), NULL, NULL) == OK);
    buf_done(&out);
}

struct outflow {
    const struct wire_translator *t;
    void *writer;
    struct buf out;
};

static enum err write_event(void *user, const struct chat_event *e, struct fault *why)
{
    struct outflow *o = user;
    return o->t->write_event(o->writer, e, &o->out, why);
}

static bool is_framed(const struct wire_ops *ops) { return !str_eq(str_z(ops->stream_type), S("text/event-stream")); }

/* "contentBlockDelta {…}"; an exception has a '!' before its name. What comes in chunks is told as it is inside. */
static struct wire_frame frame_of(struct str line)
{
    struct wire_frame f = {0};
    f.exception = str_starts(line, S("!"));
    str_cut(f.exception ? str_from(line, 1) : line, ' ', &f.name, &f.data);
    return f;
}

/* One event a line. A reader may refuse what it is given; what it emits must be lawful. */
static void stream(struct pair *p, struct str all)
{
    const struct wire_translator *from = p->from->translator;
    struct outflow o = {.t = p->to->translator};
    struct wire_reply reply = reply_of(p);
    struct fault why = {0};
    void *reader = arena_alloc(&p->arena, from->reader_size);
    o.writer = arena_alloc(&p->arena, o.t->writer_size);
    buf_init(&o.out, MIB(64));
    struct chat_check *check = chat_check_new(&p->arena, &(struct chat_sink){write_event, &o});
    const struct chat_sink sink = {chat_check_event, check};
    must(reader && o.writer && check);
    from->reader_start(reader, &p->arena);
    o.t->writer_start(o.writer, &reply, &p->arena);
    enum err e = OK;
    while (all.n && e == OK) {
        struct wire_frame f = {0};
        str_cut(all, '\n', &f.data, &all);
        if (is_framed(p->from)) f = frame_of(f.data);
        e = from->read_event(reader, &f, &tape, &sink, &why);
    }
    if (e == OK) e = from->read_end(reader, &sink, &why);
    if (e != OK && str_starts(str_z(why.text), S("the provider's stream breaks the rules")))
        must_failed(why.text, __FILE__, __LINE__);
    buf_done(&o.out);
}

static void error(struct pair *p, struct str body)
{
    struct chat_error e = {0};
    struct buf out;
    buf_init(&out, MIB(1));
    p->from->translator->read_error(400, (struct http_fields){0}, body, &tape, &p->arena, &e);
    p->to->translator->write_error(&e, S("id"), &out);
    must(out.over || json_scan(&tape, buf_view(&out), NULL, NULL) == OK);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const PARTS[])(struct pair *, struct str) = {request, answer, stream, error};
    if (n < 2) return 0;
    if (!tape.max_nodes) json_tape_init(&tape, 0), json_tape_init(&second, 0);
    struct pair p = {.from = pick(data[0] & 15), .to = pick(data[0] >> 4)};
    arena_init(&p.arena, KIB(16), MIB(16));
    PARTS[data[1] % COUNTOF(PARTS)](&p, str_make((const char *)data + 2, n - 2));
    arena_done(&p.arena);
    return 0;
}
