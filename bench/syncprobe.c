/* syncprobe: what one durable record costs at least on this disk: a 512-byte pwrite and fdatasync into a file whose
 * blocks are already written. Started by bench/run beside the latency rows. Prints {"p50_us":…,"p99_us":…}. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

enum { RECORD = 512, FILE_SIZE = 4 << 20 };

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int file_prepare(const char *path)
{
    static char zeros[FILE_SIZE];
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, zeros, FILE_SIZE, 0) != FILE_SIZE || fsync(fd) < 0) die("%s", path);
    return fd;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    uint64_t count = 500;
    const struct option_row rows[] = {{"file", &path, NULL, NULL}, {"count", NULL, &count, NULL}};
    if (options_read(argc, argv, rows, COUNTOF(rows)) != argc || !path || !count) die("usage: syncprobe --file FILE [--count N]");
    char record[RECORD];
    uint64_t *took = calloc(count, sizeof *took);
    int fd = file_prepare(path);
    if (!took) die("out of memory");
    for (uint64_t i = 0; i < count; i++) {
        memset(record, (int)i, sizeof record);
        uint64_t start = now_ns();
        if (pwrite(fd, record, RECORD, (off_t)(i * RECORD % FILE_SIZE)) != RECORD || fdatasync(fd) < 0) die("%s", path);
        took[i] = now_ns() - start;
    }
    close(fd);
    unlink(path);
    qsort(took, count, sizeof *took, compare);
    printf("{\"p50_us\":%.1f,\"p99_us\":%.1f}\n", (double)took[count / 2] / 1e3, (double)took[count * 99 / 100] / 1e3);
}
