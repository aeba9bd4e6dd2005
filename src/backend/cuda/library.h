/** Loading of NVIDIA's libraries at run time, so that one binary runs with and without them. Internal to
 *  src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_LIBRARY_H
#define LINNET_BACKEND_CUDA_LIBRARY_H

#include <stddef.h>

typedef struct library_symbol {
    const char *name;   /* symbol in the library */
    const char *member; /* member of the table */
    size_t place;       /* offset of the pointer in the table, bytes */
} library_symbol;

/** Opens the file given by the environment variable `variable`, or the first of the n `places` that can be opened. The
 *  library stays open. @return 0, E_DEVICE: "`what` cannot be opened ...", with advice */
int library_open(void **out, const char *what, const char *variable, const char *const *places, size_t n);

/** Fills a table of n function pointers. @return 0, E_DEVICE: "`what` has no NAME: `advice`" */
int library_find(void *table, void *library, const library_symbol *symbols, size_t n, const char *what,
                 const char *advice);

/** The library's symbol for a member of the table; `member` itself if there is none. */
const char *library_name(const library_symbol *symbols, size_t n, const char *member);

#endif
