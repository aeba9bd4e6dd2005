/** Load of the machine during a run: CPU, memory, and GPUs through NVML (loaded at run time). A background thread
 *  samples, so that reading the means takes no time in a step.
 *
 *  GPUs: all of the machine, in the order of their PCI addresses; with CUDA_VISIBLE_DEVICES only those it lists, in
 *  its order, by index (in PCI order, as with CUDA_DEVICE_ORDER=PCI_BUS_ID) or by the beginning of the UUID, such as
 *  GPU-8f3a. As in CUDA, the list ends at the first entry that matches no GPU; parts of a GPU (MIG) are not supported.
 */
#ifndef LINNET_TELEMETRY_DEVICE_STATS_H
#define LINNET_TELEMETRY_DEVICE_STATS_H

enum { DEVICE_GPUS = 16 }; /* maximum number of GPUs */

typedef struct gpu_sample {
    double utilisation, memory_utilisation; /* percent of the time in which kernels ran; memory was read or written */
    double memory_used, memory_total;       /* bytes; used by all processes and the driver */
    double power;                           /* W */
    double temperature;                     /* degrees Celsius */
    double sm_clock, memory_clock;          /* MHz */
} gpu_sample;

/** Values that the system or the driver does not report are NaN. */
typedef struct device_sample {
    double seconds;        /* clock_wall() of the sample, or of the end of the interval */
    double cpu;            /* percent of the cores this process may use (by affinity), by all processes */
    double process_cpu;    /* percent of the same by this process, its threads included */
    double process_memory; /* resident bytes of this process */
    double memory_used;    /* bytes of the machine, or of the cgroup if that has a lower limit; without file cache */
    double memory_total;   /* bytes of the machine, or that limit */
    int gpu_n;             /* 0 until the driver responds, some ms to a second after the open */
    gpu_sample gpu[DEVICE_GPUS];
} device_sample;

typedef struct device_stats device_stats;

/** Samples every `interval` seconds (0.01 to 1e6). Only the thread calls the driver. A missing GPU or driver is not an
 *  error: gpu_n stays 0. @return 0, E_NOMEM, E_DEVICE (no thread) */
int device_stats_open(device_stats **out, double interval);
/** Ends the thread immediately, or after the current reading of the GPUs. NULL is allowed. */
void device_stats_close(device_stats *d);
/** Means since the last call (memory used: maximum; totals: last value). If there was no sample since then, one is
 * taken now, which takes about 0.1 ms (1 ms with many cores), with the last readings of the GPUs; CPU percentages less
 * than 50 ms old are reused, and are NaN in the first 50 ms. Never waits for the driver. Any thread. */
void device_stats_take(device_sample *out, device_stats *d);

typedef struct gpu_info {
    char name[96], uuid[96]; /* "" if the driver does not report it */
    double memory_total;     /* bytes, or NaN */
} gpu_info;

/** The GPUs in the order of device_sample. Calls the driver, which can take a second.
 *  *why (or NULL): NULL, or why there are none ("libnvidia-ml.so.1 not found: no NVIDIA driver is installed"); valid
 * until this thread's next fail(). @return the number of GPUs */
int device_stats_gpus(gpu_info out[DEVICE_GPUS], const char **why);

#endif
