/** What the machine does while a run goes on: CPU, memory, and GPUs through NVML (loaded at run time). A thread
 *  samples in the background; taking the means costs nothing in a step.
 *
 *  GPUs: all of the machine, in the order of their PCI addresses; with CUDA_VISIBLE_DEVICES only those it lists, in
 *  its order, by index (of the PCI order, as with CUDA_DEVICE_ORDER=PCI_BUS_ID) or by the beginning of the UUID, like
 *  GPU-8f3a. As in CUDA the list ends at the first entry that fits none; parts of a GPU (MIG) are not watched. */
#ifndef LINNET_TELEMETRY_DEVICE_STATS_H
#define LINNET_TELEMETRY_DEVICE_STATS_H

enum { DEVICE_GPUS = 16 }; /* most that are watched */

typedef struct gpu_sample {
    double utilisation, memory_utilisation; /* percent of the time: kernels ran, memory was read or written */
    double memory_used, memory_total;       /* bytes; used by all processes and the driver */
    double power;                           /* W */
    double temperature;                     /* degrees Celsius */
    double sm_clock, memory_clock;          /* MHz */
} gpu_sample;

/** NaN stands where the system or the driver does not tell. */
typedef struct device_sample {
    double seconds;        /* clock_wall() of the sample, or of the end of the interval */
    double cpu;            /* percent of the cores this process may use (by affinity), by all processes */
    double process_cpu;    /* percent of the same by this process, its threads included */
    double process_memory; /* resident bytes of this process */
    double memory_used;    /* bytes of the machine, or of its cgroup where that has a lower limit; no file cache */
    double memory_total;   /* bytes of the machine, or that limit */
    int gpu_n;             /* 0 until the driver has answered, some ms to a second after the open */
    gpu_sample gpu[DEVICE_GPUS];
} device_sample;

typedef struct device_stats device_stats;

/** Samples every `interval` seconds (0.01 to 1e6). The driver is asked in the thread alone. No GPU or no driver is no
 *  error: gpu_n stays 0. @return 0, E_NOMEM, E_DEVICE (no thread) */
int device_stats_open(device_stats **out, double interval);
/** Ends the thread: at once, or when the reading of the GPUs that is under way is done. NULL is nothing. */
void device_stats_close(device_stats *d);
/** Means since the last take (memory used: largest; totals: last). When there was no sample since, one is taken now,
 *  which costs some 0.1 ms (1 ms with many cores), with the GPUs' last readings; the CPU percentages are then the last
 *  too if those are less than 50 ms old, and NaN in the first 50 ms. Never waits for the driver. Any thread. */
void device_stats_take(device_sample *out, device_stats *d);

typedef struct gpu_info {
    char name[96], uuid[96]; /* "" where the driver does not tell */
    double memory_total;     /* bytes, or NaN */
} gpu_info;

/** The GPUs that would be watched, in the order of device_sample. Asks the driver: can take a second.
 *  *why (or NULL): NULL, or why there are none ("libnvidia-ml.so.1 is not here: no NVIDIA driver"); valid until this
 *  thread's next fail(). @return how many */
int device_stats_gpus(gpu_info out[DEVICE_GPUS], const char **why);

#endif
