/* Time: two clocks, and the UTC calendar on plain numbers (no libc time zone, no locale, no allocation).
 * Called from every room. Owns nothing. Runs in every process. Days and months are counted, text is made at the edge. */
#include "base/base.h"

#include <stdio.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define DAY_FIRST (-719528) /* 0000-01-01 */
#define DAY_LAST 2932896    /* 9999-12-31; text has four digits for the year */

struct date {
    int32_t year;
    int32_t month; /* 1 to 12 */
    int32_t day;   /* 1 to 31 */
};

uint64_t clock_mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Asked for many times a request: the kernel's clock of the last tick (4 ms at most) costs a fifth of the exact one. */
int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

int32_t clock_day(int64_t wall_ms)
{
    int64_t day = floor_div(wall_ms, DAY_MS);
    if (day < DAY_FIRST) return DAY_FIRST;
    return day > DAY_LAST ? DAY_LAST : (int32_t)day;
}

/* Years run from March, so that the leap day is the last one; eras of 400 years have 146,097 days. */
static struct date date_of_day(int32_t day)
{
    int32_t shifted = day - DAY_FIRST - 60 + 146097; /* days since March of the year -400 */
    int32_t era = shifted / 146097, of_era = shifted % 146097;
    int32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t from_march = (5 * of_year + 2) / 153;
    int32_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    return (struct date){
        .year = year_of_era + era * 400 - 400 + (month <= 2),
        .month = month,
        .day = of_year - (153 * from_march + 2) / 5 + 1,
    };
}

static int32_t day_of_date(struct date d)
{
    int32_t year = d.year - (d.month <= 2) + 400;
    int32_t era = year / 400, year_of_era = year % 400;
    int32_t of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 146097 + 60 + DAY_FIRST;
}

static bool date_exists(struct date d)
{
    static const int32_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (d.month < 1 || d.month > 12 || d.day < 1) return false;
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    return d.day <= DAYS[d.month - 1] + (leap && d.month == 2);
}

int32_t clock_month(int64_t wall_ms)
{
    struct date d = date_of_day(clock_day(wall_ms));
    return d.year * 12 + d.month - 1;
}

int64_t clock_month_end_ms(int64_t wall_ms)
{
    int32_t next = clock_month(wall_ms) + 1;
    return day_of_date((struct date){next / 12, next % 12 + 1, 1}) * DAY_MS;
}

static void put_digits(char *out, int32_t value, int digits)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

void clock_day_text(int32_t day, char out[11])
{
    int32_t within = day < DAY_FIRST ? DAY_FIRST : day > DAY_LAST ? DAY_LAST : day;
    struct date d = date_of_day(within);
    memcpy(out, "0000-00-00", 11);
    put_digits(out, d.year, 4);
    put_digits(out + 5, d.month, 2);
    put_digits(out + 8, d.day, 2);
}

void clock_rfc3339(int64_t wall_ms, char out[25])
{
    int32_t of_day = (int32_t)(wall_ms - floor_div(wall_ms, DAY_MS) * DAY_MS);
    clock_day_text(clock_day(wall_ms), out);
    memcpy(out + 10, "T00:00:00.000Z", 15);
    put_digits(out + 11, of_day / 3600000, 2);
    put_digits(out + 14, of_day / 60000 % 60, 2);
    put_digits(out + 17, of_day / 1000 % 60, 2);
    put_digits(out + 20, of_day % 1000, 3);
}

/* Exactly `digits` digits at the head of *s, which moves on. */
static bool take_digits(struct str *s, int digits, int32_t *ret_value)
{
    int32_t value = 0;
    if (s->n < (size_t)digits) return false;
    for (int i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') return false;
        value = value * 10 + (s->p[i] - '0');
    }
    *s = str_from(*s, (size_t)digits);
    *ret_value = value;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || (s->p[0] | 32) != (c | 32)) return false;
    *s = str_from(*s, 1);
    return true;
}

static bool take_day(struct str *s, int32_t *ret_day)
{
    struct date d;
    if (!take_digits(s, 4, &d.year) || !take_char(s, '-') || !take_digits(s, 2, &d.month) || !take_char(s, '-') ||
        !take_digits(s, 2, &d.day) || !date_exists(d))
        return false;
    *ret_day = day_of_date(d);
    return true;
}

bool clock_parse_day(struct str text, int32_t *ret_day)
{
    int32_t day;
    if (!take_day(&text, &day) || text.n) return false;
    *ret_day = day;
    return true;
}

/* A second 60 (leap second) is the first of the next minute, as Unix time has it. */
static bool take_time(struct str *s, int64_t *ret_ms)
{
    int32_t hour, minute, second;
    if (!take_digits(s, 2, &hour) || !take_char(s, ':') || !take_digits(s, 2, &minute) || !take_char(s, ':') ||
        !take_digits(s, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    *ret_ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
    if (!take_char(s, '.')) return true;
    int64_t worth = 100;
    int32_t digit;
    if (!take_digits(s, 1, &digit)) return false;
    do *ret_ms += digit * worth;
    while (worth /= 10, take_digits(s, 1, &digit));
    return true;
}

static bool take_zone(struct str *s, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (take_char(s, 'Z')) return true;
    if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-')) return false;
    int sign = s->p[0] == '-' ? -1 : 1;
    *s = str_from(*s, 1);
    int32_t hour, minute;
    if (!take_digits(s, 2, &hour) || !take_char(s, ':') || !take_digits(s, 2, &minute)) return false;
    *ret_ms = sign * (hour * 60 + minute) * INT64_C(60000);
    return hour <= 23 && minute <= 59;
}

bool clock_parse_rfc3339(struct str text, int64_t *ret_wall_ms)
{
    int32_t day;
    int64_t time_ms, zone_ms;
    if (!take_day(&text, &day)) return false;
    if (!take_char(&text, 'T') && !take_char(&text, ' ')) return false;
    if (!take_time(&text, &time_ms) || !take_zone(&text, &zone_ms) || text.n) return false;
    *ret_wall_ms = day * DAY_MS + time_ms - zone_ms;
    return true;
}
