/* The events of a stream, as every format's reader emits them: items are numbered here, a part's kind and an item's kind
 * stand in each of their events. Private to this room. */
#include "wire/formats.h"

#include <inttypes.h>
#include <stdio.h>

static struct chat_group assistant = {.role = ROLE_ASSISTANT}; /* never written: all that streams is the assistant's */

enum err wire_emit(const struct wire_emitter *m, const struct chat_event *e) { return chat_emit(m->sink, e, m->why); }

enum err wire_emit_item(struct wire_emitter *m, const struct chat_item *node, uint32_t *ret_number)
{
    struct chat_item item = *node;
    item.group = &assistant;
    *ret_number = m->items++;
    return wire_emit(m,
                     &(struct chat_event){.kind = EVENT_ITEM_START, .item = *ret_number, .choice = item.choice, .node = &item});
}

enum err wire_emit_item_end(const struct wire_emitter *m, uint32_t number, const struct chat_item *node)
{
    struct chat_item item = *node;
    item.group = &assistant;
    return wire_emit(m, &(struct chat_event){.kind = EVENT_ITEM_END, .item = number, .choice = item.choice, .node = &item});
}

enum err wire_emit_part(const struct wire_emitter *m, struct wire_spot at, const struct chat_part *part)
{
    return wire_emit(
        m, &(struct chat_event){.kind = EVENT_PART_START, .item = at.item, .part = at.part, .choice = at.choice, .what = part});
}

enum err wire_emit_part_end(const struct wire_emitter *m, struct wire_spot at, const struct chat_part *part)
{
    return wire_emit(
        m, &(struct chat_event){.kind = EVENT_PART_END, .item = at.item, .part = at.part, .choice = at.choice, .what = part});
}

enum err wire_emit_delta(const struct wire_emitter *m, struct wire_spot at, enum chat_delta field, struct str text)
{
    if (!text.n) return OK;
    return wire_emit(
        m, &(struct chat_event){
               .kind = EVENT_DELTA, .item = at.item, .part = at.part, .choice = at.choice, .field = field, .text = text});
}

enum err wire_emit_note(const struct wire_emitter *m, struct wire_spot at, const struct chat_annotation *note)
{
    return wire_emit(m, &(struct chat_event){.kind = EVENT_DELTA,
                                             .item = at.item,
                                             .part = at.part,
                                             .choice = at.choice,
                                             .field = DELTA_ANNOTATION,
                                             .text = note->raw,
                                             .annotation = note});
}

bool wire_make_call_id(const struct str *of, unsigned n, uint32_t place, struct arena *a, struct str *ret_id)
{
    uint64_t sum = 0xcbf29ce484222325; /* FNV-1a: not for secrets, and wide enough that two of a project never meet */
    char room[40];
    for (unsigned k = 0; k < n; k++) {
        for (size_t i = 0; i < of[k].n; i++) sum = (sum ^ (unsigned char)of[k].p[i]) * 0x100000001b3;
        sum = (sum ^ 0xff) * 0x100000001b3; /* in no text of UTF-8: where one ends counts */
    }
    int length = snprintf(room, sizeof room, "call_%016" PRIx64 "%08x", (sum ^ place) * 0x100000001b3, place);
    return arena_str(a, str_make(room, (size_t)length), ret_id);
}

enum err wire_emit_usage(const struct wire_emitter *m, const struct usage *u)
{
    return wire_emit(m, &(struct chat_event){.kind = EVENT_USAGE, .usage = u});
}

/* A call that its own side cannot read is no answer, whatever the status said: another try may bring one. */
enum err wire_check_stop(const struct chat_stop *stop, struct fault *why)
{
    if (stop->kind != STOP_MALFORMED_CALL) return OK;
    return FAIL(why, ERR_UPSTREAM_GARBAGE,
                "the provider's model wrote a tool call that its own side cannot read (%.*s); ask again", (int)stop->word.n,
                stop->word.p);
}

enum err wire_emit_stop(const struct wire_emitter *m, uint32_t choice, const struct chat_stop *stop)
{
    TRY(wire_check_stop(stop, m->why));
    return wire_emit(m, &(struct chat_event){.kind = EVENT_STOP, .choice = choice, .stop = stop});
}

enum err wire_emit_error(const struct wire_emitter *m, const struct chat_error *error)
{
    return wire_emit(m, &(struct chat_event){.kind = EVENT_ERROR, .error = error});
}

/* A member or event that the form has no place for. */
enum err wire_emit_raw(const struct wire_emitter *m, struct str name, struct str raw)
{
    return wire_emit(m, &(struct chat_event){.kind = EVENT_RAW, .raw = &(struct chat_extra){.name = name, .raw = raw}});
}

enum err wire_emit_plain(const struct wire_emitter *m, enum chat_event_kind kind)
{
    return wire_emit(m, &(struct chat_event){.kind = kind});
}
