/* The inside of the gateway's journal: segments, writers, the two threads. For the files of this room only.
 * Who touches what: a writer's loop alone takes, starts and settles; the list of segments and the stock of spare ones are
 * under `lock`; a segment is unmapped and freed by the sync thread only, after its writer has retired it. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "ledger/record.h"

enum { JOURNAL_WRITERS = 256, PATH_ROOM = 4096 };

/* The disk, as the journal sees it. Tests plant failures here; nobody else changes it. */
struct journal_disk {
    int (*allocate)(int fd, off_t at, off_t n); /* posix_fallocate: returns the error */
    ssize_t (*write_at)(int fd, const void *p, size_t n, off_t at);
    int (*sync)(int fd); /* fdatasync */
    int (*rename)(const char *from, const char *to);
};
extern struct journal_disk journal_disk;

enum thread_sleep { AWAKE, DOZE /* wakes by itself */, SOUND };

struct journal_segment {
    struct journal_segment *next; /* in journal->segments or journal->spares */
    struct journal_writer *writer;
    char *map;
    size_t bytes;
    int fd;                      /* holds the lock that tells control we live */
    uint32_t n_slots, next_slot; /* the writer's loop alone */
    uint32_t limit;              /* as the header tells it; its loop alone */
    uint32_t open;               /* taken and not settled; the writer's loop alone */
    bool full;                   /* the writer has moved on; its loop alone */
    bool retired;                /* under lock: the writer is done with it */
    bool syncing;                /* in the group of the sync under way; the sync thread alone */
    _Atomic bool dirty;          /* something was stored since the last sync began */
    char id[LEDGER_ID_LEN + 1];
};

struct journal_writer {
    struct journal *journal;
    struct loop *loop;
    struct journal_segment *segment;         /* where places are taken */
    _Atomic uint64_t settled;                /* tickets given; written by the loop */
    _Atomic uint64_t wanted;                 /* the newest ticket that somebody waits for */
    _Atomic uint64_t safe;                   /* all up to this one are on the disk */
    _Atomic uint64_t released;               /* all up to this one may go on although they are not */
    struct journal_wait *waits, **waits_end; /* by ticket; the loop alone */
    struct defer kick;
    struct post post;
    _Atomic bool posted;
    bool gone;        /* freed by its loop while a post was on the way */
    uint64_t syncing; /* the ticket that the sync under way covers; the sync thread, under lock */
    uint32_t number;
    uint32_t limit_step; /* of the segment's limit; the loop alone */
    uint64_t limit_moved_ms;
};

struct journal {
    struct board *board;
    char dir[PATH_ROOM];
    _Atomic bool disk, release; /* safety and on_stall of the present generation */
    _Atomic uint32_t stall_ms;
    _Atomic uint64_t max_bytes;
    uint32_t segment_bytes;
    pthread_mutex_t lock;
    pthread_cond_t sync_wake, keeper_wake;
    pthread_t sync_thread, keeper_thread;
    struct journal_segment *segments, *spares;       /* under lock */
    struct journal_writer *writers[JOURNAL_WRITERS]; /* under lock */
    uint32_t n_writers;                              /* under lock */
    bool stop;                                       /* under lock */
    _Atomic uint32_t n_spares;
    _Atomic bool full;                         /* stored under lock: a writer found its segment used up and no spare one */
    _Atomic uint32_t sync_sleep, keeper_sleep; /* enum thread_sleep */
    _Atomic bool dir_dirty;                    /* a segment's name is not on the disk yet */
    _Atomic bool kicked;                       /* somebody waits, and his loop has nothing else to do */
    _Atomic bool retired_some;                 /* there is a segment to be closed */
    _Atomic uint64_t sync_since_ns;            /* when the sync under way began; 0: none */
    _Atomic bool stalled;
    _Atomic bool make_failed; /* no further segment can be made just now; the keeper's: it has told already */
};

/* segment.c */
MUST_USE enum err segment_make(struct journal *j, bool sync, struct journal_segment **ret_segment, struct fault *why);
void segment_close(struct journal *j, struct journal_segment *s); /* unmaps, unlocks, frees; a blank one is removed */
void segment_rest(const struct journal_segment *s);               /* its pages leave this process, nothing is lost */
int segment_sync(struct journal_segment *s);                      /* 0 or errno; after a failure all its pages are dirty again */
int journal_dir_sync(const char *dir);                            /* 0 or errno */
uint64_t journal_dir_bytes(const char *dir);

/* keeper.c: the thread that prepares segments and watches for a stall, and the thread that syncs */
void *keeper_run(void *journal);
void *sync_run(void *journal);
void sync_kick(struct journal *j);
void keeper_kick(struct journal *j);

/* journal.c */
void writer_post(struct journal_writer *w);
