/* Fuzz: the first byte chooses a request, an answer or a stream of events (one a line). What is asked is read or refused; what is
 * composed, gathered and told is valid JSON whatever the provider or the caller sent. */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct json_tape tape, proof;

static bool reads(struct str text) { return json_scan(&proof, text, &WIRE_LIMITS, NULL) == OK; }

/* An item list stands inside of brackets. */
static void must_be_items(const struct buf *items)
{
    struct buf list;
    buf_init(&list, MIB(8));
    buf_fmt(&list, "[");
    buf_str(&list, buf_view(items));
    buf_char(&list, ']');
    must(items->over || list.over || reads(buf_view(&list)));
    buf_done(&list);
}

static void compose(uint8_t how, struct str earlier)
{
    const struct responses_compose c = {.earlier = earlier, .sealed = how & 16, .stream = how & 32, .bare = how & 64};
    struct buf out;
    buf_init(&out, MIB(8));
    if (responses_chain_compose(&tape, &c, &out, NULL) == OK) {
        must(out.over || reads(buf_view(&out)));
        must(out.over || !json_find(&proof, 0, S("previous_response_id")));
        must(out.over || !json_find(&proof, 0, S("conversation")));
    }
    buf_done(&out);
}

static void take_request(uint8_t how, struct str body)
{
    static const struct responses_view VIEW = {S("resp_a\"b"), S("resp_\\"), STR_NONE, true, true};
    struct arena a;
    struct responses_ask ask;
    struct buf out;
    if (json_scan(&tape, body, &WIRE_LIMITS, NULL) != OK || !json_is(&tape, 0, JSON_OBJECT)) return;
    arena_init(&a, KIB(4), MIB(4));
    buf_init(&out, MIB(8));
    bool asked = responses_ask_read(&tape, &a, &ask, NULL) == OK;
    must(!asked || !ask.previous.n || !ask.conversation.n);
    compose(how, STR_NONE);
    if (responses_chain_input(&tape, &out, NULL) == OK) {
        must_be_items(&out);
        compose(how, buf_view(&out)); /* the same turn once more */
    }
    buf_clear(&out);
    responses_queued_put(&tape, &VIEW, 1, &out);
    must(!asked || out.over || reads(buf_view(&out)));
    buf_done(&out);
    arena_done(&a);
}

static void tell(uint8_t how, uint32_t response, struct responses_gather *g)
{
    const struct responses_view v = {how & 16 ? S("resp_a") : STR_NONE, STR_NONE, S("conv_\n"), how & 32, how & 64};
    struct buf items, out;
    buf_init(&items, MIB(8));
    buf_init(&out, MIB(8));
    responses_gather_items(g, &items);
    must_be_items(&items);
    if (responses_view_put(&tape, response, &v, buf_view(&items), &out, NULL) == OK) must(out.over || reads(buf_view(&out)));
    buf_done(&items);
    buf_done(&out);
}

static void take_answer(uint8_t how, struct str body)
{
    struct responses_gather g;
    if (json_scan(&tape, body, &WIRE_LIMITS, NULL) != OK || !json_is(&tape, 0, JSON_OBJECT)) return;
    responses_gather_init(&g, MIB(1));
    responses_gather_answer(&g, &tape, 0);
    tell(how, 0, &g);
    responses_gather_done(&g);
}

static void take_events(uint8_t how, struct str all)
{
    struct responses_gather g;
    struct str line;
    responses_gather_init(&g, how & 128 ? 100 : MIB(1));
    while (all.n) {
        str_cut(all, '\n', &line, &all);
        enum responses_event e = responses_gather_event(&g, line, &tape);
        if (e == RESPONSES_EVENT_PLAIN) continue;
        uint32_t response = json_find(&tape, 0, S("response"));
        must(response);
        tell(how, response, &g);
    }
    responses_gather_done(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const PARTS[])(uint8_t, struct str) = {take_request, take_answer, take_events};
    if (n < 1 || n > KIB(256)) return 0;
    if (!tape.max_nodes) json_tape_init(&tape, 1u << 16), json_tape_init(&proof, 1u << 18);
    PARTS[(data[0] & 15) % COUNTOF(PARTS)](data[0], str_make((const char *)data + 1, n - 1));
    return 0;
}
