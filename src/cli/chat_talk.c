/* The conversation of `aquifer chat`: what was said, and the request that tells it all again. */
#include "cli/chat_priv.h"

#include <stdlib.h>

static const char *const ROLES[] = {"system", "user", "assistant"};

void chat_history_add(struct chat_history *h, enum chat_role role, struct str text)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 16;
        h->at = mem_resize(h->at, h->cap * sizeof *h->at);
    }
    struct chat_message *m = &h->at[h->n++];
    m->role = role;
    buf_init(&m->text, SIZE_MAX);
    buf_str(&m->text, text);
}

void chat_history_cut(struct chat_history *h, size_t n)
{
    while (h->n > n) buf_done(&h->at[--h->n].text);
}

void chat_history_done(struct chat_history *h)
{
    chat_history_cut(h, 0);
    free(h->at);
    *h = (struct chat_history){0};
}

void chat_history_json(const struct chat_history *h, struct json_writer *w)
{
    json_put_array(w);
    for (size_t i = 0; i < h->n; i++) {
        json_put_object(w);
        json_add_str(w, S("role"), str_z(ROLES[h->at[i].role]));
        json_add_str(w, S("content"), buf_view(&h->at[i].text));
        json_put_end(w);
    }
    json_put_end(w);
}

void chat_request(const struct chat_history *h, struct str model, bool stream, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("model"), model);
    json_put_name(&w, S("messages"));
    chat_history_json(h, &w);
    if (stream) {
        json_add_bool(&w, S("stream"), true);
        json_add_object(&w, S("stream_options"));
        json_add_bool(&w, S("include_usage"), true);
        json_put_end(&w);
    }
    json_put_end(&w);
}
