/* Keys in the database and in the desk's memory. Runs in lane DESK. A change is committed first and published at once; when
 * publishing fails the change stands all the same and the next publishing carries it. */
#include "admin/priv.h"

#include <stdlib.h>

#define COLUMNS                                                                                                     \
    "id, name, digest, old_digest, old_until_ms, created_ms, expires_ms, revoked_ms, routes, requests_per_minute, " \
    "tokens_per_minute, "                                                                                           \
    "concurrency, spend_day, spend_month, metadata, place, aws_secret, aws_old_secret, project"
enum {
    COL_ID,
    COL_NAME,
    COL_DIGEST,
    COL_OLD_DIGEST,
    COL_OLD_UNTIL,
    COL_CREATED,
    COL_EXPIRES,
    COL_REVOKED,
    COL_ROUTES,
    COL_REQUESTS,
    COL_TOKENS,
    COL_CONCURRENCY,
    COL_SPEND_DAY,
    COL_SPEND_MONTH,
    COL_METADATA,
    COL_PLACE,
    COL_AWS_SECRET,
    COL_AWS_OLD_SECRET,
    COL_PROJECT
};

static void row_free(struct key_row *row)
{
    if (!row) return;
    arena_done(&row->arena);
    free(row);
}

static struct key_row *row_new(void)
{
    struct key_row *row = mem_alloc(sizeof *row);
    arena_init(&row->arena, KIB(1), MIB(1));
    row->key.limits.spend_day = row->key.limits.spend_month = -1;
    return row;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

static void enter(struct desk *d, struct key_row *row)
{
    if (d->n_keys == d->cap_keys) {
        d->cap_keys = d->cap_keys ? 2 * d->cap_keys : 64;
        d->keys = mem_resize(d->keys, d->cap_keys * sizeof *d->keys);
    }
    d->keys[d->n_keys++] = row;
    must(map_add(&d->by_id, str_make(row->key.id, KEY_ID_LEN), row));
    if (row->key.place >= d->next_place) d->next_place = row->key.place + 1;
}

struct key_row *keys_find(const struct desk *d, struct str id) { return map_find(&d->by_id, id); }

void keys_done(struct desk *d)
{
    for (unsigned i = 0; i < d->n_keys; i++) row_free(d->keys[i]);
    free(d->keys);
    map_done(&d->by_id);
    d->keys = NULL;
    d->n_keys = d->cap_keys = 0;
    d->next_place = 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static bool keep_str(struct key_row *row, struct str s, struct str *ret_copy)
{
    *ret_copy = STR_NONE;
    return s.n == 0 || arena_str(&row->arena, s, ret_copy);
}

static bool keep_routes(struct key_row *row, const struct str *routes, unsigned n)
{
    row->key.routes = n ? arena_alloc(&row->arena, n * sizeof *routes) : NULL;
    if (n && !row->key.routes) return false;
    for (unsigned i = 0; i < n; i++)
        if (!keep_str(row, routes[i], &row->key.routes[i])) return false;
    row->key.n_routes = n;
    return true;
}

static bool keep_project(struct key_row *row, struct str project)
{
    return keep_str(row, project.n ? project : S(PROJECT_DEFAULT), &row->key.project);
}

static bool read_routes(struct key_row *row, struct str json)
{
    struct json_doc *doc;
    struct json_ref at;
    struct str routes[KEY_ROUTES_MAX];
    unsigned n = 0;
    if (json.n == 0) return true;
    if (json_doc_read(S("keys.routes"), json, &doc, NULL) != OK) return false;
    for (struct json_walk w = json_walk(json_doc_root(doc)); n < KEY_ROUTES_MAX && json_walk_next(&w, NULL, &at);)
        routes[n++] = json_ref_text(at);
    bool good = keep_routes(row, routes, n);
    json_doc_free(doc);
    return good;
}

static bool take_blob(struct str blob, uint8_t *ret_bytes, size_t n)
{
    if (blob.n == n) memcpy(ret_bytes, blob.p, n);
    return blob.n == n;
}

static bool read_row(const struct store_rows *r, struct key_row *row)
{
    struct key *k = &row->key;
    struct str id = store_text(r, COL_ID);
    bool good = id.n == KEY_ID_LEN && take_blob(store_blob(r, COL_DIGEST), k->digest, KEY_DIGEST_LEN) &&
                keep_str(row, store_text(r, COL_NAME), &k->name) && keep_str(row, store_text(r, COL_METADATA), &row->metadata) &&
                keep_project(row, store_text(r, COL_PROJECT)) && read_routes(row, store_text(r, COL_ROUTES));
    if (!good) return false;
    memcpy(k->id, id.p, KEY_ID_LEN);
    if (take_blob(store_blob(r, COL_OLD_DIGEST), k->old_digest, KEY_DIGEST_LEN)) k->old_until_ms = store_i64(r, COL_OLD_UNTIL);
    k->has_aws = take_blob(store_blob(r, COL_AWS_SECRET), k->aws_sealed, AWS_SEALED_LEN);
    k->has_aws_old = take_blob(store_blob(r, COL_AWS_OLD_SECRET), k->aws_old_sealed, AWS_SEALED_LEN);
    row->created_ms = store_i64(r, COL_CREATED);
    row->revoked_ms = store_i64(r, COL_REVOKED);
    k->revoked = row->revoked_ms != 0;
    k->expires_ms = store_i64(r, COL_EXPIRES);
    k->limits.requests_per_minute = (uint32_t)store_i64(r, COL_REQUESTS);
    k->limits.tokens_per_minute = (uint64_t)store_i64(r, COL_TOKENS);
    k->limits.concurrency = (uint32_t)store_i64(r, COL_CONCURRENCY);
    if (!store_is_null(r, COL_SPEND_DAY)) k->limits.spend_day = store_i64(r, COL_SPEND_DAY);
    if (!store_is_null(r, COL_SPEND_MONTH)) k->limits.spend_month = store_i64(r, COL_SPEND_MONTH);
    k->place = (uint32_t)store_i64(r, COL_PLACE);
    return k->place < BOARD_KEYS;
}

enum err keys_load(struct desk *d, struct fault *why)
{
    struct store_rows rows;
    bool more;
    enum err got = store_query(d->store, "SELECT " COLUMNS " FROM keys ORDER BY place", NULL, &rows, why);
    while (got == OK && (got = store_next(&rows, &more, why)) == OK && more) {
        struct key_row *row = row_new();
        if (read_row(&rows, row)) {
            enter(d, row);
            continue;
        }
        got =
            FAIL(why, ERR_STORE, "the key %.*s in the database is damaged; restore a backup", STR_ARG(store_text(&rows, COL_ID)));
        row_free(row);
    }
    store_rows_done(&rows);
    if (got != OK) keys_done(d);
    return got;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static struct str routes_json(struct buf *out, const struct key_request *r)
{
    struct json_writer w;
    if (r->n_routes == 0) return STR_NONE;
    json_write(&w, out);
    json_put_array(&w);
    for (unsigned i = 0; i < r->n_routes; i++) json_put_str(&w, r->routes[i]);
    json_put_end(&w);
    must(json_write_done(&w));
    return buf_view(out);
}

static struct store_value text_or_null(struct str s) { return s.n ? V_TEXT(s) : V_NULL; }

static struct store_value blob_or_null(bool there, const uint8_t *bytes, size_t n)
{
    return there ? V_BLOB(str_make((const char *)bytes, n)) : V_NULL;
}

static enum err insert(struct desk *d, const struct key_row *row, const struct key_request *r, struct fault *why)
{
    const struct key *k = &row->key;
    const struct key_limits *l = &k->limits;
    struct buf routes;
    buf_init(&routes, MIB(1));
    struct str json = routes_json(&routes, r);
    enum err got = store_exec(
        d->store,
        "INSERT INTO keys (" COLUMNS ") VALUES (?1,?2,?3,NULL,NULL,?4,?5,NULL,?6,?7,?8,?9,?10,?11,?12,?13,?14,NULL,?15)",
        BINDS(V_TEXT(str_z(k->id)), V_TEXT(k->name), V_BLOB(str_make((const char *)k->digest, KEY_DIGEST_LEN)),
              V_I64(row->created_ms), V_OPT_I64(k->expires_ms, k->expires_ms), text_or_null(json),
              V_OPT_I64(l->requests_per_minute, l->requests_per_minute), V_OPT_I64(l->tokens_per_minute, l->tokens_per_minute),
              V_OPT_I64(l->concurrency, l->concurrency), V_OPT_I64(l->spend_day >= 0, l->spend_day),
              V_OPT_I64(l->spend_month >= 0, l->spend_month), text_or_null(row->metadata), V_I64(k->place),
              blob_or_null(k->has_aws, k->aws_sealed, AWS_SEALED_LEN), V_TEXT(k->project)),
        NULL, why);
    buf_done(&routes);
    return got;
}

/* The change is committed; should this fail, the poll tries again until it is out. */
static enum err publish_change(struct desk *d, struct fault *why)
{
    struct fault own = {0};
    d->unpublished = desk_publish(d, &own) != OK;
    if (!d->unpublished) return OK;
    LOG(LOG_ERROR, "generation.failed", "a change of keys is stored but could not be published; it is tried again",
        F_Z("why", own.text));
    return FAIL(why, ERR_NOT_READY, "the change is stored but the gateways do not have it yet; it is tried again: %.160s",
                own.text);
}

/* The key pair that goes with a key, its secret sealed. */
static enum err make_pair(const struct desk *d, struct key *k, struct key_shown *shown, struct fault *why)
{
    struct seal_key seal;
    TRY(desk_seal_key(d, &seal, why));
    aws_secret_make(&seal, k->id, shown->aws_secret, k->aws_sealed);
    explicit_bzero(&seal, sizeof seal);
    k->has_aws = true;
    return OK;
}

static enum err fill(const struct desk *d, const struct key_request *r, struct key_shown *shown, struct fault *why)
{
    struct key_row *row = shown->row;
    key_make(row->key.id, shown->text, row->key.digest);
    row->created_ms = clock_wall_ms();
    row->key.expires_ms = r->expires_ms;
    row->key.limits = r->limits;
    row->key.place = d->next_place;
    bool kept = keep_str(row, r->name, &row->key.name) && keep_str(row, r->metadata, &row->metadata) &&
                keep_project(row, r->project) && keep_routes(row, r->routes, r->n_routes);
    if (!kept) return FAIL(why, ERR_LIMIT, "the key has too much text");
    return r->aws ? make_pair(d, &row->key, shown, why) : OK;
}

/* Nobody has seen its text, and the gateways cannot be told of it: it is void. `why` tells what stood in the way. */
static enum err take_back(struct desk *d, struct key_row *row, struct fault *why)
{
    struct fault what = *why;
    int64_t now = clock_wall_ms();
    ignore_err(store_exec(d->store, "UPDATE keys SET revoked_ms = ?2 WHERE id = ?1",
                          BINDS(V_TEXT(str_z(row->key.id)), V_I64(now)), NULL, NULL));
    row->revoked_ms = now;
    row->key.revoked = true;
    return FAIL(why, ERR_NOT_READY, "no key was made (%s is revoked at once): %.190s", row->key.id, what.text);
}

enum err keys_create(struct desk *d, const struct key_request *r, struct key_shown *ret_shown, struct fault *why)
{
    if (d->next_place >= BOARD_KEYS)
        return FAIL(why, ERR_LIMIT, "all %u places for keys are used, also by revoked ones", BOARD_KEYS);
    *ret_shown = (struct key_shown){.row = row_new()};
    enum err got = fill(d, r, ret_shown, why);
    if (got == OK) got = insert(d, ret_shown->row, r, why);
    if (got != OK) {
        row_free(ret_shown->row);
        return got;
    }
    enter(d, ret_shown->row);
    return publish_change(d, why) == OK ? OK : take_back(d, ret_shown->row, why);
}

static enum err find(const struct desk *d, struct str id, struct key_row **ret_row, struct fault *why)
{
    *ret_row = keys_find(d, id);
    return *ret_row ? OK : FAIL(why, ERR_NOT_FOUND, "there is no key %.*s", (int)(id.n < 40 ? id.n : 40), id.p ? id.p : "");
}

enum err keys_revoke(struct desk *d, struct str id, struct key_row **ret_row, struct fault *why)
{
    TRY(find(d, id, ret_row, why));
    struct key_row *row = *ret_row;
    if (row->key.revoked) return d->unpublished ? publish_change(d, why) : OK;
    int64_t now = clock_wall_ms();
    TRY(store_exec(d->store, "UPDATE keys SET revoked_ms = ?2 WHERE id = ?1", BINDS(V_TEXT(id), V_I64(now)), NULL, why));
    row->revoked_ms = now;
    row->key.revoked = true;
    return publish_change(d, why);
}

static enum err store_rotation(struct desk *d, const struct key *k, struct fault *why)
{
    bool old = k->old_until_ms != 0;
    return store_exec(d->store,
                      "UPDATE keys SET digest = ?2, old_digest = ?3, old_until_ms = ?4, aws_secret = ?5, aws_old_secret = ?6 "
                      "WHERE id = ?1",
                      BINDS(V_TEXT(str_z(k->id)), blob_or_null(true, k->digest, KEY_DIGEST_LEN),
                            blob_or_null(old, k->old_digest, KEY_DIGEST_LEN), V_OPT_I64(old, k->old_until_ms),
                            blob_or_null(k->has_aws, k->aws_sealed, AWS_SEALED_LEN),
                            blob_or_null(k->has_aws_old, k->aws_old_sealed, AWS_SEALED_LEN)),
                      NULL, why);
}

enum err keys_rotate(struct desk *d, struct str id, uint64_t grace_ms, struct key_shown *ret_shown, struct fault *why)
{
    TRY(find(d, id, &ret_shown->row, why));
    const struct key before = ret_shown->row->key;
    struct key k = before;
    if (k.revoked) return FAIL(why, ERR_BAD_REQUEST, "the key %s is revoked; create a new one", k.id);
    k.old_until_ms = grace_ms ? clock_wall_ms() + (int64_t)grace_ms : 0;
    k.has_aws_old = k.has_aws && grace_ms;
    memcpy(k.old_digest, k.digest, KEY_DIGEST_LEN);
    memcpy(k.aws_old_sealed, k.aws_sealed, AWS_SEALED_LEN);
    key_make_secret(k.id, ret_shown->text, k.digest);
    ret_shown->aws_secret[0] = '\0';
    if (k.has_aws) TRY(make_pair(d, &k, ret_shown, why));
    TRY(store_rotation(d, &k, why));
    ret_shown->row->key = k;
    if (publish_change(d, why) == OK) return OK;
    struct fault what = *why; /* nobody has seen the new secret: the one before stays */
    ret_shown->row->key = before;
    TRY(store_rotation(d, &before, why));
    return FAIL(why, ERR_NOT_READY, "the key keeps the secret that it has: %.200s", what.text);
}

/* ---- showing ---------------------------------------------------------------------------------------------------------- */

static void add_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[25];
    if (!ms) {
        json_add_null(w, str_z(name));
        return;
    }
    clock_rfc3339(ms, text);
    json_add_str(w, str_z(name), str_z(text));
}

static void add_dollars(struct json_writer *w, const char *name, int64_t pico)
{
    struct buf text;
    if (pico < 0) return;
    buf_init(&text, 64);
    money_write(&text, pico);
    json_add_str(w, str_z(name), buf_view(&text));
    buf_done(&text);
}

static void add_limits(struct json_writer *w, const struct key_limits *l)
{
    json_add_object(w, S("limits"));
    if (l->requests_per_minute) json_add_u64(w, S("requests_per_minute"), l->requests_per_minute);
    if (l->tokens_per_minute) json_add_u64(w, S("tokens_per_minute"), l->tokens_per_minute);
    if (l->concurrency) json_add_u64(w, S("concurrency"), l->concurrency);
    add_dollars(w, "spend_day", l->spend_day);
    add_dollars(w, "spend_month", l->spend_month);
    json_put_end(w);
}

void key_put_json(struct json_writer *w, const struct key_row *row)
{
    const struct key *k = &row->key;
    bool expired = k->expires_ms && k->expires_ms <= clock_wall_ms();
    json_add_str(w, S("id"), str_z(k->id));
    json_add_str(w, S("name"), k->name);
    json_add_str(w, S("project"), k->project);
    if (k->has_aws) {
        char access[AWS_ACCESS_LEN + 1];
        aws_access_key(k->id, access);
        json_add_str(w, S("access_key_id"), str_z(access));
    }
    json_add_str(w, S("state"), k->revoked ? S("revoked") : expired ? S("expired") : S("active"));
    add_time(w, "created", row->created_ms);
    add_time(w, "expires", k->expires_ms);
    add_time(w, "revoked", row->revoked_ms);
    if (k->old_until_ms > clock_wall_ms()) add_time(w, "old_secret_until", k->old_until_ms);
    json_add_array(w, S("routes"));
    for (unsigned i = 0; i < k->n_routes; i++) json_put_str(w, k->routes[i]);
    json_put_end(w);
    add_limits(w, &k->limits);
    if (row->metadata.n) json_add_raw(w, S("metadata"), row->metadata);
    else {
        json_add_object(w, S("metadata"));
        json_put_end(w);
    }
}
