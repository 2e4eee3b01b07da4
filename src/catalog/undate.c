/* The rules about names that the gateway needs as well: what stands for every dated snapshot of a model, what the maker calls a
 * model that a cloud spells its own way, and patterns. */
#include "catalog/catalog.h"

bool catalog_undate(struct str id, char room[CATALOG_NAME_MAX + 1], struct str *ret_name)
{
    static const char *const FORMS[] = {"-YYYY-MM-DD", "-YYYYMMDD"};
    for (size_t i = 0; i < COUNTOF(FORMS); i++) {
        size_t n = strlen(FORMS[i]), k = 0;
        if (id.n <= n || id.n > CATALOG_NAME_MAX) continue;
        const char *end = id.p + id.n - n;
        while (k < n && (FORMS[i][k] == '-' ? end[k] == '-' : end[k] >= '0' && end[k] <= '9')) k++;
        if (k < n) continue;
        memcpy(room, id.p, id.n - n);
        memcpy(room + id.n - n, FORMS[i], n + 1);
        *ret_name = str_make(room, id.n);
        return true;
    }
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static struct str without_head(struct str s, const char *const *heads)
{
    for (; *heads; heads++)
        if (str_starts(s, str_z(*heads))) return str_from(s, strlen(*heads));
    return s;
}

/* Bedrock's "-v1:0", "-v1" and "-1:0". */
static struct str without_version(struct str s)
{
    size_t end = s.n, colon = s.n;
    while (end > 0 && is_digit(s.p[end - 1])) end--;
    if (end > 0 && end < s.n && s.p[end - 1] == ':') {
        colon = --end;
        while (end > 0 && is_digit(s.p[end - 1])) end--;
    }
    if (end == 0 || end == colon) return s;
    bool has_v = s.p[end - 1] == 'v';
    if (!has_v && colon == s.n) return s; /* "gpt-4" is a name */
    if (has_v) end--;
    return end > 1 && s.p[end - 1] == '-' ? str_make(s.p, end - 1) : s;
}

bool catalog_own_name(struct str id, char room[CATALOG_NAME_MAX + 1], struct str *ret_name)
{
    static const char *const REGIONS[] = {"us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", NULL};
    static const char *const MAKERS[] = {"anthropic.", "openai.", NULL};
    struct str name = id, head = STR_NONE, date = STR_NONE;
    for (size_t i = name.n; i > 0; i--) /* an ARN, or a path of Vertex AI */
        if (id.p[i - 1] == '/') {
            name = str_from(id, i);
            break;
        }
    name = without_version(without_head(without_head(name, REGIONS), MAKERS));
    if (name.n == 0 || name.n > CATALOG_NAME_MAX) return false;
    bool dated = str_cut(name, '@', &head, &date);
    if (dated && (!date.n || !is_digit(date.p[0]))) name = head; /* "@default", "@latest" */
    if (name.n == 0) return false;
    memcpy(room, name.p, name.n);
    if (dated && name.n > head.n) room[head.n] = '-';
    room[name.n] = 0;
    *ret_name = str_make(room, name.n);
    return true;
}

static char small(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

/* Goes back to the last star only: linear for one star, and never worse than pattern times id. */
bool catalog_matches(struct str pattern, struct str id)
{
    size_t p = 0, i = 0, star = SIZE_MAX, from = 0;
    while (i < id.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = i;
        } else if (p < pattern.n && small(pattern.p[p]) == small(id.p[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}
