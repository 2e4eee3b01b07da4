/* The table of commands, and finding the one that is meant. */
#include "cli/priv.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static int version(int argc, char **argv)
{
    const char *json = NULL;
    const struct cli_option options[] = {{"--json", NULL, "print JSON for programs", &json}, {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    puts(json ? "{\"version\":\"" AQUIFER_VERSION "\"}" : "aquifer " AQUIFER_VERSION);
    return 0;
}

const struct cli_command cli_commands[] = {
    {"serve", "--config FILE", "run until SIGTERM",
     "SIGHUP reads the configuration again, SIGUSR2 hands over to the binary that is on disk now; both without losing a request.",
     NULL, NULL},
    {"backup", "[FILE | DIR]", "a consistent copy of the database while all goes on",
     "Without a place it stays in the data directory, below backups. Its path is printed.", cli_backup, NULL},
    {"chat", "", "talk to a model in the terminal",
     "Answers stream in as they are made. Ctrl-C stops the answer and not the program; Ctrl-D leaves. /help in it tells the "
     "rest. "
     "Without a terminal each line of the standard input is one question and only the answers are written.",
     cli_chat, NULL},
    {"config", NULL, "show, check, explain and export the configuration", NULL, NULL, cli_config_commands},
    {"doctor", "", "look at everything that Aquifer needs, and say what to do",
     "Exit status 1: something is to be mended. No call of it is billed.", cli_doctor, NULL},
    {"help", "[COMMAND]", "this text, or more about one command", NULL, cli_help, NULL},
    {"key", NULL, "create, list, revoke and rotate keys", NULL, NULL, cli_key_commands},
    {"model", NULL, "list, pull, add and remove local models", NULL, NULL, cli_model_commands},
    {"reload", "", "read the configuration again, and tell whether it was taken", NULL, cli_reload, NULL},
    {"restore", "FILE", "put a backup in the database's place, while Aquifer runs or is stopped",
     "Keys and ledger are then as the backup has them, but what was revoked stays revoked, and a key made since is kept, "
     "revoked. The database before it is kept as aquifer.db.before-restore.",
     cli_restore, NULL},
    {"status", "", "processes, generation, ledger, local models", NULL, cli_status, NULL},
    {"upgrade", "", "hand over to the binary on disk without losing a request", NULL, cli_upgrade, NULL},
    {"usage", "", "tokens and cost by key, model and day", NULL, cli_usage, NULL},
    {"version", "", "print the version", NULL, version, NULL},
    {0},
};

static const struct cli_command *find(const struct cli_command *table, const char *name)
{
    for (const struct cli_command *c = table; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static const char *nearest(const struct cli_command *table, const char *name)
{
    const char *best = NULL;
    unsigned least = 3; /* further away is another word */
    for (const struct cli_command *c = table; c->name; c++) {
        unsigned far = str_distance(str_z(c->name), str_z(name));
        if (far >= least) continue;
        least = far;
        best = c->name;
    }
    return best;
}

static int unknown(const struct cli_command *table, const char *before, const char *name)
{
    const char *near = nearest(table, name);
    fprintf(stderr, "aquifer: no command '%s%s'", before, name);
    if (near) fprintf(stderr, "; did you mean '%s%s'?", before, near);
    fputs("\n'aquifer help' lists them all\n", stderr);
    return 2;
}

static int run_under(const struct cli_command *c, int argc, char **argv)
{
    char before[32];
    snprintf(before, sizeof before, "%s ", c->name);
    if (argc < 2) {
        char *help[] = {argv[0], argv[0], NULL};
        cli_help(2, help);
        return 2;
    }
    const struct cli_command *under = find(c->under, argv[1]);
    return under ? under->run(argc - 1, argv + 1) : unknown(c->under, before, argv[1]);
}

static bool is_asking(const char *arg) { return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0; }

/* "aquifer key create --help" is "aquifer help key create". */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_asking(argv[i])) return true;
    return false;
}

/* Whoever names a configuration means it and its own environment, not what is left of `make run`. */
static bool names_config(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--config") == 0 || strncmp(argv[i], "--config=", 9) == 0) return true;
    return false;
}

static int help_for(int argc, char **argv)
{
    char *words[4] = {argv[0]};
    int n = 1;
    for (int i = 1; i < argc && n < 3 && argv[i][0] != '-'; i++) words[n++] = argv[i];
    return cli_help(n, words);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        cli_help(1, argv);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) return version(argc - 1, argv + 1);
    if (strcmp(argv[1], "manual") == 0) return cli_manual(argc - 1, argv + 1);
    if (wants_help(argc, argv)) return help_for(argc, argv);
    const struct cli_command *c = find(cli_commands, argv[1]);
    if (!c) return unknown(cli_commands, "", argv[1]);
    setlocale(LC_CTYPE, "");
    if (!names_config(argc, argv)) cli_env_find();
    return c->under ? run_under(c, argc - 1, argv + 1) : c->run ? c->run(argc - 1, argv + 1) : 2;
}

static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* A key that was shown to a full disk is lost: then the command has failed, whatever else it did. A reader that has seen
 * enough and went away is no failure. */
int cli_main(int argc, char **argv)
{
    int status = dispatch(argc, argv);
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    if (reader_is_gone()) return status;
    fprintf(stderr, "aquifer: the output could not be written: %s\n", errno ? strerror(errno) : "a part of it is lost");
    return status ? status : 1;
}
