/* socket_say: what goes out on a WebSocket of Responses besides the events of answers: errors, each as one event `error` with the
 * status that HTTP would have had. Called by socket.c and socket_turn.c; writes into the loop's room. */
#include "socket_priv.h"

static void send_room(struct socket *k)
{
    struct buf *room = &k->gl->room;
    if (k->ws && !room->over) http_ws_send(k->ws, buf_view(room));
    buf_clear(room);
    socket_relieve(k);
}

void say_event(struct socket *k, const struct strand *s, struct str json)
{
    struct buf *room = &k->gl->room;
    if (!k->ws) return;
    if (!s->id[0]) {
        http_ws_send(k->ws, json);
        socket_relieve(k);
        return;
    }
    buf_clear(room);
    buf_fmt(room, "{\"stream_id\":\"%s\",", s->id); /* its characters need no escape */
    buf_str(room, str_from(str_trim(json), 1));     /* no event is an empty object */
    send_room(k);
}

/* `error` is a JSON object. */
static void say(struct socket *k, const struct strand *s, int status, struct str error, struct str fields)
{
    struct json_writer w;
    buf_clear(&k->gl->room);
    json_write(&w, &k->gl->room);
    json_put_object(&w);
    json_add_str(&w, S("type"), S("error"));
    json_add_i64(&w, S("status"), status);
    if (s && s->id[0]) json_add_str(&w, S("stream_id"), str_z(s->id));
    json_add_raw(&w, S("error"), error);
    if (fields.n) {
        json_add_object(&w, S("headers"));
        json_put_members(&w, fields);
        json_put_end(&w);
    }
    json_put_end(&w);
    send_room(k);
}

static const char *type_of(int status)
{
    if (status == 401) return "authentication_error";
    if (status == 429) return "rate_limit_error";
    return status < 500 ? "invalid_request_error" : "server_error";
}

static void put_text_or_null(struct json_writer *w, struct str name, const char *text)
{
    if (text) json_add_str(w, name, str_z(text));
    else json_add_null(w, name);
}

void say_complaint(struct socket *k, const struct strand *s, const struct complaint *c)
{
    struct json_writer w;
    struct buf error;
    buf_init(&error, KIB(4));
    json_write(&w, &error);
    json_put_object(&w);
    json_add_str(&w, S("type"), str_z(type_of(c->status)));
    json_add_str(&w, S("code"), str_z(c->code));
    json_add_str(&w, S("message"), str_z(c->text));
    put_text_or_null(&w, S("param"), c->param);
    json_put_end(&w);
    say(k, s, c->status, buf_view(&error), STR_NONE);
    buf_done(&error);
}

void say_fault(struct socket *k, const struct strand *s, const struct fault *why)
{
    struct buf body, fields;
    buf_init(&body, KIB(8));
    buf_init(&fields, KIB(1));
    if (why->retry_after_s) buf_fmt(&fields, "{\"retry-after\":\"%u\"}", why->retry_after_s);
    wire_ops_get(WIRE_OPENAI_RESPONSES)->error(why, STR_NONE, &body);
    say_answer(k, s, err_status(why->code), buf_view(&body), buf_view(&fields));
    buf_done(&body);
    buf_done(&fields);
}

void say_answer(struct socket *k, const struct strand *s, int status, struct str body, struct str fields)
{
    static const struct complaint GARBAGE = {502, "upstream_garbage", NULL,
                                             "the provider's answer is neither a stream nor an error"};
    struct json_tape *t = &k->gl->tape;
    uint32_t error = json_scan(t, body, &WIRE_LIMITS, NULL) == OK ? json_find(t, 0, S("error")) : 0;
    if (status >= 300 && error && json_is(t, error, JSON_OBJECT)) say(k, s, status, json_raw(t, error), fields);
    else if (status >= 300)
        say_complaint(k, s, &(struct complaint){status, "upstream_error", NULL, "the provider refused or failed"});
    else say_complaint(k, s, &GARBAGE);
}

static void put_member(struct json_writer *w, struct str name, const struct json_tape *t)
{
    uint32_t at = json_find(t, 0, name);
    if (at) json_add_raw(w, name, json_raw(t, at));
    else json_add_null(w, name);
}

static int status_of(const struct json_tape *t, uint32_t error)
{
    uint32_t code = json_find(t, error, S("code"));
    return code && json_eq(t, code, S("rate_limit_exceeded")) ? 429 : 500;
}

void say_error_event(struct socket *k, const struct strand *s, struct str data)
{
    struct json_tape *t = &k->gl->tape;
    struct json_writer w;
    struct buf error;
    if (json_scan(t, data, &WIRE_LIMITS, NULL) != OK) return;
    uint32_t inner = json_find(t, 0, S("error"));
    bool is_told_so = inner && json_is(t, inner, JSON_OBJECT);
    int status = status_of(t, is_told_so ? inner : 0);
    if (is_told_so && json_find(t, 0, S("status"))) {
        say_event(k, s, data);
        return;
    }
    if (is_told_so) {
        say(k, s, status, json_raw(t, inner), STR_NONE);
        return;
    }
    buf_init(&error, t->src.n + KIB(1));
    json_write(&w, &error);
    json_put_object(&w);
    json_add_str(&w, S("type"), str_z(type_of(status)));
    put_member(&w, S("code"), t);
    put_member(&w, S("message"), t);
    put_member(&w, S("param"), t);
    json_put_end(&w);
    say(k, s, status, buf_view(&error), STR_NONE);
    buf_done(&error);
}
