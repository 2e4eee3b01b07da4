/* Framing: an upstream's stream cut into events, whichever way its format frames them: SSE, or AWS's event stream. Called by
 * relay alone; owns the bytes of an event that is not yet whole. In the gateway process. */
#include "priv.h"

#define EVENT_STREAM_TYPE S("application/vnd.amazon.eventstream")

void framing_start(struct framing *f, const struct wire_ops *wire, size_t event_max)
{
    f->binary = str_eq(str_z(wire->stream_type), EVENT_STREAM_TYPE);
    if (f->binary) event_stream_init(&f->frames, event_max);
    else sse_init(&f->sse, event_max);
}

void framing_done(struct framing *f)
{
    if (f->binary) event_stream_done(&f->frames);
    else sse_done(&f->sse);
}

enum err framing_feed(struct framing *f, struct str bytes, struct fault *why)
{
    if (!f->binary) return sse_feed(&f->sse, bytes, why);
    event_stream_feed(&f->frames, bytes);
    return OK;
}

/* A line that ended in CR waited for an LF; now it is known that none comes. A frame tells its length. */
enum err framing_finish(struct framing *f, struct fault *why) { return f->binary ? OK : sse_finish(&f->sse, why); }

static enum err next_frame(struct framing *f, struct framed *ret_event, bool *ret_got, struct fault *why)
{
    struct event_stream_frame frame;
    TRY(event_stream_next(&f->frames, &frame, ret_got, why));
    if (!*ret_got) return OK;
    ret_event->event = (struct sse_event){.raw = frame.raw, .name = frame.type, .data = frame.payload, .has_data = true};
    ret_event->exception = frame.kind != EVENT_STREAM_EVENT;
    ret_event->message = frame.error_message;
    return OK;
}

enum err framing_next(struct framing *f, struct framed *ret_event, bool *ret_got, struct fault *why)
{
    if (f->binary) return next_frame(f, ret_event, ret_got, why);
    ret_event->exception = false;
    *ret_got = sse_next(&f->sse, &ret_event->event);
    return OK;
}
