/** Decompression of a stream that arrives in pieces: gzip of any number of members, zstd of any number of frames. */
#ifndef LINNET_DATASET_TRANSFER_UNPACK_H
#define LINNET_DATASET_TRANSFER_UNPACK_H

#include <stddef.h>

/** How a shard is compressed. PACKED_OTHER: by a program whose format is not read (xz, bzip2). */
typedef enum packing { PACKED_NONE, PACKED_GZIP, PACKED_ZSTD, PACKED_OTHER } packing;

/** The compression according to the suffix of a shard's name. *stem (may be NULL): length of the name without ".tar"
 *  and what follows it, 0 if it is not the name of a shard. */
packing unpack_kind(size_t *stem, const char *name);

typedef struct unpack unpack;

/** Receives the decompressed bytes in order. @return 0, or a code that unpack_bytes returns */
typedef int unpack_sink(void *context, const void *bytes, size_t n);

/** name: for messages; it must remain valid. @return 0, E_NOMEM, E_UNSUPPORTED (zstd in a build without it) */
int unpack_open(unpack **out, packing kind, unpack_sink *sink, void *context, const char *name);
/** The next n bytes of the file. @return 0, E_DATA (damaged), E_NOMEM, or the sink's code */
int unpack_bytes(unpack *u, const void *bytes, size_t n);
/** After the last byte. @return 0, E_DATA (truncated) */
int unpack_end(const unpack *u);
void unpack_close(unpack *u);

#endif
