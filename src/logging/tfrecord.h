/** Records of a TensorBoard event file: u64 length, u32 masked CRC of the length, data, u32 masked CRC of the data, all
 *  little-endian. Private to logging. */
#ifndef LINNET_LOGGING_TFRECORD_H
#define LINNET_LOGGING_TFRECORD_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** CRC-32C (Castagnoli, reflected 0x82f63b78); tfrecord_mask rotates it by 15 and adds an offset, as TFRecord files
 *  need. */
uint32_t tfrecord_crc(const void *bytes, size_t n);
uint32_t tfrecord_mask(uint32_t crc);

/** Appends one record. @return 0 or E_NOMEM */
int tfrecord_put(text *out, const void *data, size_t n);

typedef struct tfrecord_reader {
    FILE *file;
    uint64_t left;       /* bytes of the file not yet read */
    uint64_t good;       /* bytes of whole records so far */
    bool foreign;        /* the file does not begin with a record */
    unsigned char *data; /* (n) the current record; owned */
    size_t n, capacity;
} tfrecord_reader;

/** Starts at the beginning of `file` of `size` bytes; the caller closes it. */
void tfrecord_open(tfrecord_reader *r, FILE *file, uint64_t size);
void tfrecord_close(tfrecord_reader *r);
/** Reads the next record. *found: false at the end and at the first truncated or corrupt record.
 *  @return 0, E_IO, E_NOMEM */
int tfrecord_next(tfrecord_reader *r, bool *found);

/** The parts of a record that tb_events_read and tb_events_trim need. */
typedef struct tb_event_view {
    int64_t step;
    bool version; /* the record with the format version */
} tb_event_view;

typedef void tb_event_visit(void *context, int64_t step, const char *tag, double value);

/** Decodes an Event; `visit` (or NULL) is called for its scalars. @return 0, E_FORMAT (not a valid Event), E_NOMEM */
int tb_event_decode(tb_event_view *out, const unsigned char *data, size_t n, tb_event_visit *visit, void *context);

#endif
