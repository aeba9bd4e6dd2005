/* Compares the bytes of two images in shards. */

#include "dataset/shard_bytes.h"

#include "base/memory.h"
#include "base/status.h"
#include "dataset/tar.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_image(unsigned char **out, shard_list *l, const image_location *at) {
    int rc = OK, fd = -1;
    bool made = false;
    const char *name = shard_list_name(l, at->shard);
    TRY(memory_resize(out, (size_t)at->bytes + 1, 1));
    TRY(shard_list_open(&fd, &made, l, at->shard));
    tar_source from = {.fd = fd, .size = at->offset + at->bytes, .name = name};
    rc = tar_source_read(*out, &from, at->offset, at->bytes);
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

int shard_same_bytes(bool *same, shard_list *l, const image_location *x, const image_location *y) {
    unsigned char *a = NULL, *b = NULL;
    int rc = OK;
    *same = x->bytes == y->bytes;
    if (!*same)
        return OK;
    TRY(read_image(&a, l, x));
    TRY(read_image(&b, l, y));
    *same = memcmp(a, b, x->bytes) == 0;
done:
    free(a);
    free(b);
    return rc;
}
