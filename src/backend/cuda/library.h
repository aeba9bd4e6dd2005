/** NVIDIA's libraries, found at run time, so that one binary runs with and without them. Internal to src/backend/cuda.
 */
#ifndef LINNET_BACKEND_CUDA_LIBRARY_H
#define LINNET_BACKEND_CUDA_LIBRARY_H

#include <stddef.h>

typedef struct library_symbol {
    const char *name;   /* in the library */
    const char *member; /* in the table */
    size_t place;       /* of its pointer in the table, bytes */
} library_symbol;

/** The file that the environment's `variable` names, else the first of `places` (n) that opens; it stays open.
 *  @return 0, E_DEVICE: "`what` cannot be opened ...", with what to do */
int library_open(void **out, const char *what, const char *variable, const char *const *places, size_t n);

/** Fills a table of function pointers. @return 0, E_DEVICE: "`what` has no NAME: `advice`" */
int library_find(void *table, void *library, const library_symbol *symbols, size_t n, const char *what,
                 const char *advice);

/** The library's name of a table's member; the member's own where there is none. */
const char *library_name(const library_symbol *symbols, size_t n, const char *member);

#endif
