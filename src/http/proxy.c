/* proxy: who the client is when proxies stand before us: networks, X-Forwarded-For, the PROXY protocol v2 (haproxy,
 * doc/proxy-protocol.txt section 2.2). Called by conn.c and head.c. Pure: bytes in, addresses out. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "server_priv.h"

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void set_v4(struct peer *p, const void *addr)
{
    memcpy(p->addr, MAPPED, 12);
    memcpy(p->addr + 12, addr, 4);
    inet_ntop(AF_INET, addr, p->text, sizeof p->text);
}

static void set_v6(struct peer *p, const void *addr)
{
    memcpy(p->addr, addr, 16);
    if (memcmp(addr, MAPPED, 12) == 0) inet_ntop(AF_INET, p->addr + 12, p->text, sizeof p->text);
    else inet_ntop(AF_INET6, addr, p->text, sizeof p->text);
}

void peer_set(struct peer *p, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) set_v4(p, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
    else if (sa->sa_family == AF_INET6) set_v6(p, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
    else /* a Unix socket: the same machine */ set_v4(p, &(struct in_addr){htonl(INADDR_LOOPBACK)});
}

/* An address literal, as text, into its v6 form. */
static bool addr_parse(struct str text, uint8_t ret_addr[16])
{
    char z[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, 0, text.n)) return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    memcpy(ret_addr, MAPPED, 12);
    return inet_pton(AF_INET, z, ret_addr + 12) == 1 || inet_pton(AF_INET6, z, ret_addr) == 1;
}

enum err http_network_parse(struct str cidr, struct http_network *ret_network, struct fault *why)
{
    struct str addr, bits;
    bool has_bits = str_cut(cidr, '/', &addr, &bits);
    if (!addr_parse(addr, ret_network->addr))
        return FAIL(why, ERR_PARSE, "'%.*s' is not a network. Write it as 10.0.0.0/8 or fd00::/8.", STR_ARG(cidr));
    bool is_v4 = !memchr(addr.p, ':', addr.n);
    uint64_t most = is_v4 ? 32 : 128, n = most;
    if (has_bits && (!str_u64(bits, &n) || n > most))
        return FAIL(why, ERR_PARSE, "The length of network '%.*s' must be a number from 0 to %u.", STR_ARG(cidr), (unsigned)most);
    ret_network->bits = (uint8_t)(n + (is_v4 ? 96 : 0));
    return OK;
}

static bool network_has(const struct http_network *net, const uint8_t addr[16])
{
    unsigned bytes = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->addr, addr, bytes) != 0) return false;
    if (!rest) return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((net->addr[bytes] ^ addr[bytes]) & mask) == 0;
}

bool peer_is_in(const uint8_t addr[16], const struct http_network *networks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (network_has(&networks[i], addr)) return true;
    return false;
}

/* "203.0.113.7", "203.0.113.7:4711", "[2001:db8::1]:4711", "2001:db8::1": without the port. */
static struct str without_port(struct str hop)
{
    struct str head, tail;
    if (hop.n && hop.p[0] == '[') {
        str_cut(str_from(hop, 1), ']', &head, &tail);
        return head;
    }
    if (str_cut(hop, ':', &head, &tail) && !memchr(tail.p, ':', tail.n)) return head;
    return hop;
}

/* Cuts the last hop off a comma-separated list; false: the list is empty. */
static bool cut_last(struct str *list, struct str *ret_hop)
{
    if (!list->n) return false;
    size_t at = list->n;
    while (at && list->p[at - 1] != ',') at--;
    *ret_hop = without_port(str_trim(str_from(*list, at)));
    list->n = at ? at - 1 : 0;
    return true;
}

struct str peer_forwarded(struct http_fields fields, const struct http_network *trusted, size_t n)
{
    struct str client = STR_NONE;
    for (size_t i = fields.n; i-- > 0;) { /* several fields are one list: the last one is nearest to us */
        if (!str_eq(fields.at[i].name, S("x-forwarded-for"))) continue;
        struct str list = fields.at[i].value, hop;
        while (cut_last(&list, &hop)) {
            uint8_t addr[16];
            if (!addr_parse(hop, addr)) return client; /* what stands behind nonsense counts for nothing */
            client = hop;
            if (!peer_is_in(addr, trusted, n)) return client;
        }
    }
    return client;
}

/* ---- PROXY v2 ------------------------------------------------------------------------------------------------------- */

static const char SIGNATURE[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static enum err bad_proxy(struct fault *why, const char *what)
{
    return FAIL(why, ERR_BAD_HTTP, "A trusted proxy's PROXY v2 header is wrong: %s. Check `proxy_protocol` on both sides.", what);
}

static enum err proxy_address(struct str block, uint8_t family, struct peer *peer, struct fault *why)
{
    switch (family >> 4) {
    case 1: /* AF_INET: two addresses, two ports */
        if (block.n < 12) return bad_proxy(why, "IPv4 addresses are cut short");
        set_v4(peer, block.p);
        return OK;
    case 2: /* AF_INET6 */
        if (block.n < 36) return bad_proxy(why, "IPv6 addresses are cut short");
        set_v6(peer, block.p);
        return OK;
    default: /* AF_UNSPEC, AF_UNIX: no address that means anything here */ return OK;
    }
}

enum err proxy_parse(struct str bytes, struct peer *peer, size_t *ret_size, struct fault *why)
{
    *ret_size = PROXY_HEAD;
    size_t known = bytes.n < sizeof SIGNATURE ? bytes.n : sizeof SIGNATURE;
    if (known && memcmp(bytes.p, SIGNATURE, known) != 0) return bad_proxy(why, "it does not begin with the signature");
    if (bytes.n < PROXY_HEAD) return OK;
    uint8_t version = (uint8_t)bytes.p[12], family = (uint8_t)bytes.p[13];
    size_t length = (size_t)(uint8_t)bytes.p[14] << 8 | (uint8_t)bytes.p[15];
    if (version != 0x20 && version != 0x21) return bad_proxy(why, "unknown version or command");
    if (PROXY_HEAD + length > PROXY_MAX) return bad_proxy(why, "it is too long");
    *ret_size = PROXY_HEAD + length;
    if (version == 0x20 || bytes.n < *ret_size) return OK; /* LOCAL: the proxy speaks for itself */
    return proxy_address(str_make(bytes.p + PROXY_HEAD, length), family, peer, why);
}
