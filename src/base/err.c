/* The table of errors and the two ways to tell of a failure: a fault for input, must() for our own broken promises.
 * Called from every room. Owns nothing; the table is constant. Runs in every process. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct err_row {
    const char *code;
    int status;
    enum err_class class;
    bool can_retry;
};

static const struct err_row ROWS[ERR_COUNT] = {
#define X(name, text, http, kind, retry) [name] = {text, http, kind, retry},
    ERRORS(X)
#undef X
};

static const struct err_row *row_of(enum err e)
{
    must((unsigned)e < ERR_COUNT);
    return &ROWS[e];
}

const char *err_code(enum err e) { return row_of(e)->code; }
int err_status(enum err e) { return row_of(e)->status; }
enum err_class err_class_of(enum err e) { return row_of(e)->class; }
bool err_can_retry(enum err e) { return row_of(e)->can_retry; }

/* A text cut by its bound must not end in the middle of a character: it goes into JSON later. */
static void trim_cut_character(char *text, size_t n)
{
    size_t at = n;
    while (at > 0 && n - at < 4 && ((unsigned char)text[at - 1] & 0xC0) == 0x80) at--;
    if (at == 0 || (unsigned char)text[at - 1] < 0xC0) return;
    uint32_t point;
    if (!str_utf8_at(str_make(text, n), at - 1, &point)) text[at - 1] = '\0';
}

enum err fault_set(struct fault *why, enum err code, const char *where, const char *fmt, ...)
{
    must(code != OK);
    if (!why) return code;
    why->code = code;
    why->retry_after_s = 0;
    why->where = where;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    must(n >= 0);
    if ((size_t)n >= sizeof why->text) trim_cut_character(why->text, sizeof why->text - 1);
    return code;
}

void must_failed(const char *cond, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "aquifer: broken promise at %s:%d: %s; please report this\n", file, line, cond);
    if (n > (int)sizeof text - 1) n = (int)sizeof text - 1;
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)n);
    (void)ignored; /* nobody is left to tell */
    abort();
}
