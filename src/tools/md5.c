#include "tools/md5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void block(md5 *m, const unsigned char *bytes) {
    static const int shift[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static uint32_t sine[64]; /* floor(2^32 |sin(i + 1)|); equal whoever writes it first */
    uint32_t word[16], a = m->state[0], b = m->state[1], c = m->state[2], d = m->state[3];
    if (sine[0] == 0)
        for (int i = 63; i >= 0; i--)
            sine[i] = (uint32_t)(int64_t)floor(4294967296.0 * fabs(sin(i + 1)));
    for (int i = 0; i < 16; i++)
        word[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
                  (uint32_t)bytes[4 * i + 3] << 24;
    for (int i = 0; i < 64; i++) {
        int round = i / 16, at = round == 0 ? i : round == 1 ? 5 * i + 1 : round == 2 ? 3 * i + 5 : 7 * i;
        uint32_t f = round == 0   ? (b & c) | (~b & d)
                     : round == 1 ? (d & b) | (~d & c)
                     : round == 2 ? b ^ c ^ d
                                  : c ^ (b | ~d);
        uint32_t next = b + rotate(a + f + sine[i] + word[at & 15], shift[round][i & 3]);
        a = d;
        d = c;
        c = b;
        b = next;
    }
    m->state[0] += a;
    m->state[1] += b;
    m->state[2] += c;
    m->state[3] += d;
}

void md5_begin(md5 *m) { *m = (md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}}; }

void md5_add(md5 *m, const void *bytes, size_t n) {
    const unsigned char *from = bytes;
    size_t have = m->bytes & 63;
    m->bytes += n;
    if (have > 0) {
        size_t some = n < 64 - have ? n : 64 - have;
        memcpy(m->rest + have, from, some);
        from += some;
        n -= some;
        if (have + some < 64)
            return;
        block(m, m->rest);
    }
    for (; n >= 64; from += 64, n -= 64)
        block(m, from);
    memcpy(m->rest, from, n);
}

void md5_end(char out[33], md5 *m) {
    static const unsigned char padding[64] = {0x80};
    unsigned char length[8];
    uint64_t bits = m->bytes * 8;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (8 * i));
    md5_add(m, padding, 1 + (119 - (m->bytes & 63)) % 64);
    md5_add(m, length, 8);
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)(m->state[i / 4] >> (8 * (i % 4)) & 255));
}
