/* websocket_open: the handshake by which an HTTP/1.1 connection becomes a WebSocket (RFC 6455 section 4.2).
 * Called by the gateway while it has the request; the answer goes out here, websocket.c takes over when it is out. */
#include <openssl/evp.h>

#include "h1_priv.h"

enum { KEY_CHARS = 24, SHA1_BYTES = 20 };

/* Is the word one of the comma-separated ones in any of the fields of that name? */
static bool has_word(struct http_fields fields, struct str name, struct str word)
{
    for (size_t i = 0; i < fields.n; i++) {
        struct str one, rest = fields.at[i].value;
        if (!str_eq(fields.at[i].name, name)) continue;
        do {
            str_cut(rest, ',', &one, &rest);
            if (str_eq_nocase(str_trim(one), word)) return true;
        } while (rest.n);
    }
    return false;
}

/* STR_NONE: not exactly one. */
static struct str only(struct http_fields fields, struct str name)
{
    struct str found = STR_NONE;
    for (size_t i = 0; i < fields.n; i++) {
        if (!str_eq(fields.at[i].name, name)) continue;
        if (found.p) return STR_NONE;
        found = str_trim(fields.at[i].value);
    }
    return found;
}

bool http_ws_is_asked(const struct http_request *r) { return has_word(r->fields, S("upgrade"), S("websocket")); }

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 random bytes in base64. */
static bool is_key(struct str key)
{
    if (key.n != KEY_CHARS || !str_ends(key, S("=="))) return false;
    for (size_t i = 0; i < KEY_CHARS - 2; i++)
        if (!is_base64(key.p[i])) return false;
    return true;
}

enum err http_ws_check(struct http_stream *pub, struct fault *why)
{
    struct stream *s = stream_of(pub);
    const struct http_request *r = pub->request;
    if (s->conn->proto != &H1 || s->conn->h1.is_10)
        return FAIL(why, ERR_UPGRADE, "a WebSocket begins on HTTP/1.1: this connection speaks another version");
    if (!http_ws_is_asked(r) || !has_word(r->fields, S("connection"), S("upgrade")))
        return FAIL(why, ERR_UPGRADE, "GET on this path opens a WebSocket: send 'Connection: Upgrade' and 'Upgrade: websocket'");
    if (!str_eq(only(r->fields, S("sec-websocket-version")), S("13")))
        return FAIL(why, ERR_UPGRADE, "the only version of WebSocket spoken here is 13: send 'Sec-WebSocket-Version: 13'");
    if (!str_eq(r->method, S("GET"))) return FAIL(why, ERR_BAD_HTTP, "a WebSocket is opened with GET");
    if (!is_key(only(r->fields, S("sec-websocket-key"))))
        return FAIL(why, ERR_BAD_HTTP, "Sec-WebSocket-Key must stand there once and be 16 bytes in base64");
    if (r->body.n) return FAIL(why, ERR_BAD_HTTP, "a request that opens a WebSocket has no body");
    return OK;
}

void ws_accept_key(struct str key, char ret_text[WS_ACCEPT + 1])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    char text[KEY_CHARS + sizeof GUID];
    unsigned char digest[SHA1_BYTES];
    must(key.n == KEY_CHARS);
    memcpy(text, key.p, KEY_CHARS);
    memcpy(text + KEY_CHARS, GUID, sizeof GUID - 1);
    must(EVP_Digest(text, sizeof text - 1, digest, NULL, EVP_sha1(), NULL) == 1);
    must(EVP_EncodeBlock((unsigned char *)ret_text, digest, sizeof digest) == WS_ACCEPT);
}

static void switch_head(struct buf *out, struct stream *s, struct http_fields fields)
{
    char accept[WS_ACCEPT + 1];
    ws_accept_key(only(s->pub.request->fields, S("sec-websocket-key")), accept);
    buf_fmt(out, "HTTP/1.1 101 Switching Protocols\r\ndate: %.*s\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
            STR_ARG(server_date(s->pub.server)));
    buf_fmt(out, "sec-websocket-accept: %s\r\n", accept);
    for (size_t i = 0; i < fields.n; i++)
        if (!response_field_is_ours(fields.at[i].name)) (void)!http_field_write(out, &fields.at[i]);
    buf_str(out, S("\r\n"));
}

struct http_ws *http_ws_accept(struct http_stream *pub, struct http_fields fields, const struct http_ws_handler *h,
                               const struct http_ws_options *o, void *user)
{
    struct stream *s = stream_of(pub);
    struct conn *c = s->conn;
    struct buf head;
    must(s->answer == ANSWER_NONE && c->proto == &H1 && !c->ws);
    buf_init(&head, MIB(1));
    switch_head(&head, s, fields);
    (void)link_send(&c->link, &(struct iovec){head.p, head.n}, 1); /* broken: on_closed() comes from the loop */
    buf_done(&head);
    h1_watch_queue(c);
    s->answer = ANSWER_ENDED;
    s->left = 0;
    c->ws = ws_new(c, h, o, user);
    conn_later(c);
    return c->ws;
}
