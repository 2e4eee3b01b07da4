/* Forms with files in them (RFC 7578), read from their beginning while they come: which parts there are, and what the few say that
 * admission needs. Whoever reads a form further on may be laxer than we are, so what could name a part in two ways is refused. Pure; called
 * by the reader of whole forms and by the gateway for those that are too long to hold. */
#include "wire/parts.h"

enum { PARTS_MAX = 256, PART_MAX = 4096 }; /* a part's head; the value of one that is read */

/* The next `key=value` or `key="value"` of a field; false: none is left. A quoted value may hold what would end another one. */
static bool next_parameter(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    bool quoted = false;
    size_t n = 0;
    if (!rest->n) return false;
    for (; n < rest->n && (quoted || rest->p[n] != ';'); n++) {
        if (rest->p[n] == '"') quoted = !quoted;
        else if (quoted && rest->p[n] == '\\') n++;
    }
    if (n > rest->n) n = rest->n;
    str_cut(str_make(rest->p, n), '=', ret_key, ret_value);
    *ret_key = str_trim(*ret_key);
    *ret_value = str_trim(*ret_value);
    if (ret_value->n >= 2 && ret_value->p[0] == '"' && ret_value->p[ret_value->n - 1] == '"')
        *ret_value = str_make(ret_value->p + 1, ret_value->n - 2);
    *rest = str_from(*rest, n < rest->n ? n + 1 : n);
    return true;
}

static enum err read_boundary(struct str type, struct str *ret_boundary, struct fault *why)
{
    struct str kind, rest, key, value;
    str_cut(type, ';', &kind, &rest);
    *ret_boundary = STR_NONE;
    if (!str_eq_nocase(str_trim(kind), S("multipart/form-data")))
        return FAIL(why, ERR_BAD_REQUEST, "content-type: must be multipart/form-data for this call");
    while (!ret_boundary->n && next_parameter(&rest, &key, &value))
        if (str_eq_nocase(key, S("boundary"))) *ret_boundary = value;
    if (ret_boundary->n && ret_boundary->n <= WIRE_BOUNDARY_MAX) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "content-type: has no usable boundary (1 to %d characters)", WIRE_BOUNDARY_MAX);
}

enum err wire_form_begin(struct wire_form *f, struct str type, struct fault *why)
{
    struct str boundary;
    *f = (struct wire_form){0};
    TRY(read_boundary(type, &boundary, why));
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary.p, boundary.n);
    f->n_delimiter = (unsigned char)(boundary.n + 4);
    return OK;
}

/* Files are no text. Audio is billed by 100 ms, which no codec brings below 64 bytes; a picture by its size in pixels, which
 * its bytes do not tell: this is the most that the vendors ask for one. */
uint64_t wire_form_input(uint64_t bytes)
{
    enum { BYTES_PER_TOKEN = 64, TOKENS_OF_A_PICTURE = 8192 };
    return bytes / BYTES_PER_TOKEN + TOKENS_OF_A_PICTURE;
}

struct str wire_form_boundary(const struct wire_form *f) { return str_make(f->delimiter + 4, f->n_delimiter - 4u); }

/* ---- a part's head --------------------------------------------------------------------------------------------------- */

struct part {
    struct str name;
    bool disposed, named, file;
};

static enum err two_ways(struct fault *why)
{
    return FAIL(why, ERR_BAD_REQUEST,
                "the form is broken: a part's head can be read in two ways (one content-disposition with one "
                "plain name, each field on a line of its own)");
}

static bool has_quote(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') return true;
        if (s.p[i] == '\\') i++;
    }
    return false;
}

static enum err read_disposition(struct str value, struct part *part, struct fault *why)
{
    struct str key, given;
    size_t at;
    if (part->disposed) return two_ways(why);
    part->disposed = true;
    while (next_parameter(&value, &key, &given)) {
        bool is_name = str_eq_nocase(key, S("name"));
        bool is_coded = key.n >= 5 && str_eq_nocase(str_make(key.p, 5), S("name*"));
        if (is_coded || has_quote(given) || (is_name && (part->named || str_find(given, S("\\"), &at)))) return two_ways(why);
        if (is_name) part->name = given, part->named = true;
        if (key.n >= 8 && str_eq_nocase(str_make(key.p, 8), S("filename"))) part->file = true;
    }
    return OK;
}

static enum err read_head(struct str head, struct part *part, struct fault *why)
{
    struct str line, key, value;
    *part = (struct part){0};
    while (head.n) {
        bool goes_on = str_cut(head, '\n', &line, &head);
        bool ended = line.n && line.p[line.n - 1] == '\r';
        if (ended != goes_on || (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))) return two_ways(why);
        if (ended) line.n--;
        if (line.n && memchr(line.p, '\r', line.n)) return two_ways(why);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(str_trim(key), S("content-disposition")))
            TRY(read_disposition(value, part, why));
    }
    return OK;
}

/* ---- the way through --------------------------------------------------------------------------------------------------- */

static enum err take_model(struct str form, struct str value, struct wire_request *r, struct fault *why)
{
    r->model_at = (size_t)(value.p - form.p);
    r->model_n = value.n;
    if (!str_is_utf8(value, NULL)) return FAIL(why, ERR_BAD_REQUEST, "model: is not text in UTF-8");
    TRY(wire_check_model(value, why));
    r->model = value;
    return OK;
}

static enum err take_stream(struct str value, struct wire_request *r, struct fault *why)
{
    r->stream = str_eq_nocase(value, S("true"));
    if (r->stream || str_eq_nocase(value, S("false"))) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "stream: must be true or false");
}

static enum err take(struct wire_form *f, struct str form, struct str value, struct wire_request *r, struct fault *why)
{
    enum wire_form_part part = f->part;
    f->part = WIRE_FORM_OTHER;
    if (part == WIRE_FORM_MODEL) return take_model(form, value, r, why);
    return part == WIRE_FORM_STREAM ? take_stream(value, r, why) : OK;
}

static enum err begin_part(struct wire_form *f, const struct part *part, const struct wire_request *r, struct fault *why)
{
    if (++f->parts > PARTS_MAX) return FAIL(why, ERR_BAD_REQUEST, "the form has more than %d parts", PARTS_MAX);
    f->in_value = true;
    f->file = f->file || part->file;
    f->part = str_eq(part->name, S("stream")) ? WIRE_FORM_STREAM : WIRE_FORM_OTHER;
    if (!str_eq(part->name, S("model"))) return OK;
    if (r->model_n) return FAIL(why, ERR_BAD_REQUEST, "model: stands twice in the form");
    if (f->sent) return FAIL(why, ERR_BAD_REQUEST, "model: comes too late in a form of this length: put `model` before the file");
    f->part = WIRE_FORM_MODEL;
    return OK;
}

/* Each of these sets *ret_on when it got on, and leaves it when more must come. */
static enum err step_begin(struct wire_form *f, struct str form, bool *ret_on, struct fault *why)
{
    struct str first = str_make(f->delimiter + 2, f->n_delimiter - 2u);
    size_t n = form.n < first.n ? form.n : first.n;
    if (memcmp(form.p, first.p, n) != 0)
        return FAIL(why, ERR_BAD_REQUEST, "the form is broken: it does not begin with its boundary");
    if (n < first.n) return OK;
    f->at = n;
    *ret_on = f->begun = true;
    return OK;
}

static enum err step_head(struct wire_form *f, struct str form, bool *ret_on, const struct wire_request *r, struct fault *why)
{
    struct str rest = str_from(form, f->at);
    struct part part;
    size_t head;
    if (rest.n < 2) return OK;
    if (str_starts(rest, S("--"))) {
        *ret_on = f->ended = true;
        return OK;
    }
    if (!str_starts(rest, S("\r\n"))) return FAIL(why, ERR_BAD_REQUEST, "the form is broken: a line goes on behind a boundary");
    rest = str_from(rest, 2);
    if (!str_find(str_make(rest.p, rest.n < PART_MAX ? rest.n : PART_MAX), S("\r\n\r\n"), &head)) {
        if (rest.n < PART_MAX) return OK;
        return FAIL(why, ERR_BAD_REQUEST, "the form is broken: a part's head is longer than %d bytes", PART_MAX);
    }
    TRY(read_head(str_make(rest.p, head), &part, why));
    TRY(begin_part(f, &part, r, why));
    f->at += 2 + head + 4;
    *ret_on = true;
    return OK;
}

static enum err step_value(struct wire_form *f, struct str form, bool *ret_on, struct wire_request *r, struct fault *why)
{
    struct str delimiter = str_make(f->delimiter, f->n_delimiter), rest = str_from(form, f->at);
    size_t end;
    if (rest.n && str_find(rest, delimiter, &end)) {
        TRY(take(f, form, str_make(rest.p, end), r, why));
        f->at += end + delimiter.n;
        f->in_value = false;
        *ret_on = true;
    } else if (f->part != WIRE_FORM_OTHER && rest.n > PART_MAX) {
        return FAIL(why, ERR_BAD_REQUEST, "%s: is longer than %d bytes", f->part == WIRE_FORM_MODEL ? "model" : "stream",
                    PART_MAX);
    } else if (f->part == WIRE_FORM_OTHER && rest.n >= delimiter.n) {
        f->at = form.n - (delimiter.n - 1);
    }
    return OK;
}

enum err wire_form_look(struct wire_form *f, struct str form, struct wire_request *r, struct fault *why)
{
    for (bool on = form.n > 0; on && !f->ended;) {
        on = false;
        if (!f->begun) TRY(step_begin(f, form, &on, why));
        else if (f->in_value) TRY(step_value(f, form, &on, r, why));
        else TRY(step_head(f, form, &on, r, why));
    }
    if (f->ended) f->at = form.n;
    return OK;
}

enum err wire_form_end(const struct wire_form *f, struct fault *why)
{
    if (f->ended) return OK;
    if (!f->begun) return FAIL(why, ERR_BAD_REQUEST, "the form is broken: it does not begin with its boundary");
    return FAIL(why, ERR_BAD_REQUEST, "the form is broken: its last part%s does not end", f->in_value ? "" : "'s head");
}
