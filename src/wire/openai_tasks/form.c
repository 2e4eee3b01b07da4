/* Requests that are forms with files in them (RFC 7578): what admission needs of them is found without touching the files. The
 * body is spliced, never rebuilt. Pure; used by the gateway on every request of such an operation. */
#include "wire/openai_tasks/priv.h"

enum { PARTS_MAX = 256, PART_HEAD_MAX = 4096, BOUNDARY_MAX = 70 };

/* Files are no text. Audio is billed by 100 ms, which no codec brings below 64 bytes; a picture by its size in pixels, which
 * its bytes do not tell: this is the most that the vendors ask for one. */
enum { BYTES_PER_TOKEN = 64, TOKENS_OF_A_PICTURE = 8192 };

/* The value of a parameter, as name="value" or name=value; "" none. */
static struct str parameter(struct str field, struct str name)
{
    struct str piece, rest = field, key, value;
    while (rest.n) {
        str_cut(rest, ';', &piece, &rest);
        if (!str_cut(str_trim(piece), '=', &key, &value) || !str_eq_nocase(str_trim(key), name)) continue;
        value = str_trim(value);
        bool quoted = value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"';
        return quoted ? str_make(value.p + 1, value.n - 2) : value;
    }
    return STR_NONE;
}

static enum err read_boundary(struct str type, struct str *ret_boundary, struct fault *why)
{
    struct str kind, rest;
    str_cut(type, ';', &kind, &rest);
    if (!str_eq_nocase(str_trim(kind), S("multipart/form-data")))
        return FAIL(why, ERR_BAD_REQUEST, "content-type: must be multipart/form-data for this call");
    *ret_boundary = parameter(rest, S("boundary"));
    if (ret_boundary->n && ret_boundary->n <= BOUNDARY_MAX) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "content-type: has no usable boundary (1 to %d characters)", BOUNDARY_MAX);
}

/* The form's part at the beginning of `rest`, without the boundaries around it; rest then begins behind it. */
struct part {
    struct str name, value;
};

static struct str name_of(struct str head)
{
    struct str line, key, value;
    while (head.n) {
        str_cut(head, '\n', &line, &head);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(str_trim(key), S("content-disposition")))
            return parameter(value, S("name"));
    }
    return STR_NONE;
}

static enum err next_part(struct str delimiter, struct str *rest, struct part *ret_part, struct fault *why)
{
    size_t head, end;
    struct str look = str_make(rest->p, rest->n < PART_HEAD_MAX ? rest->n : PART_HEAD_MAX);
    if (!str_find(look, S("\r\n\r\n"), &head))
        return FAIL(why, ERR_BAD_REQUEST, "the form is broken: a part's head does not end, or is longer than %d bytes",
                    PART_HEAD_MAX);
    ret_part->name = name_of(str_make(rest->p, head));
    struct str body = str_from(*rest, head + 4);
    if (!str_find(body, delimiter, &end)) return FAIL(why, ERR_BAD_REQUEST, "the form is broken: its last part does not end");
    ret_part->value = str_make(body.p, end);
    *rest = str_from(body, end + delimiter.n);
    return OK;
}

static enum err take(const struct part *part, const char *form, struct wire_request *r, struct fault *why)
{
    if (str_eq(part->name, S("model"))) {
        if (r->model.n) return FAIL(why, ERR_BAD_REQUEST, "model: stands twice in the form");
        r->model = part->value;
        r->model_at = (size_t)(part->value.p - form);
        r->model_n = part->value.n;
        if (!str_is_utf8(r->model, NULL)) return FAIL(why, ERR_BAD_REQUEST, "model: is not text in UTF-8");
        return wire_check_model(r->model, why);
    }
    if (!str_eq(part->name, S("stream"))) return OK;
    r->stream = str_eq_nocase(part->value, S("true"));
    if (r->stream || str_eq_nocase(part->value, S("false"))) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "stream: must be true or false");
}

/* All parts; what stands behind a boundary says whether it was the last one. */
static enum err read_parts(struct str delimiter, struct str rest, const char *form, struct wire_request *r, struct fault *why)
{
    struct part part = {0};
    for (unsigned n = 0; n < PARTS_MAX; n++) {
        if (str_starts(rest, S("--"))) return OK;
        if (!str_starts(rest, S("\r\n")))
            return FAIL(why, ERR_BAD_REQUEST, "the form is broken: a line goes on behind a boundary");
        rest = str_from(rest, 2);
        TRY(next_part(delimiter, &rest, &part, why));
        TRY(take(&part, form, r, why));
    }
    return FAIL(why, ERR_BAD_REQUEST, "the form has more than %d parts", PARTS_MAX);
}

enum err openai_tasks_read_form(enum wire_operation op, struct str type, struct str body, struct wire_request *r,
                                struct fault *why)
{
    char room[BOUNDARY_MAX + 8];
    struct str boundary = STR_NONE;
    struct buf delimiter = {.p = room, .cap = sizeof room, .max = sizeof room};
    *r = (struct wire_request){.operation = op, .input_bound = body.n / BYTES_PER_TOKEN + TOKENS_OF_A_PICTURE, .choices = 1};
    TRY(read_boundary(type, &boundary, why));
    buf_str(&delimiter, S("\r\n--"));
    buf_str(&delimiter, boundary);
    struct str first = str_from(buf_view(&delimiter), 2);
    if (!str_starts(body, first)) return FAIL(why, ERR_BAD_REQUEST, "the form is broken: it does not begin with its boundary");
    TRY(read_parts(buf_view(&delimiter), str_from(body, first.n), body.p, r, why));
    if (!r->model_n) r->boundary = boundary;
    return OK;
}
