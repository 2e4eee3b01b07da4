/* An error event where a stream should begin: the failed answer that it would have been, had the provider known in time. Called by the
 * gateway while the client's head has not gone. Pure. */
#include "wire/formats.h"

enum { SCRATCH_MAX = KIB(64) };

struct catch
{
    struct arena *arena;
    struct chat_error *error;
    bool caught;
};

static enum err on_event(void *user, const struct chat_event *e, struct fault *why)
{
    struct catch *c = user;
    (void)why;
    if (e->kind != EVENT_ERROR || c->caught) return OK;
    *c->error = *e->error;
    if (!arena_str(c->arena, e->error->word, &c->error->word)) c->error->word = STR_NONE;
    if (!arena_str(c->arena, e->error->message, &c->error->message)) c->error->message = STR_NONE;
    c->caught = true;
    return OK;
}

static bool scan_error_object(struct json_tape *t, struct str data, uint32_t *ret_error)
{
    if (json_scan(t, data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return false;
    *ret_error = json_find(t, 0, S("error"));
    return *ret_error && json_is(t, *ret_error, JSON_OBJECT);
}

/* Google, OpenRouter and llama.cpp put the status itself into the event. */
static bool told_status(struct json_tape *t, struct str data, int *ret_status)
{
    uint32_t error, code;
    uint64_t n;
    if (!scan_error_object(t, data, &error) || !(code = json_find(t, error, S("code")))) return false;
    if (!json_u64(t, code, &n) || n < 400 || n >= 600) return false;
    *ret_status = (int)n;
    return true;
}

void wire_read_refusal(const struct wire_ops *ops, const struct wire_frame *f, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error)
{
    struct catch c = {.arena = a, .error = ret_error};
    const struct chat_sink sink = {on_event, &c};
    struct arena scratch;
    struct fault why;
    int status;
    *ret_error = (struct chat_error){.class = CLASS_UPSTREAM};
    arena_init(&scratch, KIB(4), SCRATCH_MAX);
    void *reader = arena_alloc(&scratch, ops->translator->reader_size);
    if (reader) {
        ops->translator->reader_start(reader, &scratch);
        if (ops->translator->read_event(reader, f, t, &sink, &why) != OK && !c.caught)
            *ret_error = (struct chat_error){.class = CLASS_UPSTREAM};
    }
    if (!told_status(t, f->data, &status)) status = wire_status_of(ret_error);
    wire_error_status(ret_error, status);
    arena_done(&scratch);
}

void wire_put_refusal(const struct wire_ops *ops, const struct wire_frame *f, struct json_tape *t, const struct chat_error *e,
                      struct str request_id, struct buf *out)
{
    uint32_t error;
    bool is_body = ops->format != WIRE_OPENAI_RESPONSES; /* whose events say more about themselves than an error does */
    if (is_body && scan_error_object(t, f->data, &error)) buf_str(out, f->data);
    else ops->translator->write_error(e, request_id, out);
}
