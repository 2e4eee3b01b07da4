/* The pair matrix' engine, run by tests/matrix/matrix.py and by no test runner itself: reads scenarios (one JSON object a line) from
 * standard input and prints, for each ordered pair of formats, what a request, an answer and a stream of the one become in the
 * other, one JSON object a line. A request that a scenario does not spell in a format is derived from its first spelling by our
 * writers; answers are never derived: they are the vendors' own words, so that our readers are not measured by our writers. */
#include "wire/test.h"

#include <sodium.h>
#include <stdlib.h>

enum { FIELDS_MAX = 8 };

static struct {
    struct bench b;
    struct json_tape scenario; /* kept while b.tape is used */
    uint32_t requests, answers;
    uint64_t status; /* 0: a good answer */
    struct buf line;
} m;

static struct str kept(struct buf *text)
{
    struct str s = copy_of(&m.b, buf_view(text));
    buf_done(text);
    return s;
}

static struct buf fresh(void)
{
    struct buf b;
    buf_init(&b, MIB(8));
    return b;
}

/* A cell's words for what cannot be. */
static struct str say_fault(enum err e)
{
    struct buf text = fresh();
    buf_fmt(&text, "%s: %s", err_code(e), m.b.why.text);
    return kept(&text);
}

static struct str losses_text(void)
{
    struct buf text = fresh();
    for (unsigned i = 0; i < CHAT_LOSSES_N; i++)
        if (m.b.losses.n[i]) buf_fmt(&text, "%s%s=%u", text.n ? ", " : "", chat_loss_word((enum chat_loss)i), m.b.losses.n[i]);
    m.b.losses = (struct chat_losses){0};
    return kept(&text);
}

/* ---- what a scenario says, or what follows from it ------------------------------------------------------------------------- */

static struct str member(uint32_t object, struct str name)
{
    uint32_t at = json_find(&m.scenario, object, name);
    return at ? json_raw(&m.scenario, at) : STR_NONE;
}

static struct str text_member(uint32_t object, struct str name)
{
    uint32_t at = json_find(&m.scenario, object, name);
    if (!at) return STR_NONE;
    struct buf text = fresh();
    assert_true(json_unescape(&m.scenario, at, &text));
    return kept(&text);
}

static uint32_t answer_at(unsigned f)
{
    uint32_t at = json_find(&m.scenario, m.answers, str_z(ops_of(f)->name));
    assert_true(at); /* whoever adds a format writes down what its vendor answers */
    return at;
}

static unsigned first_of(uint32_t object)
{
    unsigned f = 0;
    while (f < WIRE_FORMATS && !member(object, str_z(wire_format_name((enum wire_format)f))).p) f++;
    assert_true(f < WIRE_FORMATS);
    return f;
}

/* Streams come in hexadecimal: some are no text. */
static struct str hex_member(uint32_t object, struct str name)
{
    struct str hex = text_member(object, name);
    struct buf bytes = fresh();
    size_t n = 0;
    if (!hex.p) return STR_NONE;
    assert_true(buf_reserve(&bytes, hex.n / 2 + 1));
    assert_int_equal(sodium_hex2bin((unsigned char *)bytes.p, hex.n / 2 + 1, hex.p, hex.n, NULL, &n, NULL), 0);
    bytes.n = n;
    return kept(&bytes);
}

/* Of the last request written, for its answer. */
static struct wire_name *names;
static struct str repeated;

static struct wire_reply reply_from(unsigned upstream)
{
    struct wire_reply reply = reply_of(&m.b);
    reply.origin.family = str_z(ops_of(upstream)->family);
    reply.names = names;
    reply.repeated = repeated;
    return reply;
}

/* What was written, or nothing when it failed half-way. */
static enum err kept_if(enum err e, struct buf *out, struct str *ret_body)
{
    if (e == OK) *ret_body = kept(out);
    else buf_done(out);
    return e;
}

static enum err put_request(struct str source, unsigned from, unsigned to, bool stream, struct buf *out)
{
    struct chat chat = {.arena = &m.b.arena, .source = source, .stream = stream};
    const struct wire_target target = {
        .model = S("upstream-model"),
        .origin = {str_z(ops_of(to)->family), 7},
        .stream = stream,
        .max_output = 4096,
        .losses = &m.b.losses,
        .tape = &m.b.tape,
        .memo = &m.b.arena,
    };
    struct wire_reply told = {0};
    names = NULL;
    TRY(json_scan(&m.b.tape, source, &JSON_LIMITS, &m.b.why));
    TRY(translator_of(from)->read_request(&m.b.tape, &chat, &m.b.why));
    if (translator_of(from)->remember) translator_of(from)->remember(&m.b.tape, &m.b.arena, &told);
    repeated = told.repeated;
    TRY(chat_unseal_all(&chat, &m.b.seal, &m.b.why));
    TRY(wire_adapt(&chat, (enum wire_format)to, &target, &names, &m.b.why));
    TRY(translator_of(to)->write_request(&chat, &target, out, &m.b.why));
    return chat_account(&chat, ops_of(to)->name, &m.b.why);
}

static enum err write_request(struct str source, unsigned from, unsigned to, bool stream, struct str *ret_body)
{
    struct buf out = fresh();
    return kept_if(put_request(source, from, to, stream, &out), &out, ret_body);
}

static enum err request_of(unsigned f, struct str *ret_source)
{
    struct str spelled = member(m.requests, str_z(ops_of(f)->name));
    unsigned base = first_of(m.requests);
    *ret_source = spelled;
    if (spelled.p) return OK;
    enum err e = write_request(member(m.requests, str_z(ops_of(base)->name)), base, f, false, ret_source);
    m.b.losses = (struct chat_losses){0};
    return e;
}

static enum err put_answer(struct str body, unsigned from, unsigned to, struct buf *out)
{
    struct chat_answer answer = {.arena = &m.b.arena};
    const struct wire_reply reply = reply_from(from);
    TRY(json_scan(&m.b.tape, body, &JSON_LIMITS, &m.b.why));
    TRY(translator_of(from)->read_answer(&m.b.tape, &answer, &m.b.why));
    TRY(wire_restore_answer(&answer, names, &m.b.why));
    return translator_of(to)->write_answer(&answer, &reply, out, &m.b.why);
}

static enum err write_answer(struct str body, unsigned from, unsigned to, struct str *ret_body)
{
    struct buf out = fresh();
    return kept_if(put_answer(body, from, to, &out), &out, ret_body);
}

/* The fields of the vendor's answer, as the scenario has them. */
static struct http_fields fields_of(uint32_t answer, struct http_field room[FIELDS_MAX])
{
    uint32_t fields = json_find(&m.scenario, answer, S("fields")), name, value;
    struct http_fields all = {room, 0};
    assert_true(fields);
    for (struct json_iter it = json_each(&m.scenario, fields); json_next_member(&m.scenario, &it, &name, &value);) {
        assert_true(all.n < FIELDS_MAX);
        room[all.n++] = (struct http_field){json_text(&m.scenario, name), json_text(&m.scenario, value)};
    }
    return all;
}

static void write_error(struct str body, unsigned from, unsigned to, struct str *ret_body)
{
    struct chat_error error;
    struct buf out = fresh();
    struct http_field room[FIELDS_MAX];
    struct http_fields fields = fields_of(answer_at(from), room);
    translator_of(from)->read_error((int)m.status, fields, body, &m.b.tape, &m.b.arena, &error);
    translator_of(to)->write_error(&error, S("0123456789abcdef"), &out);
    *ret_body = kept(&out);
}

static enum err carry_answer(struct str body, unsigned from, unsigned to, struct str *ret_body)
{
    if (!m.status) return write_answer(body, from, to, ret_body);
    write_error(body, from, to, ret_body);
    return OK;
}

/* Knows whether the provider said itself how it ends: the gateway reads nothing behind that. */
struct ending_flow {
    struct outflow flow;
    bool ended;
};

static enum err ending_flow_event(void *user, const struct chat_event *e, struct fault *why)
{
    struct ending_flow *o = user;
    o->ended |= e->kind == EVENT_END || e->kind == EVENT_ERROR;
    return outflow_event(&o->flow, e, why);
}

/* A failed stream ends as the gateway ends it: what came, and the caller's own error event. */
static struct str carry_stream(struct str bytes, unsigned from, unsigned to)
{
    static struct frames frames;
    struct ending_flow o = {0};
    const struct wire_reply reply = reply_from(from);
    frames_of(&m.b, from, bytes, NULL, &frames);
    outflow_start(&m.b, &o.flow, to, &reply);
    const struct chat_sink last = {ending_flow_event, &o};
    const struct chat_sink sink = {wire_restore_event, wire_restorer_new(&m.b.arena, names, &last)};
    enum err e = read_frames(&m.b, from, &frames, &sink);
    if (e != OK && !o.ended) ops_of(to)->error_event(&m.b.why, S("0123456789abcdef"), &o.flow.out);
    return kept(&o.flow.out);
}

/* ---- a cell ------------------------------------------------------------------------------------------------------------------- */

static void put_bytes(struct json_writer *w, struct str name, struct str bytes)
{
    struct buf hex = fresh();
    for (size_t i = 0; i < bytes.n; i++) buf_fmt(&hex, "%02x", (unsigned char)bytes.p[i]);
    json_add_str(w, name, buf_view(&hex));
    buf_done(&hex);
}

static void add_request(struct json_writer *w, unsigned from, unsigned to, bool stream, struct str name)
{
    struct str source, body;
    json_add_object(w, name);
    enum err e = request_of(from, &source);
    if (e != OK) json_add_str(w, S("unasked"), say_fault(e));
    else if ((e = write_request(source, from, to, stream, &body)) != OK) json_add_str(w, S("refused"), say_fault(e));
    else put_bytes(w, S("bytes"), body);
    json_add_str(w, S("losses"), losses_text());
    json_put_end(w);
}

static void add_answers(struct json_writer *w, unsigned from, unsigned to)
{
    struct str body = text_member(answer_at(to), S("body")), stream = hex_member(answer_at(to), S("stream")), out;
    if (body.p) {
        json_add_object(w, S("answer"));
        enum err e = carry_answer(body, to, from, &out);
        if (e != OK) json_add_str(w, S("refused"), say_fault(e));
        else put_bytes(w, S("bytes"), out);
        json_add_str(w, S("losses"), losses_text());
        json_put_end(w);
    }
    if (stream.p) {
        json_add_object(w, S("stream"));
        put_bytes(w, S("bytes"), carry_stream(stream, to, from));
        json_add_str(w, S("losses"), losses_text());
        json_put_end(w);
    }
}

static void put_cell(struct str name, unsigned from, unsigned to)
{
    struct json_writer w;
    json_write(&w, &m.line);
    json_put_object(&w);
    json_add_str(&w, S("scenario"), name);
    json_add_str(&w, S("client"), str_z(ops_of(from)->name));
    json_add_str(&w, S("provider"), str_z(ops_of(to)->name));
    add_request(&w, from, to, false, S("request"));
    add_request(&w, from, to, true, S("request_stream"));
    add_answers(&w, from, to);
    json_put_end(&w);
}

static void run_pair(struct str line, unsigned from, unsigned to)
{
    uint64_t status = 0;
    bench_start(&m.b);
    assert_int_equal(json_scan(&m.scenario, line, NULL, NULL), OK);
    uint32_t at = json_find(&m.scenario, 0, S("status"));
    if (at) assert_true(json_u64(&m.scenario, at, &status));
    m.status = status;
    m.requests = json_find(&m.scenario, 0, S("requests"));
    m.answers = json_find(&m.scenario, 0, S("answers"));
    buf_clear(&m.line);
    put_cell(text_member(0, S("name")), from, to);
    puts(buf_z(&m.line));
    bench_stop(&m.b);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    json_tape_init(&m.scenario, 0);
    buf_init(&m.line, MIB(64));
    while ((n = getline(&line, &room, stdin)) > 0)
        for (unsigned from = 0; from < WIRE_FORMATS; from++)
            for (unsigned to = 0; to < WIRE_FORMATS; to++)
                if (from != to && is_translated(from) && is_translated(to)) run_pair(str_make(line, (size_t)n), from, to);
    free(line);
    buf_done(&m.line);
    json_tape_done(&m.scenario);
    return 0;
}
