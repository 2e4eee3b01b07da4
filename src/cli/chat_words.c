/* What begins with a slash in `aquifer chat`. */
#include "cli/chat_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SAVE_MAX MIB(256)

static void list_help(struct chat *c, struct str rest);

/* ---- models ------------------------------------------------------------------------------------------------------------------- */

enum err chat_models(struct chat *c, struct json_doc **ret_doc, struct fault *why)
{
    struct cli_answer a;
    const struct cli_request r = {.method = S("GET"), .path = S("/v1/models")};
    enum err e = cli_call(&c->target, &r, &a, why);
    if (e == OK && a.status >= 300) e = cli_refused(&a, why);
    if (e == OK) e = cli_document(&a, ret_doc, why);
    buf_done(&a.body);
    return e;
}

static void list_models(struct chat *c, struct str rest)
{
    struct json_doc *doc;
    struct json_ref row;
    struct fault why = {0};
    (void)rest;
    if (chat_models(c, &doc, &why) != OK) {
        cli_fail(&why);
        return;
    }
    for (struct json_walk w = json_walk(json_ref_find(json_doc_root(doc), "data")); json_walk_next(&w, NULL, &row);) {
        struct str id = json_ref_text(json_ref_find(row, "id"));
        printf("%s %.*s\n", str_eq(id, buf_view(&c->model)) ? "*" : " ", STR_ARG(id));
    }
    json_doc_free(doc);
}

static bool is_listed(struct chat *c, struct str name)
{
    struct json_doc *doc;
    struct json_ref row;
    bool found = false;
    if (chat_models(c, &doc, NULL) != OK) return true; /* the next question tells better */
    for (struct json_walk w = json_walk(json_ref_find(json_doc_root(doc), "data")); json_walk_next(&w, NULL, &row);)
        found |= str_eq(json_ref_text(json_ref_find(row, "id")), name);
    json_doc_free(doc);
    return found;
}

static void change_model(struct chat *c, struct str name)
{
    if (name.n == 0) {
        printf("the model is %.*s; /models lists what there is\n", STR_ARG(buf_view(&c->model)));
        return;
    }
    buf_clear(&c->model);
    cli_plain(name, &c->model);
    const char *remark = is_listed(c, name) ? "" : " (not among /models, but a pattern or an alias may take it)";
    printf("the model is now %.*s%s\n", STR_ARG(name), remark);
}

/* ---- cost, clear --------------------------------------------------------------------------------------------------------------- */

static void show_cost(struct chat *c, struct str rest)
{
    struct buf line;
    (void)rest;
    buf_init(&line, KIB(2));
    chat_cost_find(&c->cost, &c->common, c->key_id);
    chat_cost_tell(&c->cost, &line);
    puts(buf_z(&line));
    buf_done(&line);
}

static void clear(struct chat *c, struct str rest)
{
    (void)rest;
    chat_history_cut(&c->history, c->history.n && c->history.at[0].role == CHAT_SYSTEM);
    puts("the conversation begins anew");
}

/* ---- save ------------------------------------------------------------------------------------------------------------------------ */

static void write_json(const struct chat *c, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("model"), buf_view(&c->model));
    json_put_name(&w, S("messages"));
    chat_history_json(&c->history, &w);
    json_put_end(&w);
    buf_char(out, '\n');
}

static void write_text(const struct chat *c, struct buf *out)
{
    static const char *const TITLES[] = {"System", "You", "Model"};
    for (size_t i = 0; i < c->history.n; i++)
        buf_fmt(out, "%s## %s\n\n%.*s\n", i ? "\n" : "", TITLES[c->history.at[i].role],
                STR_ARG(buf_view(&c->history.at[i].text)));
}

static enum err write_new(const char *path, const struct buf *text, struct fault *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) return FAIL(why, ERR_EXISTS, "%s exists already; name another file", path);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    bool whole = !text->over && (text->n == 0 || write(fd, text->p, text->n) == (ssize_t)text->n);
    whole &= close(fd) == 0;
    return whole ? OK
                 : FAIL(why, ERR_IO, "%s is not whole: %s", path, text->over ? "the conversation is too long" : strerror(errno));
}

static void save(struct chat *c, struct str path)
{
    struct buf text;
    struct fault why = {0};
    if (path.n == 0) {
        puts("/save FILE: which file? NAME.json makes JSON, everything else text");
        return;
    }
    char *path_z = str_dup_z(path);
    buf_init(&text, SAVE_MAX);
    if (str_ends(path, S(".json"))) write_json(c, &text);
    else write_text(c, &text);
    if (write_new(path_z, &text, &why) == OK) printf("saved in %s\n", path_z);
    else cli_fail(&why);
    buf_done(&text);
    free(path_z);
}

static void quit(struct chat *c, struct str rest)
{
    (void)rest;
    c->quit = true;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *words, *help;
    void (*run)(struct chat *c, struct str rest);
} WORDS[] = {
    {"/model", "NAME", "go on with another model, with all that was said", change_model},
    {"/models", "", "what this key may call", list_models},
    {"/cost", "", "tokens and money of this conversation", show_cost},
    {"/clear", "", "forget what was said", clear},
    {"/save", "FILE", "write the conversation to a new file (NAME.json: as JSON)", save},
    {"/help", "", "this text", list_help},
    {"/quit", "", "leave (or Ctrl-D)", quit},
};

static void list_help(struct chat *c, struct str rest)
{
    (void)c, (void)rest;
    for (unsigned i = 0; i < COUNTOF(WORDS); i++) {
        char left[32];
        snprintf(left, sizeof left, "%s %s", WORDS[i].name, WORDS[i].words);
        printf("%-14s %s\n", left, WORDS[i].help);
    }
    puts("A line that ends in \\ goes on in the next; a text of many lines stands between two lines of \"\"\".\n"
         "A message that begins with a slash is written with two. Ctrl-C stops an answer.");
}

void chat_word(struct chat *c, struct str line)
{
    struct str name, rest;
    str_cut(line, ' ', &name, &rest);
    for (unsigned i = 0; i < COUNTOF(WORDS); i++)
        if (str_eq(name, str_z(WORDS[i].name))) {
            WORDS[i].run(c, str_trim(rest));
            return;
        }
    printf("there is no %.*s; /help lists what there is\n", STR_ARG(name));
}
