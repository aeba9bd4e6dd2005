#include "base/proto.h"

#include "base/status.h"

#include <endian.h>
#include <string.h>

enum { WIRE_VARINT, WIRE_EIGHT_BYTES, WIRE_BYTES, WIRE_FOUR_BYTES = 5 };

static size_t encode_varint(unsigned char out[10], uint64_t v) {
    size_t n = 0;
    for (; v >= 128; v >>= 7)
        out[n++] = (unsigned char)(v | 128);
    out[n++] = (unsigned char)v;
    return n;
}

static int put_varint(text *t, uint64_t v) {
    unsigned char bytes[10];
    return text_append(t, bytes, encode_varint(bytes, v));
}

static int put_key(text *t, unsigned number, unsigned wire) { return put_varint(t, (uint64_t)number << 3 | wire); }

static int put_eight_bytes(text *t, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = htole64(bits);
    return text_append(t, &bits, sizeof bits);
}

int proto_varint(text *t, unsigned number, uint64_t v) {
    int rc = put_key(t, number, WIRE_VARINT);
    return rc != OK ? rc : put_varint(t, v);
}

int proto_double(text *t, unsigned number, double v) {
    int rc = put_key(t, number, WIRE_EIGHT_BYTES);
    return rc != OK ? rc : put_eight_bytes(t, v);
}

int proto_float(text *t, unsigned number, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = htole32(bits);
    int rc = put_key(t, number, WIRE_FOUR_BYTES);
    return rc != OK ? rc : text_append(t, &bits, sizeof bits);
}

int proto_bytes(text *t, unsigned number, const void *bytes, size_t n) {
    int rc = OK;
    TRY(put_key(t, number, WIRE_BYTES));
    TRY(put_varint(t, n));
    TRY(text_append(t, bytes, n));
done:
    return rc;
}

int proto_string(text *t, unsigned number, const char *s) {
    text clean = {0};
    int rc = OK;
    TRY(text_append_utf8(&clean, s));
    TRY(proto_bytes(t, number, clean.data, clean.n));
done:
    text_deinit(&clean);
    return rc;
}

int proto_doubles(text *t, unsigned number, const double *v, size_t n) {
    int rc = OK;
    TRY(put_key(t, number, WIRE_BYTES));
    TRY(put_varint(t, n * sizeof *v));
    for (size_t i = 0; i < n; i++)
        TRY(put_eight_bytes(t, v[i]));
done:
    return rc;
}

int proto_open(text *t, unsigned number, size_t *mark) {
    int rc = put_key(t, number, WIRE_BYTES);
    *mark = t->n;
    return rc;
}

int proto_close(text *t, size_t mark) {
    unsigned char length[10];
    size_t n = t->n - mark, length_n = encode_varint(length, n);
    int rc = text_append(t, length, length_n); /* extends the text; the length is then moved before the message */
    if (rc != OK)
        return rc;
    memmove(t->data + mark + length_n, t->data + mark, n);
    memcpy(t->data + mark, length, length_n);
    return OK;
}
