/** Zip files in the form of torch.save: entries are stored, not compressed, and payloads begin at multiples of 64
 *  bytes. Source: PKWARE APPNOTE 6.3.x, sections 4.3 to 4.5; PyTorch's caffe2/serialize/inline_container. */
#ifndef LINNET_CHECKPOINT_ZIP_H
#define LINNET_CHECKPOINT_ZIP_H

#include "base/file.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define ZIP_ALIGN 64u
#define ZIP_LOCAL 0x04034b50u
#define ZIP_CENTRAL 0x02014b50u
#define ZIP_END 0x06054b50u
#define ZIP_END64 0x06064b50u
#define ZIP_LOCATOR64 0x07064b50u

typedef struct zip_writer {
    atomic_file file;
    text central;
    uint64_t entry_n;
    uint64_t limit; /* sizes and offsets of at least this use the ZIP64 form: 0xFFFFFFFF, lower in tests */
} zip_writer;

/** @return 0, E_IO, E_FULL. After a failure call zip_write_abort */
int zip_write_open(zip_writer *z, const char *path);
/** Adds an entry; `bytes` is borrowed for the call. @return 0, E_IO, E_FULL, E_NOMEM */
int zip_write_add(zip_writer *z, const char *name, const void *bytes, size_t n);
/** Writes the directory and renames the file to its final name. @return 0, E_IO, E_FULL, E_NOMEM */
int zip_write_commit(zip_writer *z);
/** Frees the writer's memory and removes an uncommitted file. */
void zip_write_abort(zip_writer *z);

typedef struct zip_entry {
    const char *name; /* in the reader's directory, name_n bytes, not terminated */
    size_t name_n;
    uint64_t header; /* offset of the local header in the file */
    uint64_t offset; /* offset of the payload in the file */
    uint64_t size;
    uint32_t crc;
} zip_entry;

typedef struct zip_reader {
    int fd;
    uint64_t bytes; /* size of the file */
    unsigned char *central;
    uint64_t central_offset, central_n;
    zip_entry *entries; /* (entry_n), sorted by name */
    uint64_t entry_n;
    char prefix[256]; /* the name of the file's first entry before its '/'; "" if it has no '/' */
} zip_reader;

/** Reads and checks the directory: every offset and size must fit in the file, names are unique, entries do not overlap
 *  and are neither compressed nor encrypted, and no name is absolute or contains "..". Names are looked up, never used
 *  as paths. The caller keeps `fd`, and calls zip_read_close in any case.
 *  @return 0, E_IO, E_FORMAT, E_NOMEM; the messages do not contain the path */
int zip_read_open(zip_reader *z, int fd);
void zip_read_close(zip_reader *z);

/** The entry PREFIX/name, or NULL. */
const zip_entry *zip_find(const zip_reader *z, const char *name, size_t name_n);

/** Reads a whole entry into `out` (entry->size bytes) and checks its CRC. @return 0, E_IO, E_FORMAT */
int zip_read(const zip_reader *z, const zip_entry *entry, void *out);

/** pread of exactly n bytes. @return 0, E_IO, E_FORMAT (the file is shorter) */
int zip_read_at(int fd, uint64_t offset, void *out, size_t n);

#endif
