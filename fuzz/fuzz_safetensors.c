/* Safetensors headers: the input is the header; its length is put before it and 64 bytes after it. */
#define _GNU_SOURCE
#include "load.h"

#define DATA_BYTES 64

int LLVMFuzzerTestOneInput(const uint8_t *header, size_t n) {
    unsigned char *file = calloc(8 + n + DATA_BYTES, 1);
    if (file == NULL)
        abort();
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)n >> 8 * i);
    if (n > 0)
        memcpy(file + 8, header, n);
    load(file, 8 + n + DATA_BYTES);
    free(file);
    return 0;
}
