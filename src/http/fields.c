/* Header fields: finding one, and what may stand in a name or a value.
 * Used by both sides of this room and by everyone who builds fields; owns nothing. */
#include "http/http.h"

/* RFC 9110 5.6.2: tchar. */
static const bool TCHAR[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true,         ['&'] = true,         ['\''] = true,
    ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,         ['^'] = true,         ['_'] = true,
    ['`'] = true, ['|'] = true, ['~'] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

struct str http_field_get(struct http_fields fields, struct str name)
{
    for (size_t i = 0; i < fields.n; i++) {
        if (fields.at[i].name.n == name.n && str_eq_nocase(fields.at[i].name, name)) return fields.at[i].value;
    }
    return STR_NONE;
}

bool http_field_is_token(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!TCHAR[(unsigned char)name.p[i]]) return false;
    }
    return name.n > 0;
}

/* RFC 9110 5.5. Bytes over 0x7F are obs-text; NUL, CR and LF could end the field elsewhere than we mean. Other controls
 * are as useless as they are harmless to framing: refused too, but for the tab. */
bool http_field_value_is_valid(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
    }
    return true;
}
