/* Finish: the client's last bytes, the access log, and our own errors in the caller's format. */
#include "priv.h"

#include <stdio.h>

static struct str id_name(enum wire_format f)
{
    if (f == WIRE_ANTHROPIC_MESSAGES) return S("request-id");
    return f == WIRE_BEDROCK_CONVERSE || f == WIRE_BEDROCK_INVOKE ? S("x-amzn-requestid") : STR_NONE;
}

/* The vendor's SDKs read their own name for it; the other name is there for everybody's logs. */
static unsigned id_fields(const struct wire_ops *wire, struct str id, struct http_fields theirs, struct http_field *ret_fields)
{
    unsigned n = 0;
    ret_fields[n++] = (struct http_field){S("x-aquifer-request-id"), id};
    if (!http_field_get(theirs, S("x-request-id")).p) ret_fields[n++] = (struct http_field){S("x-request-id"), id};
    struct str own = id_name(wire->format);
    if (own.n && !http_field_get(theirs, own).p) ret_fields[n++] = (struct http_field){own, id};
    return n;
}

unsigned our_fields(struct exchange *x, struct http_fields theirs, struct http_field ret_fields[OUR_FIELDS_MAX])
{
    unsigned n = id_fields(x->wire, str_z(x->id), theirs, ret_fields);
    if (x->dropped) {
        char text[12];
        struct str count;
        snprintf(text, sizeof text, "%u", x->dropped);
        if (arena_str(&x->arena, str_z(text), &count))
            ret_fields[n++] = (struct http_field){S("x-aquifer-dropped-fields"), count};
    }
    return n;
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------ */

static void answer_fault(struct gateway_loop *gl, struct http_stream *s, const struct wire_ops *wire, const struct fault *why,
                         struct str id)
{
    struct http_field fields[12];
    char retry[12];
    size_t n = id_fields(wire, id, (struct http_fields){NULL, 0}, fields);
    fields[n++] = (struct http_field){S("content-type"), S("application/json")};
    if (why->code == ERR_RECALL) fields[n++] = (struct http_field){S("x-should-retry"), S("true")};
    if (!err_can_retry(why->code)) fields[n++] = (struct http_field){S("x-should-retry"), S("false")};
    if (wire->error_type)
        fields[n++] = (struct http_field){S("x-amzn-errortype"), wire->error_type(err_class_of(why->code), why->code, 0)};
    if (why->retry_after_s) {
        snprintf(retry, sizeof retry, "%u", why->retry_after_s);
        fields[n++] = (struct http_field){S("retry-after"), str_z(retry)};
    }
    if (err_status(why->code) == 401) fields[n++] = (struct http_field){S("www-authenticate"), S("Bearer realm=\"aquifer\"")};
    if (why->code == ERR_METHOD) fields[n++] = (struct http_field){S("allow"), wire_endpoint_method(s->request->path)};
    buf_clear(&gl->room);
    bool in_array = wire->format == WIRE_GEMINI_GENERATE && wire_wants_array(s->request->path, s->request->query);
    if (in_array) buf_char(&gl->room, '[');
    wire->error(why, id, &gl->room);
    if (in_array) buf_char(&gl->room, ']');
    atomic_fetch_add_explicit(&gl->gateway->board->counters.refused[why->code], 1, memory_order_relaxed);
    http_stream_answer(s, err_status(why->code), (struct http_fields){fields, n}, buf_view(&gl->room));
    buf_clear(&gl->room);
}

static void count_answer(struct gateway_loop *gl, int status)
{
    unsigned class = status >= 100 && status < 600 ? (unsigned)status / 100 : 0;
    atomic_fetch_add_explicit(&gl->gateway->board->counters.answers[class], 1, memory_order_relaxed);
}

void refuse(struct gateway_loop *gl, struct http_stream *s, enum wire_format f, const struct fault *why, const char *id)
{
    answer_fault(gl, s, wire_ops_get(f), why, str_z(id));
    count_answer(gl, err_status(why->code));
    LOG(LOG_INFO, "request.refused", why->text, F_Z("request_id", id), F_Z("code", err_code(why->code)));
}

/* ---- the last bytes -------------------------------------------------------------------------------------------------------- */

static void put_error_event(struct exchange *x, struct buf *out)
{
    struct str id = str_z(x->id);
    if (translate_fault(x, out)) return;
    if (x->wire->numbered_error_event) x->wire->numbered_error_event(&x->fault, id, x->wire_stream.next_number, out);
    else x->wire->error_event(&x->fault, id, out);
}

static int finish_fault(struct exchange *x)
{
    if (!x->head_sent) {
        answer_fault(x->gl, x->stream, x->wire, &x->fault, str_z(x->id));
        return err_status(x->fault.code);
    }
    atomic_fetch_add_explicit(&x->gl->gateway->board->counters.refused[x->fault.code], 1, memory_order_relaxed);
    buf_clear(&x->gl->room);
    put_error_event(x, &x->gl->room);
    http_stream_finish(x->stream, array_end(x, buf_view(&x->gl->room)));
    buf_clear(&x->gl->room);
    return x->attempt.status;
}

static int finish_answer(struct exchange *x)
{
    http_stream_answer(x->stream, x->status, (struct http_fields){x->down, x->n_down}, array_whole(x, buf_view(&x->held)));
    return x->status;
}

static int finish_stream(struct exchange *x)
{
    http_stream_finish(x->stream, x->streaming ? array_end(x, buf_view(&x->last)) : buf_view(&x->last));
    return x->attempt.status;
}

static int finish_socket(struct exchange *x)
{
    socket_open(x);
    return 101;
}

static int finish_break(struct exchange *x)
{
    http_stream_abort(x->stream);
    return x->status;
}

static void log_done(const struct exchange *x, int status)
{
    const struct deployment *d = x->attempt.deployment;
    bool failed = x->outcome == OUTCOME_FAULT || x->outcome == OUTCOME_GONE || x->outcome == OUTCOME_BREAK;
    LOG(LOG_INFO, "exchange.done", failed ? x->fault.text : "", F_Z("request_id", x->id),
        F_STR("caller_request_id", x->caller_id), F_STR("peer", x->peer), F_Z("key", x->key ? x->key->id : ""),
        F_Z("format", x->wire->name), F_STR("model", x->request.model), F_STR("provider", d ? d->provider->name : STR_NONE),
        F_INT("status", status), F_INT("attempts", x->walk.attempts), F_UINT("input_tokens", usage_input(&x->usage)),
        F_UINT("output_tokens", usage_output(&x->usage)), F_INT("cost_pico", x->pico_spent),
        F_UINT("us", (clock_mono_ns() - x->arrived_ns) / 1000), F_Z("code", failed ? err_code(x->fault.code) : ""));
}

enum next step_finish(struct exchange *x)
{
    static int (*const LAST[])(struct exchange *) = {
        [OUTCOME_FAULT] = finish_fault,   [OUTCOME_ANSWER] = finish_answer, [OUTCOME_STREAM] = finish_stream,
        [OUTCOME_SOCKET] = finish_socket, [OUTCOME_BREAK] = finish_break,
    };
    bool gone = x->outcome == OUTCOME_GONE || !x->stream;
    kept_unlock(x);
    int status = gone ? 499 : LAST[x->outcome](x);
    count_answer(x->gl, gone ? 0 : status);
    if (x->generation->settings.access_log) log_done(x, status);
    return FINISHED;
}
