/* What the vector twins of the scan compare with and look up, each repeated to 64 bytes. Read by scan_string.h, scan_utf8.h.
 * UTF-8 is checked by three table look-ups on the halves of neighbouring bytes (Keiser and Lemire, "Validating UTF-8 in less
 * than one instruction per byte", 2020): each bit names an error that is there when all three tables have it. */
#include "json/priv.h"

enum {
    TOO_SHORT = 1,
    TOO_LONG = 2,
    OVERLONG_3 = 4,
    TOO_LARGE = 8,
    SURROGATE = 16,
    OVERLONG_2 = 32,
    TOO_LARGE_1000 = 64,
    OVERLONG_4 = 64,
    TWO_CONTS = 128,
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};
enum { /* the first byte's high half */
       FC = TOO_SHORT | OVERLONG_2,
       FD = TOO_SHORT,
       FE = TOO_SHORT | OVERLONG_3 | SURROGATE,
       FF = TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
};
enum { /* its low half */
       L0 = CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
       L1 = CARRY | OVERLONG_2,
       L4 = CARRY | TOO_LARGE,
       L5 = CARRY | TOO_LARGE | TOO_LARGE_1000,
       LD = L5 | SURROGATE,
};
enum { /* the second byte's high half */
       SX = TOO_LONG | OVERLONG_2 | TWO_CONTS,
       S8 = SX | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
       S9 = SX | OVERLONG_3 | TOO_LARGE,
       SA = SX | SURROGATE | TOO_LARGE,
};
/* The short escapes: a byte's low half names the high halves that it may have: " and /, \, b f n, r t. */
enum { H2 = 1, H5 = 2, H6 = 4, H7 = 8 };

#define FOUR_TIMES(...) {__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__}
#define ALL(c) {[0 ... 63] = (c)}

_Alignas(64) const unsigned char JSON_BYTES[BYTES_N][64] = {
    [BYTES_QUOTE] = ALL('"'),
    [BYTES_BACKSLASH] = ALL('\\'),
    [BYTES_BLANK] = ALL(' '),
    [BYTES_HALF] = ALL(0x0F),
    [BYTES_THIRD] = ALL(0xE0 - 0x80),
    [BYTES_FOURTH] = ALL(0xF0 - 0x80),
    [BYTES_TOP] = ALL(0x80),
    [BYTES_FIRST_HIGH] = FOUR_TIMES(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TWO_CONTS,
                                    TWO_CONTS, TWO_CONTS, TWO_CONTS, FC, FD, FE, FF),
    [BYTES_FIRST_LOW] = FOUR_TIMES(L0, L1, CARRY, CARRY, L4, L5, L5, L5, L5, L5, L5, L5, L5, LD, L5, L5),
    [BYTES_SECOND_HIGH] = FOUR_TIMES(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, S8,
                                     S9, SA, SA, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT),
    [BYTES_ESCAPE_HIGH] = FOUR_TIMES(0, 0, H2, 0, 0, H5, H6, H7, 0, 0, 0, 0, 0, 0, 0, 0),
    [BYTES_ESCAPE_LOW] = FOUR_TIMES(0, 0, H2 | H6 | H7, 0, H7, 0, H6, 0, 0, 0, 0, 0, H5, 0, H6, H2),
};

_Alignas(64) const unsigned char JSON_SHORT_ESCAPES[128] = {
    ['"'] = 0x80, ['\\'] = 0x80, ['/'] = 0x80, ['b'] = 0x80, ['f'] = 0x80, ['n'] = 0x80, ['r'] = 0x80, ['t'] = 0x80,
};
