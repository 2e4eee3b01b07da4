/* Reading a command's arguments by a table. */
#include "priv.h"

#include <stdio.h>

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
    fprintf(stderr, "%s %s; options are:\n", what, name);
    print_help(table);
    return false;
}

bool cli_options(int argc, char **argv, const struct cli_option *table, struct cli_words *ret_words)
{
    ret_words->n = 0;
    for (int i = 1; i < argc; i++) {
        struct str name, value;
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            if (ret_words->n == CLI_WORDS_MAX) return complain(table, "too many words:", argv[i]);
            ret_words->at[ret_words->n++] = argv[i];
            continue;
        }
        bool joined = str_cut(str_z(argv[i]), '=', &name, &value); /* --name=value */
        const struct cli_option *o = find(table, name);
        if (!o) return complain(table, "unknown option", argv[i]);
        if (!o->value && joined) return complain(table, "no value belongs to", argv[i]);
        if (o->value && !joined && i + 1 == argc) return complain(table, "a value is missing behind", argv[i]);
        *o->to = !o->value ? "yes" : joined ? value.p : argv[++i];
    }
    return true;
}
