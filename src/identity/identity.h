/* identity: keys. How one is made, written, read back, digested and compared; the AWS key pairs that belong to them, and how
 * their secrets are sealed. Pure but for the random source; the rows live in the store (control) and, without readable
 * secrets, in the generation (gateway). */
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

/* ---- sealing: secrets of ours that must be read again ----------------------------------------------------------------- */

#define SEAL_KEY_LEN 32
#define SEAL_MORE 28 /* a sealed text is longer than the text: nonce and tag */
struct seal_key {
    uint8_t bytes[SEAL_KEY_LEN];
};
#define SEAL_TEXT_LEN 64 /* a sealing key as text: hexadecimal */
void seal_key_make(char ret_text[SEAL_TEXT_LEN + 1]);
bool seal_key_read(struct str text, struct seal_key *ret_key);
/* AES-256-GCM. `what` says what the text is and whose: it opens under the same words only. ret_sealed: plain.n + SEAL_MORE. */
void seal_close(const struct seal_key *k, struct str what, struct str plain, uint8_t *ret_sealed);
/* False: another key, another `what`, or damaged. ret_plain: sealed.n - SEAL_MORE bytes. */
MUST_USE bool seal_open(const struct seal_key *k, struct str what, struct str sealed, char *ret_plain);

/* ---- AWS key pairs: the same key for callers who sign (Signature Version 4) -------------------------------------------- */

/* AQAK<id:12><checksum:4>, upper case: the key's own id, so that no table of pairs is needed. */
#define AWS_ACCESS_LEN 20
#define AWS_SECRET_LEN 40
#define AWS_SEALED_LEN (AWS_SECRET_LEN + SEAL_MORE)
void aws_access_key(const char *id, char ret_access[AWS_ACCESS_LEN + 1]);
bool aws_access_key_read(struct str access, char ret_id[KEY_ID_LEN + 1]); /* false: not of this form, or mistyped */
/* A new secret (200 bits), and the same sealed for the store. */
void aws_secret_make(const struct seal_key *k, const char *id, char ret_secret[AWS_SECRET_LEN + 1],
                     uint8_t ret_sealed[AWS_SEALED_LEN]);
MUST_USE bool aws_secret_open(const struct seal_key *k, const char *id, const uint8_t sealed[AWS_SEALED_LEN],
                              char ret_secret[AWS_SECRET_LEN]);
