/* Making, reading and digesting keys. Called by control (making), by the gateway once per request (reading, digesting,
 * comparing) and by the commands. Owns one OpenSSL digest for the process and one context per thread, so that a digest
 * costs neither a look-up by name nor an allocation. */
#include "identity/identity.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#define PREFIX "aq_"
enum {
    PREFIX_LEN = sizeof PREFIX - 1,
    SECRET_AT = PREFIX_LEN + KEY_ID_LEN + 1,
    SECRET_LEN = 52, /* 260 bits in base32 */
    CHECK_AT = SECRET_AT + SECRET_LEN,
    CHECK_LEN = 6, /* 30 bits */
    KEY_LEN = CHECK_AT + CHECK_LEN,
};
_Static_assert(KEY_LEN < KEY_TEXT_MAX, "a key and its NUL fit");

static const char LETTERS[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford, as random_id() draws them */
static const bool IS_LETTER[256] = {
    ['0' ... '9'] = true, ['a' ... 'h'] = true, ['j' ... 'k'] = true,
    ['m' ... 'n'] = true, ['p' ... 't'] = true, ['v' ... 'z'] = true,
};

static void write_check(const char *text, char ret_check[CHECK_LEN])
{
    uint32_t crc = crc32c(0, text, CHECK_AT);
    for (int i = 0; i < CHECK_LEN; i++) ret_check[i] = LETTERS[(crc >> (5 * i)) & 31];
}

void key_make_secret(const char *id, char ret_text[KEY_TEXT_MAX], uint8_t ret_digest[KEY_DIGEST_LEN])
{
    must(strlen(id) == KEY_ID_LEN);
    memcpy(ret_text, PREFIX, PREFIX_LEN);
    memcpy(ret_text + PREFIX_LEN, id, KEY_ID_LEN);
    ret_text[SECRET_AT - 1] = '_';
    random_id(ret_text + SECRET_AT, SECRET_LEN);
    write_check(ret_text, ret_text + CHECK_AT);
    ret_text[KEY_LEN] = '\0';
    key_digest((struct secret){str_make(ret_text + SECRET_AT, SECRET_LEN)}, ret_digest);
}

void key_make(char ret_id[KEY_ID_LEN + 1], char ret_text[KEY_TEXT_MAX], uint8_t ret_digest[KEY_DIGEST_LEN])
{
    random_id(ret_id, KEY_ID_LEN);
    key_make_secret(ret_id, ret_text, ret_digest);
}

static bool all_letters(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!IS_LETTER[(unsigned char)p[i]]) return false;
    return true;
}

bool key_read(struct str text, struct key_text *ret_key)
{
    if (text.n != KEY_LEN || !str_starts(text, S(PREFIX)) || text.p[SECRET_AT - 1] != '_') return false;
    if (!all_letters(text.p + PREFIX_LEN, KEY_ID_LEN) || !all_letters(text.p + SECRET_AT, SECRET_LEN)) return false;
    char check[CHECK_LEN];
    write_check(text.p, check);
    if (CRYPTO_memcmp(check, text.p + CHECK_AT, CHECK_LEN) != 0) return false;
    memcpy(ret_key->id, text.p + PREFIX_LEN, KEY_ID_LEN);
    ret_key->id[KEY_ID_LEN] = '\0';
    ret_key->secret.value = str_make(text.p + SECRET_AT, SECRET_LEN);
    return true;
}

static EVP_MD *sha256;
static pthread_key_t context_key; /* frees a thread's context when the thread ends */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local EVP_MD_CTX *context;

static void free_context(void *p) { EVP_MD_CTX_free(p); }

static void setup(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    must(sha256);
    must(pthread_key_create(&context_key, free_context) == 0);
}

void key_digest(struct secret secret, uint8_t ret_digest[KEY_DIGEST_LEN])
{
    if (UNLIKELY(!context)) {
        pthread_once(&once, setup);
        context = EVP_MD_CTX_new();
        must(context);
        must(pthread_setspecific(context_key, context) == 0);
    }
    unsigned n = 0;
    must(EVP_DigestInit_ex2(context, sha256, NULL) == 1);
    must(EVP_DigestUpdate(context, secret.value.p, secret.value.n) == 1);
    must(EVP_DigestFinal_ex(context, ret_digest, &n) == 1 && n == KEY_DIGEST_LEN);
}

bool key_digest_is(const uint8_t a[KEY_DIGEST_LEN], const uint8_t b[KEY_DIGEST_LEN])
{
    return CRYPTO_memcmp(a, b, KEY_DIGEST_LEN) == 0;
}
