/* Fuzz: the first byte says what the rest is: a request for vectors in one of three shapes, an answer in one of two, or events that
 * become an array. What is taken is written as JSON that every reader takes again. */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void take_request(uint8_t kind, struct str text, struct json_tape *t, struct arena *a)
{
    enum wire_format from = kind % 4 ? WIRE_GEMINI_GENERATE : WIRE_OPENAI_TASKS,
                     to = kind & 4 ? WIRE_GEMINI_GENERATE : WIRE_OPENAI_TASKS;
    struct chat_losses losses = {0};
    const struct wire_target target = {.model = S("m"), .losses = &losses};
    struct wire_embed e, again;
    struct buf out;
    if (json_scan(t, text, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return;
    if (wire_embed_read(from, kind % 4 == 2 ? WIRE_EMBED_BATCH : WIRE_EMBED, t, a, &e, NULL) != OK) return;
    buf_init(&out, MIB(4));
    if (wire_embed_write(to, &e, &target, &out, NULL) == OK && !out.over) {
        must(json_scan(t, buf_view(&out), &JSON_LIMITS, NULL) == OK);
        must(wire_embed_read(to, wire_embed_operation(to), t, a, &again, NULL) == OK && again.n == e.n);
    }
    buf_done(&out);
}

static void take_answer(uint8_t kind, struct str text, struct json_tape *t, struct arena *a)
{
    enum wire_format from = kind & 4 ? WIRE_GEMINI_GENERATE : WIRE_OPENAI_TASKS,
                     to = kind & 8 ? WIRE_GEMINI_GENERATE : WIRE_OPENAI_TASKS;
    const struct wire_embed e = {.base64 = kind & 16};
    struct wire_vectors v = {.n = 1u + (kind >> 5), .at = arena_alloc(a, 8 * sizeof *v.at)};
    struct buf out;
    if (!v.at || wire_embed_read_answer(from, text, t, &v, NULL) != OK) return;
    buf_init(&out, MIB(4));
    wire_embed_write_answer(to, WIRE_EMBED_BATCH, &v, &e, S("m"), &out);
    if (!out.over) must(json_scan(t, buf_view(&out), &JSON_LIMITS, NULL) == OK);
    buf_done(&out);
}

static void take_events(struct str text)
{
    struct wire_array a = {0};
    struct buf out;
    buf_init(&out, MIB(4));
    wire_array_put(&a, text, &out);
    wire_array_end(&a, &out);
    must(out.over || (out.n >= 2 && out.p[0] == '[' && out.p[out.n - 1] == ']'));
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct json_tape tape;
    struct arena a;
    if (n < 1) return 0;
    struct str text = str_make((const char *)data + 1, n - 1);
    json_tape_init(&tape, 1u << 16);
    arena_init(&a, KIB(4), MIB(4));
    if (data[0] % 4 == 3 && data[0] & 4) take_events(text);
    else if (data[0] % 4 == 3) take_answer(data[0], text, &tape, &a);
    else take_request(data[0], text, &tape, &a);
    arena_done(&a);
    json_tape_done(&tape);
    return 0;
}
