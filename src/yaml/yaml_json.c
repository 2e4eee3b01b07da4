/* A YAML value as JSON, for the body fields of a deployment and the commands that print. */
#include "yaml/yaml.h"
#include "json/json.h"

static size_t digits(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9') n++;
    return n;
}

/* RFC 8259 section 6. */
static bool is_number(struct str s)
{
    size_t at = s.n && s.p[0] == '-', n = digits(s, at);
    if (n == 0 || (n > 1 && s.p[at] == '0')) return false;
    at += n;
    if (at < s.n && s.p[at] == '.') {
        if ((n = digits(s, at + 1)) == 0) return false;
        at += 1 + n;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        if (at < s.n && (s.p[at] == '+' || s.p[at] == '-')) at++;
        if ((n = digits(s, at)) == 0) return false;
        at += n;
    }
    return at == s.n;
}

static void put(struct json_writer *w, const struct yaml_node *n);

static void put_scalar(struct json_writer *w, const struct yaml_node *n)
{
    bool raw = n->plain && (is_number(n->text) || str_eq(n->text, S("true")) || str_eq(n->text, S("false")));
    if (yaml_is_null(n)) json_put_null(w);
    else if (raw) json_put_raw(w, n->text);
    else json_put_str(w, n->text);
}

static void put(struct json_writer *w, const struct yaml_node *n)
{
    if (n->kind == YAML_TEXT) {
        put_scalar(w, n);
        return;
    }
    if (n->kind == YAML_MAP) json_put_object(w);
    else json_put_array(w);
    for (const struct yaml_node *c = n->first; c; c = c->next) {
        if (n->kind == YAML_MAP) json_put_name(w, c->name);
        put(w, c);
    }
    json_put_end(w);
}

void yaml_write_json(const struct yaml_node *n, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    put(&w, n);
    json_write_done(&w);
}
