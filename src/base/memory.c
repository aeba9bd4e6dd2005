#define _GNU_SOURCE
#include "base/memory.h"

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

int memory_zeroed(void *out, size_t count, size_t size) {
    void *p = NULL;
    size_t bytes = 0;
    if (!__builtin_mul_overflow(count, size, &bytes))
        p = calloc(bytes > 0 ? bytes : 1, 1);
    memcpy(out, &p, sizeof p);
    return p != NULL ? OK : fail(E_NOMEM, "cannot allocate %zu x %zu bytes", count, size);
}

int memory_resize(void *pointer, size_t count, size_t size) {
    void *old = NULL;
    memcpy(&old, pointer, sizeof old);
    size_t bytes = 0;
    void *p = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes))
        p = realloc(old, bytes > 0 ? bytes : 1);
    if (p == NULL)
        return fail(E_NOMEM, "cannot allocate %zu x %zu bytes", count, size);
    memcpy(pointer, &p, sizeof p);
    return OK;
}

int memory_grow(void *pointer, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity)
        return OK;
    size_t more = *capacity < 32 ? 64 : *capacity * 2;
    if (more < need)
        more = need;
    int rc = memory_resize(pointer, more, size);
    if (rc == OK)
        *capacity = more;
    return rc;
}

int memory_string(char **out, const char *text) {
    *out = strdup(text);
    return *out != NULL ? OK : fail(E_NOMEM, "cannot allocate %zu bytes", strlen(text) + 1);
}

size_t memory_round(size_t bytes) { return (bytes + MEMORY_ALIGN - 1) & ~(size_t)(MEMORY_ALIGN - 1); }

int arena_init(arena *a, size_t bytes) {
    *a = (arena){0};
    if (bytes == 0)
        return OK;
    if (bytes > SIZE_MAX / 2)
        return fail(E_NOMEM, "cannot map %zu bytes", bytes);
    size_t rounded = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    /* one huge page more than needed, so that an aligned block fits; the excess is unmapped */
    unsigned char *p = mmap(NULL, rounded + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return fail(E_NOMEM, "cannot map %zu MiB of memory", rounded >> 20);
    unsigned char *aligned = p + (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (aligned > p)
        munmap(p, (size_t)(aligned - p));
    size_t tail = (size_t)(p + rounded + HUGE_PAGE - (aligned + rounded));
    if (tail > 0)
        munmap(aligned + rounded, tail);
    madvise(aligned, rounded, MADV_HUGEPAGE); /* only advice: if the kernel refuses it, only speed is lost */
    *a = (arena){.base = aligned, .bytes = rounded};
    return OK;
}

void arena_deinit(arena *a) {
    if (a->base != NULL)
        munmap(a->base, a->bytes);
    *a = (arena){0};
}

void *arena_take(arena *a, size_t bytes) {
    size_t rounded = memory_round(bytes);
    if (rounded < bytes || rounded > a->bytes - a->used)
        return NULL;
    void *p = a->base + a->used;
    a->used += rounded;
    return p;
}
