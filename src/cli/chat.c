/* aquifer chat: a conversation in the terminal, over the data port like any other client. Errors are told and the
 * conversation goes on; Ctrl-C stops the answer and not the program. Plain text without colour or redrawing, so that it reads
 * well in a screen reader and in a file. */
#include "cli/chat_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "identity/identity.h"

#define MESSAGE_MAX MIB(30) /* below the default body limit */

struct asked {
    const char *model, *system, *whole, *env, *key;
};

/* ---- one question and its answer ---------------------------------------------------------------------------------------------- */

struct showing {
    struct chat_reply *fold;
    const struct chat *chat;
    struct buf plain;
    bool begun;
    char last;
};

static void show_text(struct str text, void *user)
{
    struct showing *s = user;
    buf_clear(&s->plain);
    if (s->chat->terminal) cli_plain(text, &s->plain);
    else buf_str(&s->plain, text);
    if (s->plain.n == 0) return;
    fwrite(s->plain.p, 1, s->plain.n, stdout);
    fflush(stdout);
    s->begun = true;
    s->last = s->plain.p[s->plain.n - 1];
}

static void show_thinking(void *user)
{
    const struct showing *s = user;
    if (!s->chat->terminal) return;
    puts("(the model thinks first)");
    fflush(stdout);
}

static void feed(struct str bytes, void *user) { chat_reply_feed(((struct showing *)user)->fold, bytes); }

static enum err call(struct chat *c, struct showing *s, struct cli_answer *a, struct fault *why)
{
    struct buf body;
    buf_init(&body, SIZE_MAX);
    chat_request(&c->history, buf_view(&c->model), c->stream, &body);
    const struct cli_request r = {.method = S("POST"),
                                  .path = S("/v1/chat/completions"),
                                  .body = buf_view(&body),
                                  .on_bytes = feed,
                                  .user = s,
                                  .stop = c->terminal ? &chat_interrupted : NULL,
                                  .first_byte_ms = 600000}; /* as the gateway itself waits */
    chat_interrupted = false;
    enum err e = cli_call(&c->target, &r, a, why);
    buf_done(&body);
    if (e == OK && a->status >= 300) e = cli_refused(a, why);
    if (e == OK && !chat_interrupted) e = chat_reply_end(s->fold, why);
    return e;
}

static void tell_cost(struct chat *c, const struct cli_answer *a, struct chat_tokens tokens)
{
    struct chat_cost before = c->cost;
    struct buf line;
    chat_cost_add(&c->cost, a->request_id, tokens);
    if (!c->terminal) return;
    buf_init(&line, KIB(1));
    bool was_away = c->cost.is_away;
    if (!was_away) chat_cost_find(&c->cost, &c->common, c->key_id);
    chat_cost_tell_one(&before, &c->cost, tokens, &line);
    printf("(%s)\n", buf_z(&line));
    if (c->cost.is_away && !was_away) printf("(what it costs is not known here: %s)\n", c->cost.why_away);
    buf_done(&line);
}

static void tell_end(struct chat *c, const struct showing *s, enum err e, const struct fault *why)
{
    struct str finish = chat_reply_finish(s->fold);
    if (s->begun && s->last != '\n') putchar('\n');
    fflush(stdout);
    if (chat_interrupted) puts("(stopped)");
    else if (e != OK) cli_fail(why);
    else if (str_eq(finish, S("length"))) fputs("(the answer ends here because it reached its limit of tokens)\n", stderr);
    else if (str_eq(finish, S("content_filter"))) fputs("(the provider's filter ended the answer)\n", stderr);
    c->failures += e != OK;
}

/* A question that got no answer is forgotten, so that it can be asked again; a stopped answer stays as far as it came. */
static void ask(struct chat *c, struct str text)
{
    struct showing s = {.chat = c};
    const struct chat_listener to = {show_text, show_thinking, &s};
    struct cli_answer a = {0};
    struct fault why = {0};
    size_t before = c->history.n;
    chat_history_add(&c->history, CHAT_USER, text);
    s.fold = chat_reply_new(c->stream, &to);
    buf_init(&s.plain, SIZE_MAX);
    enum err e = call(c, &s, &a, &why);
    struct str answer = chat_reply_text(s.fold);
    tell_end(c, &s, e, &why);
    if (e == OK && answer.n) chat_history_add(&c->history, CHAT_ASSISTANT, answer);
    else chat_history_cut(&c->history, before);
    if (a.status && a.status < 300) tell_cost(c, &a, chat_reply_tokens(s.fold));
    buf_done(&s.plain);
    buf_done(&a.body);
    chat_reply_free(s.fold);
}

/* ---- the conversation ------------------------------------------------------------------------------------------------------------ */

static void take_message(struct chat *c, const struct buf *message)
{
    struct str text = buf_view(message);
    size_t bad_at = 0;
    bool fine = !message->over && str_is_utf8(text, &bad_at);
    c->failures += !fine;
    if (message->over) fputs("aquifer: that message is over 30 MiB and was not sent\n", stderr);
    else if (!fine) fprintf(stderr, "aquifer: that message is not UTF-8 (byte %zu) and was not sent\n", bad_at);
    else if (c->terminal && str_starts(text, S("//"))) ask(c, str_from(text, 1));
    else if (c->terminal && str_starts(text, S("/"))) chat_word(c, text);
    else if (text.n) ask(c, text);
}

static void converse(struct chat *c)
{
    struct buf message;
    unsigned stops = 0;
    buf_init(&message, MESSAGE_MAX);
    while (!c->quit) {
        buf_clear(&message);
        enum lines_event e = lines_message(c->lines, "you> ", &message);
        if (e == LINES_END && message.n == 0) break;
        stops = e == LINES_STOP ? stops + 1 : 0;
        if (e == LINES_STOP) puts(stops > 1 ? "" : "\n(Ctrl-C again or Ctrl-D leaves)");
        if (stops > 1) break;
        if (e == LINES_STOP) continue;
        lines_remember(c->lines, buf_view(&message));
        take_message(c, &message);
    }
    buf_done(&message);
}

/* The one asked for, else AQUIFER_MODEL, else the first that the key may call. */
static enum err choose_model(struct chat *c, const char *asked, struct fault *why)
{
    struct json_doc *doc;
    struct json_ref first;
    if (!asked) asked = getenv("AQUIFER_MODEL");
    if (asked && *asked) {
        buf_str(&c->model, str_z(asked));
        return OK;
    }
    TRY(chat_models(c, &doc, why));
    struct json_walk w = json_walk(json_ref_find(json_doc_root(doc), "data"));
    bool any = json_walk_next(&w, NULL, &first);
    if (any) buf_str(&c->model, json_ref_text(json_ref_find(first, "id")));
    json_doc_free(doc);
    return any ? OK : FAIL(why, ERR_MODEL_UNKNOWN, "this key may call no model by name; give one with --model NAME");
}

static enum err start(struct chat *c, const struct asked *o, struct fault *why)
{
    struct key_text key;
    buf_init(&c->model, KIB(4));
    buf_init(&c->target.key, 0);
    if (o->env) TRY(cli_env_load(o->env, why));
    TRY(cli_data(&c->common, o->key, &c->target, why));
    TRY(choose_model(c, o->model, why));
    if (key_read(buf_view(&c->target.key), &key)) snprintf(c->key_id, sizeof c->key_id, "%s", key.id);
    if (o->system) chat_history_add(&c->history, CHAT_SYSTEM, str_z(o->system));
    c->stream = !o->whole;
    c->terminal = isatty(STDIN_FILENO);
    c->lines = lines_new(c->terminal && isatty(STDOUT_FILENO));
    return OK;
}

static void done(struct chat *c)
{
    lines_free(c->lines);
    chat_history_done(&c->history);
    cli_target_done(&c->target);
    buf_done(&c->model);
}

int cli_chat(int argc, char **argv)
{
    struct asked o = {0};
    struct chat c = {0};
    struct cli_words words;
    struct fault why = {0};
    const struct cli_option options[] = {
        {"--model", "NAME", "begin with this model (default: AQUIFER_MODEL, else the first of /models)", &o.model},
        {"--system", "TEXT", "what the model shall be, told before everything else", &o.system},
        {"--no-stream", NULL, "wait for whole answers", &o.whole},
        {"--env", "FILE", "take AQUIFER_URL and the like from this file, as build/run.env", &o.env},
        {"--key", "KEY", "the key: as it is, or env:NAME or file:path (default: AQUIFER_API_KEY)", &o.key},
        CLI_CONFIG(&c.common.config),
        {0},
    };
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n) return cli_wrong_use("chat: '%s' belongs to no option; questions are written into it, or piped", words.at[0]);
    enum err e = start(&c, &o, &why);
    if (e == OK && c.terminal) {
        chat_catch_interrupts();
        printf("%.*s at %s; /help tells what there is, Ctrl-D leaves\n", STR_ARG(buf_view(&c.model)), c.target.url);
    }
    if (e == OK) converse(&c);
    if (e == OK && c.terminal) putchar('\n');
    int status = e != OK ? cli_fail(&why) : !c.terminal && c.failures ? 1 : 0;
    done(&c);
    return status;
}
