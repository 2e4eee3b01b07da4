/* Forms that are too long to hold, or may be: they go up while they come, once what admission needs of them is known. What was looked
 * through goes, and no more, so that nothing reaches the provider that would have been refused. Called by door and by the steps; owns the
 * window: the form from its beginning until some of it was let go, then what the upstream has not taken. In the gateway process. */
#include "priv.h"

#include <stdlib.h>

struct upload {
    struct wire_form form;
    struct buf window;
    size_t taken; /* of the memory ceiling, for the window */
    size_t fed;   /* of the window: the call under way has it */
    size_t edge;  /* of the form: up to here it is spliced, for each attempt anew */
    bool streams; /* the journey goes on while it comes */
    bool ended;   /* all of it has come */
    bool let_go;  /* some of it is not here any more: no second attempt */
};

/* As much of what went up stays here, for another attempt; a slice of it; and what one turn may bring beyond the limit. */
enum { KEPT = 256 * 1024, SLICE = 64 * 1024, SLACK = 4 * 1024 * 1024 };

static const struct http_limits *limits_of(const struct exchange *x) { return &x->generation->settings.server.limits; }

static bool is_encoded(const struct exchange *x)
{
    return str_trim(http_field_get(x->stream->request->fields, S("content-encoding"))).n > 0;
}

/* What fits is held whole, so that it can be tried again; so is what must be decoded or whose digest is signed. */
bool upload_is_long(const struct exchange *x)
{
    uint64_t length = http_stream_body_length(x->stream);
    const struct http_limits *l = limits_of(x);
    if (!wire_manner(x->endpoint->operation)->form || x->body_proof != BODY_FREE || is_encoded(x)) return false;
    return l->pass_max > l->body_max && (length == HTTP_BODY_UNKNOWN || length > l->body_max);
}

enum next upload_open(struct exchange *x)
{
    struct upload *u = mem_alloc(sizeof *u);
    uint64_t length = http_stream_body_length(x->stream);
    x->upload = u;
    buf_init(&u->window, limits_of(x)->body_max + SLACK);
    x->request = (struct wire_request){.operation = x->endpoint->operation, .choices = 1};
    x->request.input_bound = wire_form_input(length == HTTP_BODY_UNKNOWN ? limits_of(x)->pass_max : length);
    if (wire_form_begin(&u->form, http_field_get(x->stream->request->fields, S("content-type")), &x->fault) != OK) return FAILED;
    http_stream_pass_body(x->stream);
    return WAIT;
}

void upload_free(struct exchange *x)
{
    if (!x->upload) return;
    (void)memory_take(x->gl->gateway, -(int64_t)x->upload->taken);
    buf_done(&x->upload->window);
    free(x->upload);
    x->upload = NULL;
}

bool upload_streams(const struct exchange *x) { return x->upload && x->upload->streams; }
bool upload_let_go(const struct exchange *x) { return x->upload && x->upload->let_go; }

/* ---- the window ------------------------------------------------------------------------------------------------------------- */

static enum err account(struct exchange *x, size_t cap)
{
    struct upload *u = x->upload;
    if (!memory_take(x->gl->gateway, (int64_t)cap - (int64_t)u->taken)) return memory_refuse(&x->fault);
    u->taken = cap;
    return OK;
}

static enum err add(struct exchange *x, struct str bytes)
{
    struct upload *u = x->upload;
    size_t cap = u->window.cap ? u->window.cap : SLICE;
    while (cap < u->window.n + bytes.n) cap *= 2;
    if (cap > u->taken) TRY(account(x, cap));
    buf_str(&u->window, bytes);
    if (x->stream->request) x->stream->request->body = S(""); /* it may have moved */
    if (!u->streams) x->request.model = S("");
    if (!u->window.over) return OK;
    return FAIL(&x->fault, ERR_BODY_TOO_LARGE, "The request body came faster than it could be passed on.");
}

/* What is left is small: the room of a form that was held for long goes back. */
static void let_go(struct exchange *x)
{
    struct upload *u = x->upload;
    struct buf was = u->window;
    buf_init(&u->window, was.max);
    buf_str(&u->window, str_from(buf_view(&was), u->fed));
    buf_done(&was);
    (void)account(x, u->window.cap);
    u->form.at -= u->fed;
    u->fed = 0;
    u->let_go = true;
}

/* ---- up --------------------------------------------------------------------------------------------------------------------- */

void upload_show(struct exchange *x) { x->stream->request->body = str_make(x->upload->window.p, x->upload->edge); }

void upload_fill(const struct exchange *x, struct http_call_request *r)
{
    uint64_t length = http_stream_body_length(x->stream);
    r->is_fed = true;
    r->fed_length = HTTP_BODY_UNKNOWN;
    if (length != HTTP_BODY_UNKNOWN) r->fed_length = length - x->upload->edge + json_pieces_len(r->pieces, r->n_pieces);
    r->pieces = NULL;
    r->n_pieces = 0;
}

void upload_start(struct exchange *x, const struct str *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) (void)http_call_feed(x->attempt.call, pieces[i]);
    x->upload->fed = x->upload->edge;
    upload_flow(x);
}

/* An upstream that has answered takes no more; what has come then waits, since another one may be tried. */
void upload_flow(struct exchange *x)
{
    struct upload *u = x->upload;
    struct http_call *call = x->attempt.call;
    size_t queued = 0;
    if (!x->stream) return;
    if (!call || x->attempt.head_seen) {
        http_stream_rest_body(x->stream, true);
        return;
    }
    while (u->fed < u->form.at && queued <= HTTP_QUEUE_HIGH) {
        size_t n = u->form.at - u->fed < SLICE ? u->form.at - u->fed : SLICE;
        queued = http_call_feed(call, str_make(u->window.p + u->fed, n));
        u->fed += n;
    }
    if (u->ended && u->fed == u->window.n) http_call_feed_end(call);
    http_stream_rest_body(x->stream, queued > HTTP_QUEUE_HIGH);
    if (u->fed > KEPT) let_go(x);
}

/* ---- as it comes ---------------------------------------------------------------------------------------------------------- */

static void give_up(struct exchange *x)
{
    timer_cancel(x->gl->loop, &x->timer); /* an engine may be waited for */
    x->outcome = OUTCOME_FAULT;
    exchange_jump(x, STEP_SETTLE);
}

static void begin(struct exchange *x)
{
    struct upload *u = x->upload;
    struct wire_request *r = &x->request;
    u->streams = u->form.sent = true;
    u->edge = r->model_at + r->model_n;
    if (r->model_n) r->model = str_make(u->window.p + r->model_at, r->model_n);
    else r->boundary = wire_form_boundary(&u->form);
    upload_show(x);
    http_stream_rest_body(x->stream, true); /* until there is a call to take it */
    exchange_resume(x);
}

/* Of what may yet end within the limit all is awaited; else the model must be known, and whatever else stands before the file. */
static void look(struct exchange *x)
{
    const struct upload *u = x->upload;
    size_t most = limits_of(x)->body_max;
    bool is_full = u->window.n > most, is_short = http_stream_body_length(x->stream) == HTTP_BODY_UNKNOWN;
    bool is_known = x->request.model_n || x->endpoint->in_path == PATH_MODEL;
    if (is_known && (is_full || (u->form.file && !is_short))) {
        begin(x);
    } else if (is_full) {
        FAIL(&x->fault, ERR_BODY_TOO_LARGE,
             "the form is longer than limits.body (%zu bytes), and such a one must say early which model it is for: put `model` "
             "before the file",
             most);
        give_up(x);
    }
}

void upload_feed(struct exchange *x, struct str bytes)
{
    struct upload *u = x->upload;
    if (x->step > STEP_RELAY) return;
    if (add(x, bytes) != OK || wire_form_look(&u->form, buf_view(&u->window), &x->request, &x->fault) != OK) give_up(x);
    else if (u->streams) upload_flow(x);
    else look(x);
}

void upload_end(struct exchange *x)
{
    struct upload *u = x->upload;
    if (x->step > STEP_RELAY) return;
    u->ended = true;
    if (wire_form_end(&u->form, &x->fault) != OK) {
        give_up(x);
    } else if (u->streams) {
        upload_flow(x);
    } else {
        x->stream->request->body = buf_view(&u->window); /* it was short: from here on as any other */
        exchange_resume(x);
    }
}
