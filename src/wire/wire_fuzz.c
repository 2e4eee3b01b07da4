/* Fuzz: the first byte chooses format and part; whatever comes is read without harm, edits leave valid JSON that asks for the
 * same model, and usage sums never wrap. */
#include <stdlib.h>

#include "wire/formats.h"
#include "wire/wire.h"

/* However it is cut, the same is found in it. */
static bool form_in_pieces(struct str type, struct str body, struct wire_request *r)
{
    struct wire_form f;
    size_t step = body.n ? 1 + (unsigned char)body.p[body.n - 1] % 64 : 1;
    *r = (struct wire_request){0};
    must(wire_form_begin(&f, type, NULL) == OK);
    for (size_t n = 0; n < body.n;) {
        n = n + step < body.n ? n + step : body.n;
        if (wire_form_look(&f, str_make(body.p, n), r, NULL) != OK) return false;
        must(f.at <= n);
    }
    return wire_form_end(&f, NULL) == OK;
}

/* A form: what is named in it is in it, and it can be named anew. */
static void form(const struct wire_ops *ops, struct str body)
{
    struct wire_request r, again;
    struct json_edit edits[WIRE_EDITS];
    struct str pieces[JSON_PIECES(WIRE_EDITS)], type = S("multipart/form-data; boundary=b");
    struct buf out;
    (void)ops;
    bool whole = openai_tasks_ops.read_form(WIRE_TRANSCRIBE, type, body, &r, NULL) == OK;
    must(form_in_pieces(type, body, &again) == whole);
    if (!whole) return;
    must(again.model_at == r.model_at && again.model_n == r.model_n && again.stream == r.stream);
    if (!r.model_n) return; /* the path has it */
    must(r.model.p >= body.p && r.model.p + r.model.n <= body.p + body.n);
    size_t n = json_splice(body, edits, openai_tasks_ops.edits(&r, S("\"the-model\""), edits), pieces);
    buf_init(&out, body.n + 200);
    for (size_t i = 0; i < n; i++) buf_str(&out, pieces[i]);
    must(openai_tasks_ops.read_form(WIRE_TRANSCRIBE, type, buf_view(&out), &again, NULL) == OK);
    must(str_eq(again.model, S("the-model")) && again.stream == r.stream);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct json_tape tape;

static void request(const struct wire_ops *ops, struct str body)
{
    struct arena a;
    struct wire_request r;
    struct json_edit edits[WIRE_EDITS];
    struct str pieces[JSON_PIECES(WIRE_EDITS)];
    struct buf out;
    if (json_scan(&tape, body, &WIRE_LIMITS, NULL) != OK) return;
    arena_init(&a, 512, 65536);
    if (ops->read(WIRE_GENERATE, &tape, &a, &r, NULL) == OK) {
        bool absent = !r.model_n && r.model_at; /* the path has it (Azure): a member goes in */
        unsigned k = ops->edits(&r, absent ? S("\"model\":\"the-model\",") : S("\"the-model\""), edits);
        size_t n_pieces = json_splice(body, edits, k, pieces);
        buf_init(&out, body.n + 200);
        for (size_t i = 0; i < n_pieces; i++) buf_str(&out, pieces[i]);
        struct wire_request again;
        must(json_scan(&tape, buf_view(&out), &WIRE_LIMITS, NULL) == OK);
        must(ops->read(WIRE_GENERATE, &tape, &a, &again, NULL) == OK);
        must(again.stream == r.stream);
        if (r.model.n || absent) must(str_eq(again.model, S("the-model"))); /* else it stands in the path */
        else if (r.model_at) must(str_eq(str_make(buf_view(&out).p + again.model_at, again.model_n), S("the-model")));
        must(again.usage_edit.with.n == 0); /* what was to be asked for is asked for now */
        buf_done(&out);
    }
    arena_done(&a);
}

static void stream(const struct wire_ops *ops, struct str all)
{
    struct usage u = {0};
    struct wire_stream s = {.format = ops->format, .hide_usage = true, .usage = &u};
    while (all.n) { /* one event a line */
        struct sse_event e = {.has_data = true};
        struct wire_step step;
        str_cut(all, '\n', &e.data, &all);
        if (!str_starts(e.data, S("{"))) str_cut(e.data, ' ', &e.name, &e.data); /* a frame: its type before it */
        ops->event(&s, &e, &tape, &step);
    }
    must(usage_input(&u) >= u.n[USAGE_IN_FRESH] && usage_output(&u) >= u.n[USAGE_OUT_VISIBLE]);
}

static void answer(const struct wire_ops *ops, struct str body)
{
    struct usage u;
    struct fault why = {0};
    struct buf out;
    if (ops->answer(WIRE_GENERATE, body, &tape, &u, &why) != OK) must(why.code == ERR_UPSTREAM_GARBAGE);
    buf_init(&out, KIB(64));
    ops->blame(body, &tape, &out);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const PARTS[])(const struct wire_ops *, struct str) = {request, stream, answer, form};
    if (n < 1) return 0;
    if (!tape.max_nodes) json_tape_init(&tape, 0);
    static const enum wire_format FORMATS[] = {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT};
    static const enum wire_format MORE[] = {WIRE_GEMINI_GENERATE, WIRE_OPENAI_RESPONSES, WIRE_BEDROCK_CONVERSE,
                                            WIRE_BEDROCK_INVOKE};
    unsigned more = (data[0] & 1) | (data[0] >> 5 & 2);
    const struct wire_ops *ops =
        wire_ops_get(data[0] & 128 ? MORE[more] : FORMATS[data[0] & 1]); /* old seeds keep their meaning */
    PARTS[((data[0] & 127) >> 1) % COUNTOF(PARTS)](ops, str_make((const char *)data + 1, n - 1));
    return 0;
}
