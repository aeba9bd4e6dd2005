/** For tests of bf16 kernels: values, and workspace memory that detects writes beyond its end. */
#ifndef LINNET_TESTS_BF16_VALUES_H
#define LINNET_TESTS_BF16_VALUES_H

#include "check.h"

#include "backend/cpu/simd/kernels.h"
#include "base/memory.h"

/** The kernels of a CPU level; skips the test if this machine does not support it. */
static inline const kernels *kernels_or_skip(cpu_level level) {
    const kernels *set = kernels_of(level);
    if (set == NULL) {
        print_message("this machine is below the level %s\n", cpu_level_name(level));
        skip();
    }
    return set;
}

/** n values of either sign around 1, different for each `stream`. The caller frees them. */
static inline uint16_t *bf16_values(size_t n, uint32_t stream) {
    uint16_t *v = aligned_alloc(64, memory_round(n * sizeof *v));
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)(i + 1) * 2654435761u + stream * 40503u;
        bits ^= bits >> 15;
        bits *= 2246822519u;
        v[i] = (uint16_t)(0x3f00 + ((bits >> 9) & 0x80ff));
    }
    return v;
}

static inline double bf16_value(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &wide, sizeof f);
    return (double)f;
}

typedef struct guarded {
    unsigned char *memory;
    size_t bytes;
} guarded;

enum { GUARD_BYTES = 64, GUARD = 0xa5 };

/** At least `bytes`, 64-byte aligned, followed by a guard. */
static inline guarded guarded_make(size_t bytes) {
    guarded g = {.bytes = memory_round(bytes)};
    g.memory = aligned_alloc(64, g.bytes + GUARD_BYTES);
    assert_non_null(g.memory);
    memset(g.memory, 0xFF, g.bytes); /* NaN in 16 and 32 bits, so that a read of unwritten memory shows */
    memset(g.memory + g.bytes, GUARD, GUARD_BYTES);
    return g;
}

/** Fails the test if the guard was overwritten. */
static inline void guarded_free(guarded *g) {
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(g->memory[g->bytes + i], GUARD);
    free(g->memory);
}

#endif
