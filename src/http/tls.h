/* tls: what link_tls.c needs of the shared TLS contexts. Private to this room. */
#pragma once

#include <openssl/ssl.h>

#include "http/http.h"

SSL_CTX *tls_server_context(const struct tls_server *t);
SSL_CTX *tls_client_context(const struct tls_client *t);
/* Tells contexts of one CA file apart after it has changed. */
unsigned tls_client_serial(const struct tls_client *t);
/* The newest session of an origin, to be freed by the caller; NULL: none. Any thread. */
SSL_SESSION *tls_session_get(struct tls_client *t, struct str origin_key);
/* Forgets the origin's session: a handshake with it failed. */
void tls_session_drop(struct tls_client *t, struct str origin_key);
/* One line out of OpenSSL's error queue, which is emptied; "" when it is empty. */
const char *tls_error_text(char *out, size_t room);
