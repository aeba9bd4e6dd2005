/** A file of records, one JSON object per line, between a training that appends and a thread that reads. Bytes up to
 *  `size` are complete. One process at a time uses a file. */
#ifndef LINNET_TRACKING_SPOOL_H
#define LINNET_TRACKING_SPOOL_H

#include "base/file.h"

#include <stdatomic.h>

typedef struct spool {
    int fd; /* -1: closed */
    char path[PATH_BYTES];
    _Atomic uint64_t size; /* bytes of the file that may be read */
    bool torn;             /* the last line is incomplete: the disk was full */
} spool;

/** Opens or creates the file. A line that a killed process left incomplete is ended. @return 0, E_IO, E_FULL */
int spool_open(spool *s, const char *path);
/** Appends a line of n bytes, the last of which is '\n'. @return 0, E_IO, E_FULL (the line is lost) */
int spool_append(spool *s, const char *line, size_t n);
/** Reads up to n complete bytes at an offset. @return their number, or -1 with errno set */
ssize_t spool_read(const spool *s, uint64_t offset, char *out, size_t n);
/** The number of lines from an offset on. */
long long spool_lines(const spool *s, uint64_t offset);
void spool_close(spool *s);

#endif
