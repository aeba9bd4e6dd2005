/* oneDNN: instruction set, engine and stream. */
#include "backend/cpu/algo/onednn.h"

#include "backend/cpu/algo/onednn_call.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    int isa; /* all of its bits must be set */
    const char *name;
} isa_of[CPU_LEVELS] = {
    [CPU_SSE41] = {dnnl_cpu_isa_sse41, "SSE4.1"},
    [CPU_AVX2] = {dnnl_cpu_isa_avx2, "AVX2"},
    [CPU_AVX512] = {dnnl_cpu_isa_avx512_core, "AVX-512"},
    [CPU_AVX512_BF16] = {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 bf16"},
    [CPU_AMX] = {dnnl_cpu_isa_avx512_core_amx, "AVX-512 AMX bf16"},
};

cpu_level onednn_level(void) {
    cpu_level level = cpu_level_get();
    if (cpu_level_is_set()) /* takes effect only before oneDNN's first use; the level is the same in every call */
        dnnl_set_max_cpu_isa((dnnl_cpu_isa_t)isa_of[level].isa);
    int isa = (int)dnnl_get_effective_cpu_isa();
    while (level > CPU_SSE41 && (isa & isa_of[level].isa) != isa_of[level].isa)
        level--;
    return level;
}

const char *onednn_version(void) {
    static char number[40]; /* every call writes the same text */
    const dnnl_version_t *v = dnnl_version();
    snprintf(number, sizeof number, "%d.%d.%d", v->major, v->minor, v->patch);
    return number;
}

const char *onednn_description(void) {
    static char line[96]; /* every call writes the same text */
    snprintf(line, sizeof line, "oneDNN %s, %s%s", onednn_version(), isa_of[onednn_level()].name,
             cpu_level_is_set() ? " (LINNET_CPU)" : "");
    return line;
}

int onednn_open(onednn **out, int threads) {
    int rc = OK;
    onednn *o = NULL;
    TRY(memory_zeroed(&o, 1, sizeof *o));
    o->threads = threads;
    (void)onednn_level(); /* before the first primitive */
    int status = dnnl_engine_create(&o->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&o->stream, o->engine, dnnl_stream_in_order);
    if (status != dnnl_success)
        rc = fail(E_DEVICE, "cannot initialise oneDNN: %s (status %d)", onednn_status_name(status), status);
done:
    if (rc < 0) {
        onednn_close(o);
        o = NULL;
    }
    *out = o;
    return rc;
}

void onednn_close(onednn *o) {
    if (o == NULL)
        return;
    if (o->stream != NULL)
        dnnl_stream_destroy(o->stream);
    if (o->engine != NULL)
        dnnl_engine_destroy(o->engine);
    free(o);
}
