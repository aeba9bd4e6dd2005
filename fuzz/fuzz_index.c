/* The stored index of a dataset: the input is used as a file, and again with its length and checksum corrected. */
#include "base/status.h"
#include "dataset/index.h"
#include "dataset/source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void decode(const source *s, const unsigned char *bytes, size_t n) {
    dataset *d = NULL;
    file_stamps f = {0};
    text again = {0};
    if (dataset_index_decode(&d, &f, s, bytes, n, "/d", "/d") == OK) {
        for (int64_t i = 0; i < d->image_n; i++)
            if (dataset_name(d, i)[strlen(d->class_name[d->label[i]])] != '/')
                abort();
        if (dataset_index_encode(&again, d, &f, "/d") != OK || again.n != n || memcmp(again.data, bytes, n) != 0)
            abort(); /* the encoding of an index is unique */
    }
    text_deinit(&again);
    dataset_close(d);
    file_stamps_deinit(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    decode(&source_folder, bytes, n);
    decode(&source_shards, bytes, n);
    if (n < DATASET_INDEX_HEADER)
        return 0;
    unsigned char *sealed = malloc(n);
    if (sealed == NULL)
        abort();
    memcpy(sealed, bytes, n);
    dataset_index_seal(sealed, n);
    decode(&source_folder, sealed, n);
    decode(&source_shards, sealed, n);
    free(sealed);
    return 0;
}
