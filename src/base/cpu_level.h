/** The CPU level: which instruction sets linnet's own kernels and oneDNN may use. LINNET_CPU sets a lower level than
 * the CPU supports, to reproduce or test the results of a machine with fewer instruction sets:
 *
 *      LINNET_CPU=sse41|avx2|avx512|avx512_bf16|amx */
#ifndef LINNET_BASE_CPU_LEVEL_H
#define LINNET_BASE_CPU_LEVEL_H

#include <stdbool.h>

/** Each level includes those before it. */
typedef enum cpu_level {
    CPU_SSE41,       /* always available: plain C kernels; oneDNN up to SSE4.1 */
    CPU_AVX2,        /* and FMA */
    CPU_AVX512,      /* F, BW, DQ, VL */
    CPU_AVX512_BF16, /* bf16 dot products */
    CPU_AMX,         /* bf16 tiles, permitted by the kernel */
    CPU_LEVELS
} cpu_level;

/** The name that LINNET_CPU takes: "avx2". Static. */
const char *cpu_level_name(cpu_level level);

/** The best level of this CPU. */
cpu_level cpu_level_of_machine(void);

/** The level in use: that of LINNET_CPU if it is valid and lower than the CPU's, else the CPU's. The environment is
 *  read once, so the level never changes within a process. Callable from any thread. */
cpu_level cpu_level_get(void);

/** Whether LINNET_CPU is set. */
bool cpu_level_is_set(void);

/** @return 0, or E_OPTION: LINNET_CPU is not the name of a level, or this CPU does not support it */
int cpu_level_check(void);

#endif
