/* libFuzzer target for safetensors headers: the input is the header, its length is put before it and 64 bytes behind.
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc fuzz/fuzz_safetensors.c src/ckpt/x.c src/base/x.c (all) -lm
 *   ./fuzz_safetensors -max_len=4096 CORPUS */
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

int LLVMFuzzerTestOneInput(const uint8_t *header, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *header, size_t n) {
    static const unsigned char data[64];
    unsigned char length[8];
    char path[64];
    ckpt *c = NULL;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)n >> 8 * i);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, length, 8) != 8 || write(fd, header, n) != (ssize_t)n || write(fd, data, 64) != 64)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = ckpt_load(&c, path);
    if ((rc == OK) != (c != NULL) || (rc != OK && strchr(status_message(), '\n') != NULL))
        abort();
    for (int i = 0; c != NULL && i < c->state_n; i++)
        if (zip_crc32(0, c->state[i].data, c->state[i].bytes) == 1)
            abort(); /* no zeros have it: every byte is read */
    ckpt_free(c);
    close(fd);
    return 0;
}
