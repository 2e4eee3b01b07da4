/* aquifer: the supervisor, the roles it starts by executing itself, and the commands. Control, the only program with the
 * database, is aquifer-control. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "gateway/gateway.h"
#include "serve/serve.h"

static int serve(int argc, char **argv)
{
    char *help[] = {argv[0], argv[0], NULL};
    if (argc == 3 && strcmp(argv[1], "--config") == 0) return serve_main(argv[2]);
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return cli_help(2, help);
    fputs("usage: aquifer serve --config FILE\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } ROLES[] = {
        {"serve", serve}, {"role-gateway", gateway_main}, {"role-engine", engine_role_main}, {"role-trial", serve_trial_main}};
    for (unsigned i = 0; argc > 1 && i < sizeof ROLES / sizeof *ROLES; i++)
        if (strcmp(argv[1], ROLES[i].name) == 0) return ROLES[i].run(argc - 1, argv + 1);
    return cli_main(argc, argv);
}
