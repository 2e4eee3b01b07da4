/* Fuzz: what comes from files and children: the first byte says whether the rest is a catalogue, pins, the name of a file
 * or lines of llama-server. What is accepted must hold what its readers rely on. */
#include <stdlib.h>

#include "engine/pull/pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void catalogue(struct str text)
{
    struct offers all;
    if (offers_read(S("fuzz"), text, &all, NULL) != OK) return;
    for (size_t i = 0; i < all.n; i++) {
        const struct offer *o = &all.items[i];
        must(model_name_ok(str_z(o->model.name)) && o->model.file[0] && o->model.file[0] != '/' && o->model.file[0] != '.');
        must(!strchr(o->model.file, '/') && strlen(o->model.sha256) == 64 && o->n_sources >= 1);
        must(!o->smaller[0] || offers_find(&all, str_z(o->smaller))->model.bytes < o->model.bytes);
    }
    offers_free(&all);
}

static void pins(struct str text)
{
    struct pins p;
    if (pins_read(text, &p, NULL) != OK) return;
    for (size_t i = 0; i < p.n; i++) must(strlen(p.items[i].sha256) == 64 && p.items[i].name[0] && p.items[i].version[0]);
    pins_free(&p);
}

static void file_name(struct str text)
{
    char name[MODEL_NAME_LEN + 1];
    struct buf url;
    if (model_name_from_file(text, name)) must(model_name_ok(str_z(name)));
    buf_init(&url, KIB(4));
    if (source_url(text, &url)) must(str_starts(buf_view(&url), S("https://")));
    buf_done(&url);
}

/* In two pieces or in one: the same last error. */
static void lines(struct str text)
{
    struct child whole, cut;
    struct loop *none = NULL;
    child_init(&whole, none, "m", NULL);
    child_init(&cut, none, "m", NULL);
    whole.secret = cut.secret = "sekret";
    child_feed_log(&whole, text);
    child_feed_log(&cut, str_make(text.p, text.n / 2));
    child_feed_log(&cut, str_from(text, text.n / 2));
    must(strcmp(whole.last_error, cut.last_error) == 0 && !strstr(whole.last_error, "sekret"));
    must(whole.line_len == cut.line_len && whole.lines_over == cut.lines_over);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const targets[])(struct str) = {catalogue, pins, file_name, lines};
    if (n < 1) return 0;
    targets[data[0] % COUNTOF(targets)](str_make((const char *)data + 1, n - 1));
    return 0;
}
