/* Fuzz: any text as a configuration: refused with a report, or read, shown and explained without a fault of memory. */
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct config *c = NULL;
    struct config_report report;
    struct fault why = {0};
    struct buf out;
    if (n > KIB(64)) return 0;
    enum err got = config_read("aquifer.yaml", str_make((const char *)data, n), &c, &report, &why);
    must((got == OK) == (report.n == 0));
    must(got == OK || why.text[0]);
    must(report.n == CONFIG_REPORT_MAX || report.more == 0);
    for (unsigned i = 1; i < report.n; i++) must(report.items[i - 1].line <= report.items[i].line);
    if (got != OK) return 0;
    buf_init(&out, MIB(4));
    config_show(c, &out);
    buf_clear(&out);
    config_show_json(c, &out);
    must(out.n > 0);
    buf_done(&out);
    config_free(c);
    return 0;
}
