/* A stream that its caller wants as one JSON array (Gemini without alt=sse): what is written to him is turned on its way out, so
 * that nobody else has to know. Called by relay and finish; the room is the loop's. */
#include "priv.h"

static struct buf *fresh_room(struct exchange *x)
{
    enum { KEPT = 256 * 1024 }; /* what a large event made of it goes again */
    struct buf *room = &x->gl->array;
    if (room->cap > KEPT) buf_done(room);
    buf_clear(room);
    return room;
}

struct str array_events(struct exchange *x, struct str events)
{
    if (!x->wants_array) return events;
    struct buf *room = fresh_room(x);
    wire_array_put(&x->array, events, room);
    return buf_view(room);
}

struct str array_end(struct exchange *x, struct str events)
{
    if (!x->wants_array) return events;
    array_events(x, events);
    wire_array_end(&x->array, &x->gl->array);
    return buf_view(&x->gl->array);
}

/* An answer that was held: a stream told anew, or an object, which is then the only element. */
struct str array_whole(struct exchange *x, struct str body)
{
    if (!x->wants_array || str_starts(body, S("["))) return body;
    if (str_starts(body, S("data:"))) return array_end(x, body);
    struct buf *room = fresh_room(x);
    buf_char(room, '[');
    buf_str(room, body);
    buf_char(room, ']');
    return buf_view(room);
}

struct str array_heartbeat(const struct exchange *x) { return x->wants_array ? S("\n") : STR_NONE; }
