/* Fuzz: an answer in pieces (the first byte says how long) must read like the whole of it. */
#include <stdlib.h>

#include "http/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint32_t digest_head(const struct answer *a, uint32_t sum)
{
    for (size_t i = 0; i < a->head->fields.n; i++) {
        struct http_field f = a->head->fields.at[i];
        must(http_field_is_token(f.name));
        sum = crc32c(crc32c(sum, f.name.p, f.name.n) + 1, f.value.p, f.value.n) + 1;
    }
    return sum + a->status + a->can_reuse;
}

/* Reads one piece, in memory of its own. */
static enum answer_event read_piece(struct answer *a, struct str piece, uint32_t *sum)
{
    char *copy = str_dup_z(piece), *at = copy;
    size_t left = piece.n;
    struct fault why;
    enum answer_event event;
    do {
        event = answer_next(a, &at, &left, &why);
        if (event == ANSWER_HEAD) *sum = digest_head(a, *sum);
        if (event == ANSWER_BODY) *sum = crc32c(*sum, a->body.p, a->body.n);
        if (event == ANSWER_BAD) *sum += why.code;
    } while (event == ANSWER_HEAD || event == ANSWER_BODY);
    free(copy);
    return event;
}

static uint32_t digest(struct str all, size_t piece, bool is_head)
{
    struct answer_head head;
    struct answer a;
    struct fault why;
    uint32_t sum = 0;
    enum answer_event event = ANSWER_MORE;
    answer_head_init(&head, 1024);
    answer_init(&a, is_head);
    answer_lend(&a, &head);
    while (all.n > 0 && event == ANSWER_MORE) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        all = str_from(all, part.n);
        event = read_piece(&a, part, &sum);
    }
    if (event == ANSWER_MORE) event = read_piece(&a, S(""), &sum);
    if (event == ANSWER_MORE) sum += answer_close(&a, &why);
    answer_head_done(&head);
    return sum + event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) return 0;
    struct str all = str_make((const char *)data + 1, n - 1);
    bool is_head = data[0] & 0x80;
    must(digest(all, 1 + data[0] % 32, is_head) == digest(all, all.n, is_head));
    return 0;
}
