/* Calls that wait for their turn in a stream whose blocks stand one after the other. Called by the writers of such formats; all
 * of it is in the exchange's arena. Private to this room. */
#include "wire/formats.h"

enum { WAITING_MAX = 8 << 20 };

static enum err too_much(struct fault *why)
{
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider interleaves more than one exchange may hold back");
}

struct wire_waiting *wire_waiting_find(const struct wire_queue *q, uint32_t number)
{
    struct wire_waiting *x = q->first;
    while (x && x->number != number) x = x->next;
    return x;
}

enum err wire_waiting_add(struct wire_queue *q, struct arena *a, const struct chat_event *e, struct fault *why)
{
    struct wire_waiting *x = arena_alloc(a, sizeof *x), **end = &q->first;
    if (!x || !arena_str(a, e->node->call_id, &x->call_id) || !arena_str(a, e->node->name, &x->name)) return too_much(why);
    x->number = e->item;
    while (*end) end = &(*end)->next;
    *end = x;
    return OK;
}

enum err wire_waiting_say(struct wire_queue *q, struct arena *a, struct wire_waiting *x, struct str text, struct fault *why)
{
    q->bytes += text.n;
    if (q->bytes > WAITING_MAX) return too_much(why);
    if (x->said.n + text.n > x->room) {
        size_t room = (x->said.n + text.n) * 2 + 64;
        char *more = arena_alloc(a, room);
        if (!more) return too_much(why);
        if (x->said.n) memcpy(more, x->said.p, x->said.n);
        x->said.p = more;
        x->room = room;
    }
    memcpy((char *)(uintptr_t)x->said.p + x->said.n, text.p, text.n);
    x->said.n += text.n;
    return OK;
}

struct wire_waiting *wire_waiting_next(struct wire_queue *q)
{
    struct wire_waiting *x = q->first;
    if (!x) return NULL;
    q->first = x->next;
    q->bytes -= x->said.n;
    return x;
}
