/* Weights on disk: is it a GGUF file, what is its hash, does somebody run it now. Called by the model functions, the
 * manager and aquifer-pull; owns nothing. "In use" is a shared flock(2) on the file, so that every process sees it and
 * it ends with its holder. */
#include "engine/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define READ_BYTES MIB(1)

enum err model_check_gguf(const char *path, struct fault *why)
{
    /* ggml's docs/gguf.md: the magic "GGUF", then a little-endian 32-bit version; 2 and 3 are in use. */
    unsigned char head[8];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(why, ERR_NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    ssize_t n = read(fd, head, sizeof(head));
    close(fd);
    if (n != (ssize_t)sizeof(head) || memcmp(head, "GGUF", 4) != 0)
        return FAIL(why, ERR_PARSE, "%s is no GGUF file (it does not begin with \"GGUF\"); llama.cpp needs one", path);
    if (head[4] < 2 || head[4] > 3 || head[5] || head[6] || head[7])
        return FAIL(why, ERR_PARSE, "%s is a GGUF file of a version that llama.cpp does not read; convert it again", path);
    return OK;
}

static bool hash_all(int fd, EVP_MD_CTX *md, char *block)
{
    for (;;) {
        ssize_t n = read(fd, block, READ_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0;
        if (EVP_DigestUpdate(md, block, (size_t)n) != 1) return false;
    }
}

enum err model_hash_file(const char *path, char out[65], struct fault *why)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(why, ERR_NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    char *block = mem_alloc(READ_BYTES);
    bool done = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && hash_all(fd, md, block) &&
                EVP_DigestFinal_ex(md, digest, &digest_len) == 1;
    int saved = errno;
    free(block);
    EVP_MD_CTX_free(md);
    close(fd);
    if (!done) return FAIL(why, ERR_IO, "reading %s for its SHA-256 failed: %s", path, strerror(saved));
    for (unsigned i = 0; i < digest_len; i++) snprintf(out + (size_t)i * 2, 3, "%02x", digest[i]);
    return OK;
}

int weights_hold(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    /* Only a look by weights_in_use() can hold it otherwise, for microseconds. */
    while (flock(fd, LOCK_SH) < 0 && errno == EINTR) continue;
    return fd;
}

bool weights_in_use(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}
