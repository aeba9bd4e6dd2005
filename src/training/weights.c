#include "training/weights.h"

#include "base/half.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "checkpoint/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED 3 /* names of each kind in a message */

bool weights_floating(ckpt_type t) { return t == CKPT_F32 || t == CKPT_F64 || t == CKPT_F16 || t == CKPT_BF16; }

bool weights_fit(const ckpt_tensor *t, const int *shape, int rank) {
    bool same = t != NULL && weights_floating(t->type) && t->rank == rank;
    for (int d = 0; same && d < rank; d++)
        same = t->shape[d] == shape[d];
    return same;
}

void weights_widen(double *out, const ckpt_tensor *t) {
    size_t n = t->bytes / ckpt_type_bytes(t->type);
    for (size_t i = 0; i < n; i++) {
        if (t->type == CKPT_F32) {
            out[i] = ((const float *)t->data)[i];
        } else if (t->type == CKPT_F64) {
            out[i] = ((const double *)t->data)[i];
        } else if (t->type == CKPT_F16) {
            out[i] = (double)f16_to_float(((const uint16_t *)t->data)[i]);
        } else {
            out[i] = (double)bf16_to_float(((const uint16_t *)t->data)[i]);
        }
    }
}

/* --- whether they fit --- */

/** Tensors of one kind of misfit: how many, and the first few as text. */
typedef struct misfits {
    int n;
    text names;
} misfits;

typedef struct comparison {
    const ckpt *c;
    misfits missing, surplus, shapes;
    bool head;
    int rc;
} comparison;

static void shape_text(char out[96], const int *shape, int rank) {
    int at = snprintf(out, 96, "(");
    for (int d = 0; d < rank; d++)
        at += snprintf(out + at, 96 - (size_t)at, "%s%d", d > 0 ? ", " : "", shape[d]);
    snprintf(out + at, 96 - (size_t)at, ")");
}

static int misfit_add(misfits *m, const char *name, const char *more) {
    char shown[NAME_SHOWN];
    if (m->n++ >= LISTED)
        return OK;
    return text_printf(&m->names, "%s%s%s", m->n > 1 ? ", " : "", name_shown(shown, name, strlen(name)), more);
}

static bool is_head(const char *name) { return strncmp(name, "fc.", 3) == 0; }

static void compare(comparison *k, const char *name, const int *shape, int rank) {
    const ckpt_tensor *t = ckpt_find_weight(k->c, name);
    char wanted[96], more[128];
    if (k->rc != OK || weights_fit(t, shape, rank))
        return;
    if (is_head(name))
        k->head = false;
    else if (t == NULL)
        k->rc = misfit_add(&k->missing, name, "");
    else {
        shape_text(wanted, shape, rank);
        snprintf(more, sizeof more, " does not have shape %s", wanted);
        k->rc = misfit_add(&k->shapes, name, weights_floating(t->type) ? more : " does not have a floating-point type");
    }
}

/** "layer3.7.conv1.weight": tensors of ResNets that this one may lack. */
static bool is_of_resnet(const char *name) {
    return strncmp(name, "layer", 5) == 0 || strncmp(name, "conv1.", 6) == 0 || strncmp(name, "bn1.", 4) == 0;
}

bool weights_known(const model *n, const char *name) {
    static const char *const part[] = {".running_mean", ".running_var", ".num_batches_tracked"};
    if (model_find_param(n, name) >= 0)
        return true;
    for (int i = 0; i < n->stats_n; i++) {
        size_t len = strlen(n->stats[i].name);
        for (int k = 0; k < 3; k++)
            if (strncmp(name, n->stats[i].name, len) == 0 && strcmp(name + len, part[k]) == 0)
                return true;
    }
    return false;
}

static void compare_all(comparison *k, const model *n) {
    char name[96];
    k->head = true;
    for (int i = 0; i < n->param_n; i++)
        compare(k, n->param[i].name, n->param[i].shape, n->param[i].rank);
    for (int i = 0; i < n->stats_n; i++) {
        snprintf(name, sizeof name, "%s.running_mean", n->stats[i].name);
        compare(k, name, &n->stats[i].c, 1);
        snprintf(name, sizeof name, "%s.running_var", n->stats[i].name);
        compare(k, name, &n->stats[i].c, 1);
    }
    for (int i = 0; i < k->c->state_n && k->rc == OK; i++) {
        const char *theirs = ckpt_weight_name(k->c, &k->c->state[i]);
        if (theirs != NULL && is_of_resnet(theirs) && !weights_known(n, theirs))
            k->rc = misfit_add(&k->surplus, theirs, "");
    }
}

static int describe(text *out, const char *what, const misfits *m) {
    if (m->n == 0)
        return OK;
    int rc = text_printf(out, "%s %s%s", out->n > 0 ? ";" : "", what, text_string(&m->names));
    if (rc == OK && m->n > LISTED)
        rc = text_printf(out, " and %d more", m->n - LISTED);
    return rc;
}

static const char *prefix_text(char out[NAME_SHOWN + 16], const ckpt *c) {
    char shown[NAME_SHOWN];
    if (c->prefix[0] != 0)
        snprintf(out, NAME_SHOWN + 16, " (under %s)", name_shown(shown, c->prefix, strlen(c->prefix)));
    else
        out[0] = 0;
    return out;
}

int weights_check(bool *head, const model *n, const ckpt *c, const char *path) {
    comparison k = {.c = c};
    text all = {0};
    char under[NAME_SHOWN + 16];
    int rc = OK;
    compare_all(&k, n);
    TRY(k.rc);
    TRY(describe(&all, "lacks ", &k.missing));
    TRY(describe(&all, "has unexpected ", &k.surplus));
    TRY(describe(&all, "", &k.shapes));
    if (all.n > 0)
        rc = fail(E_FORMAT, "%s%s does not match %s:%s", path, prefix_text(under, c), n->arch, text_string(&all));
    else if (head != NULL)
        *head = k.head;
    else if (!k.head)
        rc = fail(E_FORMAT, "%s has no last layer (fc.weight, fc.bias) for %d classes", path, n->classes);
done:
    text_deinit(&all);
    text_deinit(&k.missing.names);
    text_deinit(&k.surplus.names);
    text_deinit(&k.shapes.names);
    return rc;
}

int weights_arch(char out[32], const ckpt *c, const char *path) {
    model *n = NULL;
    bool head = false;
    int rc = E_FORMAT;
    for (int i = 0; rc == E_FORMAT && model_arch(i) != NULL; i++) {
        rc = model_create(&n, model_arch(i), &(model_options){.classes = 1});
        if (rc == OK)
            rc = weights_check(&head, n, c, path);
        if (rc == OK)
            snprintf(out, 32, "%s", n->arch);
        model_destroy(n);
        n = NULL;
    }
    return rc == E_FORMAT
               ? fail(rc, "%s contains no supported ResNet (with torchvision's or timm's parameter names)", path)
               : rc;
}

int weights_classes(int *out, const ckpt *c, const char *path) {
    const ckpt_tensor *t = ckpt_find_weight(c, "fc.bias");
    if (t == NULL || t->rank != 1 || t->shape[0] < 1 || t->shape[0] > INT32_MAX)
        return fail(E_FORMAT, "%s has no fc.bias: it is not a checkpoint of a ResNet with its last layer", path);
    *out = (int)t->shape[0];
    return OK;
}

/* --- putting them in --- */

static int restore_stats(run_context *s, const ckpt *c, double *one) {
    int rc = OK;
    char name[96];
    for (int i = 0; i < s->model->stats_n; i++) {
        const model_stats *n = &s->model->stats[i];
        snprintf(name, sizeof name, "%s.running_mean", n->name);
        weights_widen(one, ckpt_find_weight(c, name));
        snprintf(name, sizeof name, "%s.running_var", n->name);
        weights_widen(one + n->c, ckpt_find_weight(c, name));
        TRY(engine_write(s->engine, ENGINE_STATS, i, one));
    }
done:
    return rc;
}

/** What weights_check has found to fit. */
static int restore(run_context *s, const ckpt *c, bool head) {
    double *one = NULL;
    int rc = OK;
    TRY(memory_zeroed(&one, model_largest(s->model), sizeof *one));
    for (int i = 0; i < s->model->param_n; i++) {
        const param *p = &s->model->param[i];
        if (!head && is_head(p->name))
            continue;
        weights_widen(one, ckpt_find_weight(c, p->name));
        TRY(engine_write(s->engine, ENGINE_WEIGHT, i, one));
    }
    TRY(restore_stats(s, c, one));
done:
    free(one);
    return rc;
}

int weights_restore(run_context *s, const ckpt *c, const char *path) {
    int rc = weights_check(NULL, s->model, c, path);
    return rc == OK ? restore(s, c, true) : rc;
}

int weights_init(run_context *s, const ckpt *c, const char *path) {
    bool head = false;
    int rc = OK, classes = 0;
    TRY(weights_check(&head, s->model, c, path));
    if (!head && weights_classes(&classes, c, path) == OK && classes != s->model->classes)
        log_warn("%s is for %d classes, this dataset has %d: the last layer (fc) is reinitialised", path, classes,
                 s->model->classes);
    else if (!head)
        log_warn("%s has no last layer (fc) of this model's shape: the layer is initialised randomly", path);
    TRY(restore(s, c, head));
done:
    return rc;
}
