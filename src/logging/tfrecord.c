#include "logging/tfrecord.h"

#include "base/memory.h"
#include "base/status.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 12 /* bytes before the data */
#define FOOTER 4

/* Source: RFC 3720, appendix B.4; the table contains the remainders of four bits. */
uint32_t tfrecord_crc(const void *bytes, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = 0xffffffff;
    for (const unsigned char *p = bytes, *end = p + n; p < end; p++) {
        crc ^= *p;
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

uint32_t tfrecord_mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

int tfrecord_put(text *out, const void *data, size_t n) {
    int rc = OK;
    size_t before = out->n;
    uint64_t length = htole64(n);
    uint32_t length_crc = htole32(tfrecord_mask(tfrecord_crc(&length, sizeof length)));
    uint32_t data_crc = htole32(tfrecord_mask(tfrecord_crc(data, n)));
    TRY(text_append(out, &length, sizeof length));
    TRY(text_append(out, &length_crc, sizeof length_crc));
    TRY(text_append(out, data, n));
    TRY(text_append(out, &data_crc, sizeof data_crc));
done:
    if (rc != OK)
        out->n = before; /* no incomplete record */
    return rc;
}

void tfrecord_open(tfrecord_reader *r, FILE *file, uint64_t size) {
    *r = (tfrecord_reader){.file = file, .left = size};
}

void tfrecord_close(tfrecord_reader *r) {
    free(r->data);
    r->data = NULL;
}

/* Reads n bytes that the file should contain according to its size. *found: false if it is shorter nevertheless. */
static int take(tfrecord_reader *r, void *out, size_t n, bool *found) {
    *found = fread(out, 1, n, r->file) == n;
    r->left -= n;
    return !*found && ferror(r->file) ? fail(E_IO, "cannot read the TensorBoard event file") : OK;
}

static uint32_t load32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

int tfrecord_next(tfrecord_reader *r, bool *found) {
    int rc = OK;
    unsigned char header[HEADER], footer[FOOTER];
    uint64_t length;
    *found = false;
    if (r->left < HEADER + FOOTER)
        return OK;
    TRY(take(r, header, HEADER, found));
    if (!*found)
        return OK;
    memcpy(&length, header, sizeof length);
    length = le64toh(length);
    *found = load32(header + 8) == tfrecord_mask(tfrecord_crc(header, 8));
    r->foreign = !*found && r->good == 0;
    /* the length must fit in the file, which bounds the memory */
    *found = *found && r->left >= FOOTER && length <= r->left - FOOTER;
    if (!*found)
        return OK;
    if (length + 1 > r->capacity) {
        TRY(memory_resize(&r->data, length + 1, 1));
        r->capacity = length + 1;
    }
    r->n = length;
    TRY(take(r, r->data, length, found));
    if (*found)
        TRY(take(r, footer, FOOTER, found));
    *found = *found && load32(footer) == tfrecord_mask(tfrecord_crc(r->data, length));
    if (*found)
        r->good += HEADER + length + FOOTER;
done:
    return rc;
}
