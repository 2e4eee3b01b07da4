/* ledger: the durable record of usage and cost. Two sides: the gateway's journal (shared-memory-mapped segment files, one
 * writer per loop, no system call to store a record) and control's ingest of it into the database, with the reports made
 * from there. Format and promises: house.md section 6, docs/ledger.md. */
#pragma once

#include "base/base.h"
#include "board/board.h"
#include "chat/chat.h"
#include "loop/loop.h"

#define LEDGER_ID_LEN 26 /* attempt and request ids: base32 characters without prefix */

/* How an attempt ended; stored by number, append only. */
enum attempt_end {
    ATTEMPT_OPEN = 0, /* sent, not settled */
    ATTEMPT_OK = 1,
    ATTEMPT_FAILED = 2,   /* the provider answered an error */
    ATTEMPT_NOT_SENT = 3, /* no byte reached the provider: counts no request */
    ATTEMPT_CUT = 4,      /* the upstream broke off or ended without its last event */
    ATTEMPT_ABORTED = 5,  /* the client went away */
    ATTEMPT_TIMEOUT = 6,
    ATTEMPT_INTERRUPTED = 7, /* the gateway died; found open by control */
    ATTEMPT_GARBAGE = 8,     /* an answer that is none */
};
const char *attempt_end_name(enum attempt_end e);

/* What is known when an attempt is sent. Names are borrowed. Bounds: key_id 24, route 64, provider 32, model 256,
 * format 24 bytes (the configuration and the request check them). */
struct attempt_start {
    char id[LEDGER_ID_LEN + 1], request_id[LEDGER_ID_LEN + 1];
    uint8_t number; /* 1 for the first attempt of the exchange */
    bool stream;
    struct str key_id, route, provider, model, format;
    uint32_t key_place;                       /* of its meter on the board */
    int64_t started_ms;                       /* wall clock; gives the row's UTC day */
    struct price price;                       /* in force at that moment */
    uint64_t estimate_input, estimate_output; /* tokens; what an interrupted attempt is charged */
    int64_t reserved_pico;                    /* the part of the exchange's reservation */
};
/* What is known when it ends. */
struct attempt_result {
    enum attempt_end end;
    uint16_t status; /* the provider's HTTP status; 0 none */
    uint16_t err;    /* enum err; OK when none */
    int64_t ended_ms;
    uint32_t first_byte_us, duration_us;
    struct usage usage;
    bool cost_known;
    money cost;
};

/* ---- gateway: the journal ------------------------------------------------------------------------------------------ */

enum ledger_safety { LEDGER_DISK, LEDGER_PROCESS };
enum ledger_on_stall { LEDGER_HOLD, LEDGER_RELEASE };
struct journal_options {
    const char *dir; /* DATA/journal */
    enum ledger_safety safety;
    enum ledger_on_stall on_stall;
    uint32_t stall_ms;      /* a sync slower than this is alarmed */
    uint64_t max_bytes;     /* all segments together; beyond: ERR_JOURNAL_FULL for new exchanges */
    uint32_t segment_bytes; /* default 4 MiB */
};

/* One per gateway process: the directory, the free space, the sync thread. */
struct journal;
/* One per loop. */
struct journal_writer;

MUST_USE enum err journal_open(const struct journal_options *o, struct board *b, struct journal **ret_journal, struct fault *why);
void journal_set_options(struct journal *j, const struct journal_options *o); /* a new generation's */
void journal_close(struct journal *j);
MUST_USE enum err journal_writer_new(struct journal *j, struct loop *l, struct journal_writer **ret_writer, struct fault *why);
/* Calls on_safe() of all that wait, safe or not: at the end of a gateway whose clients are gone. */
void journal_writer_let_go(struct journal_writer *w);
void journal_writer_free(struct journal_writer *w); /* seals its segment; no record may be waiting */

/* A place for one attempt, taken before it is sent. Valid until settled or given back. */
struct journal_place {
    struct journal_segment *segment;
    uint32_t index;
};
/* ERR_JOURNAL_FULL: no space left and none could be made; the fault says what to do. Never blocks on the disk: the next
 * segment is prepared by the journal's thread ahead of time. */
MUST_USE enum err journal_take(struct journal_writer *w, struct journal_place *ret_place, struct fault *why);
/* May a new exchange begin? For /readyz and for admission. False for all writers as soon as one has used up its segment and no
 * further one can be made; the places that the others still have are for exchanges that run. */
bool journal_has_space(const struct journal_writer *w);
void journal_give_back(struct journal_writer *w, struct journal_place *p); /* nothing was sent */
/* Stores the open mark: after it a crash leaves an interrupted row. */
void journal_start(struct journal_writer *w, struct journal_place *p, const struct attempt_start *a);
/* Stores the end, enters its cost into the key's meter, and notes in the record that it is there: what a kill leaves between
 * the two is entered by ingest. Safe against any kill of the process when it returns. p is void after it. */
void journal_settle(struct journal_writer *w, struct journal_place *p, const struct attempt_result *r);

/* Waits until all that this writer has settled is as safe as `safety` asks. */
struct journal_wait {
    struct journal_wait *next;
    uint64_t ticket;
    void (*on_safe)(struct journal_wait *w); /* on the writer's loop */
    bool queued;
};
/* True: safe already (process, or nothing new), on_safe will not be called. False: it will be, also when a stalled disk
 * is released by `on_stall: release`. */
bool journal_wait_safe(struct journal_writer *w, struct journal_wait *wait, void (*on_safe)(struct journal_wait *));
void journal_wait_cancel(struct journal_writer *w, struct journal_wait *wait);

/* ---- control: ingest and reports ------------------------------------------------------------------------------------ */

struct store;

/* Reads every segment and puts what is new into the database, idempotently by attempt id; deletes segments that are all
 * ingested and sealed or orphaned; settles attempts of dead gateways as interrupted and adds their cost to the meters on
 * the board. Blocking; one caller at a time. */
struct ledger_ingest;
MUST_USE enum err ledger_ingest_new(const char *dir, struct store *s, struct board *b, struct ledger_ingest **ret_ingest,
                                    struct fault *why);
void ledger_ingest_free(struct ledger_ingest *i);
MUST_USE enum err ledger_ingest_run(struct ledger_ingest *i, uint64_t *ret_rows, struct fault *why);
/* Puts this day's and month's settled spend of every key into the meters, then sets board->ready_spend. Once, at the start
 * of control when the board is fresh, after the first ingest. places: key id → const uint32_t *, the key's place. */
MUST_USE enum err ledger_seed_spend(struct store *s, struct board *b, const struct map *places, struct fault *why);
/* Removes the attempts and sums of days before `oldest_day`, at most one day per call and transaction; *ret_rows 0: none is
 * left. */
MUST_USE enum err ledger_retain(struct store *s, int32_t oldest_day, uint64_t *ret_rows, struct fault *why);
/* The report of `aquifer usage --json` (fields: README). Days inclusive; "" for all keys / all routes. */
struct ledger_query {
    int32_t from_day, to_day;
    struct str key_id, route, project; /* "": all */
};
MUST_USE enum err ledger_report(struct store *s, const struct ledger_query *q, struct buf *out_json, struct fault *why);
/* Single attempts, newest first, for audits and tests: at most `limit` rows as JSON. */
MUST_USE enum err ledger_attempts(struct store *s, const struct ledger_query *q, unsigned limit, struct buf *out_json,
                                  struct fault *why);

/* ---- backup and restore ----------------------------------------------------------------------------------------------- */

/* All that was settled before the call, as one database file that must not exist yet: ingest, then a copy while others go
 * on. What is settled later, or still running, belongs to the next backup; so no journal is in it. */
MUST_USE enum err ledger_backup(struct ledger_ingest *i, const char *path, struct fault *why);
/* Restoring brings back the ledger as it was told by the backup, and what was not booked before the restore is added to it.
 * Never turned back: a revocation, a key's newer secret. Keys made since are kept, revoked. The former database is kept as
 * DATA/aquifer.db.before-restore.
 *
 * Offline. Refuses while any process uses the data directory, and a backup that is damaged, of a newer program, or whose
 * sums do not equal its rows. */
MUST_USE enum err ledger_restore(const char *data, const char *backup, struct fault *why);
/* While control and gateways run, in three steps. First the slow one, beside all work: a copy of the backup, checked and
 * brought forward; LEDGER_RESTORING begins its name. */
#define LEDGER_RESTORING "aquifer.db.restoring"
MUST_USE enum err ledger_restore_check(const char *data, const char *backup, const char *copy, struct fault *why);
/* Then, on ingest's thread after an ingest: the copy takes the database's place in one transaction; the copy is removed. A
 * kill at any moment leaves the one or the other whole. On OK what is remembered of the database is void: i is to be freed. */
MUST_USE enum err ledger_restore_take(struct ledger_ingest *i, const char *data, const char *copy, struct fault *why);
/* Last, and at each start of control on a board whose meters were seeded before: they are moved by what a restore changed,
 * once. */
MUST_USE enum err ledger_correct_spend(struct store *s, struct board *b, struct fault *why);
/* Removes what a restore that was killed left behind. */
void ledger_restore_sweep(const char *data);
/* ERR_STORE unless the database is whole and every day's sums equal its rows. */
MUST_USE enum err ledger_check(struct store *s, struct fault *why);
