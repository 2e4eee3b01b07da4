/* The models on offer, share/models/catalogue.json: what aquifer-pull and `aquifer model pull` know by name. Read whole
 * at each use; owns what it returns. */
#include "engine/priv.h"

#include <stdlib.h>

#define CATALOGUE_MAX KIB(256)
#define OFFERS_MAX 200

static enum err read_sources(struct json_ref object, struct offer *o, struct fault *why)
{
    struct json_ref list, source;
    TRY(json_get(object, "sources", JSON_ARRAY, &list, why));
    for (struct json_walk w = json_walk(list); json_walk_next(&w, NULL, &source);) {
        TRY(json_ref_want(source, JSON_STRING, why));
        struct str text = json_ref_text(source);
        bool known = str_starts(text, S("https://")) || str_starts(text, S("hf:")) || str_starts(text, S("pip:")) ||
                     str_starts(text, S("bert:"));
        if (!known || o->n_sources == OFFER_SOURCES || !text_set(o->sources[o->n_sources], sizeof(o->sources[0]), text))
            return FAIL(why, ERR_BAD_REQUEST,
                        "model %s: sources are at most %d of https://…, hf:owner/repo/file, pip:PINS, bert:PINS", o->model.name,
                        OFFER_SOURCES);
        o->n_sources++;
    }
    if (!o->n_sources) return FAIL(why, ERR_BAD_REQUEST, "model %s has no source", o->model.name);
    return OK;
}

static enum err read_offer(struct json_ref object, struct offer *o, struct fault *why)
{
    static const char *const members[] = {"name",    "default",  "file",    "bytes",    "sha256",
                                          "licence", "template", "context", "parallel", "embeddings",
                                          "pooling", "tools",    "sources", "smaller",  NULL};
    struct str smaller = STR_NONE;
    TRY(json_ref_want(object, JSON_OBJECT, why));
    TRY(json_ref_only(object, members, why));
    TRY(model_read(object, &o->model, why));
    TRY(read_sources(object, o, why));
    TRY(json_opt_bool(object, "default", &o->is_default, why));
    TRY(json_opt_bool(object, "tools", &o->tools, why));
    TRY(json_opt_str(object, "smaller", &smaller, why));
    if (smaller.n && (!model_name_ok(smaller) || !text_set(o->smaller, sizeof(o->smaller), smaller)))
        return FAIL(why, ERR_BAD_REQUEST, "model %s: smaller is no model name", o->model.name);
    if (o->model.file[0] == '/') return FAIL(why, ERR_BAD_REQUEST, "model %s: file must be a plain name", o->model.name);
    return OK;
}

static enum err read_offers(struct json_ref root, struct offers *all, struct fault *why)
{
    static const char *const members[] = {"version", "models", NULL};
    struct json_ref list, object;
    uint64_t version;
    TRY(json_ref_want(root, JSON_OBJECT, why));
    TRY(json_ref_only(root, members, why));
    TRY(json_get_u64(root, "version", &version, why));
    if (version != 1)
        return FAIL(why, ERR_BAD_REQUEST, "the catalogue of models has version %u, this program reads 1", (unsigned)version);
    TRY(json_get(root, "models", JSON_ARRAY, &list, why));
    size_t n = json_ref_count(list);
    if (n > OFFERS_MAX) return FAIL(why, ERR_LIMIT, "the catalogue has more than %d models", OFFERS_MAX);
    all->items = mem_alloc((n + 1) * sizeof(*all->items));
    for (struct json_walk w = json_walk(list); json_walk_next(&w, NULL, &object);) {
        struct offer *o = &all->items[all->n];
        TRY(read_offer(object, o, why));
        if (offers_find(all, str_z(o->model.name)))
            return FAIL(why, ERR_BAD_REQUEST, "the catalogue names model %s twice", o->model.name);
        all->n++;
    }
    return OK;
}

/* A name in `smaller` must be there, and the chain must come down: each step has fewer bytes, so it ends. */
static enum err check_chain(const struct offers *all, struct fault *why)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct offer *o = &all->items[i];
        if (!o->smaller[0]) continue;
        const struct offer *next = offers_find(all, str_z(o->smaller));
        if (!next || next->model.bytes >= o->model.bytes)
            return FAIL(why, ERR_BAD_REQUEST, "model %s: its smaller one %s %s", o->model.name, o->smaller,
                        next ? "is not smaller" : "is not in the catalogue");
    }
    return OK;
}

enum err offers_read(struct str name, struct str text, struct offers *ret_offers, struct fault *why)
{
    struct json_doc *doc;
    *ret_offers = (struct offers){0};
    TRY(json_doc_read(name, text, &doc, why));
    enum err e = read_offers(json_doc_root(doc), ret_offers, why);
    if (e == OK) e = check_chain(ret_offers, why);
    if (e != OK) offers_free(ret_offers);
    json_doc_free(doc);
    return e;
}

enum err offers_load(struct offers *ret_offers, struct fault *why)
{
    struct buf path, text;
    buf_init(&path, PATH_BYTES);
    enum err e = engine_share_dir(&path, why);
    buf_str(&path, S("/models/catalogue.json"));
    if (e == OK) e = file_read(buf_z(&path), CATALOGUE_MAX, &text, why);
    if (e == OK) {
        e = offers_read(str_z(buf_z(&path)), buf_view(&text), ret_offers, why);
        buf_done(&text);
    }
    buf_done(&path);
    return e;
}

void offers_free(struct offers *o)
{
    free(o->items);
    *o = (struct offers){0};
}

const struct offer *offers_find(const struct offers *o, struct str name)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct offer *at = &o->items[i];
        if (name.n ? str_eq(name, str_z(at->model.name)) : at->is_default) return at;
    }
    return NULL;
}
