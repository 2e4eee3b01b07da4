/* identity: keys. How one is made, written, read back, digested and compared. Pure but for the random source; the rows
 * live in the store (control) and, without secrets, in the generation (gateway). */
#pragma once

#include "base/base.h"

#define KEY_ID_LEN 12
#define KEY_DIGEST_LEN 32
#define KEY_TEXT_MAX 96

/* aq_<id:12>_<secret:52><checksum:6>, base32 (Crockford, lower case). The id may be seen; the secret is 256 bits; the
 * checksum (30 bits of CRC-32C over all before it) tells a typing error from a wrong key without a look-up. */
struct key_text {
    char id[KEY_ID_LEN + 1];
    struct secret secret; /* points into the text given */
};
void key_make(char ret_id[KEY_ID_LEN + 1], char ret_text[KEY_TEXT_MAX], uint8_t ret_digest[KEY_DIGEST_LEN]);
/* A new secret for an existing id (rotation). */
void key_make_secret(const char *id, char ret_text[KEY_TEXT_MAX], uint8_t ret_digest[KEY_DIGEST_LEN]);
bool key_read(struct str text, struct key_text *ret_key); /* false: not the form of a key, or a wrong checksum */
/* SHA-256 of the secret part. One digest per look-up whether the id is known or not. */
void key_digest(struct secret secret, uint8_t ret_digest[KEY_DIGEST_LEN]);
/* Constant time (CRYPTO_memcmp). */
bool key_digest_is(const uint8_t a[KEY_DIGEST_LEN], const uint8_t b[KEY_DIGEST_LEN]);
