/* Whether bf16 dot products are at least as fast as fp32 FMA on this CPU. With AVX-512 bf16 and without AMX it depends
 * on the CPU: per multiplication, AMD's Zen 4 needs half of the time of fp32, Intel's Xeon with AMX disabled twice the
 * time. */
#include "backend/cpu/cpu.h"
#include "base/file.h"

#if defined(__x86_64__)
enum { ITERATIONS = 2000, TRIALS = 8 };

/** On independent sums, enough of them to hide the latency. */
#define ON_12_SUMS(instruction)                                                                                        \
    instruction "%%zmm0\n" instruction "%%zmm1\n" instruction "%%zmm2\n" instruction "%%zmm3\n" instruction            \
                "%%zmm4\n" instruction "%%zmm5\n" instruction "%%zmm6\n" instruction "%%zmm7\n" instruction            \
                "%%zmm8\n" instruction "%%zmm9\n" instruction "%%zmm10\n" instruction "%%zmm11\n"
#define CLOBBERED                                                                                                      \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
        "xmm13", "xmm14", "xmm15"

/** Defines NAME(): seconds of the repeated instruction, relative to its multiplications. */
#define TIME_OF(name, instruction, multiplications)                                                                    \
    static double name(void) {                                                                                         \
        double start = clock_seconds();                                                                                \
        __asm__ volatile("vzeroall" ::: CLOBBERED);                                                                    \
        for (int i = 0; i < ITERATIONS; i++)                                                                           \
            __asm__ volatile(ON_12_SUMS(instruction " %%zmm12, %%zmm12, ")::: CLOBBERED);                              \
        return (clock_seconds() - start) / (multiplications);                                                          \
    }
TIME_OF(time_fma, "vfmadd231ps", 16)
TIME_OF(time_dot, "vdpbf16ps", 32)

/** The ratio is near 0.5, 1 or 2. The shortest of several trials is little affected by other load. */
static bool dot_is_fast(void) {
    double fma = time_fma(), dot = time_dot();
    for (int i = 1; i < TRIALS; i++) {
        double f = time_fma(), d = time_dot();
        fma = f < fma ? f : fma;
        dot = d < dot ? d : dot;
    }
    return dot < 1.4 * fma; /* at the same rate, bf16 still halves the memory traffic */
}
#else
static bool dot_is_fast(void) { return false; }
#endif

bool engine_bf16_is_faster(void) {
    static int known; /* 0: not measured yet; 1: no; 2: yes */
    if (onednn_level() != CPU_AVX512_BF16)
        return onednn_level() == CPU_AMX;
    if (__atomic_load_n(&known, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&known, dot_is_fast() ? 2 : 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&known, __ATOMIC_RELAXED) == 2;
}
