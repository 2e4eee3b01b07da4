/* response: the bytes of an HTTP/1.1 answer's head. Called by h1_out.c; pure but for the buffer it writes into. */
#include "server_priv.h"

static const struct reason {
    int status;
    struct str text;
} REASONS[] = {
#define R(status, text) {status, {text, sizeof(text) - 1}}
    R(200, "OK"),
    R(201, "Created"),
    R(202, "Accepted"),
    R(204, "No Content"),
    R(206, "Partial Content"),
    R(301, "Moved Permanently"),
    R(302, "Found"),
    R(303, "See Other"),
    R(304, "Not Modified"),
    R(307, "Temporary Redirect"),
    R(308, "Permanent Redirect"),
    R(400, "Bad Request"),
    R(401, "Unauthorized"),
    R(402, "Payment Required"),
    R(403, "Forbidden"),
    R(404, "Not Found"),
    R(405, "Method Not Allowed"),
    R(406, "Not Acceptable"),
    R(408, "Request Timeout"),
    R(409, "Conflict"),
    R(410, "Gone"),
    R(411, "Length Required"),
    R(412, "Precondition Failed"),
    R(413, "Content Too Large"),
    R(414, "URI Too Long"),
    R(415, "Unsupported Media Type"),
    R(417, "Expectation Failed"),
    R(422, "Unprocessable Content"),
    R(424, "Failed Dependency"),
    R(425, "Too Early"),
    R(426, "Upgrade Required"),
    R(428, "Precondition Required"),
    R(429, "Too Many Requests"),
    R(431, "Request Header Fields Too Large"),
    R(451, "Unavailable For Legal Reasons"),
    R(500, "Internal Server Error"),
    R(501, "Not Implemented"),
    R(502, "Bad Gateway"),
    R(503, "Service Unavailable"),
    R(504, "Gateway Timeout"),
    R(507, "Insufficient Storage"),
    R(529, "Overloaded"),
#undef R
};

static struct str reason_of(int status)
{
    for (size_t i = 0; i < COUNTOF(REASONS); i++)
        if (REASONS[i].status == status) return REASONS[i].text;
    return S("");
}

bool response_has_body(int status) { return status != 204 && status != 304; }

bool response_field_is_ours(struct str name)
{
    switch (name.n) { /* of most names the length is answer enough */
    case 4: return str_eq_nocase(name, S("date"));
    case 7: return str_eq_nocase(name, S("upgrade"));
    case 10: return str_eq_nocase(name, S("connection")) || str_eq_nocase(name, S("keep-alive"));
    case 14: return str_eq_nocase(name, S("content-length"));
    case 16: return str_eq_nocase(name, S("proxy-connection"));
    case 17: return str_eq_nocase(name, S("transfer-encoding"));
    default: return false;
    }
}

static void framing(struct buf *out, struct response_frame f)
{
    if (f.close) buf_str(out, S("connection: close\r\n"));
    if (f.keep_10) buf_str(out, S("connection: keep-alive\r\n"));
    if (f.bare) return;
    if (f.length >= 0) {
        buf_str(out, S("content-length: "));
        buf_i64(out, f.length);
        buf_str(out, S("\r\n"));
    } else if (f.length == LEFT_CHUNKED) {
        buf_str(out, S("transfer-encoding: chunked\r\n"));
    }
}

/* A value that would split the answer, or a name that is none, is left out: nobody can say what was meant. */
bool response_field_may_pass(const struct http_field *f)
{
    return http_field_is_token(f->name) && http_field_value_is_valid(f->value) && !response_field_is_ours(f->name);
}

void response_head(struct buf *out, int status, struct http_fields fields, struct response_frame frame, struct str date)
{
    buf_str(out, S("HTTP/1.1 "));
    buf_i64(out, status);
    buf_char(out, ' ');
    buf_str(out, reason_of(status));
    buf_str(out, S("\r\ndate: "));
    buf_str(out, date);
    buf_str(out, S("\r\n"));
    for (size_t i = 0; i < fields.n; i++) {
        if (!response_field_is_ours(fields.at[i].name)) (void)!http_field_write(out, &fields.at[i]);
    }
    framing(out, frame);
    if (status == 426) buf_str(out, S("upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"));
    buf_str(out, S("\r\n"));
}
