#include "checkpoint/crc32.h"

#include <pthread.h>
#include <string.h>

/* table[k][b]: the register after byte b and k zero bytes, so that 8 bytes are taken at once */
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void table_make(void) {
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? 0xEDB88320u : 0);
        table[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 255];
}

uint32_t zip_crc32(uint32_t crc, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    pthread_once(&once, table_make);
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low, high;
        memcpy(&low, p, 4); /* little-endian, like everything in the file */
        memcpy(&high, p + 4, 4);
        low ^= c;
        c = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
            table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
    for (; n > 0; n--, p++)
        c = (c >> 8) ^ table[0][(c ^ *p) & 255];
    return ~c;
}
