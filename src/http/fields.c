/* Header fields: finding one, and what may stand in a name or a value.
 * Used by both sides of this room and by everyone who builds fields; owns nothing. */
#include "http/quick.h"

struct str http_field_get(struct http_fields fields, struct str name)
{
    for (size_t i = 0; i < fields.n; i++) {
        if (fields.at[i].name.n == name.n && str_eq_nocase(fields.at[i].name, name)) return fields.at[i].value;
    }
    return STR_NONE;
}

bool http_field_is_token(struct str name)
{
    bool upper;
    return name.n > 0 && quick_name_n(name, &upper) == name.n;
}

/* RFC 9110 5.5. Bytes over 0x7F are obs-text; NUL, CR and LF could end the field elsewhere than we mean. Other controls
 * are as useless as they are harmless to framing: refused too, but for the tab. */
bool http_field_value_is_valid(struct str value) { return value.n == 0 || quick_value_n(value) == value.n; }

bool http_field_write(struct buf *out, const struct http_field *f)
{
    size_t n = f->name.n + f->value.n + strlen(": \r\n");
    if (!buf_reserve(out, n + QUICK_BLOCK)) return http_field_is_token(f->name) && http_field_value_is_valid(f->value);
    char *at = out->p + out->n;
    const char *line = at;
    memcpy(at, f->name.p, f->name.n);
    at += f->name.n;
    *at++ = ':';
    *at++ = ' ';
    if (f->value.n) memcpy(at, f->value.p, f->value.n);
    at += f->value.n;
    *at++ = '\r';
    *at++ = '\n';
    memset(at, 0, QUICK_BLOCK);
    if (!quick_field_is_valid(line, f->name.n, f->value.n)) return false;
    out->n += n;
    return true;
}
