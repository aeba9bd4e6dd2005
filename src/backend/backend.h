/** The interface between the engine and a device: memory, the operations of each layer kind and of the optimizer, and
 *  optionally a stream and collective operations for the gradients. src/engine implements what all devices share:
 *  walking the layers, the activation plan, the arenas, the gradient buckets. */
#ifndef LINNET_BACKEND_BACKEND_H
#define LINNET_BACKEND_BACKEND_H

#include "backend/types.h"
#include "loader/batch.h"
#include "model/model.h"

typedef enum element { ELEMENT_F64, ELEMENT_F32, ELEMENT_BF16, ELEMENT_F16 } element;
size_t element_bytes(element e);

/** One layer of one plan. */
typedef struct device_layer {
    const layer *layer;
    tensor_shape x, y;    /* input and output */
    bool training;        /* false: no backward; also false for a frozen layer */
    bool dx_needed;       /* false: backward computes only the parameter gradients */
    bool estimate;        /* only the memory requirement is queried: plan runs no long measurements */
    int x_channels;       /* channels of x in memory: x.c, or more; the additional channels are zero */
    size_t weight_offset; /* offset of the layer's weight in the parameter arenas, elements */
    bool sums_wanted;     /* a BN of this plan reads y: forward may output the sums for its batch statistics */
    bool sums_given;      /* BN: the layer that produces x outputs these sums */
    bool producer_bn; /* x is the output of a training BN with ReLU and without residual that follows a convolution, and
                         this layer is the only consumer of x: it may take over parts of that BN's work */
    bool applied_by_consumer; /* BN: the consumer of y computes y itself (applies_bn); forward does not write y */
    bool fused_bn_bwd;        /* BN: the consumer of y outputs the sums for this BN's backward */
    int dy_n;                 /* number of gradients of y: 1, or 2 for a tensor with two consumers; 0 if !training */
    /* set by the device's plan function */
    size_t saved_bytes;         /* kept from forward to backward (masks, indices, batch statistics) */
    size_t workspace_bytes;     /* needed during one call */
    size_t sums_bytes;          /* if sums_wanted: size of the sums that forward outputs for the BN; 0: none */
    bool applies_bn;            /* if producer_bn: the layer computes x from the BN's x and saved values */
    size_t gradient_sums_bytes; /* if producer_bn: size of the sums that backward outputs for the BN; dx is then already
                                   multiplied by the BN's ReLU mask. 0: none */
    void *node;                 /* owned by the device; released by its destroy function */
} device_layer;

/* Addresses for one call. saved: saved_bytes, kept from forward to backward; NULL if 0. workspace: workspace_bytes, for
 * this call only; NULL if 0. The gradient of y is dy[0], plus dy[1] if dy_n is 2. dx: NULL unless dx_needed. Buffers do
 * not overlap unless stated otherwise. */

/** The BN that produces x, for a layer with producer_bn; otherwise both are NULL. */
typedef struct producer_bn_args {
    const void *x; /* input of the BN */
    void *saved;   /* values the BN saved in this forward pass */
} producer_bn_args;

/** Convolution and linear layer. */
typedef struct conv_forward_args {
    const void *x; /* NULL if applies_bn */
    void *y;
    void *workspace;
    void *sums; /* out, sums_bytes: for the BN that reads y */
    producer_bn_args producer;
} conv_forward_args;

typedef struct conv_backward_args {
    const void *x; /* as in forward */
    const void *dy[2];
    void *dx;
    void *workspace;
    void *gradient_sums; /* out, gradient_sums_bytes: for the BN that produced x */
    producer_bn_args producer;
} conv_backward_args;

typedef struct bn_forward_args {
    const void *x;
    const void *residual; /* NULL: no residual */
    void *y;              /* NULL if applied_by_consumer */
    void *saved, *workspace;
    const void *sums; /* if sums_given */
} bn_forward_args;

typedef struct bn_backward_args {
    const void *x;
    const void *dy[2];
    void *dx;        /* may be dy[0] if the layer has no residual */
    void *dresidual; /* may be dy[0]; NULL if the residual needs no gradient */
    void *saved, *workspace;
    const void *gradient_sums; /* if fused_bn_bwd */
} bn_backward_args;

/** x, residual and saved: as in the preceding forward; y: different memory. */
typedef struct bn_recompute_args {
    const void *x, *residual;
    void *y, *saved;
} bn_recompute_args;

typedef struct pool_forward_args {
    const void *x;
    void *y, *saved;
} pool_forward_args;

typedef struct pool_backward_args {
    const void *dy[2];
    void *dx;
    const void *saved;
} pool_backward_args;

/** Parameters of one layer in the master arenas (elements of device_ops.master). Missing parameters are NULL. */
typedef struct device_params {
    int weight_index, bias_index; /* parameter indices, or -1 */
    const void *weight, *bias;
    void *dweight, *dbias;
    void *running_mean, *running_var;
    bool accumulate;       /* gradients: += instead of = */
    bool keep_statistics;  /* a training forward does not update the running statistics */
    uint64_t version;      /* changes whenever a weight changes; copies of an older version must be refreshed */
    double *wgrad_seconds; /* if not NULL, backward adds the time of wgrad, if the device can measure it */
} device_params;

/* plan: called for BNs after all other layers, so it knows which parts of a BN the other layers take over. destroy:
 * NULL if plan allocates nothing. @return 0, E_SHAPE, E_DEVICE, E_NOMEM */

/** Convolutions and linear layers. */
typedef struct device_conv_ops {
    int (*plan)(void *device, device_layer *l);
    int (*forward)(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
    int (*backward)(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);
    void (*destroy)(void *device, device_layer *l);
    /** Reports the algorithm of one pass of a planned layer. *out is zeroed by the caller and stays so if the layer has
     *  no such pass. The pointer is NULL if the device has no choice of algorithms. */
    void (*algorithm)(engine_algorithm *out, const device_layer *l, engine_pass pass);
} device_conv_ops;

typedef struct device_bn_ops {
    int (*plan)(void *device, device_layer *l);
    int (*forward)(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p);
    int (*backward)(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p);
    /** Computes y again, bit for bit, after a training forward and before the backward of this layer. Changes nothing
     *  else. NULL: not supported, y is kept. */
    int (*recompute)(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p);
} device_bn_ops;

typedef struct device_pool_ops {
    int (*plan)(void *device, device_layer *l);
    int (*forward)(void *device, const device_layer *l, const pool_forward_args *args);
    int (*backward)(void *device, const device_layer *l, const pool_backward_args *args);
} device_pool_ops;

typedef struct device_layer_ops {
    device_conv_ops conv, linear;
    device_bn_ops bn;
    device_pool_ops maxpool, avgpool, shortcut;
} device_layer_ops;

/** A range of the parameter arenas that is updated in the same way; one parameter if optimizer_adapts. */
typedef struct update_range {
    size_t begin, end; /* elements */
    bool decays;
    bool head; /* uses head_lr if that is set */
} update_range;

typedef struct device_loss {
    const void *logits; /* (n, classes), in elements of element_of(LAYER_LINEAR) */
    void *dlogits;      /* same shape and element type; NULL in evaluation */
    int n, classes;
} device_loss;

/** Whether a BN has stochastic depth here: its output before the residual is multiplied by 0 or device_layer_kept. */
static inline bool device_layer_drops(const device_layer *l) { return l->training && l->layer->drop_path > 0; }
static inline double device_layer_kept(const device_layer *l) { return 1 / (1 - l->layer->drop_path); }

/** Parameter arenas, n elements of `master` each. The first `frozen` elements (a multiple of 16) have no gradient:
 *  unscale and update skip them, and the ranges cover the rest. */
typedef struct device_arenas {
    void *weight, *gradient;
    void *momentum; /* SGD, LARS, RMSprop: the momentum buffer; AdamW, LAMB: the running average of the gradient */
    void *square;   /* the running average of the squared gradient; NULL unless optimizer_squares */
    size_t n, frozen;
    const update_range *range;
    int range_n;
} device_arenas;

typedef struct device_optimizer_ops {
    int (*set_hyper)(void *device, const engine_hyper *h);
    /** Divides the gradients by the loss scale; computes their norm and whether all are finite. */
    int (*unscale)(void *device, const device_arenas *a);
    /** One step of engine_options.optimizer, if unscale found all gradients finite. */
    int (*update)(void *device, const device_arenas *a);
} device_optimizer_ops;

enum { DEVICE_RESULTS = 2 }; /* maximum number of results posted and not yet taken */

/** Operations of a device with a stream: calls return before their work has completed. */
typedef struct device_stream_ops {
    void *(*queue)(void *device); /* the stream, passed to the communicator */
    /** Enables the loss scaler on the device. */
    int (*set_grad_scaler)(void *device, const engine_grad_scaler *s);
    /** Called before each forward pass and each update, also before a replay. `written` changes when the host has
     *  written weights. */
    int (*before_step)(void *device, const device_arenas *a, uint64_t written);
    /** post_result queues a copy of the current result to one of DEVICE_RESULTS slots; take_result waits for it. */
    int (*post_result)(void *device, int slot);
    int (*take_result)(void *device, int slot, engine_result_data *out);
    /** time_begin and time_end record a pair of timing events in the stream. Pairs may be nested. time_read waits for
     *  the device and adds the time of each pair to its *seconds. */
    int (*time_begin)(void *device);
    int (*time_end)(double *seconds, void *device);
    int (*time_read)(void *device);
    /** Calls between record_begin and record_end are captured and not executed; replay executes them. *stale: memory
     *  that they use has moved, nothing was executed. */
    int (*record_begin)(void *device);
    int (*record_end)(void **recording, void *device);
    int (*replay)(bool *stale, void *device, void *recording);
    void (*recording_free)(void *device, void *recording);
} device_stream_ops;

/** The device's part in the all-reduce of gradients. */
typedef struct device_collective_ops {
    /** Convert gradients for the all-reduce, as half_narrow and half_widen (distributed/half.h) do, to and from the
     *  element type of convolutions, if that has 16 bits. */
    int (*compress)(void *device, void *half, const void *gradient, size_t n, int ranks);
    int (*decompress)(void *device, void *gradient, const void *half, size_t n);
    /** The communicator that reduces gradients in device memory. If it is NULL or returns NULL, engine_options.comm is
     *  used. */
    comm *(*exchange)(void *device);
    int (*exchange_text)(char out[ENGINE_EXCHANGE_TEXT]); /* engine_exchange_text; NULL: no text */
} device_collective_ops;

typedef struct device_ops {
    const char *name;
    element master; /* element type of the parameter arenas, running statistics included */

    const char *(*unavailable)(void);                                          /* NULL: the device can be used */
    int (*pci_address)(char out[ENGINE_PCI_ADDRESS], const engine_options *o); /* of the GPU to open; NULL: none */
    int (*open)(void **device, const engine_options *o);
    void (*close)(void *device);
    const char *(*description)(void *device);

    int (*allocate)(void **out, void *device, size_t bytes); /* zero-filled, 64-byte aligned */
    void (*release)(void *device, void *memory, size_t bytes);
    int (*download)(void *device, void *out, const void *memory, size_t bytes);
    int (*upload)(void *device, void *memory, const void *in, size_t bytes);
    size_t (*copy_bytes)(void *device); /* weight copies in the compute type, beside the arenas; NULL: none */
    int (*memory_free)(size_t *out, void *device); /* free device memory, bytes; NULL: the device uses host memory */
    /** Conversion between the element order of a parameter in the arenas and the logical order; NULL: both are the
     *  same. */
    void (*param_to_logical)(double *out, const double *slot, const param *p);
    void (*logical_to_param)(double *slot, const double *in, const param *p);

    element (*element_of)(void *device, layer_kind producer); /* element type of a tensor and its gradient */
    element (*element_of_input)(void *device);
    /** Channels in memory of an image batch with c channels that only convolutions read; the additional channels are
     *  zero. NULL: c. */
    int (*padded_channels)(void *device, int c);

    /** Writes the normalised pixels to x (n,h,w,channels: 3, or padded_channels) and the labels to memory of the
     *  device. */
    int (*load_batch)(void *device, void *x, int channels, const batch *b);
    device_layer_ops layer;
    /** For layers that drop (device_layer_drops): kept (blocks, images), which layer->drop_index of each layer indexes.
     *  Forward, recompute and backward of a plan of so many images read the values that were loaded last. The memory is
     *  the caller's. */
    int (*load_drop_path)(void *device, const uint8_t *kept, int blocks, int images);
    /** An image is counted as wrong if the logit of its label is NaN. Any other NaN ranks before all numbers. */
    int (*loss)(void *device, const device_loss *l);
    /** Copies the weights of the classes (n), for engine_loss_options.weighted. */
    int (*set_class_weights)(void *device, const double *weight, int n);
    int (*result)(void *device, engine_result_data *out); /* waits for the device */
    int (*reset_result)(void *device);
    int (*peaks)(void *device, engine_peaks *out); /* NULL: unknown */

    device_optimizer_ops optimizer;
    const device_stream_ops *stream;         /* NULL: calls are synchronous */
    const device_collective_ops *collective; /* NULL: gradients are reduced uncompressed, by engine_options.comm */
} device_ops;

extern const device_ops device_ref, device_cpu, device_cuda; /* the list of devices: engine/devices.c */

#endif
