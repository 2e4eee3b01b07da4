/* Slots of the journal: two halves, each written with its checksum last, and read back without trusting a byte.
 * Called by the gateway's loops (write) and by control's ingest (read). Owns nothing. Pure but for the memory it is given. */
#include "ledger/record.h"

enum { FLAG_STREAM = 1, FLAG_PRICED = 2, FLAG_COST_KNOWN = 4 };

struct start_half {
    _Atomic uint32_t crc; /* of the bytes behind it up to `size`; 0: not written */
    uint16_t size;
    uint8_t number, flags;
    char id[LEDGER_ID_LEN], request_id[LEDGER_ID_LEN];
    uint32_t key_place;
    int64_t started_ms;
    uint64_t estimate_input, estimate_output;
    uint64_t price_input, price_output; /* of the two cells that an interrupted attempt is charged for */
    uint16_t lengths[SLOT_NAMES];
    char names[SLOT_NAMES_BYTES];
};

struct cell {
    uint8_t id, quality;
    uint8_t n[8];
};

struct result_half {
    _Atomic uint32_t crc; /* begun with the first half's, so that halves of two records never fit */
    uint16_t size;
    uint8_t end, n_cells;
    uint16_t status, err;
    uint32_t first_byte_us, duration_us;
    uint32_t flags;
    int64_t ended_ms;
    uint64_t cost_low, cost_high;
    char tier[16];
    struct cell cells[SLOT_CELLS];
};

_Static_assert(offsetof(struct start_half, names) + SLOT_NAMES_BYTES <= SLOT_ENTERED, "the first half must end before the mark");
_Static_assert(SLOT_RESULT + offsetof(struct result_half, cells) + sizeof(struct cell) * SLOT_CELLS <= SLOT_BYTES,
               "a slot must hold the worst case; a longer one is a new SEGMENT_VERSION");
_Static_assert(sizeof(struct segment_head) <= SEGMENT_HEAD, "the header has one page");

/* Zero means "not written", so a checksum is never zero. */
static uint32_t sum_of(uint32_t seed, const void *half, size_t size)
{
    uint32_t crc = crc32c(seed, (const char *)half + sizeof crc, size - sizeof crc);
    return crc ? crc : 1;
}

/* ---- the header ---------------------------------------------------------------------------------------------------- */

void segment_head_write(struct segment_head *h, uint32_t n_slots, uint32_t loop, int64_t created_ms)
{
    h->magic = SEGMENT_MAGIC;
    h->version = SEGMENT_VERSION;
    h->slot_bytes = SLOT_BYTES;
    h->n_slots = n_slots;
    h->loop = loop;
    h->created_ms = created_ms;
    h->crc = crc32c(0, h, offsetof(struct segment_head, crc));
}

enum err segment_head_check(const struct segment_head *h, uint64_t file_bytes, struct fault *why)
{
    if (h->magic != SEGMENT_MAGIC || h->crc != crc32c(0, h, offsetof(struct segment_head, crc)))
        return FAIL(why, ERR_IO, "its header is damaged");
    if (h->version > SEGMENT_VERSION)
        return FAIL(why, ERR_PARSE, "it has format version %u, this program knows %d: a newer Aquifer wrote it; start that one",
                    h->version, SEGMENT_VERSION);
    if (h->version < SEGMENT_VERSION)
        return FAIL(why, ERR_IO, "it has format version %u, from before the first release; this program reads %d", h->version,
                    SEGMENT_VERSION);
    if (h->slot_bytes != SLOT_BYTES) return FAIL(why, ERR_IO, "its header is damaged");
    if (file_bytes < SEGMENT_HEAD + (uint64_t)h->n_slots * SLOT_BYTES) return FAIL(why, ERR_IO, "it is cut short");
    return OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static size_t put_names(struct start_half *half, const struct attempt_start *a)
{
    const struct str names[SLOT_NAMES] = {a->key_id, a->route, a->provider, a->model, a->format};
    size_t at = 0;
    for (unsigned i = 0; i < SLOT_NAMES; i++) {
        size_t n = names[i].n, room = SLOT_NAMES_BYTES - at;
        if (n > room) n = room; /* beyond the contract's bounds: cut, never overrun */
        if (n) memcpy(half->names + at, names[i].p, n);
        half->lengths[i] = (uint16_t)n;
        at += n;
    }
    return at;
}

void slot_start(char *slot, const struct attempt_start *a)
{
    struct start_half *half = (struct start_half *)(void *)slot;
    half->number = a->number;
    half->flags = (uint8_t)((a->stream ? FLAG_STREAM : 0) | (a->price.known ? FLAG_PRICED : 0));
    memcpy(half->id, a->id, LEDGER_ID_LEN);
    memcpy(half->request_id, a->request_id, LEDGER_ID_LEN);
    half->key_place = a->key_place;
    half->started_ms = a->started_ms;
    half->estimate_input = a->estimate_input;
    half->estimate_output = a->estimate_output;
    half->price_input = a->price.per[USAGE_IN_FRESH];
    half->price_output = a->price.per[USAGE_OUT_VISIBLE];
    half->size = (uint16_t)(offsetof(struct start_half, names) + put_names(half, a));
    atomic_store_explicit(&half->crc, sum_of(0, half, half->size), memory_order_release);
}

static size_t put_cells(struct result_half *half, const struct usage *u)
{
    unsigned n = 0;
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        if (u->quality[c] == USAGE_UNKNOWN) continue;
        must(n < SLOT_CELLS);
        half->cells[n].id = (uint8_t)c;
        half->cells[n].quality = u->quality[c];
        memcpy(half->cells[n++].n, &u->n[c], sizeof u->n[c]);
    }
    half->n_cells = (uint8_t)n;
    return n * sizeof(struct cell);
}

void slot_settle(char *slot, const struct attempt_result *r)
{
    struct start_half *start = (struct start_half *)(void *)slot;
    struct result_half *half = (struct result_half *)(void *)(slot + SLOT_RESULT);
    must(r->end != ATTEMPT_OPEN && r->cost >= 0);
    half->end = (uint8_t)r->end;
    half->status = r->status;
    half->err = r->err;
    half->first_byte_us = r->first_byte_us;
    half->duration_us = r->duration_us;
    half->flags = r->cost_known ? FLAG_COST_KNOWN : 0;
    half->ended_ms = r->ended_ms;
    half->cost_low = (uint64_t)r->cost;
    half->cost_high = (uint64_t)((unsigned __int128)r->cost >> 64);
    memcpy(half->tier, r->usage.tier, sizeof half->tier - 1); /* the last byte stays zero */
    half->size = (uint16_t)(offsetof(struct result_half, cells) + put_cells(half, &r->usage));
    uint32_t seed = atomic_load_explicit(&start->crc, memory_order_relaxed);
    atomic_store_explicit(&half->crc, sum_of(seed, half, half->size), memory_order_release);
}

void slot_account(const char *slot, uint32_t *ret_place, int64_t *ret_started_ms)
{
    const struct start_half *half = (const struct start_half *)(const void *)slot;
    *ret_place = half->key_place;
    *ret_started_ms = half->started_ms;
}

static _Atomic uint8_t *mark_of(char *slot) { return (_Atomic uint8_t *)(void *)(slot + SLOT_ENTERED); }

void slot_enter(char *slot) { atomic_store_explicit(mark_of(slot), 1, memory_order_release); }

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static bool is_id(const char *id)
{
    for (int i = 0; i < LEDGER_ID_LEN; i++)
        if (!((id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'z'))) return false;
    return true;
}

static bool read_names(const struct start_half *half, struct attempt_start *ret_start)
{
    struct str *names[SLOT_NAMES] = {&ret_start->key_id, &ret_start->route, &ret_start->provider, &ret_start->model,
                                     &ret_start->format};
    size_t at = 0;
    for (unsigned i = 0; i < SLOT_NAMES; i++) {
        if (half->lengths[i] > SLOT_NAMES_BYTES - at) return false;
        *names[i] = str_make(half->names + at, half->lengths[i]);
        at += half->lengths[i];
    }
    return offsetof(struct start_half, names) + at == half->size;
}

static bool read_start(const struct start_half *half, uint32_t crc, struct attempt_start *ret_start)
{
    if (half->size < offsetof(struct start_half, names) || half->size > sizeof *half) return false;
    if (sum_of(0, half, half->size) != crc || !is_id(half->id) || !is_id(half->request_id)) return false;
    memcpy(ret_start->id, half->id, LEDGER_ID_LEN);
    memcpy(ret_start->request_id, half->request_id, LEDGER_ID_LEN);
    ret_start->number = half->number;
    ret_start->stream = half->flags & FLAG_STREAM;
    ret_start->key_place = half->key_place;
    ret_start->started_ms = half->started_ms;
    ret_start->estimate_input = half->estimate_input;
    ret_start->estimate_output = half->estimate_output;
    ret_start->price.known = half->flags & FLAG_PRICED;
    ret_start->price.per[USAGE_IN_FRESH] = half->price_input;
    ret_start->price.per[USAGE_OUT_VISIBLE] = half->price_output;
    return read_names(half, ret_start);
}

static bool read_cells(const struct result_half *half, struct usage *ret_usage)
{
    if (half->n_cells > SLOT_CELLS || half->size != offsetof(struct result_half, cells) + half->n_cells * sizeof(struct cell))
        return false;
    for (unsigned i = 0; i < half->n_cells; i++) {
        const struct cell *c = &half->cells[i];
        uint64_t n;
        if (c->id >= USAGE_CELLS || (i && c->id <= half->cells[i - 1].id)) return false;
        if (c->quality < USAGE_REPORTED || c->quality > USAGE_ESTIMATED) return false;
        memcpy(&n, c->n, sizeof n);
        usage_set(ret_usage, (enum usage_cell)c->id, n, (enum usage_quality)c->quality);
    }
    return true;
}

static bool read_result(const struct result_half *half, uint32_t start_crc, uint32_t crc, struct attempt_result *ret_result)
{
    if (half->size < offsetof(struct result_half, cells) || half->size > SLOT_BYTES - SLOT_RESULT) return false;
    if (sum_of(start_crc, half, half->size) != crc || half->end == ATTEMPT_OPEN || half->end > ATTEMPT_GARBAGE) return false;
    if (half->cost_high >> 63 || memchr(half->tier, 0, sizeof half->tier) == NULL) return false;
    ret_result->end = (enum attempt_end)half->end;
    ret_result->status = half->status;
    ret_result->err = half->err;
    ret_result->first_byte_us = half->first_byte_us;
    ret_result->duration_us = half->duration_us;
    ret_result->cost_known = half->flags & FLAG_COST_KNOWN;
    ret_result->ended_ms = half->ended_ms;
    ret_result->cost = (money)half->cost_high << 64 | half->cost_low;
    memcpy(ret_result->usage.tier, half->tier, sizeof half->tier);
    return read_cells(half, &ret_result->usage);
}

bool slot_has_ended(const char *slot)
{
    const struct result_half *result = (const struct result_half *)(const void *)(slot + SLOT_RESULT);
    return atomic_load_explicit(&result->crc, memory_order_acquire) != 0;
}

/* The second half's checksum is read first: where it stands, the first half is older and whole. */
enum slot_state slot_read(const char *slot, struct record *ret_record)
{
    const struct start_half *start = (const struct start_half *)(const void *)slot;
    const struct result_half *result = (const struct result_half *)(const void *)(slot + SLOT_RESULT);
    uint32_t result_crc = atomic_load_explicit(&result->crc, memory_order_acquire);
    uint32_t start_crc = atomic_load_explicit(&start->crc, memory_order_acquire);
    *ret_record = (struct record){.entered = slot[SLOT_ENTERED]};
    if (!start_crc) return result_crc ? SLOT_TORN : SLOT_BLANK;
    if (!read_start(start, start_crc, &ret_record->start)) return SLOT_TORN;
    if (!result_crc) return SLOT_OPEN;
    return read_result(result, start_crc, result_crc, &ret_record->result) ? SLOT_SETTLED : SLOT_TORN;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static const char *const ENDS[] = {
    [ATTEMPT_OPEN] = "open",       [ATTEMPT_OK] = "ok",
    [ATTEMPT_FAILED] = "failed",   [ATTEMPT_NOT_SENT] = "not_sent",
    [ATTEMPT_CUT] = "cut",         [ATTEMPT_ABORTED] = "aborted",
    [ATTEMPT_TIMEOUT] = "timeout", [ATTEMPT_INTERRUPTED] = "interrupted",
    [ATTEMPT_GARBAGE] = "garbage",
};

const char *attempt_end_name(enum attempt_end e) { return (unsigned)e < COUNTOF(ENDS) ? ENDS[e] : "unknown"; }
