/* The one rule about names that the gateway needs as well: what stands for every dated snapshot of a model. */
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
