/* A checkpoint as a handle: an engine with its weights, and the transform of its inputs. */
#include "library/api.h"

#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "tools/checkpoint_options.h"
#include "tools/predict.h"
#include "training/run_context.h"
#include "training/run_loader.h"
#include "training/weights.h"

#include <stdlib.h>
#include <string.h>

struct linnet_model {
    config config;
    run_context context; /* model and engine */
    char **class_name;   /* (class_n); NULL: the file has none */
    int class_n;
    linnet_transform *transform; /* of linnet_model_predict_bytes */
    int32_t *label;              /* (room) zeros: a batch has labels */
    float *mix;                  /* (room) */
    double *logits;              /* (room, classes) */
    int room;
};

/** The options of the checkpoint, then those of the caller. */
static int read_options(config *c, const ckpt *k, const char *path, const linnet_options *options) {
    int rc = OK;
    config_defaults(c);
    TRY(checkpoint_options(c, k, path));
    TRY(options_apply(c, options));
    TRY(config_check(c));
    if (c->trainer.devices > 1 || c->trainer.device_list[0] != 0)
        rc = fail(E_OPTION, "trainer.devices: a model uses one device; set trainer.device_index to choose the GPU");
done:
    return rc;
}

static int copy_names(linnet_model *m, const ckpt *k) {
    const ckpt_item *names = ckpt_class_names(k);
    int rc = OK;
    if (names == NULL)
        return OK;
    TRY(memory_zeroed(&m->class_name, (size_t)names->i, sizeof *m->class_name));
    for (; m->class_n < names->i; m->class_n++)
        TRY(memory_string(&m->class_name[m->class_n], names->list[m->class_n]));
done:
    return rc;
}

/** The key of the weights in the file, model.init_key. */
static int load(ckpt **out, const char *path, const linnet_options *options) {
    config *c = NULL;
    int rc = OK;
    TRY(memory_zeroed(&c, 1, sizeof *c));
    config_defaults(c);
    TRY(options_apply(c, options));
    TRY(ckpt_load_key(out, path, c->model.init_key));
done:
    free(c);
    return rc;
}

static int open_model(linnet_model **out, const char *path, const linnet_options *options) {
    linnet_model *m = NULL;
    ckpt *k = NULL;
    int classes = 0, rc = OK;
    *out = NULL;
    TRY(load(&k, path, options));
    TRY(memory_zeroed(&m, 1, sizeof *m));
    TRY(read_options(&m->config, k, path, options));
    TRY(weights_classes(&classes, k, path));
    TRY(run_context_open_engine(&m->context, &m->config, classes, NULL));
    TRY(weights_restore(&m->context, k, path));
    TRY(copy_names(m, k));
    TRY(transform_of_config(&m->transform, &m->config));
    *out = m;
    m = NULL; /* now owned by the caller */
done:
    linnet_model_close(m);
    ckpt_free(k);
    return rc;
}

int linnet_model_open(linnet_model **out, const char *path, const linnet_options *options) {
    locale_t before = api_enter();
    return api_return(before, open_model(out, path, options));
}

void linnet_model_close(linnet_model *m) {
    if (m == NULL)
        return;
    run_context_close(&m->context);
    linnet_transform_close(m->transform);
    for (int i = 0; i < m->class_n; i++)
        free(m->class_name[i]);
    free(m->class_name);
    free(m->label);
    free(m->mix);
    free(m->logits);
    free(m);
}

const char *linnet_model_arch(const linnet_model *m) { return m->config.model.arch; }

const char *linnet_model_device(const linnet_model *m) { return engine_description(m->context.engine); }

const char *linnet_model_precision(const linnet_model *m) { return precision_name(m->context.precision); }

int linnet_model_classes(const linnet_model *m) { return m->context.model->classes; }

const char *linnet_model_class_name(const linnet_model *m, int i) {
    return i >= 0 && i < m->class_n ? m->class_name[i] : NULL;
}

int linnet_model_image_size(const linnet_model *m) { return run_loader_val_size(&m->config); }

void linnet_model_normalisation(double mean[3], double std[3], const linnet_model *m) {
    memcpy(mean, m->config.data.mean, sizeof m->config.data.mean);
    memcpy(std, m->config.data.std, sizeof m->config.data.std);
}

int linnet_model_transform(linnet_transform **out, const linnet_model *m) {
    *out = NULL;
    return transform_of_config(out, &m->config);
}

static int make_room(linnet_model *m, int n) {
    int rc = OK;
    if (n <= m->room)
        return OK;
    TRY(memory_resize(&m->label, (size_t)n, sizeof *m->label));
    TRY(memory_resize(&m->mix, (size_t)n, sizeof *m->mix));
    TRY(memory_resize(&m->logits, (size_t)n * (size_t)m->context.model->classes, sizeof *m->logits));
    for (int i = 0; i < n; i++) {
        m->label[i] = 0;
        m->mix[i] = 1;
    }
    m->room = n;
done:
    return rc;
}

static int predict_pixels(float *logits, linnet_model *m, const uint8_t *pixels, int n) {
    int side = linnet_model_image_size(m), rc = OK;
    size_t count = (size_t)n * (size_t)m->context.model->classes;
    TRY(make_room(m, n));
    batch b = {.n = n,
               .capacity = n,
               .h = side,
               .w = side,
               .pixels = (uint8_t *)pixels, /* only read */
               .label = m->label,
               .label_b = m->label,
               .mix = m->mix};
    TRY(predict_logits(m->logits, &m->context, &b));
    for (size_t i = 0; i < count; i++)
        logits[i] = (float)m->logits[i];
done:
    return rc;
}

int linnet_model_predict(float *logits, linnet_model *m, const uint8_t *pixels, int n) {
    locale_t before = api_enter();
    int rc =
        n < 1 ? fail(E_OPTION, "predict: %d images; at least 1 is required", n) : predict_pixels(logits, m, pixels, n);
    return api_return(before, rc);
}

int linnet_model_predict_bytes(float *logits, linnet_model *m, const void *bytes, size_t bytes_n, const char *name) {
    locale_t before = api_enter();
    const uint8_t *pixels = NULL;
    int rc = OK;
    TRY(transform_pixels(&pixels, m->transform, bytes, bytes_n, name));
    TRY(predict_pixels(logits, m, pixels, 1));
done:
    return api_return(before, rc);
}

int linnet_model_predict_file(float *logits, linnet_model *m, const char *path) {
    locale_t before = api_enter();
    const uint8_t *pixels = NULL;
    int rc = OK;
    TRY(transform_file_pixels(&pixels, m->transform, path));
    TRY(predict_pixels(logits, m, pixels, 1));
done:
    return api_return(before, rc);
}

int linnet_model_top(int *labels, double *probabilities, const linnet_model *m, const float *logits, int k) {
    int classes = m->context.model->classes, rc = OK;
    double *wide = NULL;
    top_k_prediction top = {0};
    if (k < 1 || k > PREDICT_TOP_MAX)
        return fail(E_OPTION, "top: k is %d, but must be from 1 to %d", k, PREDICT_TOP_MAX);
    TRY(memory_zeroed(&wide, (size_t)classes, sizeof *wide));
    for (int i = 0; i < classes; i++)
        wide[i] = (double)logits[i];
    predict_top(&top, wide, classes, k);
    memcpy(labels, top.label, (size_t)top.n * sizeof *labels);
    if (probabilities != NULL)
        memcpy(probabilities, top.probability, (size_t)top.n * sizeof *probabilities);
    rc = top.n;
done:
    free(wide);
    return rc;
}
