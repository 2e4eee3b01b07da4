/* Errors of Gemini (G14): an upstream's failed answer read, any error written in this shape. Pure. */
#include "wire/gemini_generate/priv.h"

static const struct wire_word CLASSES[] = {
    {WIRE_STR("INVALID_ARGUMENT"), CLASS_REQUEST},     {WIRE_STR("FAILED_PRECONDITION"), CLASS_REQUEST},
    {WIRE_STR("OUT_OF_RANGE"), CLASS_REQUEST},         {WIRE_STR("UNAUTHENTICATED"), CLASS_AUTH},
    {WIRE_STR("PERMISSION_DENIED"), CLASS_PERMISSION}, {WIRE_STR("NOT_FOUND"), CLASS_NOT_FOUND},
    {WIRE_STR("RESOURCE_EXHAUSTED"), CLASS_RATE},      {WIRE_STR("UNAVAILABLE"), CLASS_OVERLOADED},
    {WIRE_STR("DEADLINE_EXCEEDED"), CLASS_TIMEOUT},    {WIRE_STR("INTERNAL"), CLASS_UPSTREAM},
};

/* protobuf's duration: seconds with up to nine decimals and an 's'; rounded up to milliseconds. */
static uint64_t duration_ms(struct str text)
{
    struct str whole, fraction;
    uint64_t s, ms = 0, unit = 100;
    if (!text.n || text.p[text.n - 1] != 's') return 0;
    text.n--;
    str_cut(text, '.', &whole, &fraction);
    if (!str_u64(whole, &s) || s > 31u * 86400) return 0;
    for (size_t i = 0; i < fraction.n; i++, unit /= 10) {
        if (fraction.p[i] < '0' || fraction.p[i] > '9') return 0;
        ms += unit ? unit * (uint64_t)(fraction.p[i] - '0') : i == 3 && fraction.p[i] > '0';
    }
    return s * 1000 + ms;
}

/* A quota by the day is no matter of waiting a moment. */
static bool is_daily(const struct json_tape *t, uint32_t detail)
{
    uint32_t one;
    size_t at;
    for (struct json_iter it = json_each(t, json_find(t, detail, S("violations"))); json_next(t, &it, &one);) {
        uint32_t id = json_find(t, one, S("quotaId"));
        if (id && json_is(t, id, JSON_STRING) && str_find(json_text(t, id), S("PerDay"), &at)) return true;
    }
    return false;
}

static void read_details(const struct json_tape *t, uint32_t details, struct chat_error *e)
{
    uint32_t one;
    for (struct json_iter it = json_each(t, details); details && json_next(t, &it, &one);) {
        uint32_t delay = json_find(t, one, S("retryDelay"));
        if (delay && json_is(t, delay, JSON_STRING)) e->retry_after_ms = duration_ms(json_text(t, delay));
        if (json_find(t, one, S("violations")) && is_daily(t, one)) e->class = CLASS_BILLING;
    }
}

void gemini_read_error_object(const struct json_tape *t, uint32_t error, struct arena *a, struct chat_error *ret_error)
{
    struct str word = wire_text_copy(t, json_find(t, error, S("status")), a);
    *ret_error = (struct chat_error){
        .class = (enum err_class)wire_word_value(CLASSES, COUNTOF(CLASSES), word, CLASS_UPSTREAM),
        .word = word,
        .message = wire_text_copy(t, json_find(t, error, S("message")), a),
    };
    read_details(t, json_find(t, error, S("details")), ret_error);
    wire_error_reason(ret_error);
}

void gemini_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error)
{
    (void)fields;
    *ret_error = (struct chat_error){0};
    uint32_t error = wire_scan_error(t, body) ? json_find(t, 0, S("error")) : 0;
    if (error && json_is(t, error, JSON_OBJECT)) gemini_read_error_object(t, error, a, ret_error);
    wire_error_status(ret_error, status);
}

static const int CODES[] = {
    [CLASS_NONE] = 500,       [CLASS_REQUEST] = 400,   [CLASS_AUTH] = 401,    [CLASS_PERMISSION] = 403,
    [CLASS_NOT_FOUND] = 404,  [CLASS_TOO_LARGE] = 413, [CLASS_RATE] = 429,    [CLASS_BILLING] = 429,
    [CLASS_OVERLOADED] = 503, [CLASS_UPSTREAM] = 502,  [CLASS_TIMEOUT] = 504, [CLASS_INTERNAL] = 500,
};

static void put_info(struct json_writer *w, const struct chat_error *e, struct str request_id)
{
    json_put_object(w);
    json_add_str(w, S("@type"), S("type.googleapis.com/google.rpc.ErrorInfo"));
    json_add_str(w, S("reason"), e->word.n ? e->word : S("upstream"));
    json_add_str(w, S("domain"), S("aquifer"));
    json_add_object(w, S("metadata"));
    json_add_str(w, S("request_id"), request_id);
    json_put_end(w);
    json_put_end(w);
}

void gemini_write_error(const struct chat_error *e, struct str request_id, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_i64(&w, S("code"), e->status ? e->status : CODES[e->class]);
    wire_add_message(&w, e, S("The input token count exceeds the maximum number of tokens allowed"));
    json_add_str(&w, S("status"), str_z(gemini_status_word(e->class, e->status)));
    json_add_array(&w, S("details"));
    put_info(&w, e, request_id);
    if (e->retry_after_ms) {
        json_put_object(&w);
        json_add_str(&w, S("@type"), S("type.googleapis.com/google.rpc.RetryInfo"));
        json_put_name(&w, S("retryDelay"));
        json_put_string_begin(&w);
        buf_fmt(out, "%llu.%03us", (unsigned long long)(e->retry_after_ms / 1000), (unsigned)(e->retry_after_ms % 1000));
        json_put_string_end(&w);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    json_put_end(&w);
}
