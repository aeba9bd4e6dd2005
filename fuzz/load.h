/** Functions that the checkpoint targets share: load a file from memory and read every byte of the result. */
#ifndef LINNET_FUZZ_LOAD_H
#define LINNET_FUZZ_LOAD_H

#include "base/status.h"
#include "checkpoint/checkpoint.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/** A descriptor of a memory file with these bytes; the caller closes it. */
static inline int memory_file(const void *bytes, size_t n) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    return fd;
}

static inline uint32_t crc_of(uint32_t crc, const void *bytes, size_t n) { return (uint32_t)crc32_z(crc, bytes, n); }

static inline uint32_t read_items(const ckpt_item *items, int n) {
    uint32_t crc = 0;
    for (int i = 0; i < n; i++) {
        crc = items[i].kind == 's' ? crc_of(crc, items[i].s, strlen(items[i].s)) : crc;
        for (int64_t k = 0; items[i].kind == 'l' && k < items[i].i; k++)
            crc = crc_of(crc, items[i].list[k], strlen(items[i].list[k]));
    }
    return crc;
}

static inline void read_all(const ckpt *c) {
    uint32_t crc = read_items(c->hyper, c->hyper_n) ^ read_items(c->own, c->own_n);
    crc = crc_of(crc, c->parts, strlen(c->parts));
    crc = crc_of(crc, c->skipped, strlen(c->skipped));
    for (int i = 0; i < c->unread_n; i++)
        crc = crc_of(crc, c->unread[i].what, strlen(c->unread[i].what)) ^ (uint32_t)strlen(c->unread[i].name);
    for (int i = 0; i < c->state_n; i++)
        crc = crc_of(crc, c->state[i].data, c->state[i].bytes);
    for (int i = 0; i < c->momentum_n; i++)
        crc = crc_of(crc, c->momentum[i].data, c->momentum[i].bytes);
    if (c->decay != NULL)
        crc = crc_of(crc, c->decay, (size_t)c->param_n * sizeof *c->decay);
    for (int i = 0; i < c->kept_n; i++)
        crc = crc_of(crc, c->kept[i].path, strlen(c->kept[i].path));
    *(volatile uint32_t *)&crc = crc;
}

/** Loads a file with these bytes and the weights under `key`, which must succeed or fail with a one-line message. */
static inline void load_key(const void *bytes, size_t n, const char *key) {
    char path[64];
    ckpt *c = NULL;
    int fd = memory_file(bytes, n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = ckpt_load_key(&c, path, key);
    if ((rc == OK) != (c != NULL) || (rc != OK && strchr(status_message(), '\n') != NULL))
        abort();
    if (c != NULL)
        read_all(c);
    ckpt_free(c);
    close(fd);
}

static inline void load(const void *bytes, size_t n) { load_key(bytes, n, ""); }

#endif
