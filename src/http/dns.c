/* Names of origins, through c-ares on the loop. A name that was ever resolved is answered at once, from the last good
 * answer; when its time is over it is asked again behind the back. One for each client; owns sockets and answers. */
#define CARES_NO_DEPRECATED 1 /* newer releases deprecate what 1.18 has nothing else for */
#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

#include "http/client.h"

#define TRY_MS 1500 /* for one server; all of them twice stay near the connect deadline */
#define TRIES 2
#define TTL_MIN_S 5
#define TTL_MAX_S 600
#define AGAIN_MS 5000 /* after a failure, for a name with a good answer */
#define NAMES_MAX 1024

struct name {
    struct name *next;
    struct dns *dns;
    struct str host;
    struct addresses good; /* n 0: never resolved */
    struct fault *why;     /* of the last lookup; NULL: it went well */
    struct dns_query *waiting;
    struct timer timer; /* the end of the answer's time */
    struct defer defer;
    bool asking, is_used; /* is_used: since it was last asked for */
};

struct ares_watch {
    struct watch watch;
    struct ares_watch *next;
    struct dns *dns;
};

struct dns {
    struct loop *loop;
    ares_channel channel;
    bool has_channel;
    unsigned asking; /* lookups under way */
    bool is_stale;   /* the channel's servers did not answer: read the configuration again */
    struct timer timer;
    struct ares_watch *watches;
    struct name *names;
    unsigned n_names;
};

static void start_library(void) { must(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); }

struct dns *dns_new(struct loop *l)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, start_library) == 0);
    struct dns *d = mem_alloc(sizeof *d);
    d->loop = l;
    return d;
}

/* ---- c-ares on the loop --------------------------------------------------------------------------------------------- */

static void on_timer(struct timer *t);

static void set_timer(struct dns *d)
{
    struct timeval room;
    struct timeval *left = ares_timeout(d->channel, NULL, &room);
    if (left) timer_set(d->loop, &d->timer, (uint64_t)left->tv_sec * 1000 + (uint64_t)left->tv_usec / 1000 + 1, on_timer);
    else timer_cancel(d->loop, &d->timer);
}

static void on_timer(struct timer *t)
{
    struct dns *d = CONTAINER_OF(t, struct dns, timer);
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(d);
}

static void on_ready(struct watch *w, unsigned events)
{
    struct ares_watch *a = CONTAINER_OF(w, struct ares_watch, watch);
    struct dns *d = a->dns;
    int fd = w->fd; /* a may be freed by what follows */
    ares_process_fd(d->channel, events & WATCH_READ ? fd : ARES_SOCKET_BAD, events & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
    set_timer(d);
}

static void on_socket(void *user, ares_socket_t fd, int read, int write)
{
    struct dns *d = user;
    unsigned events = (read ? WATCH_READ : 0u) | (write ? WATCH_WRITE : 0u);
    struct ares_watch **at = &d->watches;
    while (*at && (*at)->watch.fd != fd) at = &(*at)->next;
    if (!*at && events) {
        struct ares_watch *a = mem_alloc(sizeof *a);
        if (watch_start(d->loop, &a->watch, fd, events, on_ready) != OK) {
            free(a); /* the lookup will run into its time limit */
            return;
        }
        a->dns = d;
        *at = a;
    } else if (*at && events) {
        watch_set(&(*at)->watch, events);
    } else if (*at) {
        struct ares_watch *gone = *at;
        *at = gone->next;
        watch_stop(&gone->watch);
        free(gone);
    }
}

/* Newer c-ares keep answers of their own, for up to an hour; qcache_max_ttl 0 forbids it: what is kept, and how long, is
 * decided here. */
#ifdef ARES_OPT_QUERY_CACHE
enum { OPTIONS = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_QUERY_CACHE };
#else
enum { OPTIONS = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB };
#endif

static bool open_channel(struct dns *d)
{
    if (d->has_channel && d->is_stale && d->asking == 0) {
        ares_destroy(d->channel);
        d->has_channel = false;
    }
    if (d->has_channel) return true;
    struct ares_options o = {.timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = d};
    d->has_channel = ares_init_options(&d->channel, &o, OPTIONS) == ARES_SUCCESS;
    d->is_stale = false;
    return d->has_channel;
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

static void on_expired(struct timer *t);

static void tell_waiting(struct defer *defer)
{
    struct name *name = CONTAINER_OF(defer, struct name, defer);
    struct fault why = name->why ? *name->why : (struct fault){0};
    struct addresses found = name->good;
    struct dns_query *waiting = name->waiting; /* who asks again while being told waits for the next answer */
    name->waiting = NULL;
    if (waiting) waiting->link = &waiting;
    while (waiting) {
        struct dns_query *q = waiting;
        dns_cancel(q);
        q->on_answer(q, found.n ? &found : NULL, &why);
    }
}

static void add_address(struct addresses *to, const struct sockaddr *from)
{
    union address *a = &to->at[to->n];
    if (to->n == ADDRESSES_MAX) return;
    if (from->sa_family == AF_INET) memcpy(&a->v4, from, sizeof a->v4);
    else if (from->sa_family == AF_INET6) memcpy(&a->v6, from, sizeof a->v6);
    else return;
    to->n++;
}

static uint64_t read_answer(struct name *name, const struct ares_addrinfo *info)
{
    int ttl = TTL_MAX_S;
    struct addresses found = {0};
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (node->ai_ttl < ttl) ttl = node->ai_ttl;
        add_address(&found, node->ai_addr);
    }
    if (found.n) name->good = found;
    return (uint64_t)(ttl < TTL_MIN_S ? TTL_MIN_S : ttl) * 1000;
}

/* RFC 6761, 6.3: this name is this machine, also where no hosts file says so (a bare container; c-ares of Debian 12 needs one).
 * False: it is another name. */
static bool answer_for_this_machine(struct name *name)
{
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (!str_eq(name->host, S("localhost"))) return false;
    name->good.n = 0;
    add_address(&name->good, (const struct sockaddr *)&v4);
    add_address(&name->good, (const struct sockaddr *)&v6);
    return true;
}

static void note_failure(struct name *name, int status)
{
    name->why = mem_alloc(sizeof *name->why);
    ignore_err(
        FAIL(name->why, ERR_UPSTREAM_DNS, "the name %.*s cannot be resolved: %s", STR_ARG(name->host), ares_strerror(status)));
    name->dns->is_stale = status != ARES_ENOTFOUND && status != ARES_ENODATA;
}

static void on_resolved(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct name *name = user;
    uint64_t again = AGAIN_MS;
    name->asking = false;
    name->dns->asking--;
    free(name->why);
    name->why = NULL;
    if (status == ARES_SUCCESS) again = read_answer(name, info);
    if (status == ARES_SUCCESS && name->good.n == 0) status = ARES_ENODATA;
    if (status != ARES_SUCCESS && status != ARES_EDESTRUCTION && answer_for_this_machine(name)) status = ARES_SUCCESS;
    if (status != ARES_SUCCESS) note_failure(name, status);
    if (info) ares_freeaddrinfo(info);
    if (status == ARES_EDESTRUCTION) return;
    if (name->good.n) timer_set(name->dns->loop, &name->timer, again, on_expired);
    loop_defer(name->dns->loop, &name->defer, tell_waiting);
}

static void ask(struct name *name)
{
    struct dns *d = name->dns;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (name->asking) return;
    bool is_open = open_channel(d);
    name->is_used = false;
    name->asking = true;
    d->asking++;
    if (!is_open) {
        on_resolved(name, ARES_ENOTINITIALIZED, 0, NULL);
        return;
    }
    ares_getaddrinfo(d->channel, name->host.p, NULL, &hints, on_resolved, name); /* may answer at once */
    set_timer(d);
}

/* A name in use is kept fresh; one that nobody asked for waits until somebody does. */
static void on_expired(struct timer *t)
{
    struct name *name = CONTAINER_OF(t, struct name, timer);
    if (name->is_used) ask(name);
}

/* ---- finding -------------------------------------------------------------------------------------------------------- */

static bool read_literal(struct str host, struct addresses *ret_found)
{
    char text[INET6_ADDRSTRLEN];
    union address a = {0};
    if (host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
    } else {
        a = (union address){0};
        if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) != 1) return false;
        a.v6.sin6_family = AF_INET6;
    }
    *ret_found = (struct addresses){.n = 1, .at = {a}};
    return true;
}

static void free_name(struct name *name)
{
    timer_cancel(name->dns->loop, &name->timer);
    loop_undefer(name->dns->loop, &name->defer);
    free((void *)(uintptr_t)name->host.p);
    free(name->why);
    free(name);
}

/* Configurations change: names that nobody uses any more make room. */
static void make_room(struct dns *d)
{
    for (struct name **at = &d->names; *at && d->n_names >= NAMES_MAX;) {
        struct name *name = *at;
        if (name->is_used || name->asking || name->waiting || name->defer.queued) {
            at = &name->next;
            continue;
        }
        *at = name->next;
        d->n_names--;
        free_name(name);
    }
}

static struct name *known_name(struct dns *d, struct str host)
{
    struct name *name = d->names;
    while (name && !str_eq(name->host, host)) name = name->next;
    return name;
}

static struct name *find_name(struct dns *d, struct str host)
{
    struct name *name = known_name(d, host);
    if (name) return name;
    make_room(d);
    name = mem_alloc(sizeof *name);
    *name = (struct name){.next = d->names, .dns = d, .host = {str_dup_z(host), host.n}};
    d->names = name;
    d->n_names++;
    return name;
}

static void wait_for(struct name *name, struct dns_query *q)
{
    q->next = name->waiting;
    q->link = &name->waiting;
    if (q->next) q->next->link = &q->next;
    name->waiting = q;
}

bool dns_find(struct dns *d, struct str host, struct dns_query *q, struct addresses *ret_found)
{
    if (read_literal(host, ret_found)) return true;
    struct name *name = find_name(d, host);
    if (!timer_is_set(&name->timer)) ask(name);
    name->is_used = true;
    if (name->good.n) *ret_found = name->good;
    else wait_for(name, q);
    return name->good.n > 0;
}

bool dns_wait_newer(struct dns *d, struct str host, struct dns_query *q, const struct addresses *failed)
{
    struct name *name = known_name(d, host);
    if (!name) return false;
    bool is_known = name->good.n != failed->n || memcmp(name->good.at, failed->at, failed->n * sizeof failed->at[0]) != 0;
    if (!name->asking && !is_known) return false;
    wait_for(name, q);
    if (!name->asking) loop_defer(d->loop, &name->defer, tell_waiting);
    return true;
}

void dns_cancel(struct dns_query *q)
{
    if (!q->link) return;
    *q->link = q->next;
    if (q->next) q->next->link = q->link;
    q->link = NULL;
}

void dns_free(struct dns *d)
{
    if (!d) return;
    if (d->has_channel) ares_destroy(d->channel);
    timer_cancel(d->loop, &d->timer);
    while (d->names) {
        struct name *name = d->names;
        d->names = name->next;
        must(!name->waiting);
        free_name(name);
    }
    free(d);
}
