/* The program aquifer-control: the control process, and offline the putting back of a backup (`aquifer restore`). */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "json/json.h"
#include "ledger/ledger.h"

/* As the admin API answers it (restore_take()). */
static void print_restored(const char *backup)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, KIB(64));
    json_write(&w, &out);
    json_put_object(&w);
    json_add_str(&w, S("restored"), str_z(backup));
    json_add_str(&w, S("kept"), S("aquifer.db.before-restore"));
    json_put_end(&w);
    puts(buf_z(&out));
    buf_done(&out);
}

static int restore(const char *data, const char *backup, bool json)
{
    struct fault why = {0};
    if (ledger_restore(data, backup, &why) != OK) {
        fprintf(stderr, "aquifer: %s\n", why.text);
        return 1;
    }
    if (json) print_restored(backup);
    else printf("%s is restored; the former database is kept as aquifer.db.before-restore\n", backup);
    return 0;
}

/* The question of a binary that shall take over (serve/trial.c). */
static int goes_with(const char *version)
{
    if (strcmp(version, AQUIFER_VERSION) == 0) {
        puts(ADMIN_GOES);
        return 0;
    }
    fprintf(stderr, "aquifer-control is of version " AQUIFER_VERSION ", aquifer of %s: install both of one release\n", version);
    return 1;
}

int main(int argc, char **argv)
{
    bool json = argc == 5 && strcmp(argv[4], "--json") == 0;
    if ((argc == 4 || json) && strcmp(argv[1], "restore") == 0) return restore(argv[2], argv[3], json);
    if (argc == 3 && strcmp(argv[1], "goes-with") == 0) return goes_with(argv[2]);
    return admin_main(argc, argv);
}
