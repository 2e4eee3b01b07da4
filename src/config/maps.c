/* The values that are maps of free names: header fields, body fields, prices. Called by the reader through its table.
 * Owns nothing: all lives in the configuration's arena. */
#include "config/priv.h"

#include "catalog/catalog.h"

static bool map_within(struct reader *r, const struct config_key *k, const struct yaml_node *n)
{
    if (n->kind != YAML_MAP) config_complain(r, n->line, "must be a %s, it is %s", config_type_name(k->type), yaml_kind_name(n));
    else if (n->n > k->max)
        config_complain(r, n->line, "has %u members, at most %llu are allowed", n->n, (unsigned long long)k->max);
    else return true;
    return false;
}

/* Fields that carry a credential must not stand in the file. */
static bool is_credential(struct str name)
{
    static const char *const NAMES[] = {"authorization", "proxy-authorization", "x-api-key",
                                        "api-key",       "x-goog-api-key",      "cookie"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        if (str_eq_nocase(name, str_z(NAMES[i]))) return true;
    return false;
}

/* Fields that the HTTP client writes itself. */
static bool is_ours(struct str name)
{
    static const char *const NAMES[] = {"host",    "content-length", "transfer-encoding", "connection", "te",
                                        "upgrade", "expect",         "keep-alive",        "trailer"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        if (str_eq_nocase(name, str_z(NAMES[i]))) return true;
    return false;
}

static void read_header(struct reader *r, const struct yaml_node *n, struct config_field *out)
{
    static const struct config_key SECRET = {.type = CONFIG_SECRET}, TEXT = {.type = CONFIG_TEXT, .max = 4096};
    out->name = n->name;
    if (n->name.n > 128 || !http_field_is_token(n->name)) config_complain(r, n->line, "is not the name of a header field");
    else if (is_ours(n->name)) config_complain(r, n->line, "is written by Aquifer itself; remove it");
    else if (n->kind == YAML_TEXT && (config_is_reference(n->text) || is_credential(n->name)))
        read_secret(r, &SECRET, n, &out->value);
    else read_text(r, &TEXT, n, &out->value);
    if (!http_field_value_is_valid(out->value)) config_complain(r, n->line, "a header field's value has no line ends");
}

void read_headers(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (!map_within(r, k, n)) return;
    struct config_field *out = config_list_make(r, field, n->n, sizeof *out);
    const struct yaml_node *at = n->first;
    for (unsigned i = 0; out && at; i++, at = at->next) {
        size_t path = r->path.n;
        buf_fmt(&r->path, ".%.*s", (int)(at->name.n < 128 ? at->name.n : 128), at->name.p);
        read_header(r, at, &out[i]);
        r->path.n = path;
    }
}

/* The few members of a body that the road itself reads and writes: NULL, or why nobody else may. */
const char *config_own_field(struct str name)
{
    static const struct {
        const char *name, *reason;
    } OWN[] = {
        {"model", "it is the deployment's own `model`"},
        {"stream", "only the caller knows whether he can read a stream"},
        {"stream_options", "Aquifer asks for a stream's usage with it, and takes it out again where the caller did not"},
    };
    for (size_t i = 0; i < COUNTOF(OWN); i++)
        if (str_eq(name, str_z(OWN[i].name))) return OWN[i].reason;
    return NULL;
}

void read_body_fields(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    if (!map_within(r, k, n)) return;
    struct config_default *out = config_list_make(r, field, n->n, sizeof *out);
    const struct yaml_node *at = n->first;
    for (unsigned i = 0; out && at; i++, at = at->next) {
        struct buf json;
        buf_init(&json, KIB(64));
        yaml_write_json(at, &json);
        out[i].name = at->name;
        if (json.over || !arena_str(&r->config->arena, buf_view(&json), &out[i].json))
            config_complain(r, at->line, "the value of %.*s is too large", STR_ARG(at->name));
        const char *reason = config_own_field(at->name);
        if (reason) config_complain(r, at->line, "%.*s cannot have a default: %s", STR_ARG(at->name), reason);
        if (at->name.n == 0 || at->name.n > 64) config_complain(r, at->line, "a field's name has 1 to 64 bytes");
        buf_done(&json);
    }
}

void read_price(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field)
{
    struct config_price *out = field;
    struct price price;
    struct fault what;
    struct str line, text;
    uint64_t at = n->line;
    if (price_read(n, &price, &out->cells, &what) != OK) {
        if (!str_cut(str_z(what.text), ':', &line, &text) || !str_u64(line, &at)) text = str_z(what.text);
        config_complain(r, (unsigned)at, "%.*s", STR_ARG(str_trim(text)));
        return;
    }
    out->given = true;
    memcpy(out->per, price.per, sizeof out->per);
}
