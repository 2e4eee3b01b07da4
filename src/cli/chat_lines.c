/* Lines for `aquifer chat`: edited on a terminal (libedit), plain from anything else. Owns the editor and its history, which
 * is in memory only: what somebody asks a model is nobody's file. */
#include "cli/chat_priv.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000, CTRL_D = 4, AHEAD_UNKNOWN = -1 };

volatile bool chat_interrupted;

struct lines {
    EditLine *edit; /* NULL: plain */
    History *history;
    const char *prompt;
    int ahead;   /* bytes that were typed before this line was asked for and are not read yet */
    char *plain; /* getline()'s */
    size_t plain_cap;
};

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    chat_interrupted = true;
}

void chat_catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt}; /* without SA_RESTART: a read that waits must come back */
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
}

/* ---- the editor -------------------------------------------------------------------------------------------------------- */

static char *give_prompt(EditLine *edit)
{
    static char prompt[160];
    struct lines *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    snprintf(prompt, sizeof prompt, "%s", l ? l->prompt : "");
    return prompt;
}

/* SIGINT is blocked but in here, so that none gets lost between looking and waiting. False: it came. */
static bool wait_input(void)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigdelset(&mask, SIGINT);
    while (!chat_interrupted && ppoll(&input, 1, NULL, &mask) < 0 && errno == EINTR) continue; /* SIGWINCH, SIGCONT */
    return !chat_interrupted;
}

/* A Ctrl-D that was typed while the terminal was not in the editor's mode (an answer streamed, the prompt just came) is given as
 * a NUL by the kernel when the mode changes: it is the Ctrl-D it was. Any other NUL (Ctrl-Space) is nothing: libedit would take it
 * for "the next key literally", because the terminal's literal-next key is off while it edits. */
static ssize_t read_byte(struct lines *l, char *ret)
{
    if (l->ahead == AHEAD_UNKNOWN && ioctl(STDIN_FILENO, FIONREAD, &l->ahead) != 0) l->ahead = 0;
    while (wait_input()) {
        ssize_t got = read(STDIN_FILENO, ret, 1);
        if (got < 0 && errno == EINTR) continue;
        bool was_ahead = l->ahead > 0;
        l->ahead -= was_ahead;
        if (got == 1 && *ret == '\0' && !was_ahead) continue;
        if (got == 1 && *ret == '\0') *ret = CTRL_D;
        return got;
    }
    return -1;
}

/* One character of UTF-8, whatever the locale. libedit's own reader would go on after a signal. */
static int read_character(EditLine *edit, wchar_t *ret)
{
    char bytes[4];
    struct lines *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    for (size_t n = 0; n < sizeof bytes;) {
        ssize_t got = read_byte(l, bytes + n);
        if (got <= 0) return (int)got;
        uint32_t point;
        size_t length = str_utf8_at(str_make(bytes, ++n), 0, &point);
        bool can_grow = n < sizeof bytes && (unsigned char)bytes[0] >= 0xc2;
        if (!length && can_grow) continue;
        *ret = length ? (wchar_t)point : L'\xfffd';
        return 1;
    }
    return 0;
}

/* libedit shows by the locale's character set. Where none is set (services, containers) UTF-8 is the better guess. */
static void want_utf8(void)
{
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

static void start_editor(struct lines *l)
{
    HistEvent event;
    want_utf8();
    l->history = history_init();
    l->edit = el_init("aquifer", stdin, stdout, stderr);
    if (!l->edit || !l->history) return;
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, give_prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_GETCFN, read_character);
    el_source(l->edit, NULL); /* ~/.editrc, as in every program with this editor */
}

struct lines *lines_new(bool edit)
{
    struct lines *l = mem_alloc(sizeof *l);
    l->prompt = "";
    if (edit) start_editor(l);
    return l;
}

void lines_free(struct lines *l)
{
    if (!l) return;
    if (l->edit) el_end(l->edit);
    if (l->history) history_end(l->history);
    free(l->plain);
    free(l);
}

void lines_remember(struct lines *l, struct str line)
{
    HistEvent event;
    if (!l->history || line.n == 0 || memchr(line.p, '\n', line.n)) return;
    char *text = str_dup_z(line);
    history(l->history, &event, H_ENTER, text);
    free(text);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static void put_line(struct str line, struct buf *out)
{
    if (line.n && line.p[line.n - 1] == '\n') line.n--;
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    buf_str(out, line);
}

static enum lines_event next_edited(struct lines *l, struct buf *ret_line)
{
    int n = 0;
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    chat_interrupted = false;
    l->ahead = AHEAD_UNKNOWN;
    const char *line = el_gets(l->edit, &n);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (chat_interrupted) {
        el_reset(l->edit);
        return LINES_STOP;
    }
    if (!line || n <= 0) return LINES_END;
    put_line(str_make(line, (size_t)n), ret_line);
    return LINES_TEXT;
}

static enum lines_event next_plain(struct lines *l, struct buf *ret_line)
{
    ssize_t n = getline(&l->plain, &l->plain_cap, stdin);
    if (n < 0) return LINES_END;
    put_line(str_make(l->plain, (size_t)n), ret_line);
    return LINES_TEXT;
}

enum lines_event lines_next(struct lines *l, const char *prompt, struct buf *ret_line)
{
    l->prompt = prompt;
    return l->edit ? next_edited(l, ret_line) : next_plain(l, ret_line);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

static const struct str FENCE = {"\"\"\"", 3};

static enum lines_event read_fenced(struct lines *l, struct buf *message)
{
    buf_clear(message);
    for (;;) {
        size_t at = message->n;
        enum lines_event e = lines_next(l, "... ", message);
        if (e != LINES_TEXT) return e;
        if (str_eq(str_trim(str_from(buf_view(message), at)), FENCE)) {
            message->n = at > 0 ? at - 1 : 0; /* and the line end before it */
            return LINES_TEXT;
        }
        buf_char(message, '\n');
    }
}

static bool goes_on(const struct buf *message) { return message->n && message->p[message->n - 1] == '\\'; }

enum lines_event lines_message(struct lines *l, const char *prompt, struct buf *ret_message)
{
    enum lines_event e = lines_next(l, prompt, ret_message);
    if (e == LINES_TEXT && str_eq(str_trim(buf_view(ret_message)), FENCE)) return read_fenced(l, ret_message);
    while (e == LINES_TEXT && goes_on(ret_message)) {
        ret_message->p[ret_message->n - 1] = '\n';
        e = lines_next(l, "... ", ret_message);
    }
    return e;
}
