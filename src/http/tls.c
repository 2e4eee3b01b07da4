/* TLS contexts: what is shared by all loops. A client context holds the trusted authorities and the newest session of
 * each origin; a mutex guards those, taken when a connection is made and when a ticket comes, never for a call.
 * Client contexts of the same CA file are one object, so that a reload of the configuration costs no memory. */
#include "http/tls.h"

#include "http/link.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SESSIONS_MAX 256 /* origins with a remembered session, by client context */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

const char *tls_error_text(char *out, size_t room)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    size_t n = reason ? strlen(reason) : 0;
    if (n >= room) n = room - 1;
    if (n > 0) memcpy(out, reason, n);
    out[n] = '\0';
    ERR_clear_error();
    return out;
}

/* ---- server -------------------------------------------------------------------------------------------------------
 */

struct tls_server {
    _Atomic unsigned refs;
    SSL_CTX *ctx;
};

/* RFC 7301 3.2: our order decides; a client that offers neither is refused. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_n, const unsigned char *offered,
                           unsigned n, void *user)
{
    (void)ssl, (void)user;
    static const unsigned char OURS[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_n, OURS, sizeof OURS - 1, offered, n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_common(SSL_CTX *ctx)
{
    must(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    must(SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1);
    must(SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

static enum err load_certificate(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct fault *why)
{
    char text[160];
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return FAIL(why, ERR_CONFIG, "cannot use the certificate file %s: %s; it must hold PEM certificates, ours first",
                    cert_file, tls_error_text(text, sizeof text));
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return FAIL(why, ERR_CONFIG, "cannot use the key file %s: %s; it must hold the PEM key of the certificate in %s",
                    key_file, tls_error_text(text, sizeof text), cert_file);
    return OK;
}

enum err tls_server_new(const char *cert_file, const char *key_file, struct tls_server **ret_tls, struct fault *why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return FAIL(why, ERR_INTERNAL, "OpenSSL made no server context");
    set_common(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets carry the sessions: no state of ours */
    SSL_CTX_set_num_tickets(ctx, 1);
    must(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"aquifer", 7) == 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    enum err e = load_certificate(ctx, cert_file, key_file, why);
    if (e != OK) {
        SSL_CTX_free(ctx);
        return e;
    }
    *ret_tls = mem_alloc(sizeof **ret_tls);
    **ret_tls = (struct tls_server){.refs = 1, .ctx = ctx};
    return OK;
}

void tls_server_ref(struct tls_server *t) { atomic_fetch_add(&t->refs, 1); }

void tls_server_unref(struct tls_server *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) > 1) return;
    SSL_CTX_free(t->ctx);
    free(t);
}

SSL_CTX *tls_server_context(const struct tls_server *t) { return t->ctx; }

/* ---- client: the contexts -------------------------------------------------------------------------------------------
 */

struct remembered {
    char *key; /* the origin's */
    SSL_SESSION *session;
    uint64_t used;
};

struct tls_client {
    unsigned refs; /* under clients.lock */
    unsigned serial;
    struct tls_client *next;
    char *ca_file; /* "" the system's */
    struct stat ca_stat;
    SSL_CTX *ctx;
    pthread_mutex_t lock; /* of what follows */
    struct remembered remembered[SESSIONS_MAX];
    unsigned n;
    uint64_t turn;
};

static struct {
    pthread_mutex_t lock;
    struct tls_client *first;
    unsigned made;
} clients = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int on_session(SSL *ssl, SSL_SESSION *session);

static enum err load_authorities(SSL_CTX *ctx, const char *ca_file, struct fault *why)
{
    char text[160];
    ERR_clear_error();
    if (*ca_file == '\0') {
        if (SSL_CTX_set_default_verify_paths(ctx) == 1) return OK;
        return FAIL(why, ERR_CONFIG, "cannot use the system's certificate authorities: %s", tls_error_text(text, sizeof text));
    }
    if (SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1) return OK;
    return FAIL(why, ERR_CONFIG, "cannot use the CA file %s: %s; it must hold PEM certificates", ca_file,
                tls_error_text(text, sizeof text));
}

static enum err make_context(const char *ca_file, SSL_CTX **ret_ctx, struct fault *why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) return FAIL(why, ERR_INTERNAL, "OpenSSL made no client context");
    set_common(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    must(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x08http/1.1", 9) == 0);
    enum err e = load_authorities(ctx, ca_file, why);
    if (e == OK) *ret_ctx = ctx;
    else SSL_CTX_free(ctx);
    return e;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct tls_client *find_client(const char *ca_file, const struct stat *st)
{
    for (struct tls_client *t = clients.first; t; t = t->next) {
        if (strcmp(t->ca_file, ca_file) == 0 && is_same_file(&t->ca_stat, st)) return t;
    }
    return NULL;
}

static enum err find_or_make(const char *ca_file, const struct stat *st, struct tls_client **ret_tls, struct fault *why)
{
    struct tls_client *t = find_client(ca_file, st);
    if (!t) {
        SSL_CTX *ctx = NULL;
        TRY(make_context(ca_file, &ctx, why));
        t = mem_alloc(sizeof *t);
        *t = (struct tls_client){.next = clients.first, .ca_file = str_dup_z(str_z(ca_file)), .ca_stat = *st, .ctx = ctx};
        t->serial = ++clients.made;
        must(pthread_mutex_init(&t->lock, NULL) == 0);
        SSL_CTX_set_app_data(ctx, t);
        clients.first = t;
    }
    t->refs++;
    *ret_tls = t;
    return OK;
}

enum err tls_client_new(const char *ca_file, struct tls_client **ret_tls, struct fault *why)
{
    struct stat st = {0};
    if (!ca_file) ca_file = "";
    if (*ca_file && stat(ca_file, &st) != 0)
        return FAIL(why, ERR_CONFIG, "cannot read the CA file %s: %s", ca_file, strerror(errno));
    pthread_mutex_lock(&clients.lock);
    enum err e = find_or_make(ca_file, &st, ret_tls, why);
    pthread_mutex_unlock(&clients.lock);
    return e;
}

void tls_client_ref(struct tls_client *t)
{
    pthread_mutex_lock(&clients.lock);
    t->refs++;
    pthread_mutex_unlock(&clients.lock);
}

static void free_client(struct tls_client *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        SSL_SESSION_free(t->remembered[i].session);
        free(t->remembered[i].key);
    }
    pthread_mutex_destroy(&t->lock);
    SSL_CTX_free(t->ctx);
    free(t->ca_file);
    free(t);
}

void tls_client_unref(struct tls_client *t)
{
    if (!t) return;
    pthread_mutex_lock(&clients.lock);
    bool last = --t->refs == 0;
    if (last) {
        struct tls_client **at = &clients.first;
        while (*at != t) at = &(*at)->next;
        *at = t->next;
    }
    pthread_mutex_unlock(&clients.lock);
    if (last) free_client(t);
}

SSL_CTX *tls_client_context(const struct tls_client *t) { return t->ctx; }

unsigned tls_client_serial(const struct tls_client *t) { return t->serial; }

/* ---- client: the sessions -------------------------------------------------------------------------------------------
 */

static struct remembered *recall(struct tls_client *t, struct str key)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (str_eq(str_z(t->remembered[i].key), key)) return &t->remembered[i];
    }
    return NULL;
}

/* A free place, or that of the origin unused for longest. */
static struct remembered *make_place(struct tls_client *t, struct str key)
{
    struct remembered *place = &t->remembered[0];
    if (t->n < SESSIONS_MAX) {
        place = &t->remembered[t->n++];
    } else {
        for (unsigned i = 1; i < t->n; i++) {
            if (t->remembered[i].used < place->used) place = &t->remembered[i];
        }
    }
    free(place->key);
    SSL_SESSION_free(place->session);
    *place = (struct remembered){.key = str_dup_z(key)};
    return place;
}

/* OpenSSL calls it with each ticket (TLS 1.3: after the handshake). 1: the reference is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct link *k = SSL_get_app_data(ssl);
    if (!k || !SSL_SESSION_is_resumable(session)) return 0;
    struct tls_client *t = k->origin->tls;
    pthread_mutex_lock(&t->lock);
    struct remembered *place = recall(t, k->origin->key);
    if (!place) place = make_place(t, k->origin->key);
    SSL_SESSION_free(place->session);
    place->session = session;
    place->used = ++t->turn;
    pthread_mutex_unlock(&t->lock);
    return 1;
}

/* A copy, because OpenSSL writes into the session that a connection uses, and connections are on many threads. */
SSL_SESSION *tls_session_get(struct tls_client *t, struct str origin_key)
{
    SSL_SESSION *copy = NULL;
    pthread_mutex_lock(&t->lock);
    struct remembered *place = recall(t, origin_key);
    if (place && place->session) {
        copy = SSL_SESSION_dup(place->session);
        place->used = ++t->turn;
    }
    pthread_mutex_unlock(&t->lock);
    return copy;
}

void tls_session_drop(struct tls_client *t, struct str origin_key)
{
    pthread_mutex_lock(&t->lock);
    struct remembered *place = recall(t, origin_key);
    if (place) {
        SSL_SESSION_free(place->session);
        place->session = NULL;
    }
    pthread_mutex_unlock(&t->lock);
}
