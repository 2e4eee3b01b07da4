/* Fuzz: the head of a model's file, as `aquifer model add` and the engine keeper read it. Whatever stands in it, it says only whether
 * the model is for embeddings, in bounded time and memory, and twice the same. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    int fd = memfd_create("gguf", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool is_gguf = model_check_gguf(path, NULL) == OK, embeds = model_embeds(path);
    must(embeds == model_embeds(path));
    must(is_gguf || !embeds);
    close(fd);
    return 0;
}
