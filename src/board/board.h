/* board: the memory that Aquifer's processes share. The supervisor creates it (memfd) and hands it to its children as a
 * file descriptor, so it survives the crash of any of them. Only atomics and write-once rows stand in it: no pointers, no
 * locks. A process that finds another version of it refuses to start. */
#pragma once

#include "base/base.h"

#define BOARD_VERSION 6u
#define BOARD_KEYS 65536u /* key meters; a key's place is given by control and stands in the generation */
#define BOARD_GATEWAYS 4u /* one serving, others draining */
#define BOARD_ENGINES 16u /* local models */
#define BOARD_ROWS 512u   /* metric rows: (route, provider, model); the last one takes what does not fit */
#define BOARD_BUCKETS 16u

/* Money settled in one UTC day or month. Two windows alternate, so that the next period's is clean before anybody adds
 * to it: tag is the period's number, with MONEY_WINDOW_BUSY while its first user sets it to zero. */
#define MONEY_WINDOW_BUSY (1ull << 63)
struct money_window {
    _Atomic uint64_t tag;
    _Atomic int64_t spent; /* pico-dollars: up to 9.2 million dollars */
};

/* What a key has used and reserved. Rate windows are packed: start (upper 32 bits, 100 ms units) and count. */
struct key_meter {
    _Atomic uint64_t requests_window, tokens_window;
    struct money_window day[2], month[2];     /* by parity of the period's number */
    _Atomic int64_t reserved[BOARD_GATEWAYS]; /* pico-dollars held by running exchanges of each gateway */
    _Atomic int32_t running[BOARD_GATEWAYS];  /* exchanges under way */
};

/* Settled money of a key, any thread of any process. A window's tag is the day's or month's number (clock_day(),
 * clock_month()) that its money belongs to; days are 0 or later. Money of a period that is over (before the previous one by
 * this machine's clock: a stream of many hours) is not counted: no cap asks for it any more. Sums stop at INT64_MAX. */
void meter_add_spent(struct key_meter *m, int32_t day, int32_t month, int64_t pico);
int64_t meter_spent_day(struct key_meter *m, int32_t day);
int64_t meter_spent_month(struct key_meter *m, int32_t month);
/* Sets what was spent before; only while board->ready_spend is 0 and nobody adds. Doing it again changes nothing. */
void meter_seed_spent(struct key_meter *m, int32_t day, int64_t day_pico, int32_t month, int64_t month_pico);

/* Moves what was spent by what a restored ledger has more or less than the one before it; others may add meanwhile. */
void meter_correct_spent(struct key_meter *m, int32_t day, int64_t day_pico, int32_t month, int64_t month_pico);

enum gateway_state { GATEWAY_FREE, GATEWAY_STARTING, GATEWAY_SERVING, GATEWAY_DRAINING };
struct gateway_slot {
    _Atomic int32_t pid;
    _Atomic uint32_t state;
    _Atomic uint64_t generation;         /* the one it serves */
    _Atomic uint64_t generation_refused; /* newest one it could not load */
    _Atomic int64_t started_ms;
    _Atomic int64_t exchanges;  /* under way */
    _Atomic int64_t memory;     /* bytes held by bodies and queues */
    _Atomic int64_t websockets; /* open */
    _Atomic int64_t connections, upstream_open, upstream_idle;
    _Atomic uint64_t upstream_calls, upstream_reused, upstream_connects, upstream_failures, tls_handshakes, tls_resumed;
};

/* Histogram bounds in milliseconds: 1 2 5 10 20 50 100 200 500 1s 2s 5s 10s 30s 60s +Inf. */
extern const uint32_t board_bucket_ms[BOARD_BUCKETS - 1];
struct histogram {
    _Atomic uint64_t count[BOARD_BUCKETS];
    _Atomic uint64_t sum_us;
};
void histogram_add(struct histogram *h, uint64_t us);

/* One metric row. Names are written once, before `used` is set. */
struct board_row {
    _Atomic uint32_t used; /* 0 free, 1 being written, 2 readable */
    char route[65], provider[33], model[257], format[24];
    _Atomic uint64_t attempts, failed, input_tokens, output_tokens, cached_tokens, dropped_fields;
    _Atomic uint64_t cost_pico;
    _Atomic int64_t requests_left, tokens_left; /* of the provider's limits, and 1; 0: not told */
    struct histogram duration, first_byte;
};

struct board_counters {
    _Atomic uint64_t requests, answers[6]; /* answers by status class 1xx…5xx; [0] client gone */
    _Atomic uint64_t refused[64];          /* our own errors, by enum err */
    _Atomic uint64_t losses[32];           /* in translation, by enum chat_loss */
    _Atomic uint64_t retries, streams_cut, journal_stalls, journal_released;
    _Atomic uint64_t reloads, reload_failures, upgrades_refused;
    _Atomic uint64_t ingest_rows, ingest_failures, gateway_restarts, control_restarts;
    _Atomic int64_t ingest_lag; /* settled attempts not yet in the database */
    _Atomic int64_t journal_bytes;
};

enum engine_state { ENGINE_FREE, ENGINE_STOPPED, ENGINE_WANTED, ENGINE_STARTING, ENGINE_READY, ENGINE_FAILED };
/* One local model. The engine process writes all but `wanted_ms`, which the gateway moves at each use. */
/* What a local model is for, by its description: a call that it is not for goes to no engine. */
enum engine_use { ENGINE_TALKS = 1, ENGINE_EMBEDS = 2 };
struct engine_row {
    _Atomic uint32_t state;
    _Atomic uint32_t uses;     /* bits of enum engine_use; written before state leaves ENGINE_FREE */
    char name[65];             /* the local model's name; written before state leaves ENGINE_FREE */
    _Atomic uint32_t port;     /* 127.0.0.1; valid while READY */
    char key[65];              /* the child's own API key, hex; changes only while not READY */
    _Atomic int64_t wanted_ms; /* wall clock of the last use; the engine starts, keeps and stops by it */
    _Atomic int32_t pid;
    _Atomic uint32_t restarts;
    _Atomic int64_t rss;
    char fault[192]; /* why FAILED; written before the state */
};

struct board {
    uint32_t version, size;
    uint64_t id; /* drawn when it is made: a journal segment names the board whose meters its writer enters money into */
    _Atomic int32_t supervisor_pid, control_pid, engine_pid;
    _Atomic uint64_t generation;  /* number of the newest published generation; 0 none yet */
    _Atomic uint32_t key_places;  /* places of `keys` used so far; the rest of its pages is never touched */
    _Atomic uint64_t corrected;   /* number of the newest restore (upper 32 bits), and places below which it is done */
    _Atomic uint32_t ready_spend; /* 1 when control has put the settled spend of this day and month into the meters */
    char upgrade_fault[256];      /* why the last upgrade was refused; written before counters.upgrades_refused rises */
    struct gateway_slot gateways[BOARD_GATEWAYS];
    struct board_counters counters;
    struct engine_row engines[BOARD_ENGINES];
    struct board_row rows[BOARD_ROWS];
    struct key_meter keys[BOARD_KEYS];
};

/* Descriptors that go with it: each process waits on its own bell, others ring it. */
enum bell { BELL_CONTROL, BELL_GATEWAY, BELL_ENGINE, BELLS };
struct board_fds {
    int memory;
    int bells[BELLS]; /* eventfd, non-blocking */
};

MUST_USE enum err board_create(struct board **ret_board, struct board_fds *ret_fds, struct fault *why); /* supervisor */
MUST_USE enum err board_open(const struct board_fds *fds, struct board **ret_board, struct fault *why); /* children */
void board_close(struct board *b);
/* "3,4,5,6" for a child's arguments, and back. */
void board_fds_write(const struct board_fds *fds, char out[64]);
bool board_fds_parse(const char *text, struct board_fds *ret_fds);
void bell_ring(const struct board_fds *fds, enum bell which);
void bell_hush(const struct board_fds *fds, enum bell which); /* reads the eventfd empty */
/* The row for these names, made when new; the last row when the table is full. Any thread of any process. */
struct board_row *board_row_get(struct board *b, struct str route, struct str provider, struct str model, struct str format);
struct engine_row *board_engine_find(struct board *b, struct str name); /* NULL: none */
/* What a gateway's slot held is free again: its process is gone, or a new one begins. */
void meter_forget(struct board *b, unsigned gateway);
