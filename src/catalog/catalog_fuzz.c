/* Fuzz: any text as a catalogue file: refused with a word, or read so that every price in it is sound and every name is
 * found again. */
#include "catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_model(const struct catalog *c, struct str vendor, struct str name, const struct catalog_model *m)
{
    must(catalog_find(c, vendor, name) == m);
    for (unsigned i = 0; i < m->n_periods; i++) {
        const struct catalog_period *p = &m->periods[i];
        must(p->price.known && p->source.n && p->from_day <= p->to_day);
        must(i == 0 || p->from_day > p[-1].from_day);
        for (unsigned cell = 0; cell < USAGE_CELLS; cell++) must(p->price.per[cell] <= (uint64_t)10000 * 1000000000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fault why = {0};
    const struct catalog_model *m;
    struct str name;
    unsigned at = 0;
    if (n > KIB(64)) return 0;
    struct catalog *c = catalog_new();
    enum err got = catalog_add(c, "f", str_make((const char *)data, n), &why);
    must(got == OK || why.text[0]);
    while (got == OK && catalog_next(c, S("openai"), &at, &name, &m)) check_model(c, S("openai"), name, m);
    catalog_free(c);
    return 0;
}
