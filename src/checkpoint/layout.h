/** The dictionary of a checkpoint: PyTorch Lightning 2's keys, and ours under "linnet". docs/formats.md lists them. */
#ifndef LINNET_CHECKPOINT_LAYOUT_H
#define LINNET_CHECKPOINT_LAYOUT_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/pickle.h"
#include "checkpoint/value.h"
#include "checkpoint/zip.h"

#define LAYOUT_VERSION 1                  /* of the dictionary under "linnet" */
#define PICKLE_LIMIT ((uint64_t)16 << 20) /* bytes; a ResNet-152 checkpoint's has 0.3 MB */
#define TENSOR_BUDGET(file_bytes) (4 * (uint64_t)(file_bytes) + ((uint64_t)16 << 20))
#define LAYOUT_TENSOR_LIMIT                                                                                            \
    65536 /* in one file; far above any real one, so that a small hostile file makes no large table */
#define LAYOUT_KEPT_LIMIT 1024 /* best checkpoints in one file */

/** A field of a struct that is one entry of a dict. Kinds: 'q' int64_t, 'i' int, 'd' double, 'b' bool. */
typedef struct layout_field {
    const char *key;
    char kind;
    size_t offset;
} layout_field;

extern const layout_field layout_progress[], layout_sgd[], layout_schedule[], layout_scaler[]; /* end with a NULL key */
extern const char *const layout_kinds[4]; /* of ckpt_schedule_kind */

/** Writes the whole pickle; errors stay in p->rc. */
void layout_write(pickle *p, const ckpt *c);
/** An OrderedDict of tensors: a state_dict. */
void layout_write_state(pickle *p, const ckpt_tensor *tensors, int n);

/** Where tensors come from, and how much of them is still allowed. */
typedef struct tensor_source {
    const zip_reader *zip; /* NULL: a file of before PyTorch 1.6, then: */
    int fd;
    zip_entry *storages; /* (storage_n), sorted by name, which is the storage's key; no CRC */
    size_t storage_n;
    unsigned char **cached; /* one per entry or storage, once a view or several tensors needed one; NULL: not read */
    uint64_t budget;        /* bytes that tensors may still take */
} tensor_source;

/** Orders zip entries by name, for qsort and bsearch. */
int tensor_source_order(const void *a, const void *b);
/** Makes a contiguous copy of a tensor of the file, leaving the name alone. @return 0, E_IO, E_FORMAT, E_NOMEM */
int tensor_load(ckpt_tensor *out, tensor_source *source, const value_tensor *t);
void tensor_source_deinit(tensor_source *source);

/** A file that torch.save wrote before PyTorch 1.6, or later on demand: pickles in a row, then the storages.
 *  *is_legacy tells whether it is one by its first bytes; if not, all else is untouched. */
int legacy_read(bool *is_legacy, ckpt *c, int fd);

/** A safetensors file: its tensors, and its metadata as hyper-parameters. *is_one tells whether it is one by its first
 *  bytes; if not, all else is untouched. Every byte of it must belong to one tensor. */
int safetensors_read(bool *is_one, ckpt *c, int fd);

/** No two tensors of one name. */
int layout_check_names(const ckpt *c);

/** Fills a zeroed ckpt from the top-level value; what it allocated is in `c` on failure too. */
int layout_read(ckpt *c, const value *top, tensor_source *source);
/** The part of it that tells how far the training came: no tensors, no hyper-parameters. */
int layout_read_progress(ckpt *c, const value *top, tensor_source *source);
/** The part of it that reads Lightning's own keys, for files without ours. */
int layout_read_lightning(ckpt *c, const value *top, tensor_source *source);

/** optimizer_states[0]: momentum and param_n; Lightning's files have their sgd from there too. */
int layout_read_optimizer(ckpt *c, const value *top, tensor_source *source);
/** hyper_parameters or ours: the entries that are numbers, bools or strings. */
int layout_read_items(ckpt_item **out, int *out_n, const value *dict, tensor_source *source);
/** Fills fields from the entries that are there. @return 0, E_FORMAT (one of another kind, or out of range) */
int layout_read_fields(void *object, const layout_field *fields, const value *dict);

/** Sets c->prefix from the names of the state: "" when there is no ResNet in it. Of several ResNets the one under
 *  "model.", else under no prefix, else under "module." is meant. @return 0, E_FORMAT (several others) */
int layout_find_prefix(ckpt *c);

/** A string of the file into a fixed buffer. @return 0, E_FORMAT (too long, or holds a 0) */
int layout_string(char *out, size_t capacity, const value *v, const char *what);
/** A number, also one in a tensor of one element; NaN for anything else. */
int layout_number(double *out, const value *v, tensor_source *source);

#endif
