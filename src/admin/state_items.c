/* Items of responses and conversations: stored as they came, listed as OpenAI lists them. Lane STATE. */
#include "admin/priv.h"

#include <stdio.h>

/* ---- storing ------------------------------------------------------------------------------------------------------------- */

/* Ids begin as OpenAI's do. */
static const struct {
    struct str type;
    const char *prefix;
} PREFIXES[] = {
    {{"message", 7}, "msg"},  {{"function_call", 13}, "fc"},     {{"function_call_output", 20}, "fco"},
    {{"reasoning", 9}, "rs"}, {{"custom_tool_call", 16}, "ctc"}, {{"custom_tool_call_output", 23}, "ctco"},
};

static const char *prefix_of(const struct json_tape *t, uint32_t item)
{
    uint32_t type = json_find(t, item, S("type"));
    for (unsigned i = 0; type && i < COUNTOF(PREFIXES); i++)
        if (json_eq(t, type, PREFIXES[i].type)) return PREFIXES[i].prefix;
    return type ? "item" : "msg";
}

enum { ITEM_ID_RANDOM = 32, ITEM_ID_MAX = 128 };

static enum err make_id(struct call *c, const struct json_tape *t, uint32_t item, struct str *ret_id, struct fault *why)
{
    char id[64], random[ITEM_ID_RANDOM + 1];
    random_id(random, ITEM_ID_RANDOM);
    snprintf(id, sizeof id, "%s_%s", prefix_of(t, item), random);
    return arena_str(&c->arena, str_z(id), ret_id) ? OK : FAIL(why, ERR_LIMIT, "too many items at once");
}

/* Its own, unless another item of the project has it already: lists go on behind an id, so that it must tell one place. Whether another
 * project has it shows nowhere. */
static enum err take_id(struct call *c, struct store *s, const struct json_tape *t, uint32_t item, struct str *ret_id,
                        struct fault *why)
{
    uint32_t at = json_find(t, item, S("id"));
    int64_t taken;
    bool given = at && json_is(t, at, JSON_STRING) && json_node(t, at)->len && json_node(t, at)->len <= ITEM_ID_MAX;
    if (!given || (json_node(t, at)->flags & JSON_ESCAPED)) return make_id(c, t, item, ret_id, why);
    *ret_id = json_text(t, at);
    TRY(store_get_i64(s,
                      "SELECT count(*) FROM (SELECT 1 FROM state_items i LEFT JOIN responses r ON r.place = i.response"
                      " LEFT JOIN conversations c ON c.place = i.conversation"
                      " WHERE i.id = ?1 AND (r.project = ?2 OR c.project = ?2) LIMIT 1)",
                      BINDS(V_TEXT(*ret_id), V_TEXT(c->project)), &taken, why));
    return taken ? make_id(c, t, item, ret_id, why) : OK;
}

/* A thought that nobody can take up again, since neither its text nor its sealed form is there, would be refused by who knows
 * its id no more. */
static bool replays(const struct json_tape *t, uint32_t item)
{
    uint32_t type = json_find(t, item, S("type")), sealed = json_find(t, item, S("encrypted_content"));
    if (!type || !json_eq(t, type, S("reasoning"))) return true;
    uint32_t content = json_find(t, item, S("content"));
    return (sealed && json_is(t, sealed, JSON_STRING)) || (content && json_node(t, content)->len > 2);
}

enum err state_put_items(struct call *c, struct store *s, const struct json_tape *t, uint32_t array,
                         const struct state_owner *owner, struct fault *why)
{
    uint32_t item;
    struct str id;
    for (struct json_iter it = json_each(t, array); array && json_next(t, &it, &item);) {
        struct str body = json_raw(t, item);
        if (!json_is(t, item, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "items: each must be an object");
        TRY(take_id(c, s, t, item, &id, why));
        TRY(store_exec(s,
                       "INSERT INTO state_items (response, output, conversation, id, replays, body, bytes)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                       BINDS(V_OPT_I64(owner->response, owner->response), V_I64(owner->side == STATE_OUTPUT),
                             V_OPT_I64(owner->conversation, owner->conversation), V_TEXT(id), V_I64(replays(t, item)),
                             V_BLOB(body), V_I64(body.n)),
                       NULL, why));
    }
    return OK;
}

/* ---- showing ------------------------------------------------------------------------------------------------------------- */

/* A message that was given as a text is shown in its long form. */
static void put_content(struct json_writer *w, const struct json_tape *t, uint32_t content, uint32_t role)
{
    bool model = role && json_eq(t, role, S("assistant"));
    if (!json_is(t, content, JSON_STRING)) {
        json_put_raw(w, json_raw(t, content));
        return;
    }
    json_put_array(w);
    json_put_object(w);
    json_add_str(w, S("type"), model ? S("output_text") : S("input_text"));
    json_put_name(w, S("text"));
    json_put_span(w, json_text(t, content));
    if (model) json_add_raw(w, S("annotations"), S("[]"));
    json_put_end(w);
    json_put_end(w);
}

void state_put_item(struct call *c, struct json_writer *w, struct str id, struct str body)
{
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 1};
    struct json_tape *t = &c->control->state.item;
    uint32_t key, value;
    if (json_scan(t, body, &limits, NULL) != OK) return; /* it was read when it was stored */
    bool message = !json_find(t, 0, S("type"));
    json_put_object(w);
    json_add_str(w, S("id"), id);
    if (message) json_add_str(w, S("type"), S("message"));
    if (message && !json_find(t, 0, S("status"))) json_add_str(w, S("status"), S("completed"));
    for (struct json_iter it = json_each(t, 0); json_next_member(t, &it, &key, &value);) {
        if (json_eq(t, key, S("id"))) continue;
        json_put_name_span(w, json_text(t, key));
        if (json_eq(t, key, S("content"))) put_content(w, t, value, json_find(t, 0, S("role")));
        else json_put_raw(w, json_raw(t, value));
    }
    json_put_end(w);
}

/* OpenAI API reference "include". What of these is kept is shown in any case; a name that is none is no wish that can be met. */
enum err state_check_include(const struct call *c, struct fault *why)
{
    static const char *const NAMES[] = {"include", "include[]", "include%5B%5D", "include%5b%5d"};
    static const char *const KNOWN[] = {
        "reasoning.encrypted_content",   "message.output_text.logprobs",
        "message.input_image.image_url", "file_search_call.results",
        "web_search_call.results",       "web_search_call.action.sources",
        "code_interpreter_call.outputs", "computer_call_output.output.image_url",
    };
    struct str rest = c->query, part, name, value;
    while (rest.n) {
        bool asks = false, known = false;
        str_cut(rest, '&', &part, &rest);
        str_cut(part, '=', &name, &value);
        for (unsigned i = 0; i < COUNTOF(NAMES); i++) asks |= str_eq(name, str_z(NAMES[i]));
        for (unsigned i = 0; i < COUNTOF(KNOWN); i++) known |= str_eq(value, str_z(KNOWN[i]));
        if (asks && !known)
            return FAIL(why, ERR_BAD_REQUEST, "include: '%.*s' is not known", (int)(value.n < 60 ? value.n : 60), value.p);
    }
    return OK;
}

enum err state_read_page(struct call *c, bool descending, struct state_page *ret_page, struct fault *why)
{
    struct str limit, order;
    enum { DEFAULT = 20, MOST = 100 };
    *ret_page = (struct state_page){.limit = DEFAULT, .descending = descending};
    TRY(call_query(c, "after", &ret_page->after, why));
    TRY(call_query(c, "limit", &limit, why));
    TRY(call_query(c, "order", &order, why));
    if (limit.n && (!str_u64(limit, &ret_page->limit) || ret_page->limit == 0 || ret_page->limit > MOST))
        return FAIL(why, ERR_BAD_REQUEST, "limit: must be 1 to %d", MOST);
    if (!order.n) return OK;
    ret_page->descending = str_eq(order, S("desc"));
    bool known = ret_page->descending || str_eq(order, S("asc"));
    return known ? OK : FAIL(why, ERR_BAD_REQUEST, "order: must be asc or desc");
}

struct shown {
    struct json_writer w;
    struct str first, last;
    uint64_t n;
    bool begun, more;
};

static enum err put_one(struct call *c, struct shown *out, const struct store_rows *rows, const struct state_page *p,
                        struct fault *why)
{
    struct str id = store_text(rows, 0);
    if (!out->begun) { /* what stands up to `after` was shown before */
        out->begun = str_eq(id, p->after);
        return OK;
    }
    out->more = out->n == p->limit;
    if (out->more) return OK;
    state_put_item(c, &out->w, id, store_blob(rows, 1));
    out->n++;
    if (!arena_str(&c->arena, id, &out->last)) return FAIL(why, ERR_LIMIT, "the list is too long; ask for less");
    if (!out->first.n) out->first = out->last;
    return OK;
}

static void put_or_null(struct json_writer *w, struct str name, struct str id)
{
    if (id.n) json_add_str(w, name, id);
    else json_add_null(w, name);
}

enum err state_put_page(struct call *c, struct store_rows *rows, const struct state_page *p, struct fault *why)
{
    struct shown out = {.begun = p->after.n == 0};
    bool more;
    json_write(&out.w, &c->out);
    json_put_object(&out.w);
    json_add_str(&out.w, S("object"), S("list"));
    json_add_array(&out.w, S("data"));
    enum err got = OK;
    while (got == OK && !out.more && (got = store_next(rows, &more, why)) == OK && more) got = put_one(c, &out, rows, p, why);
    TRY(got);
    if (!out.begun) return FAIL(why, ERR_BAD_REQUEST, "after: there is no such item here");
    json_put_end(&out.w);
    put_or_null(&out.w, S("first_id"), out.first);
    put_or_null(&out.w, S("last_id"), out.last);
    json_add_bool(&out.w, S("has_more"), out.more);
    json_put_end(&out.w);
    return json_write_done(&out.w) ? OK : FAIL(why, ERR_LIMIT, "the list is too long; ask for less");
}
