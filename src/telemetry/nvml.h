/** NVIDIA's management library, loaded at run time: building needs no header or library from NVIDIA.
 *  Source of the declarations: NVML API Reference (docs.nvidia.com/deploy/nvml-api). Private to telemetry. */
#ifndef LINNET_TELEMETRY_NVML_H
#define LINNET_TELEMETRY_NVML_H

#include "telemetry/device_stats.h"

typedef struct nvml nvml;

/** Loads and initialises the library and selects the GPUs. `visible`: the value of CUDA_VISIBLE_DEVICES, or NULL.
 *  @return 0 with at least one GPU, E_NOMEM, or E_UNSUPPORTED (the message has the reason) */
int nvml_open(nvml **out, const char *visible);
void nvml_close(nvml *n);
int nvml_count(const nvml *n);
void nvml_info(gpu_info *out, const nvml *n, int gpu);
/** Can take some ms. */
void nvml_read(gpu_sample *out, const nvml *n, int gpu);

#endif
