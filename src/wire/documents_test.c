/* Documents: of the kinds that the target takes, with their names (A22, docs/wire.md); what is left is refused. */
#include "wire/target_test.h"

#define CONVERSE(document) "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"q\"},{\"document\":{" document "}}]}]}"
#define CHAT_FILE(name, url)                                                                                           \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"" name \
    "\",\"file_data\":\"" url "\"}}]}]}"

static void claude_has_pdf_and_plain_text(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_BEDROCK_CONVERSE,
         WIRE_ANTHROPIC_MESSAGES,
         CONVERSE("\"format\":\"csv\",\"name\":\"a\",\"source\":{\"bytes\":\"YSxiCiJ4Ig==\"}"),
         {"\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"a,b\\n\\\"x\\\"\"}", "\"title\":\"a\""},
         {"csv", "base64"},
         LOSS_NAME,
         0},
        {WIRE_BEDROCK_CONVERSE,
         WIRE_BEDROCK_INVOKE,
         CONVERSE("\"format\":\"md\",\"name\":\"a\",\"source\":{\"text\":\"hi\"}"),
         {"\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"hi\"}", "\"title\":\"a\""},
         {"markdown"},
         LOSS_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_FILE("a.json", "data:application/json;base64,e30="),
         {"\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"{}\"}", "\"title\":\"a.json\""},
         {"base64"},
         LOSS_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_FILE("a.pdf", "data:application/pdf;base64,JVBERg=="),
         {"\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"JVBERg==\""},
         {"text/plain"},
         LOSS_NAME,
         0},
    };
    (void)state;
    hold(ROWS, COUNTOF(ROWS), NULL);
}

static void what_claude_cannot_read_is_refused(void **state)
{
    static const char *const BODIES[] = {
        CONVERSE("\"format\":\"docx\",\"name\":\"a\",\"source\":{\"bytes\":\"UEsDBA==\"}"),
        CONVERSE("\"format\":\"txt\",\"name\":\"a\",\"source\":{\"bytes\":\"/w==\"}"), /* no UTF-8 */
        CONVERSE("\"format\":\"csv\",\"name\":\"a\",\"source\":{\"bytes\":\"%%%\"}"),
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(BODIES); i++) {
        struct bench b;
        struct wire_name *names;
        size_t at;
        bench_start(&b);
        assert_null(through(&b, WIRE_BEDROCK_CONVERSE, WIRE_ANTHROPIC_MESSAGES, str_z(BODIES[i]), &names).p);
        assert_int_equal(b.why.code, ERR_FORMAT_UNSUPPORTED);
        assert_true(str_find(str_z(b.why.text), S("messages[0].content[1]"), &at));
        bench_stop(&b);
    }
}

static void a_documents_name_goes_on(void **state)
{
#define NAMED CONVERSE("\"format\":\"md\",\"name\":\"notes\",\"source\":{\"text\":\"hi\"}")
    static const struct row ROWS[] = {
        {WIRE_BEDROCK_CONVERSE, WIRE_OPENAI_CHAT, NAMED, {"\"text\":\"notes\\n\\nhi\""}, {NULL}, LOSS_NAME, 0},
        {WIRE_BEDROCK_CONVERSE, WIRE_OPENAI_RESPONSES, NAMED, {"\"text\":\"notes\\n\\nhi\""}, {NULL}, LOSS_NAME, 0},
        {WIRE_BEDROCK_CONVERSE, WIRE_GEMINI_GENERATE, NAMED, {"\"text\":\"notes\\n\\nhi\""}, {NULL}, LOSS_NAME, 0},
    };
    (void)state;
    hold(ROWS, COUNTOF(ROWS), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claude_has_pdf_and_plain_text),
        cmocka_unit_test(what_claude_cannot_read_is_refused),
        cmocka_unit_test(a_documents_name_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
