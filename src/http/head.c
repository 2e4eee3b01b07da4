/* head: a request's line and fields, from the pieces the parsers hand over to the request the handler sees.
 * Called by h1.c and h2.c. A builder belongs to its connection only while a head comes in; the server keeps one spare. */
#include <stdlib.h>

#include "server_priv.h"

static void grow_slots(struct head_builder *b)
{
    b->cap_slots = b->cap_slots ? b->cap_slots * 2 : 32;
    b->slots = mem_resize(b->slots, b->cap_slots * sizeof *b->slots);
}

static struct head_builder *head_new(void)
{
    struct head_builder *b = mem_alloc(sizeof *b);
    buf_init(&b->bytes, MIB(64)); /* the real limit is counted where the bytes come in */
    grow_slots(b);
    return b;
}

void head_free(struct head_builder *b)
{
    if (!b) return;
    buf_done(&b->bytes);
    free(b->slots);
    free(b);
}

size_t head_memory(const struct head_builder *b) { return b ? sizeof *b + b->bytes.cap + b->cap_slots * sizeof *b->slots : 0; }

struct head_builder *head_take(struct http_server *s)
{
    struct head_builder *b = s->spare_builder ? s->spare_builder : head_new();
    s->spare_builder = NULL;
    struct buf bytes = b->bytes;
    struct head_slot *slots = b->slots;
    unsigned cap_slots = b->cap_slots;
    buf_clear(&bytes);
    *b = (struct head_builder){.bytes = bytes, .slots = slots, .cap_slots = cap_slots};
    return b;
}

void head_give(struct http_server *s, struct head_builder *b)
{
    if (!b) return;
    if (s->spare_builder || b->bytes.cap > KIB(16)) {
        head_free(b);
        return;
    }
    s->spare_builder = b;
}

static void slot_add(struct head_builder *b)
{
    if (b->n_slots == b->cap_slots) grow_slots(b);
    b->slots[b->n_slots++] = (struct head_slot){.name_at = (uint32_t)b->bytes.n};
    b->in_value = false;
}

void head_name(struct head_builder *b, struct str part)
{
    if (!b->n_slots || b->in_value) slot_add(b);
    size_t at = b->bytes.n;
    buf_str(&b->bytes, part);
    for (; at < b->bytes.n; at++)
        if (b->bytes.p[at] >= 'A' && b->bytes.p[at] <= 'Z') b->bytes.p[at] |= 0x20;
    b->slots[b->n_slots - 1].name_n += (uint32_t)part.n;
}

void head_value(struct head_builder *b, struct str part)
{
    struct head_slot *slot = &b->slots[b->n_slots - 1];
    if (!b->in_value) slot->value_at = (uint32_t)b->bytes.n;
    b->in_value = true;
    buf_str(&b->bytes, part);
    slot->value_n += (uint32_t)part.n;
}

/* Methods whose requests llhttp reads like any other. */
static bool is_plain_method(struct str m) { return str_eq(m, S("POST")) || str_eq(m, S("GET")); }

size_t head_quick(struct head_builder *b, struct str bytes, unsigned fields_max, uint64_t *ret_length)
{
    struct quick_head h;
    unsigned room = b->cap_slots < fields_max ? b->cap_slots : fields_max;
    if (!quick_read(bytes, b->slots, room, &h) || !is_plain_method(h.first[0]) || !str_starts(h.first[1], S("/")) ||
        !str_eq(h.first[2], S("HTTP/1.1")))
        return 0;
    buf_add(&b->bytes, bytes.p, h.size);
    if (h.upper) quick_lower(b->bytes.p, h.size, b->slots, h.n_slots);
    b->n_slots = h.n_slots;
    b->method_n = (uint32_t)h.first[0].n;
    b->target_at = (uint32_t)(h.first[1].p - bytes.p);
    b->target_n = (uint32_t)h.first[1].n;
    b->target_done = true;
    *ret_length = h.length;
    return h.size;
}

static struct http_field field_at(const struct head_slot *slot, const char *bytes)
{
    return (struct http_field){
        .name = str_make(bytes + slot->name_at, slot->name_n),
        .value = str_trim(str_make(bytes + slot->value_at, slot->value_n)),
    };
}

struct str head_field(const struct head_builder *b, struct str name, unsigned *ret_count)
{
    struct str first = STR_NONE;
    *ret_count = 0;
    for (unsigned i = 0; i < b->n_slots; i++) {
        if (b->slots[i].name_n != name.n) continue;
        struct http_field f = field_at(&b->slots[i], b->bytes.p);
        if (!str_eq(f.name, name)) continue;
        if (!(*ret_count)++) first = f.value;
    }
    return first;
}

/* ---- the target ------------------------------------------------------------------------------------------------------ */

static bool is_visible(struct str s, struct str but)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~') return false;
    for (size_t i = 0; i < but.n; i++)
        if (s.n && memchr(s.p, but.p[i], s.n)) return false;
    return true;
}

/* scheme://authority/path?query (RFC 9112 3.2.2): every server must take it, and its authority overrides Host. */
static bool cut_absolute(struct str *target, struct str *ret_authority)
{
    struct str rest = str_starts(*target, S("http://"))    ? str_from(*target, 7)
                      : str_starts(*target, S("https://")) ? str_from(*target, 8)
                                                           : STR_NONE;
    if (!rest.p) return false;
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') n++;
    *ret_authority = str_make(rest.p, n);
    *target = str_from(rest, n);
    return n > 0;
}

static enum err bad_target(struct fault *why, const char *what)
{
    return FAIL(why, ERR_BAD_HTTP, "The request target is not valid: %s.", what);
}

static enum err read_target(struct http_request *r, struct str target, bool *ret_absolute, struct fault *why)
{
    *ret_absolute = false;
    if (!is_visible(target, S("#"))) return bad_target(why, "it holds a character that no URL may hold");
    if (str_eq(target, S("*"))) {
        if (!str_eq(r->method, S("OPTIONS"))) return bad_target(why, "'*' goes with OPTIONS only");
        r->path = target;
        return OK;
    }
    if (target.n && target.p[0] != '/') {
        *ret_absolute = cut_absolute(&target, &r->authority);
        if (!*ret_absolute) return bad_target(why, "it must be a path that begins with '/'");
    }
    str_cut(target, '?', &r->path, &r->query);
    if (!r->path.n) r->path = S("/");
    return OK;
}

static bool cut_prefix(struct http_request *r, struct str prefix)
{
    if (!prefix.n || str_eq(r->path, S("*"))) return true;
    if (!str_starts(r->path, prefix)) return false;
    struct str rest = str_from(r->path, prefix.n);
    if (rest.n && rest.p[0] != '/') return false;
    r->path = rest.n ? rest : S("/");
    return true;
}

static enum err read_host(const struct head_builder *b, struct http_request *r, bool is_required, bool absolute,
                          struct fault *why)
{
    unsigned n = 0;
    struct str host = head_field(b, S("host"), &n);
    if (n > 1) return FAIL(why, ERR_BAD_HTTP, "The request has more than one Host field.");
    if (!n && is_required && !b->has_authority)
        return FAIL(why, ERR_BAD_HTTP, "The request has no Host field, which HTTP/1.1 demands.");
    if (n && b->has_authority && !str_eq_nocase(host, r->authority))
        return FAIL(why, ERR_BAD_HTTP, "The request's Host field and :authority differ.");
    if (n && !absolute) r->authority = http_field_get(r->fields, S("host"));
    if (!is_visible(r->authority, S("#/?@\\\"<>"))) return FAIL(why, ERR_BAD_HTTP, "The Host field is not a host name.");
    return OK;
}

/* ---- the request -------------------------------------------------------------------------------------------------------- */

/* Most requests fit into one of this size; a server keeps some, as an allocation of it is no longer a cheap one. */
#define BLOCK_KEPT KIB(4)
#define BLOCKS_KEPT 64

struct block {
    struct http_request request;
    struct block *next; /* free */
    bool may_keep;
    struct http_field fields[];
};

static struct block *block_take(struct http_server *s, size_t size)
{
    struct block *k = size <= BLOCK_KEPT ? s->free_blocks : NULL;
    if (k) {
        s->free_blocks = k->next;
        s->n_free_blocks--;
        return k;
    }
    k = mem_resize(NULL, size <= BLOCK_KEPT ? BLOCK_KEPT : size);
    k->may_keep = size <= BLOCK_KEPT;
    return k;
}

void head_drop(struct http_server *s, struct http_request *r)
{
    if (!r) return;
    struct block *k = CONTAINER_OF(r, struct block, request);
    if (!k->may_keep || s->n_free_blocks == BLOCKS_KEPT) {
        free(k);
        return;
    }
    k->next = s->free_blocks;
    s->free_blocks = k;
    s->n_free_blocks++;
}

void head_blocks_free(struct http_server *s)
{
    for (struct block *next; s->free_blocks; s->free_blocks = next) {
        next = s->free_blocks->next;
        free(s->free_blocks);
    }
}

static struct str known_peer(const struct conn *c, struct http_fields fields)
{
    const struct http_server_options *o = &c->options->o;
    struct str client = STR_NONE;
    if (o->n_trusted && peer_is_in(c->peer.addr, o->trusted, o->n_trusted))
        client = peer_forwarded(fields, o->trusted, o->n_trusted);
    return client.p ? client : str_z(c->peer.text);
}

static struct http_request *block_new(const struct head_builder *b, const struct conn *c, char **ret_bytes)
{
    unsigned n = b->n_slots;
    size_t fields_n = n * sizeof(struct http_field);
    struct block *k = block_take(c->server, sizeof *k + fields_n + b->bytes.n);
    char *bytes = (char *)k + sizeof *k + fields_n;
    if (b->bytes.n) memcpy(bytes, b->bytes.p, b->bytes.n);
    for (unsigned i = 0; i < n; i++) k->fields[i] = field_at(&b->slots[i], bytes);
    struct http_request *r = &k->request;
    *r = (struct http_request){
        .method = str_make(bytes + b->method_at, b->method_n),
        .path = S(""),
        .query = S(""),
        .authority = str_make(bytes + b->authority_at, b->authority_n),
        .fields = {k->fields, n},
        .body = S(""),
        .is_tls = c->is_tls,
        .is_h2 = c->h2 != NULL,
    };
    r->peer = known_peer(c, r->fields);
    r->is_head = str_eq(r->method, S("HEAD"));
    *ret_bytes = bytes;
    return r;
}

enum err head_build(const struct head_builder *b, const struct conn *c, struct stream *s, struct fault *why)
{
    char *bytes;
    struct http_request *r = s->pub.request = block_new(b, c, &bytes);
    s->head_bytes = (uint32_t)(sizeof(struct block) + b->n_slots * sizeof(struct http_field) + b->bytes.n);
    if (!b->target_done) return OK;
    bool absolute;
    TRY(read_target(r, str_make(bytes + b->target_at, b->target_n), &absolute, why));
    TRY(read_host(b, r, !r->is_h2 && !c->h1.is_10, absolute, why));
    r->whole_path = r->path;
    if (!cut_prefix(r, c->options->o.path_prefix))
        return FAIL(why, ERR_NOT_FOUND, "Nothing is served at '%.*s': all paths begin with '%.*s'.", STR_ARG(r->path),
                    STR_ARG(c->options->o.path_prefix));
    return OK;
}

/* ---- of a request that was made inside the process ---------------------------------------------------------------------- */

static struct str put(char **at, struct str s)
{
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    *at += s.n;
    return str_make(p, s.n);
}

void head_copy(const struct http_request *r, struct stream *s)
{
    const struct str texts[] = {r->method, r->path, r->whole_path, r->query, r->authority, r->peer};
    size_t bytes = 0, fields_n = r->fields.n * sizeof(struct http_field);
    for (size_t i = 0; i < COUNTOF(texts); i++) bytes += texts[i].n;
    for (size_t i = 0; i < r->fields.n; i++) bytes += r->fields.at[i].name.n + r->fields.at[i].value.n;
    struct block *k = block_take(s->pub.server, sizeof *k + fields_n + bytes);
    char *at = (char *)k + sizeof *k + fields_n;
    struct http_request *copy = &k->request;
    *copy = *r;
    copy->body = S("");
    copy->fields = (struct http_fields){k->fields, r->fields.n};
    struct str *const fields[] = {&copy->method, &copy->path, &copy->whole_path, &copy->query, &copy->authority, &copy->peer};
    for (size_t i = 0; i < COUNTOF(fields); i++) *fields[i] = put(&at, *fields[i]);
    for (size_t i = 0; i < r->fields.n; i++) {
        k->fields[i].name = put(&at, r->fields.at[i].name);
        k->fields[i].value = put(&at, r->fields.at[i].value);
    }
    copy->is_head = str_eq(copy->method, S("HEAD"));
    s->pub.request = copy;
    s->is_head = copy->is_head;
    s->head_bytes = (uint32_t)(sizeof *k + fields_n + bytes);
}
