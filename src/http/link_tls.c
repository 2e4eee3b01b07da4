/* TLS under a link: OpenSSL between two buffers of the thread, so that one recv() and one send() serve many records and
 * an idle link holds no buffer at all. Used by link.c only; owns the SSL object of the link. */
#include "http/link.h"
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/socket.h>

/* The upper part of the loop's scratch takes what comes encrypted, the lower part what it says. A record begun earlier
 * (16 KiB at most) may end in it, so the lower part is larger by more than that. */
#define CIPHER_IN KIB(48)
#define PLAIN_IN (LOOP_SCRATCH - CIPHER_IN)
#define RECORD_MAX KIB(16)
#define CIPHER_OUT (KIB(64) + 1024)

/* Between the sockets and OpenSSL, one for each thread: nothing stays in it between two calls from outside. */
static _Thread_local struct {
    const char *in;
    size_t n_in, n_out;
    char out[CIPHER_OUT];
    char gather[RECORD_MAX];
} wire;

static void flush_wire(struct link *k)
{
    size_t n = wire.n_out;
    wire.n_out = 0;
    if (n > 0) link_put(k, wire.out, n);
}

static int bio_read(BIO *b, char *to, int room)
{
    BIO_clear_retry_flags(b);
    if (room <= 0) return 0;
    if (wire.n_in == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t n = (size_t)room < wire.n_in ? (size_t)room : wire.n_in;
    memcpy(to, wire.in, n);
    wire.in += n;
    wire.n_in -= n;
    return (int)n;
}

/* Never refuses: what the socket does not take is queued encrypted, so OpenSSL never has to be asked again. */
static int bio_write(BIO *b, const char *from, int n)
{
    BIO_clear_retry_flags(b);
    for (size_t left = n > 0 ? (size_t)n : 0; left > 0;) {
        if (wire.n_out == CIPHER_OUT) flush_wire(BIO_get_data(b));
        size_t room = CIPHER_OUT - wire.n_out;
        size_t part = left < room ? left : room;
        memcpy(wire.out + wire.n_out, from, part);
        wire.n_out += part;
        from += part;
        left -= part;
    }
    return n;
}

static long bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)b, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aquifer link");
    must(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
         BIO_meth_set_ctrl(method, bio_ctrl));
}

static BIO *new_bio(struct link *k)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, make_method) == 0);
    BIO *b = BIO_new(method);
    must(b);
    BIO_set_data(b, k);
    BIO_set_init(b, 1);
    return b;
}

static bool is_address(const char *host)
{
    unsigned char ignored[16];
    return inet_pton(AF_INET, host, ignored) == 1 || inet_pton(AF_INET6, host, ignored) == 1;
}

/* RFC 9110 4.3.4: the certificate must name the host that was asked for; RFC 6066 3: no SNI for an address. */
static enum err name_peer(SSL *ssl, const struct http_origin *o, struct fault *why)
{
    char host[256];
    if (o->host.n >= sizeof host) return FAIL(why, ERR_UPSTREAM_TLS, "the host name is too long");
    memcpy(host, o->host.p, o->host.n);
    host[o->host.n] = '\0';
    X509_VERIFY_PARAM *want = SSL_get0_param(ssl);
    bool ok = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(want, host) == 1
                               : X509_VERIFY_PARAM_set1_host(want, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    if (!ok) return FAIL(why, ERR_UPSTREAM_TLS, "%s cannot be verified as a host name", host);
    X509_VERIFY_PARAM_set_hostflags(want, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return OK;
}

static enum err start_client(struct link *k, struct fault *why)
{
    TRY(name_peer(k->ssl, k->origin, why));
    SSL_set_app_data(k->ssl, k);
    SSL_SESSION *session = tls_session_get(k->origin->tls, k->origin->key);
    if (session) {
        SSL_set_session(k->ssl, session);
        SSL_SESSION_free(session);
    }
    SSL_set_connect_state(k->ssl);
    wire.n_in = 0;
    ERR_clear_error();
    SSL_do_handshake(k->ssl); /* says hello and waits for an answer, which begins every other case */
    flush_wire(k);
    return OK;
}

enum err link_tls_start(struct link *k, struct tls_server *server, struct fault *why)
{
    k->ssl = SSL_new(server ? tls_server_context(server) : tls_client_context(k->origin->tls));
    if (!k->ssl) return FAIL(why, ERR_INTERNAL, "OpenSSL made no connection object");
    BIO *b = new_bio(k);
    SSL_set_bio(k->ssl, b, b);
    if (server) {
        SSL_set_accept_state(k->ssl);
        return OK;
    }
    enum err e = start_client(k, why);
    if (e == OK) return OK;
    SSL_free(k->ssl);
    k->ssl = NULL;
    return e;
}

/* ---- receiving ----------------------------------------------------------------------------------------------------
 */

static void fill_fault(struct link *k, struct fault *ret_why)
{
    char text[160];
    long verify = SSL_get_verify_result(k->ssl);
    const char *said = tls_error_text(text, sizeof text);
    if (SSL_is_server(k->ssl)) {
        ignore_err(FAIL(ret_why, ERR_IO, "TLS failed: %s", said));
    } else if (verify != X509_V_OK) {
        ignore_err(
            FAIL(ret_why, ERR_UPSTREAM_TLS, "its certificate is not to be trusted: %s", X509_verify_cert_error_string(verify)));
    } else {
        ignore_err(FAIL(ret_why, ERR_UPSTREAM_TLS, "TLS failed: %s", *said ? said : "a broken record"));
    }
}

static void fail_handshake(struct link *k)
{
    struct fault why = {0};
    fill_fault(k, &why);
    if (k->origin) tls_session_drop(k->origin->tls, k->origin->key);
    link_tell(k, &why);
}

/* The owner's callback may use the wire for another link; our unread input must survive that. */
static void open_up(struct link *k)
{
    const char *in = wire.in;
    size_t n = wire.n_in;
    wire.n_in = 0;
    k->state = LINK_OPEN;
    k->handler->on_open(k);
    wire.in = in;
    wire.n_in = n;
}

static void shake(struct link *k)
{
    ERR_clear_error();
    int r = SSL_do_handshake(k->ssl);
    int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(k->ssl, r);
    flush_wire(k);
    if (error == SSL_ERROR_NONE) {
        if (k->state == LINK_SHAKING) open_up(k);
    } else if (error != SSL_ERROR_WANT_READ) {
        fail_handshake(k);
    }
}

/* Decrypts all that came; returns the bytes and what ended it: SSL_ERROR_WANT_READ when there is simply no more. */
static size_t decrypt(struct link *k, char *to, size_t room, int *ret_end)
{
    size_t got = 0;
    ERR_clear_error();
    do {
        size_t n = 0;
        int r = SSL_read_ex(k->ssl, to + got, room - got, &n);
        if (r != 1) {
            *ret_end = SSL_get_error(k->ssl, r);
            return got;
        }
        got += n;
    } while (wire.n_in > 0 || SSL_pending(k->ssl) > 0); /* asking once more would cost as much as a small record */
    *ret_end = SSL_ERROR_WANT_READ;
    return got;
}

static void read_records(struct link *k)
{
    bool straight = k->into && k->into_room >= wire.n_in + 2 * RECORD_MAX;
    char *to = straight ? k->into : loop_scratch(k->loop);
    int end;
    size_t n = decrypt(k, to, straight ? k->into_room : PLAIN_IN, &end);
    struct fault why = {0};
    if (end != SSL_ERROR_WANT_READ && end != SSL_ERROR_ZERO_RETURN) fill_fault(k, &why);
    flush_wire(k);            /* a key update's answer, an alert */
    SSL_free_buffers(k->ssl); /* a ticket makes OpenSSL take a buffer to write with, and keep it */
    if (n > 0) link_deliver(k, to, n);
    if (end != SSL_ERROR_WANT_READ && k->state != LINK_CLOSED) link_tell(k, &why);
}

static void at_eof(struct link *k)
{
    struct fault why = {0};
    enum err code = k->origin ? ERR_UPSTREAM_CUT : ERR_IO;
    if (k->state == LINK_SHAKING) {
        code = k->origin ? ERR_UPSTREAM_TLS : ERR_IO;
        ignore_err(FAIL(&why, code, "the connection was closed during the TLS handshake"));
    } else {
        ignore_err(FAIL(&why, code, "the connection was closed without the end that TLS prescribes"));
    }
    link_tell(k, &why);
}

static void at_error(struct link *k, int error)
{
    struct fault why = {0};
    enum err code = k->origin && k->state == LINK_SHAKING ? ERR_UPSTREAM_TLS : ERR_IO;
    ignore_err(FAIL(&why, code, "the connection broke: %s", strerror(error)));
    link_tell(k, &why);
}

void link_tls_readable(struct link *k)
{
    char *cipher = loop_scratch(k->loop) + PLAIN_IN;
    ssize_t n = link_receive(k, cipher, CIPHER_IN);
    bool hopeless = k->state == LINK_BROKEN && !SSL_is_init_finished(k->ssl);
    if (hopeless || (n == 0 && k->state == LINK_BROKEN)) {
        at_error(k, k->error);
        return;
    }
    if (n == 0) {
        at_eof(k);
        return;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) at_error(k, errno);
        return;
    }
    wire.in = cipher;
    wire.n_in = (size_t)n;
    if (k->state == LINK_SHAKING) shake(k);
    if (k->state != LINK_SHAKING && k->state != LINK_CLOSED && !k->told) read_records(k);
    wire.n_in = 0;
}

/* ---- sending ------------------------------------------------------------------------------------------------------
 */

/* The next bytes for one SSL_write(): a long piece as it lies, short ones joined into a record. */
static struct str next_bytes(const struct iovec *v, int n)
{
    while (n > 0 && v->iov_len == 0) v++, n--;
    if (n == 0) return STR_NONE;
    if (v->iov_len >= RECORD_MAX || n == 1) return str_make(v->iov_base, v->iov_len < KIB(64) ? v->iov_len : KIB(64));
    size_t joined = 0;
    for (int i = 0; i < n && joined < RECORD_MAX; i++) {
        size_t part = v[i].iov_len < RECORD_MAX - joined ? v[i].iov_len : RECORD_MAX - joined;
        memcpy(wire.gather + joined, v[i].iov_base, part);
        joined += part;
    }
    return str_make(wire.gather, joined);
}

static void step_over(struct iovec *v, int n, size_t taken)
{
    for (int i = 0; i < n && taken > 0; i++) {
        size_t part = taken < v[i].iov_len ? taken : v[i].iov_len;
        v[i] = (struct iovec){(char *)v[i].iov_base + part, v[i].iov_len - part};
        taken -= part;
    }
}

size_t link_tls_write(struct link *k, struct iovec *v, int n, bool all)
{
    size_t taken = 0;
    while (k->state == LINK_OPEN && (all || link_queued(k) == 0)) {
        struct str bytes = next_bytes(v, n);
        if (bytes.n == 0) break;
        size_t wrote = 0;
        ERR_clear_error();
        if (SSL_write_ex(k->ssl, bytes.p, bytes.n, &wrote) != 1) {
            link_break(k, EPROTO);
            break;
        }
        step_over(v, n, wrote);
        taken += wrote;
        if (wire.n_out >= KIB(48)) flush_wire(k);
    }
    flush_wire(k);
    return taken;
}

void link_tls_say_bye(struct link *k)
{
    wire.n_in = 0;
    ERR_clear_error();
    SSL_shutdown(k->ssl);
    flush_wire(k);
}

void link_tls_close(struct link *k)
{
    if (k->state == LINK_OPEN) link_tls_say_bye(k);
    SSL_free(k->ssl);
    k->ssl = NULL;
}

struct str link_alpn(const struct link *k)
{
    const unsigned char *name = NULL;
    unsigned n = 0;
    if (k->ssl) SSL_get0_alpn_selected(k->ssl, &name, &n);
    return n ? str_make((const char *)name, n) : S("");
}

bool link_was_resumed(const struct link *k) { return k->ssl && SSL_session_reused(k->ssl); }
