/* Collects a checkpoint's weights and writes them in the chosen format. */

#include "export/export.h"

#include "base/half.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "checkpoint/weights_write.h"
#include "training/run_context.h"
#include "training/run_loader.h"
#include "training/weights.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BN_EPSILON 1e-5 /* the value of torchvision */
#define METADATA 16

/** Adds a tensor to the set and allocates its data in the given type. */
static int add(ckpt_tensor **out, export_set *set, const char *name, ckpt_type type, int rank, const int64_t *shape) {
    int rc = OK;
    TRY(memory_grow(&set->tensor, &set->capacity, (size_t)set->n + 1, sizeof *set->tensor));
    ckpt_tensor *t = &set->tensor[set->n];
    *t = (ckpt_tensor){.type = type, .rank = rank, .bytes = ckpt_type_bytes(type)};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int d = 0; d < rank; d++) {
        t->shape[d] = shape[d];
        t->bytes *= (size_t)shape[d];
    }
    TRY(memory_zeroed(&t->data, t->bytes, 1));
    set->n++;
    *out = t;
done:
    return rc;
}

/** Adds a tensor with the given values in fp32 or fp16. */
static int add_values(export_set *set, const char *name, int rank, const int64_t *shape, const double *values,
                      bool half) {
    ckpt_tensor *t = NULL;
    int rc = OK;
    TRY(add(&t, set, name, half ? CKPT_F16 : CKPT_F32, rank, shape));
    size_t n = t->bytes / ckpt_type_bytes(t->type);
    for (size_t i = 0; i < n; i++) {
        if (half && isfinite(values[i]) && fabs(values[i]) > F16_MAX)
            return fail(E_DATA, "tensor %s contains %g, which fp16 cannot represent: export without --fp16", name,
                        values[i]);
        if (half)
            ((uint16_t *)t->data)[i] = f16_from_double(values[i]);
        else
            ((float *)t->data)[i] = (float)values[i];
    }
done:
    return rc;
}

static bool is_counter(const char *name) {
    static const char end[] = ".num_batches_tracked";
    size_t n = strlen(name);
    return n >= sizeof end && strcmp(name + n - (sizeof end - 1), end) == 0;
}

/** Copies the file's tensors; floating-point ones are converted to fp32 or fp16. */
static int collect(export_set *set, const model *n, const ckpt *c, bool half, double *room) {
    int rc = OK;
    for (int i = 0; i < c->state_n; i++) {
        const ckpt_tensor *from = &c->state[i];
        const char *name = ckpt_weight_name(c, from);
        ckpt_tensor *t = NULL;
        if (name == NULL || !weights_known(n, name))
            continue;
        if (is_counter(name) && (from->type != CKPT_I64 || from->rank != 0))
            return fail(E_FORMAT, "%s is not a scalar int64 tensor", name);
        if (from->type == (half ? CKPT_F16 : CKPT_F32) || !weights_floating(from->type)) {
            TRY(add(&t, set, name, from->type, from->rank, from->shape));
            memcpy(t->data, from->data, t->bytes);
        } else {
            weights_widen(room, from);
            TRY(add_values(set, name, from->rank, from->shape, room, half));
        }
    }
done:
    return rc;
}

static void widen_named(double *out, const ckpt *c, const char *module, const char *part) {
    char name[CKPT_NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", module, part);
    weights_widen(out, ckpt_find_weight(c, name));
}

/** w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps), per output channel.
 *  Source: torch/nn/utils/fusion.py, fuse_conv_bn_weights. */
static int fold_conv(export_set *set, const model *n, const layer *conv, const layer *bn, const ckpt *c, bool half,
                     double *w) {
    int rc = OK, channels = bn->out_c;
    const param *p = &n->param[conv->weight];
    int64_t shape[4] = {0};
    char name[CKPT_NAME_BYTES];
    double *s = NULL;
    size_t each = p->count / (size_t)channels;
    TRY(memory_zeroed(&s, 4 * (size_t)channels, sizeof *s));
    double *gamma = s, *beta = s + channels, *mean = beta + channels, *var = mean + channels;
    widen_named(gamma, c, bn->name, "weight");
    widen_named(beta, c, bn->name, "bias");
    widen_named(mean, c, bn->name, "running_mean");
    widen_named(var, c, bn->name, "running_var");
    weights_widen(w, ckpt_find_weight(c, p->name));
    for (int k = 0; k < channels; k++) {
        double factor = gamma[k] / sqrt(var[k] + BN_EPSILON);
        beta[k] -= mean[k] * factor;
        for (size_t i = 0; i < each; i++)
            w[(size_t)k * each + i] *= factor;
    }
    for (int d = 0; d < p->rank; d++)
        shape[d] = p->shape[d];
    TRY(add_values(set, p->name, p->rank, shape, w, half));
    snprintf(name, sizeof name, "%s.bias", conv->name);
    TRY(add_values(set, name, 1, shape, beta, half));
done:
    free(s);
    return rc;
}

/** The batch norm whose input is the given convolution. In a ResNet every convolution has one. */
static const layer *bn_of(const model *n, int conv) {
    for (int i = 0; i < n->layer_n; i++)
        if (n->layer[i].kind == LAYER_BN && n->layer[i].input == conv)
            return &n->layer[i];
    return NULL;
}

static int collect_folded(export_set *set, const model *n, const ckpt *c, bool half, double *room) {
    int rc = OK;
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        if (l->kind == LAYER_CONV)
            TRY(fold_conv(set, n, l, bn_of(n, i), c, half, room));
        for (int k = 0; l->kind == LAYER_LINEAR && k < 2; k++) {
            const ckpt_tensor *t = ckpt_find_weight(c, n->param[k == 0 ? l->weight : l->bias].name);
            weights_widen(room, t);
            TRY(add_values(set, ckpt_weight_name(c, t), t->rank, t->shape, room, half));
        }
    }
done:
    return rc;
}

/* --- metadata --- */

static int put_text(ckpt_item *list, int *n, const char *key, const char *value) {
    ckpt_item *item = &list[*n];
    snprintf(item->key, sizeof item->key, "%s", key);
    item->kind = 's';
    int rc = memory_string(&item->s, value);
    *n += rc == OK;
    return rc;
}

static int put_names(ckpt_item *list, int *n, const ckpt_item *names) {
    int rc = OK;
    json_t *array = json_array();
    text dump = {0};
    for (int64_t i = 0; i < names->i; i++)
        if (json_array_append_new(array, json_text(names->list[i])) != 0) {
            rc = fail(E_NOMEM, "out of memory for the class names");
            goto done;
        }
    TRY(json_append(&dump, array, JSON_COMPACT));
    TRY(put_text(list, n, "class_names", dump.data));
done:
    text_deinit(&dump);
    json_decref(array);
    return rc;
}

static int put_numbers(ckpt_item *list, int *n, const char *key, const double three[3]) {
    char value[128];
    snprintf(value, sizeof value, "[%.9g,%.9g,%.9g]", three[0], three[1], three[2]);
    return put_text(list, n, key, value);
}

/** What the graph's input must be, for people and as single values. */
static int put_input(ckpt_item list[METADATA], int *n, const config *o, const export_options *how) {
    char line[256];
    int rc = OK, side = o->data.image_size;
    bool squash = strcmp(o->data.crop_mode, "squash") == 0;
    snprintf(line, sizeof line,
             "RGB image: resize %s to %d (%s, antialiased as by Pillow), crop the central %d x %d, divide by 255%s",
             squash ? "each side" : "the shorter side", run_loader_resize(o), o->data.interpolation, side, side,
             how->normalise ? "" : ", subtract mean, divide by std");
    TRY(put_text(list, n, EXPORT_PREPROCESSING, line));
    TRY(put_text(list, n, "input_layout", "NCHW"));
    snprintf(line, sizeof line, "[3,%d,%d]", side, side);
    TRY(put_text(list, n, "input_shape", line));
    TRY(put_text(list, n, "input_channels", "RGB"));
    TRY(put_text(list, n, "input_range", how->normalise ? "[0,1]" : "normalised"));
done:
    return rc;
}

static int metadata_make(ckpt_item list[METADATA], int *n, const ckpt *c, const config *o, const export_options *how) {
    char size[16];
    int rc = OK;
    TRY(put_text(list, n, "format", "pt"));
    TRY(put_text(list, n, "arch", o->model.arch));
    snprintf(size, sizeof size, "%d", o->data.image_size);
    TRY(put_text(list, n, "image_size", size));
    snprintf(size, sizeof size, "%d", run_loader_resize(o));
    TRY(put_text(list, n, "resize_size", size));
    TRY(put_text(list, n, "interpolation", o->data.interpolation));
    TRY(put_text(list, n, "crop_mode", o->data.crop_mode));
    TRY(put_numbers(list, n, "mean", o->data.mean));
    TRY(put_numbers(list, n, "std", o->data.std));
    if (how->format == EXPORT_ONNX)
        TRY(put_input(list, n, o, how));
    if (ckpt_class_names(c) != NULL)
        TRY(put_names(list, n, ckpt_class_names(c)));
done:
    return rc;
}

int export_checkpoint(const char *path, const ckpt *c, const char *name, const config *o, const export_options *how) {
    model *n = NULL;
    export_set set = {0};
    ckpt_item metadata[METADATA] = {0};
    int rc = OK, classes = 0, metadata_n = 0;
    double *room = NULL;
    if (how->normalise && how->format != EXPORT_ONNX)
        return fail(E_OPTION, "--normalise is only supported with --format onnx");
    TRY(weights_classes(&classes, c, name));
    TRY(model_create(&n, o->model.arch, &(model_options){.classes = classes}));
    TRY(weights_check(NULL, n, c, name));
    TRY(weights_check_finite(n, c, true, name));
    TRY(memory_zeroed(&room, model_largest(n), sizeof *room));
    TRY(how->fold ? collect_folded(&set, n, c, how->half, room) : collect(&set, n, c, how->half, room));
    TRY(metadata_make(metadata, &metadata_n, c, o, how));
    switch (how->format) {
    case EXPORT_PTH: rc = state_dict_save(path, set.tensor, set.n); break;
    case EXPORT_SAFETENSORS: rc = safetensors_save(path, set.tensor, set.n, metadata, metadata_n); break;
    case EXPORT_ONNX: rc = export_onnx(path, n, &set, o, how, metadata, metadata_n); break;
    }
done:
    for (int i = 0; i < set.n; i++)
        free(set.tensor[i].data);
    free(set.tensor);
    for (int i = 0; i < METADATA; i++)
        free(metadata[i].s);
    free(room);
    model_destroy(n);
    return rc;
}
