/** CRC-32 of zip and PNG: polynomial 0x04C11DB7, reflected. Source: ISO 3309, ITU-T V.42. */
#ifndef LINNET_CHECKPOINT_CRC32_H
#define LINNET_CHECKPOINT_CRC32_H

#include <stddef.h>
#include <stdint.h>

/** Goes on from `crc` (0 to begin). Thread-safe. */
uint32_t zip_crc32(uint32_t crc, const void *bytes, size_t n);

#endif
