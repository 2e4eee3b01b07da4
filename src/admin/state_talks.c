/* Conversations: OpenAI's paths below /v1/conversations. Lane STATE; OpenAI API reference "Conversations". */
#include "admin/priv.h"

#include <stdio.h>

enum { ITEMS_AT_ONCE = 20, METADATA_PAIRS = 16, METADATA_NAME = 64, METADATA_VALUE = 512, ID_RANDOM = 40, ITEM_BYTES = 10 << 20 };

static int64_t oldest_ms(const struct control *c) { return clock_wall_ms() - (int64_t)atomic_load(&c->state.retention_ms); }

enum err talk_find(struct call *c, struct store *s, struct str id, int64_t *ret_place, struct fault *why)
{
    TRY(store_get_i64(s, "SELECT place FROM conversations WHERE project = ?1 AND id = ?2 AND used_ms > ?3",
                      BINDS(V_TEXT(c->project), V_TEXT(id), V_I64(oldest_ms(c->control))), ret_place, why));
    if (*ret_place) return OK;
    return FAIL(why, ERR_NOT_FOUND, "Conversation with id '%.*s' not found.", (int)(id.n < 100 ? id.n : 100), id.p);
}

static enum err open(struct call *c, struct store **ret_store, int64_t *ret_place, struct fault *why)
{
    TRY(state_store(c->control, ret_store, why));
    return talk_find(c, *ret_store, c->parameter, ret_place, why);
}

static enum err put_talk(struct call *c, struct store *s, struct str id, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct json_writer w;
    bool more;
    TRY(store_query(s, "SELECT created_ms, metadata FROM conversations WHERE project = ?1 AND id = ?2",
                    BINDS(V_TEXT(c->project), V_TEXT(id)), &rows, why));
    TRY(store_next(&rows, &more, why));
    if (!more) return FAIL(why, ERR_NOT_FOUND, "Conversation with id '%.*s' not found.", STR_ARG(id));
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("id"), id);
    json_add_str(&w, S("object"), S("conversation"));
    json_add_i64(&w, S("created_at"), store_i64(&rows, 0) / 1000);
    json_add_raw(&w, S("metadata"), store_text(&rows, 1));
    json_put_end(&w);
    return json_write_done(&w) ? OK : FAIL(why, ERR_LIMIT, "the answer does not fit");
}

/* ---- bodies ---------------------------------------------------------------------------------------------------------------- */

static enum err scan(struct call *c, struct fault *why)
{
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 4};
    struct json_tape *t = &c->control->state.tape;
    TRY(json_scan(t, c->body.n ? c->body : S("{}"), &limits, why));
    return json_is(t, 0, JSON_OBJECT) ? OK : FAIL(why, ERR_BAD_REQUEST, "the body must be a JSON object");
}

/* OpenAI API reference "metadata": 16 pairs, names of 64 and values of 512 characters. Bytes are counted here. */
static enum err read_metadata(const struct json_tape *t, struct str *ret_raw, struct fault *why)
{
    uint32_t at = json_find(t, 0, S("metadata")), key, value;
    unsigned n = 0;
    *ret_raw = S("{}");
    if (!at || json_is(t, at, JSON_NULL)) return OK;
    if (!json_is(t, at, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "metadata: must be an object");
    for (struct json_iter it = json_each(t, at); json_next_member(t, &it, &key, &value);) {
        if (!json_is(t, value, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "metadata: each value must be a string");
        if (++n > METADATA_PAIRS) return FAIL(why, ERR_BAD_REQUEST, "metadata: at most %d pairs", METADATA_PAIRS);
        if (json_node(t, key)->len > METADATA_NAME || json_node(t, value)->len > METADATA_VALUE)
            return FAIL(why, ERR_BAD_REQUEST, "metadata: names have at most %d and values at most %d bytes", METADATA_NAME,
                        METADATA_VALUE);
    }
    *ret_raw = json_raw(t, at);
    return OK;
}

/* OpenAI API reference "Items" of conversations. */
static const char *const TYPES[] = {
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "compaction",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "image_generation_call",
    "mcp_list_tools",
    "local_shell_call",
    "local_shell_call_output",
    "code_interpreter_call",
    "mcp_call",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_approval_request",
    "shell_call",
    "shell_call_output",
    "mcp_approval_response",
    "tool_search_call",
    "tool_search_output",
};

static enum err check_message(const struct json_tape *t, uint32_t item, unsigned n, struct fault *why)
{
    static const char *const ROLES[] = {"user", "assistant", "system", "developer"};
    uint32_t role = json_find(t, item, S("role")), content = json_find(t, item, S("content"));
    bool known = false;
    for (unsigned i = 0; role && i < COUNTOF(ROLES); i++) known |= json_eq(t, role, str_z(ROLES[i]));
    if (!known) return FAIL(why, ERR_BAD_REQUEST, "items[%u].role: must be user, assistant, system or developer", n);
    if (content && (json_is(t, content, JSON_STRING) || json_is(t, content, JSON_ARRAY))) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "items[%u].content: must be a string or an array", n);
}

/* They stand in each later request to the conversation: what no provider takes is refused now. */
static enum err check_item(const struct json_tape *t, uint32_t item, unsigned n, struct fault *why)
{
    if (!json_is(t, item, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "items[%u]: must be an object", n);
    uint32_t type = json_find(t, item, S("type"));
    if (json_raw(t, item).n > ITEM_BYTES) return FAIL(why, ERR_BODY_TOO_LARGE, "items[%u]: longer than %d bytes", n, ITEM_BYTES);
    if (!type || json_eq(t, type, S("message"))) return check_message(t, item, n, why);
    for (unsigned i = 0; i < COUNTOF(TYPES); i++)
        if (json_eq(t, type, str_z(TYPES[i]))) return OK;
    if (json_eq(t, type, S("item_reference")))
        return FAIL(why, ERR_BAD_REQUEST, "items[%u]: an item_reference is only understood in a request's input; send the item",
                    n);
    return FAIL(why, ERR_BAD_REQUEST, "items[%u].type: not a type of items", n);
}

static enum err check_items(const struct json_tape *t, uint32_t items, struct fault *why)
{
    uint32_t item;
    unsigned n = 0;
    for (struct json_iter it = json_each(t, items); json_next(t, &it, &item);) TRY(check_item(t, item, n++, why));
    return OK;
}

static enum err read_items(const struct json_tape *t, bool needed, uint32_t *ret_items, struct fault *why)
{
    *ret_items = json_find(t, 0, S("items"));
    if (*ret_items && json_is(t, *ret_items, JSON_NULL)) *ret_items = 0;
    if (!*ret_items) return needed ? FAIL(why, ERR_BAD_REQUEST, "items: missing") : OK;
    if (!json_is(t, *ret_items, JSON_ARRAY)) return FAIL(why, ERR_BAD_REQUEST, "items: must be an array");
    if (json_count(t, *ret_items) <= ITEMS_AT_ONCE) return check_items(t, *ret_items, why);
    return FAIL(why, ERR_BAD_REQUEST, "items: at most %d at once", ITEMS_AT_ONCE);
}

/* ---- conversations --------------------------------------------------------------------------------------------------------- */

static enum err create(struct call *c, struct store *s, struct str id, struct fault *why)
{
    const struct json_tape *t = &c->control->state.tape;
    struct str metadata;
    struct state_owner owner = {.side = STATE_INPUT};
    uint32_t items;
    int64_t now = clock_wall_ms();
    TRY(read_metadata(t, &metadata, why));
    TRY(read_items(t, false, &items, why));
    TRY(store_exec(
        s, "INSERT INTO conversations (project, id, created_ms, used_ms, metadata, bytes) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
        BINDS(V_TEXT(c->project), V_TEXT(id), V_I64(now), V_TEXT(metadata), V_I64(metadata.n)), NULL, why));
    TRY(talk_find(c, s, id, &owner.conversation, why));
    return state_put_items(c, s, t, items, &owner, why);
}

static enum err settle(struct store *s, enum err got, struct fault *why)
{
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

enum err talk_create(struct call *c, struct fault *why)
{
    struct store *s;
    char random[ID_RANDOM + 1], id[ID_RANDOM + 8];
    if (atomic_load(&c->control->state.retention_ms) == 0)
        return FAIL(why, ERR_BAD_REQUEST, "Conversations are not kept here (state.retention is 0): send the whole conversation.");
    random_id(random, ID_RANDOM);
    snprintf(id, sizeof id, "conv_%s", random);
    TRY(state_store(c->control, &s, why)); /* first: it readies the tape that the body is read on */
    TRY(scan(c, why));
    TRY(store_begin(s, why));
    TRY(settle(s, create(c, s, str_z(id), why), why));
    return put_talk(c, s, str_z(id), why);
}

enum err talk_get(struct call *c, struct fault *why)
{
    struct store *s;
    int64_t place;
    TRY(open(c, &s, &place, why));
    return put_talk(c, s, c->parameter, why);
}

enum err talk_update(struct call *c, struct fault *why)
{
    struct store *s;
    struct str metadata;
    int64_t place;
    TRY(open(c, &s, &place, why));
    TRY(scan(c, why));
    TRY(read_metadata(&c->control->state.tape, &metadata, why));
    TRY(store_exec(s, "UPDATE conversations SET metadata = ?2, bytes = ?3, used_ms = ?4 WHERE place = ?1",
                   BINDS(V_I64(place), V_TEXT(metadata), V_I64(metadata.n), V_I64(clock_wall_ms())), NULL, why));
    return put_talk(c, s, c->parameter, why);
}

enum err talk_remove(struct store *s, int64_t place, struct fault *why)
{
    static const char *const SQL[] = {
        "DELETE FROM state_items WHERE conversation = ?1 AND response IS NULL",
        "UPDATE state_items SET conversation = NULL WHERE conversation = ?1",
        "DELETE FROM conversations WHERE place = ?1",
    };
    for (unsigned i = 0; i < COUNTOF(SQL); i++) TRY(store_exec(s, SQL[i], BINDS(V_I64(place)), NULL, why));
    return OK;
}

enum err talk_delete(struct call *c, struct fault *why)
{
    struct store *s;
    struct json_writer w;
    int64_t place;
    TRY(open(c, &s, &place, why));
    TRY(store_begin(s, why));
    TRY(settle(s, talk_remove(s, place, why), why));
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("id"), c->parameter);
    json_add_str(&w, S("object"), S("conversation.deleted"));
    json_add_bool(&w, S("deleted"), true);
    json_put_end(&w);
    return json_write_done(&w) ? OK : FAIL(why, ERR_INTERNAL, "the answer does not fit");
}

/* ---- items ------------------------------------------------------------------------------------------------------------------- */

enum err talk_list(struct call *c, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct store *s;
    struct state_page page;
    int64_t place;
    TRY(state_read_page(c, true, &page, why));
    TRY(open(c, &s, &place, why));
    const char *sql = page.descending ? "SELECT id, body FROM state_items WHERE conversation = ?1 ORDER BY place DESC"
                                      : "SELECT id, body FROM state_items WHERE conversation = ?1 ORDER BY place";
    TRY(store_query(s, sql, BINDS(V_I64(place)), &rows, why));
    return state_put_page(c, &rows, &page, why);
}

static enum err add(struct call *c, struct store *s, int64_t place, struct fault *why)
{
    const struct state_owner owner = {.conversation = place, .side = STATE_INPUT};
    uint32_t items;
    TRY(read_items(&c->control->state.tape, true, &items, why));
    TRY(state_put_items(c, s, &c->control->state.tape, items, &owner, why));
    return store_exec(s, "UPDATE conversations SET used_ms = ?2 WHERE place = ?1", BINDS(V_I64(place), V_I64(clock_wall_ms())),
                      NULL, why);
}

/* Answers with what was added. */
enum err talk_add(struct call *c, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    const struct state_page all = {.limit = ITEMS_AT_ONCE};
    struct store *s;
    int64_t place, last;
    TRY(open(c, &s, &place, why));
    TRY(scan(c, why));
    TRY(store_get_i64(s, "SELECT max(place) FROM state_items", NULL, &last, why));
    TRY(store_begin(s, why));
    TRY(settle(s, add(c, s, place, why), why));
    TRY(store_query(s, "SELECT id, body FROM state_items WHERE conversation = ?1 AND place > ?2 ORDER BY place",
                    BINDS(V_I64(place), V_I64(last)), &rows, why));
    return state_put_page(c, &rows, &all, why);
}

static enum err find_item(struct call *c, struct store *s, int64_t place, int64_t *ret_item, struct fault *why)
{
    TRY(store_get_i64(s, "SELECT min(place) FROM state_items WHERE conversation = ?1 AND id = ?2",
                      BINDS(V_I64(place), V_TEXT(c->second)), ret_item, why));
    if (*ret_item) return OK;
    return FAIL(why, ERR_NOT_FOUND, "Item with id '%.*s' not found in conversation '%.*s'.",
                (int)(c->second.n < 80 ? c->second.n : 80), c->second.p, STR_ARG(c->parameter));
}

enum err talk_item(struct call *c, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct json_writer w;
    struct store *s;
    int64_t place, item;
    bool more;
    TRY(open(c, &s, &place, why));
    TRY(find_item(c, s, place, &item, why));
    TRY(store_query(s, "SELECT id, body FROM state_items WHERE place = ?1", BINDS(V_I64(item)), &rows, why));
    TRY(store_next(&rows, &more, why));
    json_write(&w, &c->out);
    state_put_item(c, &w, store_text(&rows, 0), store_blob(&rows, 1));
    return json_write_done(&w) ? OK : FAIL(why, ERR_LIMIT, "the answer does not fit");
}

/* Out of the conversation; a response that it belongs to as well keeps it. Answers with the conversation. */
enum err talk_item_delete(struct call *c, struct fault *why)
{
    struct store *s;
    int64_t place, item;
    TRY(open(c, &s, &place, why));
    TRY(find_item(c, s, place, &item, why));
    TRY(store_exec(s, "DELETE FROM state_items WHERE place = ?1 AND response IS NULL", BINDS(V_I64(item)), NULL, why));
    TRY(store_exec(s, "UPDATE state_items SET conversation = NULL WHERE place = ?1", BINDS(V_I64(item)), NULL, why));
    return put_talk(c, s, c->parameter, why);
}
