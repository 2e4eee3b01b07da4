/* Fuzz: a request's head through the quick reader and through llhttp: same verdict, same request. */
#include "http/quick_both.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct both_ways w;
    if (!w.bench) both_ways_init(&w);
    if (n <= KIB(8)) read_both_ways(&w, str_make((const char *)data, n));
    return 0;
}
