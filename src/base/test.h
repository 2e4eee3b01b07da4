/* What every unit test includes: cmocka with the headers it needs first, and comparing a struct str with a literal.
 * Only *_test.c files use it; it owns nothing. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

/* Fails with both texts. The expected one may be a literal with NUL bytes in it. */
#define assert_str(got, literal) assert_str_is((got), S(literal), __FILE__, __LINE__)
UNUSED static void assert_str_is(struct str got, struct str want, const char *file, int line)
{
    if (str_eq(got, want)) return;
    print_error("got  \"%.*s\"\nwant \"%.*s\"\n", STR_ARG(got), STR_ARG(want));
    _fail(file, line);
}
