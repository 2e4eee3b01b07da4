/* The body of a new key, read and judged. Called by the API in lane DESK. Owns nothing: strings point into the document. */
#include "admin/priv.h"

enum { NAME_MAX_ = 128, METADATA_MAX = 4096 };

static enum err read_name(struct json_ref root, struct key_request *r, struct fault *why)
{
    TRY(json_get_str(root, "name", &r->name, why));
    if (r->name.n == 0 || r->name.n > NAME_MAX_) return FAIL(why, ERR_BAD_REQUEST, "name must have 1 to %d bytes", NAME_MAX_);
    for (size_t i = 0; i < r->name.n; i++)
        if ((unsigned char)r->name.p[i] < ' ' || r->name.p[i] == 0x7f)
            return FAIL(why, ERR_BAD_REQUEST, "name has a control character in it");
    return OK;
}

static enum err read_project(struct json_ref root, struct key_request *r, struct fault *why)
{
    TRY(json_opt_str(root, "project", &r->project, why));
    if (!json_ref_ok(json_ref_find(root, "project"))) return OK;
    if (r->project.n > PROJECT_NAME_MAX || !config_name_is_valid(r->project, false))
        return FAIL(why, ERR_BAD_REQUEST, "project must be a name of 1 to %d letters, digits and . _ : / @ -", PROJECT_NAME_MAX);
    return OK;
}

/* A day and hour, or how long from now. */
static enum err read_expires(struct json_ref root, struct key_request *r, struct fault *why)
{
    struct str text = STR_NONE;
    uint64_t ms;
    TRY(json_opt_str(root, "expires", &text, why));
    if (text.n == 0) return OK;
    if (config_duration(text, &ms) && ms > 0 && ms < (uint64_t)100 * 366 * 86400000)
        r->expires_ms = clock_wall_ms() + (int64_t)ms;
    else if (!clock_parse_rfc3339(text, &r->expires_ms))
        return FAIL(why, ERR_BAD_REQUEST, "expires must be a time as 2027-01-31T00:00:00Z, or a duration as 90d");
    if (r->expires_ms <= clock_wall_ms()) return FAIL(why, ERR_BAD_REQUEST, "expires lies in the past");
    return OK;
}

static enum err read_routes(struct json_ref root, struct key_request *r, struct str routes[KEY_ROUTES_MAX], struct fault *why)
{
    struct json_ref list = {0}, at;
    TRY(json_opt(root, "routes", JSON_ARRAY, &list, why));
    r->routes = routes;
    if (!json_ref_ok(list)) return OK;
    if (json_ref_count(list) > KEY_ROUTES_MAX)
        return FAIL(why, ERR_BAD_REQUEST, "routes has more than %d names; use a pattern as claude-*", KEY_ROUTES_MAX);
    for (struct json_walk w = json_walk(list); json_walk_next(&w, NULL, &at);) {
        TRY(json_ref_want(at, JSON_STRING, why));
        struct str name = json_ref_text(at);
        if (name.n > WIRE_MODEL_MAX || /* an alias may be as long as a model's name */
            !config_name_is_valid(name, true))
            return FAIL(why, ERR_BAD_REQUEST, "routes[%u] is not the name of a route, nor a pattern as claude-*", r->n_routes);
        routes[r->n_routes++] = name;
    }
    return OK;
}

static enum err read_count(struct json_ref limits, const char *name, uint64_t max, uint64_t *ret_value, struct fault *why)
{
    *ret_value = 0;
    if (!json_ref_ok(json_ref_find(limits, name))) return OK;
    TRY(json_opt_u64(limits, name, ret_value, why));
    struct json_ref at = json_ref_find(limits, name);
    if (json_ref_type(at) != JSON_NULL && (*ret_value == 0 || *ret_value > max))
        return FAIL(why, ERR_BAD_REQUEST, "limits.%s must be 1 to %llu; leave it out for no limit", name,
                    (unsigned long long)max);
    return OK;
}

/* Dollars as a string or number; absent: none; 0: nothing may be spent. */
static enum err read_dollars(struct json_ref limits, const char *name, int64_t *ret_pico, struct fault *why)
{
    struct json_ref at = json_ref_find(limits, name);
    money value;
    if (!json_ref_ok(at) || json_ref_type(at) == JSON_NULL) return OK;
    if (!money_parse(json_ref_text(at), &value) || value > (money)1000000 * MONEY_DOLLAR)
        return FAIL(why, ERR_BAD_REQUEST, "limits.%s must be dollars as a decimal, as \"25.50\", at most 1000000", name);
    *ret_pico = (int64_t)value;
    return OK;
}

static enum err read_limits(struct json_ref root, struct key_request *r, struct fault *why)
{
    static const char *const NAMES[] = {"requests_per_minute", "tokens_per_minute", "concurrency",
                                        "spend_day",           "spend_month",       NULL};
    struct json_ref limits = {0};
    uint64_t requests, tokens, concurrency;
    r->limits = (struct key_limits){.spend_day = -1, .spend_month = -1};
    TRY(json_opt(root, "limits", JSON_OBJECT, &limits, why));
    if (!json_ref_ok(limits)) return OK;
    TRY(json_ref_only(limits, NAMES, why));
    TRY(read_count(limits, "requests_per_minute", 1000000000, &requests, why));
    TRY(read_count(limits, "tokens_per_minute", 1000000000, &tokens, why));
    TRY(read_count(limits, "concurrency", 1000000, &concurrency, why));
    TRY(read_dollars(limits, "spend_day", &r->limits.spend_day, why));
    TRY(read_dollars(limits, "spend_month", &r->limits.spend_month, why));
    r->limits.requests_per_minute = (uint32_t)requests;
    r->limits.tokens_per_minute = tokens;
    r->limits.concurrency = (uint32_t)concurrency;
    return OK;
}

/* Texts under names, for people and their tools; kept as JSON. */
static enum err read_metadata(struct json_ref root, struct key_request *r, struct fault *why)
{
    struct json_ref map = {0}, at;
    struct str name;
    struct json_writer w;
    TRY(json_opt(root, "metadata", JSON_OBJECT, &map, why));
    if (!json_ref_ok(map) || json_ref_count(map) == 0) return OK;
    json_write(&w, &r->text);
    json_put_object(&w);
    for (struct json_walk walk = json_walk(map); json_walk_next(&walk, &name, &at);) {
        TRY(json_ref_want(at, JSON_STRING, why));
        json_add_str(&w, name, json_ref_text(at));
    }
    json_put_end(&w);
    if (!json_write_done(&w)) return FAIL(why, ERR_BAD_REQUEST, "metadata is larger than %d bytes", METADATA_MAX);
    r->metadata = buf_view(&r->text);
    return OK;
}

static bool is_route(const struct config_route *r, struct str name)
{
    bool open = str_ends(r->name, S("*"));
    if (open ? str_starts(name, str_make(r->name.p, r->name.n - 1)) : str_eq(r->name, name)) return true;
    for (size_t i = 0; i < r->aliases.n; i++)
        if (str_eq(r->aliases.at[i], name)) return true;
    return false;
}

/* A name that is no route's would open nothing. A pattern may mean routes to come. */
enum err key_request_routes(const struct key_request *r, const struct config *c, struct fault *why)
{
    for (unsigned i = 0; i < r->n_routes; i++) {
        struct str name = r->routes[i], near = STR_NONE;
        unsigned best = name.n < 6 ? 3 : (unsigned)name.n / 2 + 1;
        bool known = str_ends(name, S("*"));
        for (size_t k = 0; k < c->routes.n && !known; k++) {
            unsigned far = str_distance(c->routes.at[k].name, name);
            known = is_route(&c->routes.at[k], name);
            if (far >= best) continue;
            best = far;
            near = c->routes.at[k].name;
        }
        if (known) continue;
        return FAIL(why, ERR_BAD_REQUEST, "routes[%u]: there is no route %.*s%s%.*s; a pattern as claude-* takes routes to come",
                    i, (int)(name.n < 80 ? name.n : 80), name.p, near.n ? "; did you mean " : "",
                    (int)(near.n < 80 ? near.n : 80), near.n ? near.p : "");
    }
    return OK;
}

void key_request_done(struct key_request *r) { buf_done(&r->text); }

enum err key_request_read(const struct json_doc *doc, struct key_request *ret_request, struct str routes[KEY_ROUTES_MAX],
                          struct fault *why)
{
    static const char *const NAMES[] = {"name", "project", "expires", "routes", "limits", "metadata", "aws", NULL};
    struct json_ref root = json_doc_root(doc);
    *ret_request = (struct key_request){0};
    buf_init(&ret_request->text, METADATA_MAX);
    TRY(json_ref_want(root, JSON_OBJECT, why));
    TRY(json_ref_only(root, NAMES, why));
    TRY(read_name(root, ret_request, why));
    TRY(read_project(root, ret_request, why));
    TRY(read_expires(root, ret_request, why));
    TRY(read_routes(root, ret_request, routes, why));
    TRY(read_limits(root, ret_request, why));
    TRY(json_opt_bool(root, "aws", &ret_request->aws, why));
    return read_metadata(root, ret_request, why);
}
