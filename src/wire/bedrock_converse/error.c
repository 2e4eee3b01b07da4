/* Errors of Bedrock: {"message"} with the exception's name in x-amzn-errortype; in streams, frames that are exceptions. Facts:
 * Amazon Bedrock API reference, "Converse", "ConverseStreamOutput", "InvokeModel", Errors. Pure; bedrock_invoke has the same. */
#include "wire/bedrock_converse/priv.h"

/* The first row of a class is how it is written; HTTP errors begin with a capital letter, exceptions in streams do not. */
static const struct {
    struct str name;
    enum err_class class;
} NAMES[] = {
    {{"ValidationException", 19}, CLASS_REQUEST},
    {{"UnrecognizedClientException", 27}, CLASS_AUTH},
    {{"InvalidSignatureException", 25}, CLASS_AUTH},
    {{"ExpiredTokenException", 21}, CLASS_AUTH},
    {{"AccessDeniedException", 21}, CLASS_PERMISSION},
    {{"ResourceNotFoundException", 25}, CLASS_NOT_FOUND},
    {{"RequestEntityTooLargeException", 30}, CLASS_TOO_LARGE},
    {{"ThrottlingException", 19}, CLASS_RATE},
    {{"ModelNotReadyException", 22}, CLASS_RATE},
    {{"ServiceQuotaExceededException", 29}, CLASS_BILLING},
    {{"ServiceUnavailableException", 27}, CLASS_OVERLOADED},
    {{"ModelErrorException", 19}, CLASS_UPSTREAM},
    {{"ModelStreamErrorException", 25}, CLASS_UPSTREAM},
    {{"ModelTimeoutException", 21}, CLASS_TIMEOUT},
    {{"InternalServerException", 23}, CLASS_INTERNAL},
};

static struct str name_of(enum err_class class)
{
    for (unsigned i = 0; i < COUNTOF(NAMES); i++)
        if (NAMES[i].class == class) return NAMES[i].name;
    return S("InternalServerException");
}

static enum err_class class_of(struct str name)
{
    for (unsigned i = 0; i < COUNTOF(NAMES); i++)
        if (str_eq_nocase(NAMES[i].name, name)) return NAMES[i].class == CLASS_INTERNAL ? CLASS_UPSTREAM : NAMES[i].class;
    return CLASS_NONE;
}

/* AWS, "Common errors", "Troubleshooting Signature Version 4": its SDKs put their clock right after these, and try again. */
static const struct {
    enum err code;
    struct str name;
} SIGNATURES[] = {
    {ERR_SIGNATURE_FORM, {"IncompleteSignatureException", 28}}, {ERR_SIGNATURE_INVALID, {"InvalidSignatureException", 25}},
    {ERR_SIGNATURE_EXPIRED, {"InvalidSignatureException", 25}}, {ERR_SIGNATURE_SKEWED, {"InvalidSignatureException", 25}},
    {ERR_SIGNATURE_SCOPE, {"InvalidSignatureException", 25}},   {ERR_ACCESS_KEY, {"UnrecognizedClientException", 27}},
};

struct str bedrock_converse_error_type(enum err_class class, enum err code, int status)
{
    for (unsigned i = 0; i < COUNTOF(SIGNATURES); i++)
        if (code != OK && SIGNATURES[i].code == code) return SIGNATURES[i].name;
    return code == OK && status == 500 ? S("InternalServerException") : name_of(class);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static uint32_t find_message(const struct json_tape *t)
{
    uint32_t at = json_find(t, 0, S("message"));
    if (!at) at = json_find(t, 0, S("Message"));
    return at && json_is(t, at, JSON_STRING) ? at : 0;
}

static void read_message(struct str body, struct json_tape *t, struct arena *a, struct chat_error *e)
{
    struct buf text;
    uint32_t at;
    if (json_scan(t, body, &WIRE_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT) || !(at = find_message(t))) return;
    buf_init(&text, KIB(8));
    json_unescape(t, at, &text);
    if (text.over || !arena_str(a, buf_view(&text), &e->message)) e->message = STR_NONE;
    buf_done(&text);
}

/* "ThrottlingException:http://internal…/" and "com.amazon…#ThrottlingException" mean the same. */
static struct str bare_name(struct str type)
{
    struct str head, rest, tail;
    str_cut(str_trim(type), ':', &head, &rest);
    return str_cut(head, '#', &rest, &tail) ? tail : head;
}

void bedrock_converse_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                                 struct chat_error *ret_error)
{
    struct str name = bare_name(http_field_get(fields, S("x-amzn-errortype")));
    *ret_error = (struct chat_error){.class = class_of(name)};
    if (!arena_str(a, name, &ret_error->word)) ret_error->word = STR_NONE;
    read_message(body, t, a, ret_error);
    wire_error_status(ret_error, status);
}

void bedrock_converse_read_exception(const struct wire_frame *f, struct json_tape *t, struct arena *a,
                                     struct chat_error *ret_error)
{
    *ret_error = (struct chat_error){.class = class_of(f->name)};
    if (ret_error->class == CLASS_NONE) ret_error->class = CLASS_UPSTREAM;
    if (!arena_str(a, f->name, &ret_error->word)) ret_error->word = STR_NONE;
    read_message(f->data, t, a, ret_error);
    if (f->message.n && !arena_str(a, f->message, &ret_error->message)) ret_error->message = STR_NONE;
    if (!ret_error->message.n) ret_error->message = S("the provider ended its stream with an exception and said no more");
    wire_error_reason(ret_error);
}

void bedrock_converse_blame(struct str body, struct json_tape *t, struct buf *out)
{
    if (json_scan(t, body, &WIRE_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return;
    uint32_t at = find_message(t);
    if (at) json_unescape(t, at, out);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

static void put_body(const struct chat_error *e, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    wire_add_message(&w, e, S("Input is too long for requested model"));
    json_put_end(&w);
}

static struct chat_error ours(const struct fault *f)
{
    return (struct chat_error){.class = err_class_of(f->code), .message = str_z(f->text)};
}

void bedrock_converse_write_error(const struct chat_error *e, struct str request_id, struct buf *out)
{
    (void)request_id; /* stands in x-amzn-requestid */
    put_body(e, out);
}

void bedrock_converse_error(const struct fault *f, struct str request_id, struct buf *out)
{
    struct chat_error e = ours(f);
    (void)request_id;
    put_body(&e, out);
}

/* Streams know five exceptions; what is none of them is the service's own failure. */
void bedrock_converse_write_exception(const struct chat_error *e, struct buf *out)
{
    static const struct str WORDS[] = {
        [CLASS_NONE] = {"modelStreamErrorException", 25},
        [CLASS_REQUEST] = {"validationException", 19},
        [CLASS_AUTH] = {"modelStreamErrorException", 25},
        [CLASS_PERMISSION] = {"modelStreamErrorException", 25},
        [CLASS_NOT_FOUND] = {"validationException", 19},
        [CLASS_TOO_LARGE] = {"validationException", 19},
        [CLASS_RATE] = {"throttlingException", 19},
        [CLASS_BILLING] = {"throttlingException", 19},
        [CLASS_OVERLOADED] = {"serviceUnavailableException", 27},
        [CLASS_UPSTREAM] = {"modelStreamErrorException", 25},
        [CLASS_TIMEOUT] = {"modelStreamErrorException", 25},
        [CLASS_INTERNAL] = {"internalServerException", 23},
    };
    struct event_stream_mark m = event_stream_begin(out, EVENT_STREAM_EXCEPTION, WORDS[e->class], S("application/json"));
    put_body(e, out);
    event_stream_end(out, m);
}

void bedrock_converse_error_event(const struct fault *f, struct str request_id, struct buf *out)
{
    struct chat_error e = ours(f);
    (void)request_id;
    bedrock_converse_write_exception(&e, out);
}
