/** The dictionary of a checkpoint: the keys of PyTorch Lightning 2, and linnet's own under "linnet". docs/formats.md
 *  lists them. */
#ifndef LINNET_CHECKPOINT_LAYOUT_H
#define LINNET_CHECKPOINT_LAYOUT_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/pickle.h"
#include "checkpoint/value.h"
#include "checkpoint/zip.h"

#define LAYOUT_VERSION 2                  /* of the dictionary under "linnet"; 1: SGD */
#define PICKLE_LIMIT ((uint64_t)16 << 20) /* bytes; the pickle of a ResNet-152 checkpoint has 0.3 MB */
#define TENSOR_BUDGET(file_bytes) (4 * (uint64_t)(file_bytes) + ((uint64_t)16 << 20))
#define LAYOUT_TENSOR_LIMIT                                                                                            \
    65536 /* per file; far above any real file. It keeps a small hostile file from causing a large table */
#define LAYOUT_KEPT_LIMIT 1024   /* best checkpoints per file */
#define LAYOUT_PARAM_LIMIT 65536 /* parameters of an optimizer */

/** A field of a struct that is stored as one entry of a dict. Kinds: 'q' int64_t, 'i' int, 'd' double, 'b' bool. */
typedef struct layout_field {
    const char *key;
    char kind;
    size_t offset;
} layout_field;

extern const layout_field layout_progress[], layout_sgd[], layout_schedule[], layout_grad_scaler[],
    layout_early_stopping[];                                /* end with a NULL key */
extern const char *const layout_kinds[CKPT_SCHEDULE_KINDS]; /* names of ckpt_schedule_kind */

/** What an optimizer keeps for each parameter: the keys of its two tensors (`square` NULL: one), and whether it counts
 *  its steps there too. */
typedef struct layout_optimizer {
    const char *momentum, *square;
    bool steps;
} layout_optimizer;

extern const layout_optimizer layout_optimizers[CKPT_OTHER_OPTIMIZER + 1];

/** Writes the fields of a struct as entries of the current dict. */
void layout_write_fields(pickle *p, const layout_field *fields, const void *object);
/** A parameter group that is written: the parameters in [begin, end) that decay, or those that do not. */
typedef struct layout_division {
    int begin, end, n; /* n: number of its parameters */
    bool decays;
    double scale; /* of the LR */
} layout_division;

enum { LAYOUT_GROUPS = 4 };
/** Divides the parameters into groups, by LR and weight decay. @return the number of groups */
int layout_divide(layout_division out[LAYOUT_GROUPS], const ckpt *c);
bool layout_divided(const layout_division *d, const ckpt *c, int i); /* whether parameter i is in the group */
/** Writes optimizer_states. */
void layout_write_optimizer(pickle *p, const ckpt *c);
/** Writes the whole pickle; an error is kept in p->rc. */
void layout_write(pickle *p, const ckpt *c);
/** Its entry "lr_schedulers". */
void layout_write_schedule(pickle *p, const ckpt *c);
/** An OrderedDict of tensors: a state_dict. */
void layout_write_state(pickle *p, const ckpt_tensor *tensors, int n);

/** The file that tensors are read from, and the memory budget of its tensors. */
typedef struct tensor_source {
    const zip_reader *zip; /* NULL: a file in the format before PyTorch 1.6, for which the next three fields are used */
    int fd;
    zip_entry *storages; /* (storage_n), sorted by name, which is the storage's key; no CRC */
    size_t storage_n;
    unsigned char **cached; /* one per entry or storage, once a view or several tensors needed one; NULL: not read */
    uint64_t budget;        /* bytes that tensors may still take */
} tensor_source;

/** Compares zip entries by name, for qsort and bsearch. */
int tensor_source_order(const void *a, const void *b);
/** Makes a contiguous copy of a tensor of the file; out->name is not changed. @return 0, E_IO, E_FORMAT, E_NOMEM */
int tensor_load(ckpt_tensor *out, tensor_source *source, const value_tensor *t);
void tensor_source_deinit(tensor_source *source);

/** Reads a file in the format of torch.save before PyTorch 1.6, which later versions write on request: several pickles,
 *  then the storages.
 *  @param[out] is_legacy whether the first bytes are those of such a file; if false, nothing else is changed */
int torch_legacy_read(bool *is_legacy, ckpt *c, int fd);

/** Reads a safetensors file: its tensors, and its metadata as hyper-parameters. Every byte after the header must belong
 *  to exactly one tensor.
 *  @param[out] is_one whether the first bytes are those of a safetensors file; if false, nothing else is changed */
int safetensors_read(bool *is_one, ckpt *c, int fd);

/** @return 0, E_FORMAT if two tensors have the same name */
int layout_check_names(const ckpt *c);

/** Fills a zeroed ckpt from the top-level value. Memory that it has allocated is owned by `c`, after a failure too. */
int layout_read(ckpt *c, const value *top, tensor_source *source);
/** The part of layout_read that reads the progress: no tensors, no hyper-parameters. */
int layout_read_progress(ckpt *c, const value *top, tensor_source *source);
/** The part of layout_read that reads Lightning's own keys, for files without the key "linnet". The rates are those of
 *  parameter group `base`. */
int layout_read_lightning(ckpt *c, const value *top, size_t base, tensor_source *source);

/** Limits the size of a dictionary that is searched repeatedly: a file may refer to one large dictionary many times,
 * and each reference is searched. @return 0, E_FORMAT */
int layout_check_entries(const value *dict, const char *what);

/** The parameter groups of the file's optimizer, and the model's parameters in them. {0}: no optimizer. */
typedef struct layout_groups {
    int param_n;               /* of all groups */
    size_t base;               /* the group that the model's convolutions are in, whose options are those of the run */
    int *number;               /* (param_n) the file's number of the model's parameter i; NULL: not known */
    const ckpt_tensor **param; /* (param_n) the model's parameters, as in the state_dict; NULL: not known */
    bool lost, ambiguous;      /* the groups do not fit the model's parameters; or in more than one way */
} layout_groups;

/** Finds the model's parameters in the groups. Sets head_n, head_scale and decay of `c`, whose state must have been
 *  read. @return 0, E_FORMAT (beyond a limit), E_NOMEM. To be released in any case */
int layout_read_groups(layout_groups *out, ckpt *c, const value *top);
void layout_groups_deinit(layout_groups *g);
/** optimizer_states[0].param_groups[i]; NULL: none. */
const value *layout_group(const value *top, size_t i);
/** Reads the kind of the optimizer and its options from parameter group `base`. */
int layout_read_group(ckpt_optimizer *out, const value *top, size_t base);
/** Reads optimizer_states[0]: the state of each parameter and param_n. c->optimizer must have been read. */
int layout_read_optimizer(ckpt *c, const value *top, const layout_groups *groups, tensor_source *source);
/** Reads the entries of hyper_parameters, or of linnet's items, that are numbers, bools or strings. */
int layout_read_items(ckpt_item **out, int *out_n, const value *dict, tensor_source *source);
/** Fills the fields whose entries exist. @return 0, E_FORMAT (an entry of another kind, or out of range) */
int layout_read_fields(void *object, const layout_field *fields, const value *dict);

/** Finds the dictionary of tensors under c->key, or under the keys that programs use; if there is none it is `top`.
 * Sets c->key_found and c->parts. @return 0, E_FORMAT (what is found is not a dictionary) */
int layout_find_state(const value **out, ckpt *c, const value *top);
/** Writes the names of the objects that unpickle skipped to c->skipped. */
void layout_list_skipped(ckpt *c, const pool *p);
/** @return 0, E_FORMAT if `top` is not a dictionary */
int layout_check_top(const value *top);

/** Renames the tensors of a ResNet whose names are not torchvision's: Hugging Face, children of a Sequential, compiled
 *  parts. Other files remain unchanged. @return 0, E_FORMAT (a name occurs twice) */
int layout_translate_names(ckpt *c);

/** Sets c->prefix from the names in the state; "" if they contain no ResNet. Of several ResNets it selects the one
 *  under "model.", else the one without a prefix, else the one under "module.". @return 0, E_FORMAT (several with other
 *  prefixes) */
int layout_find_prefix(ckpt *c);

/** Copies a string of the file into a fixed buffer. @return 0, E_FORMAT (too long, or contains a zero byte) */
int layout_string(char *out, size_t capacity, const value *v, const char *what);
/** Reads a number, or a tensor of one element; NaN for anything else. */
int layout_number(double *out, const value *v, tensor_source *source);

#endif
