/* The table of commands and the help. */
#include "priv.h"

#include <stdio.h>

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"key", "create, list, revoke and rotate keys", cli_key},
    {"usage", "tokens and cost by key, model and day", cli_usage},
};

static void print_help(FILE *to)
{
    fputs("aquifer " AQUIFER_VERSION ": any model from any cloud behind one governed door\n\n", to);
    fputs("  serve      run until SIGTERM: aquifer serve --config FILE\n", to);
    for (unsigned i = 0; i < COUNTOF(COMMANDS); i++) fprintf(to, "  %-9s  %s\n", COMMANDS[i].name, COMMANDS[i].help);
    fputs("  version    print the version\n\nSee 'man aquifer' and the README.\n", to);
}

int cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    for (unsigned i = 0; i < COUNTOF(COMMANDS); i++)
        if (strcmp(COMMANDS[i].name, name) == 0) return COMMANDS[i].run(argc - 1, argv + 1);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts("aquifer " AQUIFER_VERSION);
        return 0;
    }
    bool asked = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (!asked) fprintf(stderr, "aquifer: no command '%s'\n\n", name);
    print_help(asked ? stdout : stderr);
    return asked ? 0 : 2;
}
