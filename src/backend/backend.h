/** What a device supplies to the engine: memory, the operations of each kind of layer, the optimizer's; and, where it
 * has them, a queue and its part in the exchange of gradients. src/engine owns what all devices share: walking the
 * layers, the activation plan, the arenas, the buckets. */
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
    tensor_shape x, y;        /* input and output */
    bool training;            /* false: there is no backward, of a frozen layer neither */
    bool dx_needed;           /* false: backward computes the parameter gradients alone */
    bool estimate;            /* only memory is asked for: nothing is measured that takes long */
    int x_channels;           /* of x in memory: x.c, or more, the rest zeros */
    size_t weight_offset;     /* of the layer's weight in the arenas, elements */
    bool sums_wanted;         /* a BN of this plan reads y: forward may leave the sums of its batch statistics */
    bool sums_given;          /* BN: the layer that makes x leaves them */
    bool producer_bn;         /* x is made by a training BN with ReLU and no residual, which reads a convolution, and
                                 nothing else reads x: this layer may do parts of that BN's work */
    bool applied_by_consumer; /* BN: the layer that reads y computes y itself (applies_bn); forward does not write y */
    bool fused_bn_bwd;        /* BN: the layer that reads y leaves the sums of BN's backward */
    int dy_n; /* gradients that arrive at the output: 1, or 2 for a tensor with two readers; 0 if !training */
    /* set by the device's plan function */
    size_t saved_bytes;         /* kept from forward to backward (masks, indices, batch statistics) */
    size_t workspace_bytes;     /* used within one call */
    size_t sums_bytes;          /* where sums_wanted: what forward leaves for the BN; 0: nothing */
    bool applies_bn;            /* where producer_bn: the layer computes x from the BN's x and saved values */
    size_t gradient_sums_bytes; /* where producer_bn: what backward leaves for the BN; dx is then the gradient that the
                                   BN's ReLU has let through. 0: nothing */
    void *node;                 /* the device's own; released by its destroy function */
} device_layer;

/* Addresses for one call. saved: saved_bytes from forward to backward, NULL where 0. workspace: workspace_bytes for one
 * call, NULL where 0. The gradient of y is dy[0], plus dy[1] where dy_n is 2. dx: NULL unless dx_needed. Buffers do not
 * overlap, unless it says so. */

/** Of a layer with producer_bn; else both are NULL. */
typedef struct producer_bn_args {
    const void *x; /* what the BN reads */
    void *saved;   /* what the BN has saved in this forward pass */
} producer_bn_args;

/** Convolution and linear layer. */
typedef struct conv_forward_args {
    const void *x; /* NULL where applies_bn */
    void *y;
    void *workspace;
    void *sums; /* out, sums_bytes: for the BN that reads y */
    producer_bn_args producer;
} conv_forward_args;

typedef struct conv_backward_args {
    const void *x; /* as in forward */
    void *dy[2];   /* a linear layer may leave their sum in dy[0] */
    void *dx;
    void *workspace;
    void *gradient_sums; /* out, gradient_sums_bytes: for the BN that made x */
    producer_bn_args producer;
} conv_backward_args;

typedef struct bn_forward_args {
    const void *x;
    const void *residual; /* NULL: none */
    void *y;              /* NULL where applied_by_consumer */
    void *saved, *workspace;
    const void *sums; /* where sums_given */
} bn_forward_args;

typedef struct bn_backward_args {
    const void *x;
    const void *dy[2];
    void *dx;        /* may be dy[0] where the layer has no residual */
    void *dresidual; /* may be dy[0]; NULL where the residual wants no gradient */
    void *saved, *workspace;
    const void *gradient_sums; /* where fused_bn_bwd */
} bn_backward_args;

/** x, residual and saved as forward had and left them; y is new memory. */
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

/** Parameter slots of one layer, in master arenas (elements of device_ops.master). Absent ones are NULL. */
typedef struct device_params {
    int weight_index, bias_index; /* parameter numbers or -1 */
    const void *weight, *bias;
    void *dweight, *dbias;
    void *running_mean, *running_var;
    bool accumulate;       /* gradients: += instead of = */
    bool keep_statistics;  /* a training forward leaves the running ones as they are */
    uint64_t version;      /* changes whenever any weight changes: stale copies are renewed */
    double *wgrad_seconds; /* NULL, or backward adds the time that dweight alone took, if it can tell */
} device_params;

/* plan: BNs come after all other layers, so that they know what those do for them. destroy: NULL when plan keeps
 * nothing. @return 0, E_SHAPE, E_DEVICE, E_NOMEM */

/** Convolutions and linear layers. */
typedef struct device_conv_ops {
    int (*plan)(void *device, device_layer *l);
    int (*forward)(void *device, const device_layer *l, const conv_forward_args *args, const device_params *p);
    int (*backward)(void *device, const device_layer *l, const conv_backward_args *args, const device_params *p);
    void (*destroy)(void *device, device_layer *l);
    /** Names the algorithm of a pass of a planned layer; *out is empty before, and stays so where the layer has no such
     *  pass. NULL: there is no choice of algorithms. */
    void (*algorithm)(engine_algorithm *out, const device_layer *l, engine_pass pass);
} device_conv_ops;

typedef struct device_bn_ops {
    int (*plan)(void *device, device_layer *l);
    int (*forward)(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p);
    int (*backward)(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p);
    /** y again, bit for bit, after a training forward and before this layer's backward; changes nothing else. NULL:
     *  cannot, y is kept. */
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
    device_pool_ops maxpool, avgpool;
} device_layer_ops;

/** A range of the parameter arenas with one treatment. */
typedef struct update_range {
    size_t begin, end; /* elements */
    bool decays;
    bool head; /* the rate is head_lr where that is set */
} update_range;

typedef struct device_loss {
    const void *logits; /* (n, classes), element_of(LAYER_LINEAR) */
    void *dlogits;      /* the same; NULL in evaluation */
    int n, classes;
} device_loss;

/** Parameter arenas, n elements of `master` each. The first `frozen` of them (a multiple of 16) have no gradient:
 *  unscale and update leave them alone, and the ranges cover the rest. */
typedef struct device_arenas {
    void *weight, *gradient, *momentum;
    size_t n, frozen;
    const update_range *range;
    int range_n;
} device_arenas;

typedef struct device_optimizer_ops {
    int (*set_hyper)(void *device, const engine_hyper *h);
    /** Divides the gradients by the loss scale; their norm, and whether all are finite. */
    int (*unscale)(void *device, const device_arenas *a);
    /** One SGD step, if unscale has found all gradients finite. */
    int (*update)(void *device, const device_arenas *a);
} device_optimizer_ops;

enum { DEVICE_RESULTS = 2 }; /* posted and not taken, at most */

/** Of a device with a queue: calls return before their work is done. */
typedef struct device_stream_ops {
    void *(*queue)(void *device); /* for comm */
    /** The device decides on the loss scale itself. */
    int (*set_scaler)(void *device, const engine_scaler *s);
    /** Before a forward pass or an update, recorded ones included; `written` changes when the host has written weights.
     */
    int (*before_step)(void *device, const device_arenas *a, uint64_t written);
    /** The result as it is here in the queue, into one of DEVICE_RESULTS slots; taking it waits. */
    int (*post_result)(void *device, int slot);
    int (*take_result)(void *device, int slot, engine_result_data *out);
    /** The time from here in the queue to the end that belongs to it, within others perhaps; read waits for the device
     *  and adds each to its *seconds. */
    int (*time_begin)(void *device);
    int (*time_end)(double *seconds, void *device);
    int (*time_read)(void *device);
    /** Between begin and end calls are kept, not run; replay runs them again. *stale: their memory has moved, nothing
     *  was run. */
    int (*record_begin)(void *device);
    int (*record_end)(void **recording, void *device);
    int (*replay)(bool *stale, void *device, void *recording);
    void (*recording_free)(void *device, void *recording);
} device_stream_ops;

/** The device's part in the exchange of gradients. */
typedef struct device_collective_ops {
    /** Gradients for the exchange, as half_narrow and half_widen (distributed/half.h), in the type of convolutions,
     *  where that has 16 bits. */
    int (*narrow)(void *device, void *half, const void *gradient, size_t n, int ranks);
    int (*widen)(void *device, void *gradient, const void *half, size_t n);
    /** What exchanges gradients in the device's memory; NULL, as function or result: engine_options.comm does. */
    comm *(*exchange)(void *device);
    int (*exchange_text)(char out[ENGINE_EXCHANGE_TEXT]); /* engine_exchange_text; NULL: has none */
} device_collective_ops;

typedef struct device_ops {
    const char *name;
    element master; /* of the parameter arenas, statistics included */

    const char *(*unavailable)(void);                                          /* NULL: can be used */
    int (*pci_address)(char out[ENGINE_PCI_ADDRESS], const engine_options *o); /* of what open would take; NULL: none */
    int (*open)(void **device, const engine_options *o);
    void (*close)(void *device);
    const char *(*description)(void *device);

    int (*allocate)(void **out, void *device, size_t bytes); /* zero-filled, 64-byte aligned */
    void (*release)(void *device, void *memory, size_t bytes);
    int (*download)(void *device, void *out, const void *memory, size_t bytes);
    int (*upload)(void *device, void *memory, const void *in, size_t bytes);
    size_t (*copy_bytes)(void *device);            /* compute copies the device keeps beside the arenas; NULL: none */
    int (*memory_free)(size_t *out, void *device); /* bytes of its own memory; NULL: it lives in the host's */
    /** Conversion between a slot's own element order and the logical one; NULL: the slot is in logical order. */
    void (*param_to_logical)(double *out, const double *slot, const param *p);
    void (*logical_to_param)(double *slot, const double *in, const param *p);

    element (*element_of)(void *device, layer_kind producer); /* of a tensor and its gradient */
    element (*element_of_input)(void *device);
    /** Channels in memory of an image of c that convolutions alone read, the rest zeros; NULL: c. */
    int (*padded_channels)(void *device, int c);

    /** Normalised pixels into x (n,h,w,channels: 3, or padded_channels) and labels into the device's own store. */
    int (*load_batch)(void *device, void *x, int channels, const batch *b);
    device_layer_ops layer;
    /** An image whose label has a NaN logit counts as wrong; other NaNs rank before all numbers. */
    int (*loss)(void *device, const device_loss *l);
    int (*result)(void *device, engine_result_data *out); /* waits for the device */
    int (*reset_result)(void *device);
    int (*peaks)(void *device, engine_peaks *out); /* NULL: not known */

    device_optimizer_ops optimizer;
    const device_stream_ops *stream;         /* NULL: a call ends when its work is done */
    const device_collective_ops *collective; /* NULL: gradients are exchanged as they are, by engine_options.comm */
} device_ops;

extern const device_ops device_ref, device_cpu, device_cuda; /* the list of devices: engine/devices.c */

#endif
