/* The program aquifer-control: the control process, and offline the putting back of a backup (`aquifer restore`). */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "ledger/ledger.h"

static int restore(const char *data, const char *backup)
{
    struct fault why = {0};
    if (ledger_restore(data, backup, &why) != OK) {
        fprintf(stderr, "aquifer: %s\n", why.text);
        return 1;
    }
    printf("%s is restored; the former database is kept as aquifer.db.before-restore\n", backup);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "restore") == 0) return restore(argv[2], argv[3]);
    return admin_main(argc, argv);
}
