/* Fuzz target of what control reads from a journal: a segment's header and a slot, of any bytes. The first byte chooses whether
 * the checksums are made right, so that what stands behind them is reached. */
#include <stdlib.h>

#include "ledger/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The checksum covers what the half itself calls its size, as in record.c. */
static uint32_t repair(char *half, size_t room, uint32_t seed)
{
    uint16_t size;
    memcpy(&size, half + 4, sizeof size);
    if (size <= 4 || size > room) return 0;
    uint32_t crc = crc32c(seed, half + 4, size - 4u);
    crc = crc ? crc : 1;
    memcpy(half, &crc, sizeof crc);
    return crc;
}

static void use(const struct record *r, enum slot_state s)
{
    const struct str names[] = {r->start.key_id, r->start.route, r->start.provider, r->start.model, r->start.format};
    uint32_t sum = 0;
    if (s != SLOT_OPEN && s != SLOT_SETTLED) return;
    for (size_t i = 0; i < COUNTOF(names); i++) sum = crc32c(sum, names[i].p, names[i].n);
    must(strlen(r->start.id) == LEDGER_ID_LEN && strlen(r->result.usage.tier) < sizeof r->result.usage.tier);
    must(s == SLOT_OPEN || (r->result.end > ATTEMPT_OPEN && r->result.end <= ATTEMPT_GARBAGE && r->result.cost >= 0));
    must(usage_worst(&r->result.usage, USAGE_INPUT) <= USAGE_ESTIMATED);
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *slot = aligned_alloc(64, SLOT_BYTES);
    struct segment_head head;
    struct record r;
    struct fault why;
    size_t n = size > 1 ? size - 1 : 0;
    memset(slot, 0, SLOT_BYTES);
    memset((void *)&head, 0, sizeof head);
    if (n) memcpy(slot, data + 1, n < SLOT_BYTES ? n : SLOT_BYTES);
    if (n) memcpy((void *)&head, data + 1, n < sizeof head ? n : sizeof head);
    if (size && data[0] & 1) repair(slot + SLOT_RESULT, SLOT_BYTES - SLOT_RESULT, repair(slot, SLOT_RESULT, 0));
    if (size && data[0] & 2) head.crc = crc32c(0, (const void *)&head, offsetof(struct segment_head, crc));
    enum slot_state state = slot_read(slot, &r);
    use(&r, state);
    ignore_err(segment_head_check(&head, n, &why));
    free(slot);
    return 0;
}
