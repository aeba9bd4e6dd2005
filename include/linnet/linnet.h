/** liblinnet: predictions of a model, the validation transform, and the batches of the training loader, for C and C++.
 *
 *  Options are those of `linnet train` by their full names, such as "data.batch_size" (docs/options.md). Their values
 *  are strings.
 *
 *  Errors: functions that return int return 0 (or a number that is not negative, where it says so) or a negative
 *  linnet_status. linnet_error() then describes the error: file, expectation, action. After an error of an open
 *  function *out is NULL. No function prints, exits, handles signals or changes the CPU affinity.
 *
 *  Ownership: what an open or create function returns belongs to the caller, who releases it with the matching close
 *  or destroy function; NULL is allowed there. Names and texts that functions return belong to the handle, unless it
 *  says otherwise. Pointers that are passed in are used during the call only.
 *
 *  Threads: a handle may be used by one thread at a time; different handles by different threads at the same time. A
 *  process may have any number of them. With trainer.device cuda a model is opened, used and closed by the same thread,
 *  and all models of a process use the same GPU.
 *
 *  fork(): the child must not use or close handles of its parent. It may open loaders and transforms of its own; but if
 *  the parent has opened a model, the child must not open one before exec, because the threads of OpenMP and the state
 *  of CUDA do not survive fork().
 *
 *  Paths are bytes as the system calls take them; other texts are UTF-8. */
#ifndef LINNET_LINNET_H
#define LINNET_LINNET_H

#include <stddef.h>
#include <stdint.h>

#define LINNET_API_VERSION 1

#if defined(__GNUC__)
#define LINNET_API __attribute__((visibility("default")))
#else
#define LINNET_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum linnet_status {
    LINNET_OK = 0,
    LINNET_E_NOMEM = -1,
    LINNET_E_IO = -2,
    LINNET_E_FULL = -3,
    LINNET_E_FORMAT = -4,      /* malformed or unreadable file */
    LINNET_E_DATA = -5,        /* unusable dataset */
    LINNET_E_OPTION = -6,      /* invalid option or argument */
    LINNET_E_SHAPE = -7,       /* shapes do not match */
    LINNET_E_DEVICE = -8,      /* the device failed */
    LINNET_E_UNSUPPORTED = -9, /* not supported by this build or machine */
    LINNET_E_NONFINITE = -10,
    LINNET_E_LOCKED = -11,
    LINNET_E_STOPPED = -12,
    LINNET_E_NOTFOUND = -13
} linnet_status;

/** How pixels are stored. n images of a side of s pixels, RGB, without padding. FLOAT: normalised as by torchvision's
 *  ToTensor and Normalize, in fp32: (v / 255 - data.mean) / data.std. */
typedef enum linnet_format {
    LINNET_UINT8_NHWC = 0, /* (n, s, s, 3) uint8_t */
    LINNET_UINT8_NCHW = 1, /* (n, 3, s, s) uint8_t */
    LINNET_FLOAT_NHWC = 2, /* (n, s, s, 3) float */
    LINNET_FLOAT_NCHW = 3  /* (n, 3, s, s) float */
} linnet_format;

/** LINNET_API_VERSION of the loaded library. Programs compiled with the header of a lower version run with it, as long
 *  as the library's name is liblinnet.so.0. */
LINNET_API int linnet_api_version(void);
/** The release, such as "0.1.0". Static. */
LINNET_API const char *linnet_version(void);
/** The message of this thread's last error; valid until its next error. Never NULL. */
LINNET_API const char *linnet_error(void);

/** Receives one line without a line feed. level: 0 debug, 1 information, 2 warning. Any thread may call it, one at a
 *  time; it must not call the library. */
typedef void linnet_log_function(void *context, int level, const char *line);
/** Sets the receiver of the process; NULL (the default): lines are dropped. To be called while no other function of the
 *  library runs and no loader is open. */
LINNET_API void linnet_set_log(linnet_log_function *f, void *context);

/* Options: an ordered list of settings. */

typedef struct linnet_options linnet_options;

/** An empty list: all options have their defaults. @return 0, NOMEM */
LINNET_API int linnet_options_create(linnet_options **out);
LINNET_API void linnet_options_destroy(linnet_options *o);
/** Sets one option by its name or alias. @return 0; OPTION (unknown, malformed, out of range); NOMEM */
LINNET_API int linnet_options_set(linnet_options *o, const char *name, const char *value);
/** Sets the options of a configuration file (YAML). @return 0, NOTFOUND, IO, FORMAT, OPTION, NOMEM */
LINNET_API int linnet_options_read(linnet_options *o, const char *path);

/* The validation transform: decode, resize, centre crop. */

typedef struct linnet_transform linnet_transform;

/** Uses the options of group `data`. options NULL: the defaults (256, 224, bilinear). @return 0, OPTION, NOMEM */
LINNET_API int linnet_transform_open(linnet_transform **out, const linnet_options *options);
LINNET_API void linnet_transform_close(linnet_transform *t);
/** The side of the output in pixels. */
LINNET_API int linnet_transform_size(const linnet_transform *t);
/** Transforms the bytes of one image file.
 *  @param[out] pixels one image in the format
 *  @param name for messages; NULL: "image"
 *  @return 0; FORMAT (corrupt, truncated, over a limit), UNSUPPORTED, NOMEM, OPTION (no such format) */
LINNET_API int linnet_transform_bytes(void *pixels, linnet_transform *t, const void *bytes, size_t bytes_n,
                                      const char *name, linnet_format format);
/** The same for a file. @return also NOTFOUND, IO */
LINNET_API int linnet_transform_file(void *pixels, linnet_transform *t, const char *path, linnet_format format);

/* Models. */

typedef struct linnet_model linnet_model;

/** Opens a checkpoint or a file of weights: what `linnet predict` reads. Image size, crop and normalisation come from
 *  the checkpoint, unless `options` sets them. Used of the other options: model.init_key, trainer.device,
 *  trainer.device_index, trainer.precision, trainer.threads. options NULL: none.
 *  @return 0, NOTFOUND, IO, FORMAT, OPTION, DEVICE, UNSUPPORTED, NOMEM */
LINNET_API int linnet_model_open(linnet_model **out, const char *path, const linnet_options *options);
LINNET_API void linnet_model_close(linnet_model *m);
/** The architecture, such as "resnet50". */
LINNET_API const char *linnet_model_arch(const linnet_model *m);
/** Device, library and threads in words. */
LINNET_API const char *linnet_model_device(const linnet_model *m);
/** "32-true", "bf16-mixed" or "16-mixed". */
LINNET_API const char *linnet_model_precision(const linnet_model *m);
LINNET_API int linnet_model_classes(const linnet_model *m);
/** The name of class i; NULL if the file has no names, or no such class exists. */
LINNET_API const char *linnet_model_class_name(const linnet_model *m, int i);
/** The side of the input in pixels. */
LINNET_API int linnet_model_image_size(const linnet_model *m);
/** Mean and standard deviation by which inputs are normalised, each of R, G and B, for values from 0 to 1. */
LINNET_API void linnet_model_normalisation(double mean[3], double std[3], const linnet_model *m);
/** The transform of the model's inputs, with handle and memory of its own. @return 0, NOMEM */
LINNET_API int linnet_model_transform(linnet_transform **out, const linnet_model *m);

/** Predicts n images. A result does not depend on the other images. Each new n takes time and memory for a plan.
 *  @param[out] logits (n, classes)
 *  @param pixels (n, s, s, 3) RGB: LINNET_UINT8_NHWC, s = linnet_model_image_size
 *  @return 0, OPTION (n < 1), NOMEM, DEVICE */
LINNET_API int linnet_model_predict(float *logits, linnet_model *m, const uint8_t *pixels, int n);
/** Transforms and predicts the bytes of one image file. name: as for linnet_transform_bytes.
 *  @param[out] logits (classes)
 *  @return as linnet_transform_bytes and linnet_model_predict */
LINNET_API int linnet_model_predict_bytes(float *logits, linnet_model *m, const void *bytes, size_t bytes_n,
                                          const char *name);
/** The same for a file. @return also NOTFOUND, IO */
LINNET_API int linnet_model_predict_file(float *logits, linnet_model *m, const char *path);
/** The k most probable classes of one image, most probable first. Of equal logits the first class comes first.
 *  @param[out] labels, probabilities (k); probabilities: softmax over all classes; may be NULL
 *  @param logits (classes)
 *  @param k at most 100
 *  @return the number of classes found: the smaller of k and classes; OPTION (k < 1 or above 100) */
LINNET_API int linnet_model_top(int *labels, double *probabilities, const linnet_model *m, const float *logits, int k);

/* Loaders: the batches of `linnet train`, prepared by worker threads. */

typedef struct linnet_loader linnet_loader;

/** This process among the processes that train one model. */
typedef struct linnet_ranks {
    int rank;     /* from 0 to count - 1 */
    int count;    /* at least 1 */
    int per_host; /* ranks of one host, which have consecutive numbers; 0: all. They divide the cores */
} linnet_ranks;

/** Opens a dataset (options of group `data`: data.path or data.train, data.val, data.list) and the loader of one split,
 *  "train" or "val". The order and all random draws depend on the options, trainer.seed, epoch and position alone, not
 *  on the number of threads (data.workers), and are those of `linnet train`. Batch b of an epoch belongs to rank
 *  b % count. In training with several ranks, every rank gets the same number of batches per epoch: up to count - 1
 *  batches at the end are omitted. data.batch_size auto is refused, except for the split "val" with
 * data.val_batch_size. Limits (trainer.limit_train_batches and the like) and trainer.accumulate are not used.
 *
 *  A corrupt image is replaced in training by the next readable one, and omitted in validation (linnet_loader_bad_n);
 *  more than data.max_bad of them are an error.
 *  @param ranks NULL: one process
 *  @return 0, NOTFOUND, DATA, OPTION, FORMAT, IO, NOMEM; of shards also FULL (no space for their copies) and
 *  UNSUPPORTED */
LINNET_API int linnet_loader_open(linnet_loader **out, const linnet_options *options, const char *split,
                                  const linnet_ranks *ranks);
/** Ends the threads. */
LINNET_API void linnet_loader_close(linnet_loader *l);

/** Images of the split, over all ranks. */
LINNET_API int64_t linnet_loader_images(const linnet_loader *l);
/** Batches per epoch of this rank. */
LINNET_API int64_t linnet_loader_batches(const linnet_loader *l);
/** Images of a batch, at most; the last one may have fewer. */
LINNET_API int linnet_loader_batch_size(const linnet_loader *l);
/** The side of the images in pixels in the loader's epoch; with data.progressive_size it depends on the epoch. */
LINNET_API int linnet_loader_image_size(const linnet_loader *l);
LINNET_API int linnet_loader_classes(const linnet_loader *l);
/** The name of class i, NULL if there is none; the name of an image, "CLASS/file.jpg". */
LINNET_API const char *linnet_loader_class_name(const linnet_loader *l, int i);
LINNET_API const char *linnet_loader_image_name(const linnet_loader *l, int64_t index);
/** 1 if data.mixup or data.cutmix mixes the images of this split, else 0. */
LINNET_API int linnet_loader_mixes(const linnet_loader *l);

/** Sets the number of worker threads. @return 0, OPTION (below 1), or the error of starting a thread */
LINNET_API int linnet_loader_set_workers(linnet_loader *l, int n);

/** Moves to batch `batch` (counted over this rank) of an epoch and begins to prepare from there. A loader that was
 *  opened is at batch 0 of epoch 0. @return 0, OPTION (no such batch or epoch) */
LINNET_API int linnet_loader_start(linnet_loader *l, int64_t epoch, int64_t batch);
/** The epoch, and the number of this rank's batches of it that were taken. */
LINNET_API int64_t linnet_loader_epoch(const linnet_loader *l);
LINNET_API int64_t linnet_loader_position(const linnet_loader *l);

/** Waits for the next batch of the epoch and writes it to the caller's memory, which must have room for
 *  linnet_loader_batch_size images. What is NULL is not written.
 *  @param[out] pixels (n, ...) in the format
 *  @param[out] labels (n) class; of a mixed image the one with the larger weight
 *  @param[out] targets (n, classes) weight of each class: 1 for its label; of a mixed image two that sum to 1
 *  @param[out] indices (n) of the images in the split, after the replacement of corrupt ones
 *  @return n; 0 after the last batch of the epoch; DATA, IO, NOMEM, OPTION (no such format); of shards also FULL and
 *  UNSUPPORTED. After an error the epoch cannot be continued */
LINNET_API int linnet_loader_next(void *pixels, int64_t *labels, float *targets, int64_t *indices, linnet_loader *l,
                                  linnet_format format);

/** The position as text (JSON, UTF-8): *out is released with linnet_free. After the last batch of an epoch it is the
 *  start of the next. The first call reads the size of every image file, for a hash that identifies the dataset.
 *  @return 0, NOMEM */
LINNET_API int linnet_loader_state(char **out, linnet_loader *l);
/** Moves to a position of linnet_loader_state: the next batch is the one that followed. The number of threads, and
 *  unless the shards are divided among hosts (data.sequential) that of ranks, may differ from before.
 *  @return 0; FORMAT (no such state); OPTION, DATA (saved with other images, or options on which their order depends:
 *  the message names the first difference); NOMEM */
LINNET_API int linnet_loader_restore(linnet_loader *l, const char *state);
LINNET_API void linnet_free(void *p);

/** The number of corrupt images that this rank has found, and message and index of each. The order changes with
 *  linnet_loader_next. @return NULL, -1: no such image */
LINNET_API int64_t linnet_loader_bad_n(linnet_loader *l);
LINNET_API const char *linnet_loader_bad_message(linnet_loader *l, int64_t i);
LINNET_API int64_t linnet_loader_bad_index(linnet_loader *l, int64_t i);

#ifdef __cplusplus
}
#endif

#endif
