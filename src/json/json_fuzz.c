/* Fuzz: the first byte chooses the limits, the rest is the text. All twins and yyjson must agree; what was accepted is
 * changed, spliced and must be valid again; the document reader must refuse or accept without harm. */
#include "json/oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct json_tape tape;

static void change(struct str text)
{
    const struct json_change changes[] = {
        {JSON_SET, S("model"), S("\"m\"")},
        {JSON_DROP, S("a"), STR_NONE},
        {JSON_DEFAULT, S("stream"), S("true")},
        {JSON_DROP, S("b"), STR_NONE},
    };
    struct json_edit edits[JSON_EDITS(COUNTOF(changes))];
    struct str pieces[JSON_PIECES(COUNTOF(edits))];
    struct fault why;
    struct buf out;
    if (!json_is(&tape, 0, JSON_OBJECT)) return;
    size_t n_edits = json_plan(&tape, 0, changes, COUNTOF(changes), edits);
    must(n_edits <= COUNTOF(edits));
    size_t n_pieces = json_splice(text, edits, n_edits, pieces);
    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < n_pieces; i++) buf_str(&out, pieces[i]);
    must(json_scan(&tape, buf_view(&out), NULL, &why) == OK);
    must(json_eq(&tape, json_find(&tape, 0, S("model")), S("m")) && json_find(&tape, 0, S("stream")));
    must(!json_find(&tape, 0, S("a")) && !json_find(&tape, 0, S("b")));
    buf_done(&out);
}

static void read_strings(void)
{
    struct buf plain, again;
    buf_init(&plain, SIZE_MAX), buf_init(&again, SIZE_MAX);
    for (uint32_t at = 0; at < tape.n; at++) {
        uint64_t u;
        int64_t i;
        if (json_u64(&tape, at, &u) && json_i64(&tape, at, &i)) must((uint64_t)i == u);
        buf_clear(&plain), buf_clear(&again);
        if (!json_unescape(&tape, at, &plain)) continue;
        must(str_is_utf8(buf_view(&plain), NULL) && json_eq(&tape, at, buf_view(&plain)));
        json_escape(&again, buf_view(&plain));
        must(json_span_eq(buf_view(&again), buf_view(&plain)));
    }
    buf_done(&plain), buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct json_limits LIMITS[] = {{512, JSON_DEPTH_MAX}, {512, 1}, {8, JSON_DEPTH_MAX}, {JSON_DEPTH_MAX, 2}};
    struct fault why;
    struct json_doc *doc;
    if (n == 0) return 0;
    struct str text = str_make((const char *)data + 1, n - 1);
    if (!tape.max_nodes) json_tape_init(&tape, 0);
    if (oracle_scan(&tape, text, &LIMITS[data[0] % COUNTOF(LIMITS)], &why) == OK) read_strings();
    if (json_scan(&tape, text, NULL, &why) == OK) change(text);
    if (json_doc_read(S("f"), text, &doc, &why) == OK) json_doc_free(doc);
    return 0;
}
