#include "dataset/shard_bytes.h"

#include "base/memory.h"
#include "base/status.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_image(unsigned char **out, const shard_list *l, const image_location *at) {
    int rc = OK, fd = -1;
    char path[PATH_BYTES];
    const char *name = text_string(&l->stamps.names);
    for (uint32_t i = 0; i < at->shard; i++)
        name += strlen(name) + 1;
    TRY(path_join(path, l->root, name));
    TRY(memory_resize(out, (size_t)at->bytes + 1, 1));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    tar_source from = {.fd = fd, .size = at->offset + at->bytes, .name = path};
    rc = fd < 0 ? fail_errno(errno, "cannot read %s", path) : tar_source_read(*out, &from, at->offset, at->bytes);
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

int shard_same_bytes(bool *same, const shard_list *l, const image_location *x, const image_location *y) {
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
