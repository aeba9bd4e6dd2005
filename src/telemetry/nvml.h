/** NVIDIA's management library, loaded at run time: no header or library of NVIDIA's is needed to build.
 *  Source of the declarations: NVML API Reference (docs.nvidia.com/deploy/nvml-api). Private to telemetry. */
#ifndef LINNET_TELEMETRY_NVML_H
#define LINNET_TELEMETRY_NVML_H

#include "telemetry/device_stats.h"

typedef struct nvml nvml;

/** Loads and starts the library and chooses the GPUs. `visible`: what CUDA_VISIBLE_DEVICES holds, or NULL.
 *  @return 0 with at least one GPU, E_NOMEM, or E_UNSUPPORTED with the reason why none is watched */
int nvml_open(nvml **out, const char *visible);
void nvml_close(nvml *n);
int nvml_count(const nvml *n);
void nvml_info(gpu_info *out, const nvml *n, int gpu);
/** Can take some ms. */
void nvml_read(gpu_sample *out, const nvml *n, int gpu);

#endif
