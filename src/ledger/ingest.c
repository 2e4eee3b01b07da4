/* Control's side of the ledger: journal segments into the database. A segment whose lock can be had has no writer any more:
 * what is open in it was interrupted, and the file goes when all of it is in the database.
 * Called by control's own thread. Owns what it remembers of each segment. Never trusts a file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ingest.h"

enum { CHUNK_SLOTS = BATCH_WAITING, BAD_KEPT = 16, NAME_ROOM = 64, SLOTS_MAX = 1 << 22 };
enum { STINT_ROWS = 256 }; /* about half a millisecond */

/* What this process remembers of a segment that is still there. */
struct seen {
    struct seen *next;
    char id[NAME_ROOM];
    uint32_t position; /* all slots before it are done */
    uint32_t n_slots;
    unsigned char *done; /* one byte per slot */
    struct buf kept;     /* what the database says of slots behind `position`, a bit each, until `done` is made */
    bool told;           /* its damage or its newer version was logged */
    bool present;
};

struct ledger_ingest {
    char *dir;
    struct store *store;
    struct board *board;
    struct seen *seen;
    char *chunk;    /* CHUNK_SLOTS slots */
    uint32_t stint; /* rows since it gave way */
};

/* One segment while it is read. */
struct reading {
    struct ledger_ingest *in;
    struct seen *seen;
    struct batch batch;
    int fd;
    bool dead;      /* nobody writes it any more */
    bool own;       /* its writer enters money into the meters of our board */
    uint32_t limit; /* slots to look at */
    uint32_t torn;
};

enum err ledger_ingest_new(const char *dir, struct store *s, struct board *b, struct ledger_ingest **ret_ingest,
                           struct fault *why)
{
    struct stat st;
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) return FAIL(why, ERR_IO, "%s is no directory", dir);
    struct ledger_ingest *in = mem_alloc(sizeof *in);
    in->dir = str_dup_z(str_z(dir));
    in->store = s;
    in->board = b;
    in->chunk = mem_alloc((size_t)CHUNK_SLOTS * SLOT_BYTES);
    *ret_ingest = in;
    return OK;
}

struct store *ledger_ingest_store(const struct ledger_ingest *in) { return in->store; }

static void seen_free(struct seen *s)
{
    free(s->done);
    buf_done(&s->kept);
    free(s);
}

void ledger_ingest_free(struct ledger_ingest *in)
{
    if (!in) return;
    for (struct seen *s = in->seen, *next; s; s = next) {
        next = s->next;
        seen_free(s);
    }
    free(in->chunk);
    free(in->dir);
    free(in);
}

/* ---- what is remembered -------------------------------------------------------------------------------------------------- */

static enum err seen_get(struct ledger_ingest *in, struct str id, struct seen **ret_seen, struct fault *why)
{
    struct store_rows row CLEANUP(store_rows_done) = {0};
    bool known;
    for (struct seen *s = in->seen; s; s = s->next)
        if (str_eq(str_z(s->id), id)) return *ret_seen = s, OK;
    TRY(store_query(in->store, "SELECT position, done FROM segments WHERE id = ?1", BINDS(V_TEXT(id)), &row, why));
    TRY(store_next(&row, &known, why));
    int64_t position = known ? store_i64(&row, 0) : 0;
    struct seen *s = mem_alloc(sizeof *s);
    buf_init(&s->kept, SLOTS_MAX / 8);
    if (known) buf_str(&s->kept, store_blob(&row, 1));
    snprintf(s->id, sizeof s->id, "%.*s", STR_ARG(id));
    s->position = position > 0 && position < SLOTS_MAX ? (uint32_t)position : 0;
    s->next = in->seen;
    in->seen = s;
    *ret_seen = s;
    return OK;
}

static void seen_forget_absent(struct ledger_ingest *in)
{
    for (struct seen **at = &in->seen; *at;) {
        struct seen *s = *at;
        if (s->present) {
            s->present = false;
            at = &s->next;
            continue;
        }
        *at = s->next;
        seen_free(s);
    }
}

static bool is_done(const struct seen *s, uint32_t i) { return i < s->position || s->done[i]; }

static void seen_make(struct seen *s, uint32_t n_slots)
{
    s->n_slots = n_slots;
    s->done = mem_alloc(n_slots);
    for (uint32_t i = 0; i < n_slots && i / 8 < s->kept.n; i++) s->done[i] = (unsigned char)s->kept.p[i / 8] >> i % 8 & 1;
}

static bool any_done(const struct seen *s)
{
    bool any = s->position > 0 || s->kept.n > 0;
    for (uint32_t i = 0; s->done && !any && i < s->n_slots; i++) any = s->done[i];
    return any;
}

/* A segment that was not looked into yet has its marks as they were read. */
static struct str marks_of(const struct seen *s, struct buf *room)
{
    if (!s->done) return buf_view(&s->kept);
    buf_clear(room);
    for (uint32_t i = 0; i < s->n_slots; i += 8) {
        unsigned char bits = 0;
        for (uint32_t k = 0; k < 8 && i + k < s->n_slots; k++) bits |= (unsigned char)(is_done(s, i + k) << k);
        buf_char(room, (char)bits);
    }
    return buf_view(room);
}

enum err ledger_ingest_put_marks(const struct ledger_ingest *in, struct store *to, struct fault *why)
{
    struct buf room;
    enum err e = store_exec(to, "DELETE FROM segments", NULL, NULL, why);
    buf_init(&room, SLOTS_MAX / 8);
    for (const struct seen *s = in->seen; e == OK && s; s = s->next)
        if (any_done(s))
            e = store_exec(to, "INSERT INTO segments (id, position, done) VALUES (?1, ?2, ?3)",
                           BINDS(V_TEXT(str_z(s->id)), V_I64(s->position), V_BLOB(marks_of(s, &room))), NULL, why);
    buf_done(&room);
    return e;
}

/* ---- slots ------------------------------------------------------------------------------------------------------------------ */

static enum err take_slot(struct reading *r, const char *slot, uint32_t index, bool *ret_done, struct fault *why)
{
    struct record *record = batch_room(&r->batch);
    *ret_done = true;
    switch (slot_read(slot, record)) {
    case SLOT_SETTLED:
        if (!r->own || r->dead || record->entered) return batch_add(&r->batch, index, false, why);
        break; /* its writer is about to enter it */
    case SLOT_OPEN:
        if (r->dead) return batch_add(&r->batch, index, true, why);
        break;
    case SLOT_TORN:
        r->torn += r->dead; /* of a living writer: it is writing this very moment */
        break;
    case SLOT_BLANK: break;
    }
    *ret_done = false;
    return OK;
}

static enum err read_at(int fd, void *p, size_t n, off_t at, struct fault *why)
{
    for (size_t got = 0; got < n;) {
        ssize_t more = pread(fd, (char *)p + got, n - got, at + (off_t)got);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0)
            return FAIL(why, ERR_IO, "cannot read a journal segment: %s", more < 0 ? strerror(errno) : "it ends too early");
        got += (size_t)more;
    }
    return OK;
}

static bool all_done(const struct seen *s, uint32_t from, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && is_done(s, from + i)) i++;
    return i == n;
}

/* Whoever waits for this processor, an event loop above all, goes first: the kernel alone would let it wait until its next
 * tick, 4 ms at 250 Hz, and with it every request that is under way. Costs nothing while nobody waits. */
static void give_way(struct ledger_ingest *in, uint32_t rows)
{
    in->stint += rows;
    for (; in->stint >= STINT_ROWS; in->stint -= STINT_ROWS) sched_yield();
}

/* Marks what it took with 2: done once the batch is committed. Thousands of streams may stand open for hours, and are
 * looked at each time: of a living writer nothing is read that has not ended. */
static enum err take_chunk(struct reading *r, uint32_t from, uint32_t n, struct fault *why)
{
    char *chunk = r->in->chunk;
    uint32_t taken = 0;
    if (all_done(r->seen, from, n)) return OK;
    TRY(read_at(r->fd, chunk, (size_t)n * SLOT_BYTES, SEGMENT_HEAD + (off_t)from * SLOT_BYTES, why));
    for (uint32_t i = 0; i < n; i++) {
        bool done;
        if (is_done(r->seen, from + i)) continue;
        if (!r->dead && !slot_has_ended(chunk + (size_t)i * SLOT_BYTES)) continue;
        TRY(take_slot(r, chunk + (size_t)i * SLOT_BYTES, from + i, &done, why));
        if (done) r->seen->done[from + i] = 2;
        taken += done;
    }
    TRY(batch_flush(&r->batch, why)); /* the next chunk takes the place of this one */
    give_way(r->in, taken);
    return OK;
}

static void keep_marks(struct seen *s, uint32_t limit, bool committed)
{
    for (uint32_t i = s->position; i < limit; i++)
        if (s->done[i] == 2) s->done[i] = committed;
    while (s->position < limit && s->done[s->position]) s->position++;
}

static uint32_t position_after(const struct seen *s, uint32_t limit)
{
    uint32_t at = s->position;
    while (at < limit && s->done[at]) at++;
    return at;
}

/* Into the meter, then the mark: killed between the two it is entered twice, which spends nobody's cap too far. A board
 * that is not seeded yet gets it from the database. */
static void enter_charge(struct reading *r, const struct charge *c)
{
    static const char one = 1;
    struct board *b = r->in->board;
    if (atomic_load(&b->ready_spend))
        meter_add_spent(&b->keys[c->place], clock_day(c->started_ms), clock_month(c->started_ms), c->pico);
    if (!r->own) return;
    off_t at = SEGMENT_HEAD + (off_t)c->slot * SLOT_BYTES + SLOT_ENTERED;
    if (pwrite(r->fd, &one, 1, at) != 1)
        LOG(LOG_WARN, "ingest.unmarked", "money is in its meter, but the segment cannot be marked", F_Z("segment", r->seen->id));
}

static void after_commit(struct reading *r)
{
    struct board *b = r->in->board;
    atomic_fetch_add(&b->counters.ingest_rows, r->batch.rows);
    int64_t lag = atomic_load(&b->counters.ingest_lag), left;
    do left = lag > (int64_t)r->batch.settled ? lag - (int64_t)r->batch.settled : 0;
    while (!atomic_compare_exchange_weak(&b->counters.ingest_lag, &lag, left));
    for (const struct charge *c = r->batch.charges; c; c = c->next) enter_charge(r, c);
}

static enum err read_slots(struct reading *r, struct fault *why)
{
    enum err e = OK;
    for (uint32_t at = r->seen->position; e == OK && at < r->limit; at += CHUNK_SLOTS) {
        uint32_t left = r->limit - at;
        e = take_chunk(r, at, left < CHUNK_SLOTS ? left : CHUNK_SLOTS, why);
    }
    int64_t position = r->dead ? 0 : position_after(r->seen, r->limit);
    if (e == OK) e = batch_commit(&r->batch, str_z(r->seen->id), position, why);
    if (e == OK) after_commit(r);
    keep_marks(r->seen, r->limit, e == OK);
    return e;
}

/* ---- files -------------------------------------------------------------------------------------------------------------------- */

static void path_of(const struct ledger_ingest *in, const char *id, const char *suffix, char out[4096])
{
    snprintf(out, 4096, "%s/%s%s", in->dir, id, suffix);
}

/* The oldest of the files kept aside goes when there are too many. */
static void bound_bad(const struct ledger_ingest *in)
{
    char path[4096], oldest[4096] = "";
    struct stat st;
    time_t since = 0;
    unsigned n = 0;
    DIR *d = opendir(in->dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (!str_ends(str_z(e->d_name), S(SEGMENT_BAD))) continue;
        path_of(in, e->d_name, "", path);
        if (stat(path, &st) < 0) continue;
        if (n++ && st.st_mtime >= since) continue;
        since = st.st_mtime;
        memcpy(oldest, path, sizeof oldest);
    }
    closedir(d);
    if (n > BAD_KEPT) unlink(oldest);
}

static void put_aside(const struct reading *r, const char *what)
{
    char from[4096], to[4096];
    path_of(r->in, r->seen->id, SEGMENT_SUFFIX, from);
    path_of(r->in, r->seen->id, SEGMENT_BAD, to);
    atomic_fetch_add(&r->in->board->counters.ingest_failures, 1);
    LOG(LOG_ERROR, "ingest.damaged", "a journal segment is damaged and kept aside; what could be read of it is in the database",
        F_Z("file", to), F_Z("what", what), F_UINT("slots", r->torn));
    ignore_err(rename(from, to) == 0 ? OK : ERR_IO);
    bound_bad(r->in);
}

/* All of it is in the database. Killed in the middle of this, the next one reads it again and finds every id known. */
static enum err end_segment(const struct reading *r, struct fault *why)
{
    char path[4096];
    path_of(r->in, r->seen->id, SEGMENT_SUFFIX, path);
    if (r->torn) put_aside(r, "slots are torn");
    else if (unlink(path) < 0 && errno != ENOENT)
        return FAIL(why, ERR_IO, "cannot remove the journal segment %s: %s", path, strerror(errno));
    if (r->seen->position == 0 && r->seen->kept.n == 0) return OK;
    return store_exec(r->in->store, "DELETE FROM segments WHERE id = ?1", BINDS(V_TEXT(str_z(r->seen->id))), NULL, why);
}

/* Only a segment without a writer is judged: the header of a living one was checked when it was made. */
static enum err refuse(struct reading *r, enum err code, const struct fault *what, struct fault *why)
{
    if (code == ERR_IO && r->dead) {
        put_aside(r, what->text);
        return OK;
    }
    if (!r->seen->told) LOG(LOG_ERROR, "ingest.unreadable", what->text, F_Z("segment", r->seen->id));
    r->seen->told = true;
    return FAIL(why, code, "the journal segment %s cannot be read: %s", r->seen->id, what->text);
}

static enum err read_head(struct reading *r, struct fault *why)
{
    struct segment_head h;
    struct fault what;
    struct stat st;
    if (fstat(r->fd, &st) < 0) return FAIL(why, ERR_IO, "cannot look at a journal segment: %s", strerror(errno));
    enum err e = st.st_size < SEGMENT_HEAD ? FAIL(&what, ERR_IO, "it is cut short") : read_at(r->fd, &h, sizeof h, 0, &what);
    if (e == OK) e = segment_head_check(&h, (uint64_t)st.st_size, &what);
    if (e != OK) return refuse(r, e, &what, why);
    if (!r->seen->done) seen_make(r->seen, h.n_slots);
    r->own = h.board == r->in->board->id;
    uint32_t limit = atomic_load(&h.limit);
    r->limit = r->dead || limit > r->seen->n_slots ? r->seen->n_slots : limit;
    return OK;
}

static enum err read_segment(struct reading *r, struct fault *why)
{
    r->dead = flock(r->fd, LOCK_EX | LOCK_NB) == 0;
    TRY(read_head(r, why));
    if (!r->seen->done) return OK; /* put aside */
    batch_init(&r->batch, r->in->store, r->own);
    enum err e = read_slots(r, why);
    batch_done(&r->batch);
    return e == OK && r->dead ? end_segment(r, why) : e;
}

/* A file that goes away meanwhile was a blank one of a gateway that ended. */
static enum err take_segment(struct ledger_ingest *in, struct str id, uint64_t *ret_rows, struct fault *why)
{
    char path[4096];
    struct reading r = {.in = in};
    if (id.n >= NAME_ROOM) return OK;
    TRY(seen_get(in, id, &r.seen, why));
    r.seen->present = true;
    path_of(in, r.seen->id, SEGMENT_SUFFIX, path);
    r.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (r.fd < 0 && errno == ENOENT) return OK;
    if (r.fd < 0) return FAIL(why, ERR_IO, "cannot open the journal segment %s: %s", path, strerror(errno));
    enum err e = read_segment(&r, why);
    close(r.fd);
    *ret_rows += e == OK ? r.batch.rows : 0;
    return e;
}

/* Of a gateway that was killed while it prepared a segment: nothing is in it. */
static void remove_new(const struct ledger_ingest *in, const char *name)
{
    char path[4096];
    path_of(in, name, "", path);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(path);
    close(fd);
}

static enum err take_file(struct ledger_ingest *in, const char *name, uint64_t *ret_rows, struct fault *why)
{
    struct str s = str_z(name);
    if (str_ends(s, S(SEGMENT_NEW))) remove_new(in, name);
    if (!str_ends(s, S(SEGMENT_SUFFIX))) return OK;
    return take_segment(in, str_make(s.p, s.n - strlen(SEGMENT_SUFFIX)), ret_rows, why);
}

/* One bad segment does not keep the others waiting, a bad database does; the first fault is told. */
enum err ledger_ingest_run(struct ledger_ingest *in, uint64_t *ret_rows, struct fault *why)
{
    enum err first = OK;
    *ret_rows = 0;
    DIR *d = opendir(in->dir);
    if (!d && errno == ENOENT) return OK;
    if (!d) return FAIL(why, ERR_IO, "cannot read the journal directory %s: %s", in->dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        struct fault fault = {0};
        enum err got = take_file(in, e->d_name, ret_rows, &fault);
        if (got == OK) continue;
        atomic_fetch_add(&in->board->counters.ingest_failures, 1);
        if (first == OK && why) *why = fault;
        if (first == OK) first = got;
        if (got == ERR_STORE) break;
    }
    closedir(d);
    if (first != ERR_STORE) seen_forget_absent(in);
    return first;
}
