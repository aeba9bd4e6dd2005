/** Tar archives: ustar, GNU and pax, read from a file or memory and written as ustar with pax for long names.
 *
 *      | header 512 | data, padded to 512 | header 512 | data ... | 0 x 512 | 0 x 512 |
 *
 *  A long name is stored in a separate member before the header it belongs to: type L (GNU) or x (pax, "path"). Numbers
 *  are octal text, or base 256 if their first bit is set. Source: POSIX.1-2008 pax, GNU tar manual ("Basic Tar
 * Format"). Archives are untrusted: every size is checked against the source before it is used. */
#ifndef LINNET_DATASET_TAR_H
#define LINNET_DATASET_TAR_H

#include "base/file.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK 512

/** Random access to a part of a file or to memory, which is borrowed. May be copied. */
typedef struct tar_source {
    int fd;                      /* -1: memory */
    const unsigned char *memory; /* (size) */
    uint64_t first, size;        /* the part of the file */
    const char *name;            /* for messages */
} tar_source;

/** Reads n bytes at `offset` of the source; continues after short reads and EINTR.
 *  @return 0, E_FORMAT (past the end), E_IO */
int tar_source_read(void *out, const tar_source *s, uint64_t offset, size_t n);

/** A member of any type. */
typedef struct tar_member {
    char name[PATH_BYTES]; /* without a leading "./" */
    char type;             /* '0' regular, '5' folder, '2' link ...; 'S' sparse */
    uint64_t header;       /* offset of its first header, in the source */
    uint64_t data;         /* offset of its bytes */
    uint64_t size;
} tar_member;

typedef struct tar_reader {
    tar_source source;
    uint64_t at;         /* next header */
    unsigned char *room; /* a window of the source */
    uint64_t room_first;
    size_t room_n;
} tar_reader;

/** @return 0, E_DATA (a compressed archive; the message says how to decompress it), E_FORMAT, E_IO, E_NOMEM */
int tar_reader_init(tar_reader *r, const tar_source *s);
void tar_reader_deinit(tar_reader *r);

/** The next member; *more = false after the last. An archive without the two blocks of zeros at its end is truncated.
 *  @return 0, E_FORMAT (damaged or truncated; r->at is where), E_IO, E_NOMEM */
int tar_next(bool *more, tar_member *m, tar_reader *r);
/** After E_FORMAT: moves to the next readable header, or the end of the source. @return 0, E_IO */
int tar_resync(tar_reader *r);
/** Reads n bytes of a member, through the reader's window. */
int tar_read(void *out, tar_reader *r, const tar_member *m, uint64_t offset, size_t n);

/** Whether a block is the header of a regular member of `size` bytes. */
bool tar_is_header_of(const unsigned char block[TAR_BLOCK], uint64_t size);
/** Whether a name stays below the folder it is unpacked into: not empty, not absolute, no "..", no control characters.
 */
bool tar_name_is_safe(const char *name);

/** Appends the header of a regular member; equal input gives equal bytes (owner 0, time 0).
 *  @return 0, E_NOMEM */
int tar_put_header(text *out, const char *name, uint64_t size);
/** Number of zeros to write after `size` bytes of data. */
size_t tar_padding(uint64_t size);

#endif
