#include "training/weights.h"

#include "base/half.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "checkpoint/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED 3 /* maximum number of names of each kind in a message */

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

/* --- checking whether the tensors fit --- */

/** Tensors with the same kind of mismatch: their number, and the first names as text. */
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

/** The last layer is "fc" in torchvision's and timm's models and "linear" in those for CIFAR. */
static bool is_head(const char *name) { return strncmp(name, "fc.", 3) == 0 || strncmp(name, "linear.", 7) == 0; }

/** Adds a missing tensor; if the file has one of a type that cannot be read, the type too. */
static int missing_add(comparison *k, const char *name) {
    const char *unread = ckpt_unread_weight(k->c, name);
    char more[3 * CKPT_NAME_BYTES] = "";
    if (unread != NULL)
        snprintf(more, sizeof more, " (of type %s, which linnet does not read)", unread);
    return misfit_add(&k->missing, name, more);
}

static void compare(comparison *k, const char *name, const int *shape, int rank) {
    const ckpt_tensor *t = ckpt_find_weight(k->c, name);
    char wanted[96], more[128];
    if (k->rc != OK || weights_fit(t, shape, rank))
        return;
    if (is_head(name))
        k->head = false;
    else if (t == NULL)
        k->rc = missing_add(k, name);
    else {
        shape_text(wanted, shape, rank);
        snprintf(more, sizeof more, " does not have shape %s", wanted);
        k->rc = misfit_add(&k->shapes, name, weights_floating(t->type) ? more : " does not have a floating-point type");
    }
}

/** Whether the name is that of a ResNet's tensor, such as "layer3.7.conv1.weight", which this model may not have. */
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
        rc = fail(E_FORMAT, "%s has no last layer (%s, %s) for %d classes", path, n->param[n->param_n - 2].name,
                  n->param[n->param_n - 1].name, n->classes);
done:
    text_deinit(&all);
    text_deinit(&k.missing.names);
    text_deinit(&k.surplus.names);
    text_deinit(&k.shapes.names);
    return rc;
}

static int check_finite(const ckpt *c, const char *name, double *one, const char *path) {
    const ckpt_tensor *t = ckpt_find_weight(c, name);
    size_t n = t->bytes / ckpt_type_bytes(t->type);
    weights_widen(one, t);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(one[i]))
            return fail(E_FORMAT,
                        "%s: %s contains %s (value %zu of %zu): the training had diverged; use an earlier "
                        "checkpoint",
                        path, name, isnan(one[i]) ? "NaN" : "an infinite value", i + 1, n);
    return OK;
}

int weights_check_finite(const model *n, const ckpt *c, bool head, const char *path) {
    static const char *const part[] = {"running_mean", "running_var"};
    char name[96];
    double *one = NULL;
    int rc = OK;
    TRY(memory_zeroed(&one, model_largest(n), sizeof *one));
    for (int i = 0; i < n->param_n; i++)
        if (head || !is_head(n->param[i].name))
            TRY(check_finite(c, n->param[i].name, one, path));
    for (int i = 0; i < 2 * n->stats_n; i++) {
        snprintf(name, sizeof name, "%s.%s", n->stats[i / 2].name, part[i % 2]);
        TRY(check_finite(c, name, one, path));
    }
done:
    free(one);
    return rc;
}

/** Fails for want of the classifier. If the file has another one, the message has the name of its last matrix, such as
 *  fastai's "1.8.weight". */
static int fail_head(const ckpt *c, const char *path) {
    const ckpt_tensor *other = NULL;
    char shown[NAME_SHOWN];
    for (int i = 0; i < c->state_n; i++)
        if (c->state[i].rank == 2 && weights_floating(c->state[i].type))
            other = &c->state[i];
    if (other == NULL)
        return fail(
            E_FORMAT,
            "%s has neither fc.bias nor linear.bias: the checkpoint does not contain the last layer of a ResNet", path);
    return fail(
        E_FORMAT,
        "%s has neither fc.bias nor linear.bias: its classifier ends with %s and is not a single layer. Only the "
        "other layers can be used, with --init",
        path, name_shown(shown, other->name, strlen(other->name)));
}

/** A tensor of a ResNet that cannot be read; NULL: none. */
static const ckpt_unread *find_unread(const ckpt *c) {
    size_t n = strlen(c->prefix);
    for (int i = 0; i < c->unread_n; i++)
        if (strncmp(c->unread[i].name, c->prefix, n) == 0 && is_of_resnet(c->unread[i].name + n))
            return &c->unread[i];
    return NULL;
}

static int fail_arch(const ckpt *c, const char *path) {
    const ckpt_unread *u = find_unread(c);
    char shown[NAME_SHOWN];
    if (u != NULL)
        return fail(E_FORMAT, "%s: %s is of type %s, which linnet does not read", path,
                    name_shown(shown, u->name, strlen(u->name)), u->what);
    return fail(E_FORMAT,
                "%s contains no supported ResNet: expected the parameter names of torchvision, timm or "
                "Hugging Face",
                path);
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
    return rc == E_FORMAT ? fail_arch(c, path) : rc;
}

int weights_classes(int *out, const ckpt *c, const char *path) {
    const ckpt_tensor *t = ckpt_find_weight(c, "fc.bias");
    if (t == NULL)
        t = ckpt_find_weight(c, "linear.bias");
    if (t == NULL || t->rank != 1 || t->shape[0] < 1 || t->shape[0] > INT32_MAX)
        return fail_head(c, path);
    *out = (int)t->shape[0];
    return OK;
}

/* --- loading --- */

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

/** Loads the tensors that weights_check has checked. */
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
    int rc = OK;
    TRY(weights_check(NULL, s->model, c, path));
    TRY(weights_check_finite(s->model, c, true, path));
    TRY(restore(s, c, true));
done:
    return rc;
}

int weights_init(run_context *s, const ckpt *c, const char *path) {
    bool head = false;
    int rc = OK, classes = 0;
    TRY(weights_check(&head, s->model, c, path));
    TRY(weights_check_finite(s->model, c, head, path));
    if (!head && weights_classes(&classes, c, path) == OK && classes != s->model->classes)
        log_warn("%s has %d classes, but this dataset has %d: the last layer (fc) is reinitialised", path, classes,
                 s->model->classes);
    else if (!head)
        log_warn("%s has no last layer (fc) of the required shape: that layer is initialised randomly", path);
    TRY(restore(s, c, head));
done:
    return rc;
}
