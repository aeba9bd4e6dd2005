/** MD5 (RFC 1321): against damaged downloads, not against forgery. */
#ifndef LINNET_TOOLS_MD5_H
#define LINNET_TOOLS_MD5_H

#include <stddef.h>
#include <stdint.h>

typedef struct md5 {
    uint32_t state[4];
    uint64_t bytes;
    unsigned char rest[64]; /* of the last block */
} md5;

void md5_begin(md5 *m);
void md5_add(md5 *m, const void *bytes, size_t n);
/** 32 hexadecimal digits and 0. */
void md5_end(char out[33], md5 *m);

#endif
