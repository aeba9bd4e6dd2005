/* Checkpoint containers: the input is a whole file, in torch.save's zip format or in its older format without a zip. */
#define _GNU_SOURCE
#include "checkpoint/zip.h"
#include "load.h"

/** Checks the guarantees of the reader about its entries. */
static void check(const zip_reader *z) {
    unsigned char *payload = malloc(z->bytes + 1);
    size_t prefix_n = strlen(z->prefix);
    uint64_t sum = 0;
    if (payload == NULL)
        abort();
    for (uint64_t i = 0; i < z->entry_n; i++) {
        const zip_entry *e = &z->entries[i];
        if (e->offset > z->bytes || e->size > z->bytes - e->offset)
            abort();
        sum += e->size;
        (void)zip_read(z, e, payload);
        if (e->name_n > prefix_n + 1 && e->name_n < 256 && memcmp(e->name, z->prefix, prefix_n) == 0 &&
            e->name[prefix_n] == '/' && zip_find(z, e->name + prefix_n + 1, e->name_n - prefix_n - 1) != e)
            abort();
    }
    if (sum > z->bytes)
        abort(); /* entries must not overlap */
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    zip_reader z;
    int fd = memory_file(bytes, n);
    int rc = zip_read_open(&z, fd);
    if (rc == OK)
        check(&z);
    else if (strchr(status_message(), '\n') != NULL)
        abort();
    zip_read_close(&z);
    close(fd);
    load(bytes, n);
    return 0;
}
