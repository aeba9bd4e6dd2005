/** Hand-made pickles for tests, and a checkpoint file around one. */
#ifndef LINNET_TESTS_PICKLED_H
#define LINNET_TESTS_PICKLED_H

#include "check.h"

#include "checkpoint/zip.h"

#define BYTES(literal) literal, sizeof(literal) - 1
#define PERSISTENT(type, key, numel) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpu" numel "tQ"
#define REBUILD(storage, offset, sizes, strides)                                                                       \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset sizes strides "\x89"                                         \
    "ccollections\nOrderedDict\n)RtR"
#define FOUR REBUILD(PERSISTENT("FloatStorage", "0", "K\4"), "K\0", "(K\4t", "(K\1t") /* a tensor of shape (4) */
#define NAMED(value) "\x80\2}X\1\0\0\0w" value "s."
#define LIGHTNING "X\31\0\0\0pytorch-lightning_versionX\5\0\0\0002.0.0X\12\0\0\0state_dict}X\1\0\0\0w" FOUR "s"

/** Writes a file of this pickle and one storage, data/0, of 16 bytes. */
static inline void pickled_write(const char *path, const void *pickle, size_t n) {
    zip_writer z;
    assert_ok(zip_write_open(&z, path));
    assert_ok(zip_write_add(&z, "archive/data.pkl", pickle, n));
    assert_ok(zip_write_add(&z, "archive/data/0", "0123456789abcdef", 16));
    assert_ok(zip_write_add(&z, "archive/version", "3\n", 2));
    assert_ok(zip_write_commit(&z));
    zip_write_abort(&z);
}

#endif
