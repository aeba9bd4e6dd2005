/** Memory: checked allocation, and arenas of one block that uses huge pages if the system supports them. */
#ifndef LINNET_BASE_MEMORY_H
#define LINNET_BASE_MEMORY_H

#include <stddef.h>

#define MEMORY_ALIGN 64 /* bytes: a cache line and an AVX-512 register */

/** Sets *out to `count * size` zeroed bytes (never NULL on success, also for 0). Free with free().
 *  @return 0 or E_NOMEM (also if the product overflows) */
int memory_zeroed(void *out, size_t count, size_t size);

/** Resizes *pointer (void **) to `count * size` bytes; on failure *pointer stays valid. @return 0 or E_NOMEM */
int memory_resize(void *pointer, size_t count, size_t size);

/** Ensures capacity for `need` elements in the array *pointer; if it must grow, *capacity is at least doubled.
 *  {NULL, 0} is an empty array. */
int memory_grow(void *pointer, size_t *capacity, size_t need, size_t size);

/** Copies a string. @return 0 or E_NOMEM */
int memory_string(char **out, const char *text);

/** One block of memory, mapped once, zero-filled, aligned to 2 MiB and advised to use huge pages. */
typedef struct arena {
    unsigned char *base;
    size_t bytes; /* capacity */
    size_t used;  /* bytes returned by arena_take so far */
} arena;

/** Maps `bytes` (0 gives an empty arena). @return 0 or E_NOMEM (the message has the size) */
int arena_init(arena *a, size_t bytes);
void arena_deinit(arena *a);

/** The next `bytes`, aligned to MEMORY_ALIGN; NULL when the arena is full. */
void *arena_take(arena *a, size_t bytes);

/** The larger of two sizes. */
static inline size_t memory_larger(size_t a, size_t b) { return a > b ? a : b; }

/** Rounds up to a multiple of MEMORY_ALIGN. */
size_t memory_round(size_t bytes);

#endif
