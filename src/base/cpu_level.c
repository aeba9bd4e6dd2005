/* Detects the CPU level by CPUID and applies the limit set by LINNET_CPU. */

#define _GNU_SOURCE
#include "base/cpu_level.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const names[CPU_LEVELS] = {
    [CPU_SSE41] = "sse41", [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512", [CPU_AVX512_BF16] = "avx512_bf16",
    [CPU_AMX] = "amx",
};

const char *cpu_level_name(cpu_level level) { return names[level]; }

#if defined(__x86_64__)
/** CPUID leaf 7 lists the CPU's features. A process must request permission to use tiles (Linux 5.16;
 *  Documentation/x86/xstate.rst). */
static bool has_amx(void) {
    const unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
    const int request_permission = 0x1023, tile_data = 18;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & amx_bf16) != 0 && (d & amx_tile) != 0 &&
           syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

static cpu_level detect(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_SSE41;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return CPU_AVX2;
    if (!__builtin_cpu_supports("avx512bf16"))
        return CPU_AVX512;
    return has_amx() ? CPU_AMX : CPU_AVX512_BF16;
}
#else
static cpu_level detect(void) { return CPU_SSE41; }
#endif

static const char *setting(void) {
    const char *s = getenv("LINNET_CPU");
    return s != NULL && s[0] != '\0' ? s : NULL;
}

/** @return CPU_LEVELS if there is no such level */
static cpu_level find(const char *name) {
    int i = 0;
    while (i < CPU_LEVELS && strcmp(name, names[i]) != 0)
        i++;
    return (cpu_level)i;
}

/** 1 + the level; 0: not determined yet. Threads that determine it concurrently store the same value. */
static int machine, in_force;

cpu_level cpu_level_of_machine(void) {
    int known = __atomic_load_n(&machine, __ATOMIC_RELAXED);
    if (known == 0) {
        known = 1 + (int)detect();
        __atomic_store_n(&machine, known, __ATOMIC_RELAXED);
    }
    return (cpu_level)(known - 1);
}

cpu_level cpu_level_get(void) {
    int known = __atomic_load_n(&in_force, __ATOMIC_RELAXED);
    if (known == 0) {
        cpu_level level = setting() != NULL ? find(setting()) : CPU_LEVELS, best = cpu_level_of_machine();
        known = 1 + (int)(level < best ? level : best);
        __atomic_store_n(&in_force, known, __ATOMIC_RELAXED);
    }
    return (cpu_level)(known - 1);
}

bool cpu_level_is_set(void) { return setting() != NULL; }

int cpu_level_check(void) {
    cpu_level best = cpu_level_of_machine();
    if (setting() == NULL)
        return OK;
    if (find(setting()) == CPU_LEVELS)
        return fail(E_OPTION, "LINNET_CPU=%s is not a CPU level: sse41, avx2, avx512, avx512_bf16 or amx", setting());
    if (find(setting()) > best)
        return fail(E_OPTION, "LINNET_CPU=%s: this CPU supports at most %s; unset LINNET_CPU or choose a lower level",
                    setting(), names[best]);
    return OK;
}
