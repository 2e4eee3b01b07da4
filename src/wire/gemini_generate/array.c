/* A stream of generateContent as one JSON array in pieces: what callers get who do not ask for alt=sse. Made of the events that the
 * stream is anyway. Facts: Google's API reference "Method: models.streamGenerateContent"; G1 in docs/wire.md. Pure. */
#include "wire/gemini_generate/priv.h"

bool wire_wants_array(struct str path, struct str query)
{
    struct str one;
    if (!str_ends(path, S(":streamGenerateContent"))) return false;
    while (query.n) {
        str_cut(query, '&', &one, &query);
        if (str_eq(one, S("alt=sse")) || str_eq(one, S("$alt=sse")) || str_eq(one, S("%24alt=sse"))) return false;
    }
    return true;
}

/* The next line without its end: LF, CR LF or CR. */
static struct str take_line(struct str *rest)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r') n++;
    struct str line = str_make(rest->p, n);
    size_t end = n < rest->n ? n + 1 : n;
    if (end < rest->n && rest->p[n] == '\r' && rest->p[end] == '\n') end++;
    *rest = str_from(*rest, end);
    return line;
}

/* Several `data:` lines of an event are lines of its text: white space in JSON. */
void wire_array_put(struct wire_array *a, struct str events, struct buf *out)
{
    bool inside = false;
    while (events.n) {
        struct str line = take_line(&events);
        if (!line.n) inside = false;
        if (!str_starts(line, S("data:"))) continue;
        if (inside) buf_char(out, '\n');
        else buf_str(out, a->begun ? S(",\r\n") : S("["));
        inside = a->begun = true;
        buf_str(out, str_trim(str_from(line, 5)));
    }
}

void wire_array_end(struct wire_array *a, struct buf *out)
{
    buf_str(out, a->begun ? S("\n]") : S("[]"));
    a->begun = true;
}
