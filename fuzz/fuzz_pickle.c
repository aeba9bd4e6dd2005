/* The pickle of a checkpoint: the input is put into a valid zip with two storages, because the CRC check would
 * otherwise reject nearly every mutation. */
#define _GNU_SOURCE
#include "checkpoint/zip.h"
#include "load.h"

#define FILE_LIMIT (1 << 17)

typedef struct image {
    unsigned char bytes[FILE_LIMIT], central[1024];
    size_t n, central_n, entry_n;
} image;

static void put(unsigned char *to, size_t *at, uint64_t number, int n) {
    for (int i = 0; i < n; i++)
        to[(*at)++] = (unsigned char)(number >> 8 * i);
}

static void put_bytes(unsigned char *to, size_t *at, const void *bytes, size_t n) {
    memcpy(to + *at, bytes, n);
    *at += n;
}

static void add(image *z, const char *name, const void *bytes, size_t n) {
    size_t header = z->n;
    uint32_t crc = (uint32_t)crc32_z(0, bytes, n);
    for (int central = 0; central < 2; central++) {
        unsigned char *to = central ? z->central : z->bytes;
        size_t *at = central ? &z->central_n : &z->n;
        put(to, at, central ? ZIP_CENTRAL : ZIP_LOCAL, 4);
        put(to, at, 20, central ? 4 : 2);
        put(to, at, 0, 8);
        put(to, at, crc, 4);
        put(to, at, n, 4);
        put(to, at, n, 4);
        put(to, at, strlen(name), 2);
        put(to, at, 0, central ? 8 : 2);
        if (central) {
            put(to, at, 0, 4);
            put(to, at, header, 4);
        }
        put_bytes(to, at, name, strlen(name));
    }
    put_bytes(z->bytes, &z->n, bytes, n);
    z->entry_n++;
}

static void wrap(image *z, const uint8_t *pickle, size_t n) {
    static const unsigned char storage[256];
    z->n = z->central_n = z->entry_n = 0;
    add(z, "a/data.pkl", pickle, n);
    add(z, "a/data/0", storage, sizeof storage);
    add(z, "a/data/1", storage, 4);
    size_t offset = z->n;
    put_bytes(z->bytes, &z->n, z->central, z->central_n);
    put(z->bytes, &z->n, ZIP_END, 4);
    put(z->bytes, &z->n, 0, 4);
    put(z->bytes, &z->n, z->entry_n, 2);
    put(z->bytes, &z->n, z->entry_n, 2);
    put(z->bytes, &z->n, z->central_n, 4);
    put(z->bytes, &z->n, offset, 4);
    put(z->bytes, &z->n, 0, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static image z;
    static const char *const keys[] = {"", "", "state.model", "model"};
    if (n > FILE_LIMIT - 4096)
        return 0;
    wrap(&z, bytes, n);
    load_key(z.bytes, z.n, keys[n % 4]);
    return 0;
}
