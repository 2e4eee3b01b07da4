/* What people read about the commands: `aquifer help`, and for the build the manual page and the completion; all of it from
 * the table of commands and the options that each of them names. */
#include "cli/priv.h"

#include <stdio.h>

#include "config/config.h"

/* ---- aquifer help ---------------------------------------------------------------------------------------------------------- */

static void print_option(const struct cli_option *table, void *user)
{
    bool *any = user;
    for (const struct cli_option *o = table; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("%s  %-26s %s\n", *any ? "" : "\noptions:\n", left, o->help);
        *any = true;
    }
}

static void print_command(const struct cli_command *c, const char *before)
{
    bool any = false;
    printf("aquifer %s%s%s%s\n\n%s", before, c->name, c->words && *c->words ? " " : "", c->words ? c->words : "", c->help);
    puts(c->about ? "" : ".");
    if (c->about) printf("\n%s\n", c->about);
    cli_describe(c, print_option, &any);
}

#define LEFT_WIDTH 22
static void print_list(const struct cli_command *table)
{
    for (const struct cli_command *c = table; c->name; c++) {
        char left[48];
        snprintf(left, sizeof left, "%s%s%s", c->name, c->words && *c->words ? " " : "", c->words ? c->words : "");
        bool wide = strlen(left) > LEFT_WIDTH;
        if (wide) printf("  %s\n", left);
        printf("  %-*s %s\n", LEFT_WIDTH, wide ? "" : left, c->help);
    }
}

static void print_all(void)
{
    puts("aquifer " AQUIFER_VERSION ": any model from any cloud behind one governed door\n");
    print_list(cli_commands);
    puts("\nThe commands find a running Aquifer by AQUIFER_ADMIN_URL and AQUIFER_ADMIN_KEY (chat: AQUIFER_URL and\n"
         "AQUIFER_API_KEY), or by its configuration. More: 'aquifer help COMMAND', 'man aquifer'.");
}

static void print_group(const struct cli_command *c)
{
    printf("aquifer %s: %s\n\n", c->name, c->help);
    print_list(c->under);
    printf("\n'aquifer help %s NAME' tells more about one.\n", c->name);
}

static const struct cli_command *find(const struct cli_command *table, const char *name)
{
    for (const struct cli_command *c = table; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

int cli_help(int argc, char **argv)
{
    static const struct cli_option NONE[] = {{0}};
    char before[32] = "";
    struct cli_words words;
    if (!cli_options(argc, argv, NONE, &words)) return 2;
    if (words.n == 0) {
        print_all();
        return 0;
    }
    const struct cli_command *c = find(cli_commands, words.at[0]);
    if (c && c->under && words.n == 1) {
        print_group(c);
        return 0;
    }
    if (c && c->under) {
        snprintf(before, sizeof before, "%s ", c->name);
        c = find(c->under, words.at[1]);
    }
    if (!c) return cli_wrong_use("help: no command '%s%s'; 'aquifer help' lists them all", before, words.at[words.n - 1]);
    print_command(c, before);
    return 0;
}

/* ---- the manual page (mdoc) -------------------------------------------------------------------------------------------------- */

/* A backslash is roff's own, a dash would become a hyphen, a leading dot or quote a request. */
static void put_roff(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'') buf_str(out, S("\\&"));
    for (; *text; text++) {
        if (*text == '\\') buf_str(out, S("\\e"));
        else if (*text == '-') buf_str(out, S("\\-"));
        else buf_char(out, *text);
    }
}

/* The same as one argument of a macro. */
static void put_argument(struct buf *out, const char *text)
{
    buf_char(out, '"');
    for (; *text; text++) {
        if (*text == '"') buf_str(out, S("\"\""));
        else if (*text == '-') buf_str(out, S("\\-"));
        else buf_char(out, *text);
    }
    buf_char(out, '"');
}

static void roff_options(const struct cli_option *table, void *user)
{
    struct buf *out = user;
    if (!table->name) return;
    buf_str(out, S(".Bl -tag -width Ds -compact\n"));
    for (const struct cli_option *o = table; o->name; o++) {
        buf_str(out, S(".It Cm "));
        put_argument(out, o->name);
        if (o->value) {
            buf_str(out, S(" Ar "));
            put_argument(out, o->value);
        }
        buf_char(out, '\n');
        put_roff(out, o->help);
        buf_char(out, '\n');
    }
    buf_str(out, S(".El\n"));
}

static void roff_command(const struct cli_command *c, const char *before, struct buf *out)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", before, c->name);
    buf_fmt(out, ".It Cm %s", name);
    if (c->words && *c->words) {
        buf_str(out, S(" Ar "));
        put_argument(out, c->words);
    }
    buf_char(out, '\n');
    put_roff(out, c->help);
    buf_str(out, S(".\n"));
    if (c->about) {
        put_roff(out, c->about);
        buf_char(out, '\n');
    }
    cli_describe(c, roff_options, out);
}

static void roff_commands(struct buf *out)
{
    buf_str(out, S(".Sh COMMANDS\n.Bl -tag -width Ds\n"));
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char before[32];
        snprintf(before, sizeof before, "%s ", c->name);
        if (!c->under) roff_command(c, "", out);
        for (const struct cli_command *under = c->under; under && under->name; under++) roff_command(under, before, out);
    }
    buf_str(out, S(".El\n"));
}

static void roff_page(struct buf *out)
{
    buf_str(
        out,
        S(".Dd November 23, 2026\n.Dt AQUIFER 1\n.Os\n.Sh NAME\n.Nm aquifer\n"
          ".Nd any model from any cloud behind one governed door\n.Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n"
          ".Sh DESCRIPTION\n.Nm\nis a gateway for AI models: clients keep the SDK they have and change its base URL and key.\n"
          "It authenticates, limits, routes, prices and records each request, and relays the answer unchanged.\n"));
    roff_commands(out);
    config_manual(out);
    buf_str(out, S(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
                   ".It Ev AQUIFER_ADMIN_URL , AQUIFER_ADMIN_KEY\nWhere the admin API is, and its key.\n"
                   ".It Ev AQUIFER_URL , AQUIFER_API_KEY , AQUIFER_MODEL\nFor\n.Cm chat :\nthe data port, a key, and the model "
                   "to begin with.\n"
                   ".It Ev AQUIFER_CA_FILE\nCertificates that the commands trust beside the system's.\n"
                   ".It Ev AQUIFER_MODELS\nDirectory of local models.\n.El\n"
                   ".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/aquifer/aquifer.yaml\nThe configuration.\n"
                   ".It Pa /var/lib/aquifer\nThe data directory of the packaged service.\n.El\n"
                   ".Sh OUTPUT\nTables for people on the standard output, and with\n.Fl \\-json\none JSON document for programs; "
                   "members may be added, never changed.\nWhat went wrong stands on the standard error in both.\n"
                   ".Sh EXIT STATUS\n0: done. 1: it failed, the text on the standard error tells why. 2: wrong use. 3: model "
                   "pull reached no source.\n"));
}

/* ---- completion for bash ------------------------------------------------------------------------------------------------------- */

static void word_options(const struct cli_option *table, void *user)
{
    for (const struct cli_option *o = table; o->name; o++) buf_fmt(user, " %s", o->name);
}

static void bash_case(const struct cli_command *c, const char *before, struct buf *out)
{
    buf_fmt(out, "    '%s%s') words='", before, c->name);
    for (const struct cli_command *under = c->under; under && under->name; under++) buf_fmt(out, " %s", under->name);
    cli_describe(c, word_options, out);
    buf_str(out, S("' ;;\n"));
}

static void bash_page(struct buf *out)
{
    buf_str(out, S("# bash completion for aquifer; made by its build.\n_aquifer() {\n    local current=${COMP_WORDS[COMP_CWORD]} "
                   "words command\n"
                   "    command=\"${COMP_WORDS[1]}\"\n    [[ $COMP_CWORD -gt 2 && \" "));
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (c->under) buf_fmt(out, "%s ", c->name);
    buf_str(out, S("\" == *\" $command \"* ]] && command=\"$command ${COMP_WORDS[2]}\"\n    [[ $COMP_CWORD -eq 1 ]] && command=\n"
                   "    case \"$command\" in\n    '') words='"));
    for (const struct cli_command *c = cli_commands; c->name; c++) buf_fmt(out, " %s", c->name);
    buf_str(out, S("' ;;\n"));
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char before[32];
        snprintf(before, sizeof before, "%s ", c->name);
        bash_case(c, "", out);
        for (const struct cli_command *under = c->under; under && under->name; under++) bash_case(under, before, out);
    }
    buf_str(out, S("    *) words= ;;\n    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                   "    [[ ${#COMPREPLY[@]} -eq 0 ]] && mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n}\n"
                   "complete -o filenames -F _aquifer aquifer\n"));
}

int cli_manual(int argc, char **argv)
{
    struct buf out;
    buf_init(&out, MIB(4));
    if (argc == 2 && strcmp(argv[1], "--bash") == 0) bash_page(&out);
    else roff_page(&out);
    cli_print_body(&out);
    buf_done(&out);
    return 0;
}
