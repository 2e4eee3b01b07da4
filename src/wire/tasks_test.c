/* Tests of OpenAI's calls that are no conversation: what a request asks, as JSON and as a form; how it is edited; what an answer
 * tells of usage; what is refused and how. */
#include "wire/formats.h"
#include "wire/tape_test.h"

static enum err read_json(enum wire_operation op, const char *body, struct wire_request *r, struct fault *why)
{
    TRY(json_scan(&tape, str_z(body), &WIRE_LIMITS, why));
    return openai_tasks_ops.read(op, &tape, &arena, r, why);
}

#define TYPE "multipart/form-data; boundary=\"x y\""
#define PART(name, value) "--x y\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define HEAD(disposition) "--x y\r\nContent-Disposition: " disposition "\r\n\r\n"
#define FILE_PART \
    "--x y\r\nContent-Type: audio/wav\r\ncontent-disposition: form-data; name=file; filename=\"a.wav\"\r\n\r\nRI\r\n\r\nFF\r\n"
#define END "--x y--\r\n"

static enum err read_form(const char *type, const char *body, struct wire_request *r, struct fault *why)
{
    return openai_tasks_ops.read_form(WIRE_TRANSCRIBE, str_z(type), str_z(body), r, why);
}

static void edited(const struct wire_request *r, struct str body, struct buf *out)
{
    struct json_edit edits[WIRE_EDITS];
    struct str pieces[JSON_PIECES(WIRE_EDITS)];
    size_t n = json_splice(body, edits, openai_tasks_ops.edits(r, S("\"theirs\""), edits), pieces);
    for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
}

static void requests_as_json(void **state)
{
    (void)state;
    struct wire_request r;
    struct fault why = {0};
    struct buf out;
    const char *body = "{\"input\": [\"a\", \"b\"], \"model\": \"emb\", \"dimensions\": 3}";
    assert_int_equal(read_json(WIRE_EMBED, body, &r, &why), OK);
    assert_str(r.model, "emb");
    buf_init(&out, 1024);
    edited(&r, str_z(body), &out);
    assert_str(buf_view(&out), "{\"input\": [\"a\", \"b\"], \"model\": \"theirs\", \"dimensions\": 3}");
    buf_done(&out);
    assert_int_equal(read_json(WIRE_IMAGE, "{\"model\":\"m\",\"prompt\":\"x\",\"n\":3,\"stream\":true}", &r, &why), OK);
    assert_true(r.choices == 3 && r.stream);
}

static void requests_as_forms(void **state)
{
    (void)state;
    struct wire_request r;
    struct fault why = {0};
    struct buf out;
    const char *body = FILE_PART PART("model", "whisper") PART("stream", "true") PART("prompt", "") END;
    assert_int_equal(read_form(TYPE, body, &r, &why), OK);
    assert_str(r.model, "whisper");
    assert_true(r.stream);
    buf_init(&out, 1024);
    edited(&r, str_z(body), &out);
    assert_str(buf_view(&out), FILE_PART PART("model", "theirs") PART("stream", "true") PART("prompt", "") END);
    buf_done(&out);
    /* Without quotation marks around the boundary, and whatever stands behind the end. */
    assert_int_equal(read_form("Multipart/Form-Data;boundary=b",
                               "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--", &r, &why),
                     OK);
    assert_str(r.model, "m");
    assert_int_equal(r.boundary.n, 0);
    /* Without a model, which the path may have: what is needed to write a part. */
    assert_int_equal(read_form(TYPE, FILE_PART END, &r, &why), OK);
    assert_true(r.model.n == 0 && r.model_n == 0 && r.boundary.n > 0);
}

static void forms_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body, *word;
    } CASES[] = {
        {"application/json", "{}", "multipart/form-data"},
        {"multipart/form-data", END, "boundary"},
        {"multipart/form-data; boundary=", END, "boundary"},
        {TYPE, "", "does not begin"},
        {TYPE, "--x\r\n", "does not begin"},
        {TYPE, PART("model", "") END, "model: is empty"},
        {TYPE, PART("model", "a b") END, "spaces"},
        {TYPE, PART("model", "a") PART("model", "b") END, "twice"},
        {TYPE, PART("model", "\xff") END, "UTF-8"},
        {TYPE, PART("stream", "maybe") PART("model", "b") END, "stream: must be"},
        {TYPE, PART("model", "a"), "last part does not end"},
        {TYPE, "--x y\r\nno head", "head does not end"},
        {TYPE, "--x yz\r\n", "goes on behind a boundary"},
        /* One reader sees a file, another one a model. */
        {TYPE, HEAD("form-data; name=\"file\"; name=\"model\"") "m\r\n" END, "two ways"},
        {TYPE, HEAD("form-data; name=\"file\"\r\nContent-Disposition: form-data; name=\"model\"") "m\r\n" END, "two ways"},
        {TYPE, HEAD("form-data; name=\"file\"; name*=utf-8''model") "m\r\n" END, "two ways"},
        {TYPE, HEAD("form-data;\r\n name=\"model\"") "m\r\n" END, "two ways"},
        {TYPE, HEAD("form-data; x=\"; name=file; \"; name=\"mod\\el\"") "m\r\n" END, "two ways"},
        {TYPE, HEAD("form-data; filename=\"a; name=\"model\"") "m\r\n" END, "two ways"},
        {TYPE, PART("model", "a") HEAD("form-data; x=\"; name=file\"; name=\"model\"") "m\r\n" END, "twice"},
        {TYPE, "--x y\r\nA: b\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n" END, "two ways"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r;
        struct fault why = {0};
        assert_int_equal(read_form(CASES[i].type, CASES[i].body, &r, &why), ERR_BAD_REQUEST);
        if (!strstr(why.text, CASES[i].word)) fail_msg("case %zu: %s", i, why.text);
    }
}

/* However it is cut: the same is found in it, and what was looked through has nothing in it that is refused later. */
static void forms_that_come_in_pieces(void **state)
{
    (void)state;
    static const char body[] = PART("stream", "true") FILE_PART PART("model", "whisper") PART("prompt", "") END "rest";
    static const char late[] = FILE_PART PART("model", "whisper") END;
    for (size_t cut = 1; cut < sizeof body; cut++) {
        struct wire_form f;
        struct wire_request r = {0};
        size_t before = 0;
        assert_int_equal(wire_form_begin(&f, S(TYPE), NULL), OK);
        for (size_t n = 0; n < sizeof body - 1;) {
            n = n + cut < sizeof body - 1 ? n + cut : sizeof body - 1;
            assert_int_equal(wire_form_look(&f, str_make(body, n), &r, NULL), OK);
            assert_true(f.at >= before && f.at <= n);
            before = f.at;
        }
        assert_int_equal(wire_form_end(&f, NULL), OK);
        assert_true(f.file && r.stream && f.at == sizeof body - 1);
        assert_str(str_make(body + r.model_at, r.model_n), "whisper");
    }
    struct wire_form f;
    struct wire_request r = {0};
    struct fault why = {0};
    assert_int_equal(wire_form_begin(&f, S(TYPE), &why), OK);
    assert_int_equal(wire_form_look(&f, str_make(late, sizeof FILE_PART + 20), &r, &why), OK);
    assert_true(f.file && f.at < sizeof FILE_PART + sizeof "--x y"); /* and not into the next head */
    f.sent = true;
    assert_int_equal(wire_form_look(&f, str_make(late, sizeof late - 1), &r, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why.text, "put `model` before the file"));
}

static void requests_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum wire_operation op;
        const char *body, *word;
    } CASES[] = {
        {WIRE_EMBED, "[]", "JSON object"},
        {WIRE_EMBED, "{\"model\":\"m\"}", "input: missing"},
        {WIRE_IMAGE, "{\"model\":\"m\"}", "prompt: missing"},
        {WIRE_RERANK, "{\"model\":\"m\",\"documents\":[]}", "query: missing"},
        {WIRE_IMAGE, "{\"model\":\"m\",\"prompt\":\"\",\"stream\":1}", "stream: must be"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r;
        struct fault why = {0};
        assert_int_equal(read_json(CASES[i].op, CASES[i].body, &r, &why), ERR_BAD_REQUEST);
        if (!strstr(why.text, CASES[i].word)) fail_msg("case %zu: %s", i, why.text);
    }
}

static void a_moderation_needs_no_model(void **state)
{
    (void)state;
    struct wire_request r;
    struct fault why = {0};
    assert_int_equal(read_json(WIRE_MODERATE, "{\"input\":\"x\"}", &r, &why), OK);
    assert_true(str_eq(r.model, S("omni-moderation-latest")));
    assert_int_equal(r.model_n, 0);
    assert_int_equal(r.model_at, 1); /* where it is put for the provider */
    assert_int_equal(read_json(WIRE_IMAGE, "{\"prompt\":\"x\"}", &r, &why), OK);
    assert_int_equal(r.model.n, 0); /* the path may have it; else it is refused */
}

static void usage_of_answers(void **state)
{
    (void)state;
    static const struct {
        enum wire_operation op;
        const char *body;
        enum usage_cell cells[4]; /* up to the first that is to be 0 */
        uint64_t n[4];
    } CASES[] = {
        {WIRE_EMBED, "{\"data\":[],\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}", {USAGE_IN_FRESH}, {7}},
        {WIRE_RERANK, "{\"results\":[],\"usage\":{\"total_tokens\":9}}", {USAGE_IN_FRESH}, {9}},
        {WIRE_RERANK, "{\"results\":[],\"meta\":{\"billed_units\":{\"search_units\":2}}}", {USAGE_UNIT_SEARCH}, {2}},
        {WIRE_IMAGE,
         "{\"data\":[{},{}],\"usage\":{\"input_tokens\":50,\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40},"
         "\"output_tokens\":100,\"output_tokens_details\":{\"image_tokens\":90}}}",
         {USAGE_UNIT_IMAGE, USAGE_IN_IMAGE, USAGE_OUT_IMAGE, USAGE_OUT_VISIBLE},
         {2, 40, 90, 10}},
        {WIRE_TRANSCRIBE,
         "{\"text\":\"\",\"usage\":{\"input_tokens\":14,\"input_token_details\":{\"audio_tokens\":14},\"output_tokens\":5}}",
         {USAGE_IN_AUDIO, USAGE_OUT_VISIBLE},
         {14, 5}},
        {WIRE_TRANSCRIBE, "{\"text\":\"\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}", {USAGE_UNIT_AUDIO_SECOND}, {9}},
        {WIRE_TRANSCRIBE, "{\"text\":\"\",\"duration\":8.470}", {USAGE_UNIT_AUDIO_SECOND}, {9}},
        {WIRE_TRANSCRIBE, "{\"text\":\"\",\"duration\":8.0}", {USAGE_UNIT_AUDIO_SECOND}, {8}},
        {WIRE_TRANSCRIBE, "1\n00:00 --> 00:01\nHello.\n", {0}, {0}},
        {WIRE_SPEAK, "RIFF", {0}, {0}},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct usage u;
        struct fault why = {0};
        assert_int_equal(openai_tasks_ops.answer(CASES[i].op, str_z(CASES[i].body), &tape, &u, &why), OK);
        for (size_t k = 0; k < 4 && CASES[i].n[k]; k++)
            if (u.n[CASES[i].cells[k]] != CASES[i].n[k]) fail_msg("case %zu, cell %zu", i, k);
    }
}

static void answers_that_are_none(void **state)
{
    (void)state;
    struct usage u;
    struct fault why = {0};
    assert_int_equal(openai_tasks_ops.answer(WIRE_EMBED, S("{\"ok\":1}"), &tape, &u, &why), ERR_UPSTREAM_GARBAGE);
    assert_int_equal(openai_tasks_ops.answer(WIRE_EMBED, S("{\"data\":{}}"), &tape, &u, &why), ERR_UPSTREAM_GARBAGE);
    assert_int_equal(openai_tasks_ops.answer(WIRE_MODERATE, S("<html>"), &tape, &u, &why), ERR_UPSTREAM_GARBAGE);
    assert_int_equal(openai_tasks_ops.answer(WIRE_TRANSCRIBE, S("{\"text\":"), &tape, &u, &why), ERR_UPSTREAM_GARBAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_as_json),          cmocka_unit_test(requests_as_forms),
        cmocka_unit_test(forms_that_come_in_pieces), cmocka_unit_test(forms_that_are_refused),
        cmocka_unit_test(requests_that_are_refused), cmocka_unit_test(a_moderation_needs_no_model),
        cmocka_unit_test(usage_of_answers),          cmocka_unit_test(answers_that_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
