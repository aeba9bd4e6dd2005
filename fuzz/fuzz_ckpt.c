/* libFuzzer target for ckpt_load. The first byte chooses: the rest is a whole file (even), or a pickle that is put into
 * a sound file with two storages, past the CRC that would stop nearly every mutation (odd).
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc fuzz/fuzz_ckpt.c src/ckpt/x.c src/base/x.c (all of them) -lm
 *   ./fuzz_ckpt -max_len=65536 CORPUS */
#define _GNU_SOURCE
#include "base/status.h"
#include "ckpt/checkpoint.h"
#include "ckpt/crc32.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    uint32_t crc = zip_crc32(0, bytes, n);
    for (int central = 0; central < 2; central++) {
        unsigned char *to = central ? z->central : z->bytes;
        size_t *at = central ? &z->central_n : &z->n;
        put(to, at, central ? 0x02014b50 : 0x04034b50, 4);
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
    put(z->bytes, &z->n, 0x06054b50, 4);
    put(z->bytes, &z->n, 0, 4);
    put(z->bytes, &z->n, z->entry_n, 2);
    put(z->bytes, &z->n, z->entry_n, 2);
    put(z->bytes, &z->n, z->central_n, 4);
    put(z->bytes, &z->n, offset, 4);
    put(z->bytes, &z->n, 0, 2);
}

/** Reads every byte of what was loaded, so that the sanitizer sees it. */
static void touch(const ckpt *c) {
    uint32_t crc = 0;
    for (int i = 0; i < c->state_n; i++)
        crc = zip_crc32(crc, c->state[i].data, c->state[i].bytes);
    for (int i = 0; i < c->momentum_n; i++)
        crc = zip_crc32(crc, c->momentum[i].data, c->momentum[i].bytes);
    for (int i = 0; i < c->hyper_n; i++)
        crc ^= c->hyper[i].kind == 's' ? (uint32_t)strlen(c->hyper[i].s) : 0;
    for (int i = 0; i < c->kept_n; i++)
        crc ^= (uint32_t)strlen(c->kept[i].path);
    *(volatile uint32_t *)&crc = crc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static image z;
    char path[64];
    ckpt *c = NULL;
    if (n < 1 || n > FILE_LIMIT - 4096)
        return 0;
    const unsigned char *file = data + 1;
    size_t file_n = n - 1;
    if (data[0] % 2 != 0) {
        wrap(&z, file, file_n);
        file = z.bytes;
        file_n = z.n;
    }
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file, file_n) != (ssize_t)file_n)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = ckpt_load(&c, path);
    if ((rc == OK) != (c != NULL) || (rc != OK && strchr(status_message(), '\n') != NULL))
        abort();
    if (c != NULL)
        touch(c);
    ckpt_free(c);
    close(fd);
    return 0;
}
