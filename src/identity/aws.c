/* AWS key pairs of our own, and the sealing of their secrets: the only ones of a caller that must be read again, because a
 * signature cannot be checked against a digest. Called by control (making, sealing) and when a generation is loaded
 * (opening). Owns nothing. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "identity/identity.h"

/* ---- sealing ----------------------------------------------------------------------------------------------------------- */

enum { NONCE = 12, TAG = 16 };
_Static_assert(NONCE + TAG == SEAL_MORE, "a sealed text is nonce, text, tag");

void seal_key_make(char ret_text[SEAL_TEXT_LEN + 1])
{
    uint8_t bytes[SEAL_KEY_LEN];
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < SEAL_KEY_LEN; i++) snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool seal_key_read(struct str text, struct seal_key *ret_key)
{
    if (text.n != SEAL_TEXT_LEN) return false;
    for (int i = 0; i < SEAL_KEY_LEN; i++) {
        int high = nibble(text.p[2 * i]), low = nibble(text.p[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        ret_key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static EVP_CIPHER_CTX *begin(const struct seal_key *k, const uint8_t nonce[NONCE], struct str what, int closing)
{
    int n;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    must(c && EVP_CipherInit_ex2(c, EVP_aes_256_gcm(), k->bytes, nonce, closing, NULL) == 1);
    must(EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)what.p, (int)what.n) == 1);
    return c;
}

void seal_close(const struct seal_key *k, struct str what, struct str plain, uint8_t *ret_sealed)
{
    int n, rest;
    uint8_t *text = ret_sealed + NONCE;
    random_bytes(ret_sealed, NONCE);
    EVP_CIPHER_CTX *c = begin(k, ret_sealed, what, 1);
    must(EVP_CipherUpdate(c, text, &n, (const uint8_t *)plain.p, (int)plain.n) == 1 && (size_t)n == plain.n);
    must(EVP_CipherFinal_ex(c, text + n, &rest) == 1 && rest == 0);
    must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, text + n) == 1);
    EVP_CIPHER_CTX_free(c);
}

bool seal_open(const struct seal_key *k, struct str what, struct str sealed, char *ret_plain)
{
    int n, rest;
    uint8_t tag[TAG];
    if (sealed.n < SEAL_MORE) return false;
    size_t plain = sealed.n - SEAL_MORE;
    const uint8_t *text = (const uint8_t *)sealed.p + NONCE;
    memcpy(tag, text + plain, TAG);
    EVP_CIPHER_CTX *c = begin(k, (const uint8_t *)sealed.p, what, 0);
    must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1);
    must(EVP_CipherUpdate(c, (uint8_t *)ret_plain, &n, text, (int)plain) == 1);
    bool whole = EVP_CipherFinal_ex(c, (uint8_t *)ret_plain + n, &rest) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!whole) OPENSSL_cleanse(ret_plain, plain);
    return whole;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------- */

#define PREFIX "AQAK"
enum { PREFIX_LEN = 4, CHECK_AT = PREFIX_LEN + KEY_ID_LEN, CHECK_LEN = AWS_ACCESS_LEN - CHECK_AT };

void aws_access_key(const char *id, char ret_access[AWS_ACCESS_LEN + 1])
{
    static const char LETTERS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    must(strlen(id) == KEY_ID_LEN);
    memcpy(ret_access, PREFIX, PREFIX_LEN);
    for (int i = 0; i < KEY_ID_LEN; i++)
        ret_access[PREFIX_LEN + i] = (char)(id[i] >= 'a' && id[i] <= 'z' ? id[i] - 'a' + 'A' : id[i]);
    uint32_t crc = crc32c(0, ret_access, CHECK_AT);
    for (int i = 0; i < CHECK_LEN; i++) ret_access[CHECK_AT + i] = LETTERS[(crc >> (5 * i)) & 31];
    ret_access[AWS_ACCESS_LEN] = '\0';
}

bool aws_access_key_read(struct str access, char ret_id[KEY_ID_LEN + 1])
{
    char again[AWS_ACCESS_LEN + 1];
    if (access.n != AWS_ACCESS_LEN) return false;
    for (int i = 0; i < KEY_ID_LEN; i++) {
        char c = access.p[PREFIX_LEN + i];
        ret_id[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '\0' ? '?' : c);
    }
    ret_id[KEY_ID_LEN] = '\0';
    aws_access_key(ret_id, again);
    return str_eq(access, str_make(again, AWS_ACCESS_LEN));
}

struct purpose {
    char text[16 + KEY_ID_LEN];
};

/* A secret sealed for one key does not open as that of another. */
static struct str purpose_of(const char *id, struct purpose *room)
{
    snprintf(room->text, sizeof room->text, "aws secret %s", id);
    return str_z(room->text);
}

void aws_secret_make(const struct seal_key *k, const char *id, char ret_secret[AWS_SECRET_LEN + 1],
                     uint8_t ret_sealed[AWS_SEALED_LEN])
{
    struct purpose room;
    random_id(ret_secret, AWS_SECRET_LEN);
    seal_close(k, purpose_of(id, &room), str_make(ret_secret, AWS_SECRET_LEN), ret_sealed);
}

bool aws_secret_open(const struct seal_key *k, const char *id, const uint8_t sealed[AWS_SEALED_LEN],
                     char ret_secret[AWS_SECRET_LEN])
{
    struct purpose room;
    return seal_open(k, purpose_of(id, &room), str_make((const char *)sealed, AWS_SEALED_LEN), ret_secret);
}
