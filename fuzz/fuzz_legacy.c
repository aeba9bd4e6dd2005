/* torch.save's format before PyTorch 1.6: the input is the part after the magic number and the protocol: the pickles of
 * the writer's sizes, of the object and of the storage keys, and the storages. */
#define _GNU_SOURCE
#include "load.h"

static const unsigned char head[] = {0x80, 2,   0x8a, 10,  'l',  0xfc, 0x9c, 'F',  0xf9, ' ', 'j',
                                     0xa8, 'P', 0x19, '.', 0x80, 2,    'M',  0xe9, 3,    '.'};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    unsigned char *file = malloc(sizeof head + n);
    if (file == NULL)
        abort();
    memcpy(file, head, sizeof head);
    if (n > 0)
        memcpy(file + sizeof head, bytes, n);
    load(file, sizeof head + n);
    free(file);
    return 0;
}
