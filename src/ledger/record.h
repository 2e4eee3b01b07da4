/* The format of a journal segment, shared by the gateway that writes it and by control that reads it; docs/ledger.md tells
 * the promises. A segment is one page of header and then slots of fixed size, one per attempt, each in two halves with a
 * checksum of its own that is stored last. Little-endian, as the processors we run on; the magic number tells.
 * For the files of this room only. */
#pragma once

#include "ledger/ledger.h"

#define SEGMENT_MAGIC 0x314c4e524a515141ull /* "AQJRNL1" and a byte: another byte order reads as damage */
enum {
    SEGMENT_VERSION = 2,
    SEGMENT_HEAD = 4096,
    SEGMENT_STEP = 64, /* `limit` moves in such steps, and in longer ones under load, so that its page is rarely dirtied */
    SEGMENT_STEP_MOST = 1024,
    SLOT_BYTES = 832,   /* the worst case is 804: names of 400 bytes, 22 cells */
    SLOT_ENTERED = 519, /* a byte between the halves: 1 when the meter has the money */
    SLOT_RESULT = 520,  /* where the second half begins */
    SLOT_CELLS = 22,    /* a conversation's 21; images, seconds and searches are units of calls that are none */
    SLOT_NAMES = 5,
    SLOT_NAMES_BYTES = 400,
};
#define SEGMENT_SUFFIX ".seg"
#define SEGMENT_NEW ".new" /* being prepared: holds no record */
#define SEGMENT_BAD ".bad" /* kept aside by ingest */

struct segment_head {
    uint64_t magic;
    uint32_t version, slot_bytes, n_slots, loop;
    int64_t created_ms;
    uint32_t crc;            /* of what stands before it */
    _Atomic uint32_t sealed; /* 1: the writer is done, every taken slot is settled or blank */
    _Atomic uint32_t limit;  /* slots from here on were never taken */
    uint64_t board;          /* whose meters the writer enters money into; written before the file has its name */
};

enum slot_state {
    SLOT_BLANK, /* never started */
    SLOT_OPEN,  /* sent, not settled */
    SLOT_SETTLED,
    SLOT_TORN, /* a checksum or a value is wrong */
};

/* One slot read back; names and everything else are borrowed from the slot. */
struct record {
    struct attempt_start start;
    struct attempt_result result; /* of a settled one */
    bool entered;                 /* the meter has the money of a settled one */
};

void segment_head_write(struct segment_head *h, uint32_t n_slots, uint32_t loop, int64_t created_ms);
/* ERR_IO: damaged. ERR_PARSE: a newer version wrote it. */
MUST_USE enum err segment_head_check(const struct segment_head *h, uint64_t file_bytes, struct fault *why);

static inline char *slot_at(char *map, uint32_t index) { return map + SEGMENT_HEAD + (size_t)index * SLOT_BYTES; }

void slot_start(char *slot, const struct attempt_start *a);
void slot_settle(char *slot, const struct attempt_result *r);
/* Where the money of a started slot belongs: the key's place, and the time whose day and month count it. */
void slot_account(const char *slot, uint32_t *ret_place, int64_t *ret_started_ms);
void slot_enter(char *slot); /* the meter has it */
/* Never trusts the bytes. Of an open slot only `start` is set. */
enum slot_state slot_read(const char *slot, struct record *ret_record);
bool slot_has_ended(const char *slot); /* its second half is there, whole or not */
