/** Tar archives from the parts of an input (scratch.h), so that mutations reach the members and not the headers. */
#ifndef LINNET_FUZZ_MEMBERS_H
#define LINNET_FUZZ_MEMBERS_H

#include "dataset/tar.h"
#include "scratch.h"

static const char member_zeros[2 * TAR_BLOCK];

static inline void member_put(text *archive, const part *p) {
    if (tar_put_header(archive, p->name, p->n) != OK || text_append(archive, p->bytes, p->n) != OK ||
        text_append(archive, member_zeros, tar_padding(p->n)) != OK)
        abort();
}

/** Ends the archive, writes it to a file of the scratch folder and empties it. */
static inline void member_write(text *archive, const char *name) {
    if (text_append(archive, member_zeros, sizeof member_zeros) != OK)
        abort();
    scratch_write(name, archive->data, archive->n);
    text_deinit(archive);
}

#endif
