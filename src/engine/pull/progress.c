/* How far a download is, on stderr. Called by fetch.c and wheels.c of aquifer-pull; owns nothing but the line. */
#include "engine/pull/pull.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_EVERY_NS 200000000ull
#define PLAIN_EVERY_NS 5000000000ull
#define MEGA 1000000.0

void progress_start(struct progress *p, const char *label, uint64_t there, uint64_t total)
{
    progress_end(p);
    uint64_t now = clock_mono_ns();
    *p = (struct progress){
        .label = label, .total = total, .begin = there, .started_ns = now, .shown_ns = now, .is_terminal = isatty(2) == 1};
}

void progress_text(const struct progress *p, uint64_t done, uint64_t now_ns, char *out, size_t cap)
{
    double seconds = (double)(now_ns - p->started_ns) / 1e9;
    double rate = seconds > 0 && done > p->begin ? (double)(done - p->begin) / MEGA / seconds : 0;
    if (p->total)
        snprintf(out, cap, "%s  %3u %%  %.0f of %.0f MB  %.1f MB/s", p->label,
                 (unsigned)(done >= p->total ? 100 : done * 100 / p->total), (double)done / MEGA, (double)p->total / MEGA, rate);
    else snprintf(out, cap, "%s  %.0f MB  %.1f MB/s", p->label, (double)done / MEGA, rate);
}

void progress_show(struct progress *p, uint64_t done)
{
    char text[200];
    uint64_t now = clock_mono_ns();
    if (now - p->shown_ns < (p->is_terminal ? TERMINAL_EVERY_NS : PLAIN_EVERY_NS)) return;
    p->shown_ns = now;
    if (done > p->most) p->most = done;
    progress_text(p, p->most, now, text, sizeof(text));
    if (p->is_terminal) fprintf(stderr, "\r\033[K%s", text);
    else fprintf(stderr, "model: %s\n", text);
    p->moving = p->is_terminal;
}

void progress_end(struct progress *p)
{
    if (p->moving) fputc('\n', stderr);
    p->moving = false;
}

void say(struct progress *p, const char *fmt, ...)
{
    va_list args;
    progress_end(p);
    fputs("model: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}
