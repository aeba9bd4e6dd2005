#include "tools/unzip.h"

#include "base/memory.h"
#include "base/status.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define EITHER (MAX_WBITS + 32) /* zlib or gzip, by the header */

/** Room for more of the output. @return 0, E_NOMEM, E_FORMAT */
static int more_room(unsigned char **bytes, size_t *capacity, size_t limit) {
    if (*capacity >= limit)
        return fail(E_FORMAT, "what is compressed is larger than the %zu bytes allowed", limit);
    size_t next = *capacity * 2 < limit ? *capacity * 2 : limit;
    int rc = memory_resize(bytes, next, 1);
    if (rc == OK)
        *capacity = next;
    return rc;
}

int unzip(unsigned char **out, size_t *out_n, const unsigned char *bytes, size_t n, size_t limit) {
    int rc = OK, z = Z_OK;
    z_stream s = {0};
    unsigned char *to = NULL;
    size_t capacity = 1 << 16, have = 0;
    if (n > UINT_MAX)
        return fail(E_FORMAT, "%zu compressed bytes are too many", n);
    if (inflateInit2(&s, EITHER) != Z_OK)
        return fail(E_NOMEM, "out of memory to decompress");
    TRY(memory_resize(&to, capacity, 1));
    s.next_in = (unsigned char *)bytes;
    s.avail_in = (unsigned)n;
    while (z != Z_STREAM_END) {
        if (have == capacity)
            TRY(more_room(&to, &capacity, limit));
        s.next_out = to + have;
        s.avail_out = (unsigned)(capacity - have);
        z = inflate(&s, Z_NO_FLUSH);
        have = capacity - s.avail_out;
        if (z != Z_OK && z != Z_STREAM_END) {
            rc = fail(E_FORMAT, "damaged or truncated compressed data%s%s", s.msg != NULL ? ": " : "",
                      s.msg != NULL ? s.msg : "");
            goto done;
        }
    }
    *out = to;
    *out_n = have;
    to = NULL; /* now owned by the caller */
done:
    inflateEnd(&s);
    free(to);
    return rc;
}
