/* A tar archive: the input is used unchanged, and again with the checksums of all possible headers corrected, so that
 * the code after the checksum test is reached. */
#include "base/status.h"
#include "dataset/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void visit(tar_reader *r, const tar_member *m, uint64_t n) {
    unsigned char some[3000];
    if (m->data > n || m->size > n - m->data || m->header >= m->data || strlen(m->name) >= PATH_BYTES)
        abort();
    size_t part = m->size < sizeof some ? (size_t)m->size : sizeof some;
    if (tar_read(some, r, m, m->size - part, part) != OK || tar_read(some, r, m, m->size, 1) == OK)
        abort();
    if (memcmp(some, r->source.memory + m->data + m->size - part, part) != 0)
        abort();
    text again = {0};
    if (tar_name_is_safe(m->name) && (tar_put_header(&again, m->name, m->size) != OK ||
                                      !tar_is_header_of((unsigned char *)again.data + again.n - TAR_BLOCK, m->size)))
        abort();
    text_deinit(&again);
}

static void walk(const unsigned char *bytes, size_t n) {
    tar_source s = {.fd = -1, .memory = bytes, .size = n, .name = "fuzz"};
    tar_reader r;
    tar_member m;
    bool more = true;
    int init = tar_reader_init(&r, &s);
    if (init == E_DATA) /* compressed */
        return;
    if (init != OK)
        abort();
    while (more) {
        uint64_t before = r.at;
        int rc = tar_next(&more, &m, &r);
        if (rc == OK && more)
            visit(&r, &m, n);
        if (rc == E_FORMAT) {
            if (tar_resync(&r) != OK)
                abort();
            more = r.at < n;
        } else if (rc != OK) {
            abort();
        }
        if (more && r.at <= before)
            abort(); /* every step must advance */
    }
    tar_reader_deinit(&r);
}

static void seal(unsigned char *block) {
    unsigned sum = 8 * ' ';
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? 0 : block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    walk(bytes, n);
    unsigned char *sealed = malloc(n + 1);
    if (sealed == NULL)
        abort();
    memcpy(sealed, bytes, n);
    for (size_t at = 0; at + TAR_BLOCK <= n; at += TAR_BLOCK)
        if (sealed[at] != 0 && strchr("01257LKxgS", sealed[at + 156]) != NULL)
            seal(sealed + at);
    walk(sealed, n);
    free(sealed);
    return 0;
}
