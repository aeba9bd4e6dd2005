#include "dataset/image_file.h"

#include "base/file.h"
#include "base/status.h"
#include "dataset/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t image_file_bytes(const dataset *d, int64_t i) {
    char file[PATH_BYTES];
    struct stat st;
    return dataset_path(file, d, i) == OK && source_stat(&st, file) == OK ? (int64_t)st.st_size : -1;
}

int image_file_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit,
                    const char *path) {
    int rc = OK;
    struct stat st;
    (void)d;
    (void)i;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO named *.jpg must not block */
    if (fd < 0)
        return source_fail(errno, path);
    if (fstat(fd, &st) != 0) {
        rc = source_fail(errno, path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = fail(E_FORMAT, "%s is not a regular file", path);
        goto done;
    }
    TRY(source_check_limit(path, (size_t)st.st_size, limit));
    TRY(source_reserve(b, (size_t)st.st_size));
    TRY(source_read_at(n, b->bytes, fd, 0, (size_t)st.st_size, path)); /* the decoder detects a file that is shorter */
    *bytes = b->bytes;
done:
    close(fd);
    return rc;
}
