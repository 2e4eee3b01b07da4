/* Reading a command's arguments by a table. */
#include "cli/priv.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    cli_tell_fn *tell; /* not NULL: tables are handed to it, and nothing is done */
    void *user;
} describing;

void cli_describe(const struct cli_command *c, cli_tell_fn *tell, void *user)
{
    char *argv[] = {str_dup_z(str_z(c->name)), NULL};
    describing.tell = tell;
    describing.user = user;
    if (c->run) c->run(1, argv);
    describing.tell = NULL;
    free(argv[0]);
}

static void print_help(const struct cli_option *table)
{
    for (const struct cli_option *o = table; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(stderr, "  %-26s %s\n", left, o->help);
    }
}

static const struct cli_option *find(const struct cli_option *table, struct str name)
{
    for (const struct cli_option *o = table; o->name; o++)
        if (str_eq(str_z(o->name), name)) return o;
    return NULL;
}

static bool complain(const struct cli_option *table, const char *what, const char *name)
{
    fprintf(stderr, "aquifer: %s %s", what, name);
    fputs(table->name ? "; options are:\n" : "; this command has no options\n", stderr);
    print_help(table);
    return false;
}

static bool put_word(const struct cli_option *table, const char *word, struct cli_words *words)
{
    if (!words) return complain(table, "nothing belongs here but options:", word);
    if (words->n == CLI_WORDS_MAX) return complain(table, "too many words:", word);
    words->at[words->n++] = word;
    return true;
}

/* argv[*at] begins with "--"; a value of its own moves *at. */
static bool take_option(int argc, char **argv, int *at, const struct cli_option *table)
{
    struct str name, value;
    const char *arg = argv[*at];
    bool joined = str_cut(str_z(arg), '=', &name, &value); /* --name=value */
    const struct cli_option *o = find(table, name);
    if (!o) return complain(table, "unknown option", arg);
    if (!o->value && joined) return complain(table, "no value belongs to", arg);
    if (o->value && !joined && *at + 1 == argc) return complain(table, "a value is missing behind", arg);
    *o->to = !o->value ? "yes" : joined ? value.p : argv[++*at];
    return true;
}

bool cli_options(int argc, char **argv, const struct cli_option *table, struct cli_words *ret_words)
{
    bool only_words = false; /* behind "--" */
    if (ret_words) ret_words->n = 0;
    if (describing.tell) {
        describing.tell(table, describing.user);
        return false;
    }
    for (int i = 1; i < argc; i++) {
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (!put_word(table, argv[i], ret_words)) return false;
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!take_option(argc, argv, &i, table)) {
            return false;
        }
    }
    return true;
}
