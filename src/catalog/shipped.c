/* Where the catalogue files that ship with Aquifer are: beside the executable, installed or in the source tree. */
#include "catalog/catalog.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES_MAX = 16 };

static int by_name(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

static unsigned list(const char *dir, struct arena *a, struct str ret_files[FILES_MAX])
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    if (!d) return 0;
    for (const struct dirent *e; n < FILES_MAX && (e = readdir(d));) {
        char path[4400];
        if (!str_ends(str_z(e->d_name), S(".yaml"))) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (arena_str(a, str_z(path), &ret_files[n])) n++;
    }
    closedir(d);
    qsort(ret_files, n, sizeof *ret_files, by_name);
    return n;
}

unsigned catalog_shipped(struct arena *a, struct str ret_files[FILES_MAX])
{
    static const char *const PLACES[] = {"../share/aquifer/catalog", "../../share/aquifer/catalog", "../share/catalog",
                                         "../../../share/catalog"};
    char exe[4096], dir[4160];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return 0;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash) return 0;
    *slash = '\0';
    for (size_t i = 0; i < COUNTOF(PLACES); i++) {
        snprintf(dir, sizeof dir, "%s/%s", exe, PLACES[i]);
        unsigned found = list(dir, a, ret_files);
        if (found) return found;
    }
    return 0;
}
