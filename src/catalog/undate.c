/* The two rules about names that the gateway needs as well: what stands for every dated snapshot of a model, and patterns. */
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
