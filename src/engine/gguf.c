/* What a GGUF file says of the model in it: is it for embeddings? Called where a model is described, so that everybody knows it
 * before a request comes. Format: ggml's docs/gguf.md; names and ways of pooling: llama.cpp's src/llama-arch.cpp and llama.h. Reads
 * the metadata once, bounded; what is not sound tells nothing. */
#include <stdio.h>

#include "engine/priv.h"

enum {
    PAIRS_MAX = 4096,
    NAME_MAX_ = 256,
    SKIP_MAX = 256 << 20, /* bytes of metadata; the largest vocabularies have some ten million */
    TYPE_U32 = 4,
    TYPE_STRING = 8,
    TYPE_ARRAY = 9
};

struct gguf {
    FILE *in;
    uint64_t left; /* bytes that may still be read */
    char architecture[64];
    bool pooled;
};

static bool take(struct gguf *g, void *out, size_t n)
{
    if (n > g->left || fread(out, 1, n, g->in) != n) return false;
    g->left -= n;
    return true;
}

static bool skip(struct gguf *g, uint64_t n)
{
    char room[4096];
    while (n) {
        size_t piece = n < sizeof room ? (size_t)n : sizeof room;
        if (!take(g, room, piece)) return false;
        n -= piece;
    }
    return true;
}

/* Longer ones than there is room for are left out: they are "". */
static bool take_text(struct gguf *g, char *out, size_t cap)
{
    uint64_t n;
    out[0] = 0;
    if (!take(g, &n, sizeof n)) return false;
    if (n >= cap) return skip(g, n);
    if (!take(g, out, (size_t)n)) return false;
    out[n] = 0;
    return true;
}

/* Bytes of a value; 0: of no fixed length. */
static size_t width_of(uint32_t type)
{
    static const unsigned char WIDTHS[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < COUNTOF(WIDTHS) ? WIDTHS[type] : 0;
}

static bool skip_text(struct gguf *g)
{
    uint64_t n;
    return take(g, &n, sizeof n) && skip(g, n);
}

static bool skip_array(struct gguf *g)
{
    uint32_t type;
    uint64_t n, bytes;
    if (!take(g, &type, sizeof type) || !take(g, &n, sizeof n)) return false;
    if (width_of(type)) return !__builtin_mul_overflow(n, width_of(type), &bytes) && skip(g, bytes);
    if (type != TYPE_STRING) return false;
    while (n-- > 0)
        if (!skip_text(g)) return false;
    return true;
}

static bool skip_value(struct gguf *g, uint32_t type)
{
    if (type == TYPE_STRING) return skip_text(g);
    if (type == TYPE_ARRAY) return skip_array(g);
    return width_of(type) && skip(g, width_of(type));
}

/* ARCHITECTURE.pooling_type: 0 none, 1 mean, 2 cls, 3 last, 4 a rank (of rerankers, which have no vectors). */
static bool take_pooling(struct gguf *g)
{
    uint32_t way;
    if (!take(g, &way, sizeof way)) return false;
    g->pooled = way >= 1 && way <= 3;
    return true;
}

static bool take_pair(struct gguf *g)
{
    char name[NAME_MAX_];
    uint32_t type;
    if (!take_text(g, name, sizeof name) || !take(g, &type, sizeof type)) return false;
    if (type == TYPE_STRING && strcmp(name, "general.architecture") == 0)
        return take_text(g, g->architecture, sizeof g->architecture);
    if (type == TYPE_U32 && str_ends(str_z(name), S(".pooling_type"))) return take_pooling(g);
    return skip_value(g, type);
}

/* Those that only read: they have no next token to say. */
static bool is_encoder(const char *architecture)
{
    static const char *const NAMES[] = {"bert",        "nomic-bert", "nomic-bert-moe", "jina-bert-v2",    "jina-bert-v3",
                                        "modern-bert", "neo-bert",   "eurobert",       "gemma-embedding", "t5encoder"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        if (strcmp(architecture, NAMES[i]) == 0) return true;
    return false;
}

bool model_embeds(const char *path)
{
    struct {
        char magic[4];
        uint32_t version;
        uint64_t tensors, pairs;
    } head;
    struct gguf g = {.in = fopen(path, "re"), .left = SKIP_MAX};
    if (!g.in) return false;
    bool sound = take(&g, &head, sizeof head) && memcmp(head.magic, "GGUF", 4) == 0 && (head.version == 2 || head.version == 3) &&
                 head.pairs <= PAIRS_MAX;
    for (uint64_t i = 0; sound && i < head.pairs; i++) sound = take_pair(&g);
    fclose(g.in);
    return is_encoder(g.architecture) || (sound && g.pooled);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a GGUF file's numbers are little-endian");
