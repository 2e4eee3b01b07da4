/* JSON that stands raw in one format and inside a string in another: tool arguments, schemas. Only this file goes from the one
 * to the other, and only when the target asks. Called by writers; results are borrowed or in the arena. */
#include "chat/chat.h"

static struct str trim_blank(struct str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

static bool unescaped(struct str span, struct arena *a, struct str *ret_plain)
{
    *ret_plain = span;
    if (!span.n || !memchr(span.p, '\\', span.n)) return true;
    struct buf plain;
    buf_init(&plain, span.n); /* never longer than what it was escaped to */
    json_span_unescape(span, &plain);
    bool copied = arena_str(a, buf_view(&plain), ret_plain);
    buf_done(&plain);
    return copied;
}

enum err chat_json_raw(const struct chat_json *j, struct arena *a, struct json_tape *t, struct str *ret_raw, struct fault *why)
{
    struct str plain = j->text;
    struct fault inner = {0};
    if (j->quoted && !unescaped(j->text, a, &plain))
        return FAIL(why, ERR_LIMIT, "the tool arguments are too long to be unpacked");
    plain = trim_blank(plain);
    if (plain.n == 0) plain = S("{}");
    if (plain.p[0] != '{')
        return FAIL(why, ERR_BAD_REQUEST, "a tool call's arguments must be a JSON object, but begin \"%.*s\"",
                    (int)(plain.n < 32 ? plain.n : 32), plain.p);
    if (j->quoted && json_scan(t, plain, &JSON_LIMITS_TOP, &inner) != OK)
        return FAIL(why, ERR_BAD_REQUEST, "a tool call's arguments are not JSON: %.160s", inner.text);
    *ret_raw = plain;
    return OK;
}

bool chat_json_span(const struct chat_json *j, struct arena *a, struct str *ret_span)
{
    if (j->quoted || !j->text.n) {
        *ret_span = j->text.p ? j->text : S("");
        return true;
    }
    if (j->text.n > SIZE_MAX / 8) return false;
    struct buf escaped;
    buf_init(&escaped, 6 * j->text.n); /* at most \u0000 for a byte */
    json_escape(&escaped, j->text);
    bool copied = arena_str(a, buf_view(&escaped), ret_span);
    buf_done(&escaped);
    return copied;
}
