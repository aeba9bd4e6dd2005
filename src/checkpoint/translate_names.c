/* Renames the tensors of a ResNet that another program has named in its own way to torchvision's names. */

#include "checkpoint/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A way of naming. `translate` writes torchvision's name for the part of a name after the prefix; false: it is not a
 *  name of the model. */
typedef struct naming {
    const char *anchor; /* the end of a name that only this naming has; the text before it is the prefix */
    bool (*translate)(char out[CKPT_NAME_BYTES], const char *name);
} naming;

static bool begins(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

/** Number of bytes before `anchor` at the end of the name, or -1. */
static int before(const char *name, const char *anchor) {
    size_t n = strlen(name), anchor_n = strlen(anchor);
    if (n < anchor_n || strcmp(name + n - anchor_n, anchor) != 0 || (n > anchor_n && name[n - anchor_n - 1] != '.'))
        return -1;
    return (int)(n - anchor_n);
}

/** The first tensor of the state whose name ends with `anchor`; NULL: none. */
static const ckpt_tensor *find_anchor(const ckpt *c, const char *anchor) {
    for (int i = 0; i < c->state_n; i++)
        if (before(c->state[i].name, anchor) >= 0)
            return &c->state[i];
    return NULL;
}

/** Writes FIRST and the rest of the name; false if that is too long. */
static bool put(char out[CKPT_NAME_BYTES], const char *first, const char *rest) {
    return snprintf(out, CKPT_NAME_BYTES, "%s%s", first, rest) < CKPT_NAME_BYTES;
}

/** Reads "N." at *at, N < 1000. */
static bool take_number(int *n, const char **at) {
    char *end = NULL;
    long number = **at >= '0' && **at <= '9' ? strtol(*at, &end, 10) : -1;
    if (number < 0 || number >= 1000 || *end != '.')
        return false;
    *n = (int)number;
    *at = end + 1;
    return true;
}

/** transformers' ResNetModel. Source: transformers/models/resnet/modeling_resnet.py. */
static bool from_hugging_face(char out[CKPT_NAME_BYTES], const char *name) {
    int stage = 0, block = 0, layer = 0;
    char first[64];
    if (begins(name, "embedder.embedder.convolution."))
        return put(out, "conv1.", name + strlen("embedder.embedder.convolution."));
    if (begins(name, "embedder.embedder.normalization."))
        return put(out, "bn1.", name + strlen("embedder.embedder.normalization."));
    if (!begins(name, "encoder.stages."))
        return false;
    name += strlen("encoder.stages.");
    if (!take_number(&stage, &name) || !begins(name, "layers."))
        return false;
    name += strlen("layers.");
    if (!take_number(&block, &name))
        return false;
    bool shortcut = begins(name, "shortcut.");
    if (!shortcut && !begins(name, "layer."))
        return false;
    name += shortcut ? strlen("shortcut.") : strlen("layer.");
    if (!shortcut && !take_number(&layer, &name))
        return false;
    bool convolution = begins(name, "convolution.");
    if (!convolution && !begins(name, "normalization."))
        return false;
    name += convolution ? strlen("convolution.") : strlen("normalization.");
    if (shortcut)
        snprintf(first, sizeof first, "layer%d.%d.downsample.%d.", stage + 1, block, convolution ? 0 : 1);
    else
        snprintf(first, sizeof first, "layer%d.%d.%s%d.", stage + 1, block, convolution ? "conv" : "bn", layer + 1);
    return put(out, first, name);
}

/** The children of a torchvision ResNet in a Sequential, by number, as in fastai's vision_learner. */
static bool from_sequential(char out[CKPT_NAME_BYTES], const char *name) {
    static const char *const parts[] = {"conv1.", "bn1.", NULL, NULL, "layer1.", "layer2.", "layer3.", "layer4."};
    int n = 0;
    return take_number(&n, &name) && n < 8 && parts[n] != NULL && put(out, parts[n], name);
}

static const naming namings[] = {
    {"encoder.stages.0.layers.0.layer.0.convolution.weight", from_hugging_face},
    {"4.0.conv1.weight", from_sequential},
};

/** Renames the tensors whose names begin with the n bytes of `prefix`. */
static void rename_all(ckpt_tensor *tensors, int tensor_n, const char *prefix, size_t n, const naming *by) {
    char name[CKPT_NAME_BYTES], full[CKPT_NAME_BYTES];
    for (int i = 0; i < tensor_n; i++) {
        char *old = tensors[i].name;
        if (strncmp(old, prefix, n) != 0 || !by->translate(name, old + n))
            continue;
        if ((size_t)snprintf(full, sizeof full, "%.*s%s", (int)n, prefix, name) < sizeof full)
            memcpy(old, full, sizeof full);
    }
}

static bool begins_n(const char *name, const char *with, size_t n) { return strncmp(name, with, n) == 0; }

static const ckpt_tensor *find_joined(const ckpt *c, const char *prefix, size_t n, const char *rest) {
    char name[2 * CKPT_NAME_BYTES];
    snprintf(name, sizeof name, "%.*s%s", (int)n, prefix, rest);
    return ckpt_find_tensor(c, name);
}

/** The only matrix PREFIX...weight; NULL: there is none, or several. *found: how many */
static const ckpt_tensor *only_matrix(int *found, const ckpt *c, const char *prefix, size_t n) {
    const ckpt_tensor *matrix = NULL;
    *found = 0;
    for (int i = 0; i < c->state_n; i++)
        if (c->state[i].rank == 2 && begins_n(c->state[i].name, prefix, n) && before(c->state[i].name, "weight") > 0) {
            matrix = &c->state[i];
            ++*found;
        }
    return *found == 1 ? matrix : NULL;
}

/** The length of `prefix` without its last component: "net." of "net.resnet." */
static size_t outer_length(const char *prefix, size_t n) {
    do
        n -= n > 0;
    while (n > 0 && prefix[n - 1] != '.');
    return n;
}

/** Whether a matrix with bias is all that its module has, such as fc.1 of a Sequential with a dropout layer. own_n: the
 *  length of its name without "weight" */
static bool is_alone(const ckpt *c, const char *name, size_t own_n) {
    size_t module_n = outer_length(name, own_n);
    bool in_sequential = module_n > 0 && name[module_n] >= '0' && name[module_n] <= '9';
    for (int i = 0; i < c->state_n && in_sequential; i++)
        if (begins_n(c->state[i].name, name, module_n) && !begins_n(c->state[i].name, name, own_n))
            return false;
    return find_joined(c, name, own_n, "bias") != NULL;
}

static void move(ckpt_tensor *tensors, int tensor_n, const char *from, const char *to) {
    char full[2 * CKPT_NAME_BYTES];
    for (int i = 0; i < tensor_n; i++) {
        char *old = tensors[i].name;
        if (begins(old, from) && snprintf(full, sizeof full, "%s%s", to, old + strlen(from)) < CKPT_NAME_BYTES)
            memcpy(old, full, CKPT_NAME_BYTES);
    }
}

/** Gives the classifier the name that it has in torchvision, if it is the only matrix of the model or beside it:
 *  "fc.1.weight", "backbone..." and "head.fc.weight", "resnet..." and "classifier.1.weight". */
static void move_head(ckpt *c) {
    static const char anchor[] = "layer1.0.conv1.weight";
    char from[CKPT_NAME_BYTES], to[CKPT_NAME_BYTES], prefix[CKPT_NAME_BYTES];
    const ckpt_tensor *t = find_anchor(c, anchor);
    int found = 0;
    if (t == NULL)
        return;
    size_t n = (size_t)before(t->name, anchor);
    snprintf(prefix, sizeof prefix, "%.*s", (int)n, t->name);
    if (find_joined(c, prefix, n, "fc.weight") != NULL || find_joined(c, prefix, n, "linear.weight") != NULL)
        return;
    const ckpt_tensor *head = only_matrix(&found, c, prefix, n);
    if (found == 0)
        head = only_matrix(&found, c, prefix, outer_length(prefix, n));
    if (head == NULL || !is_alone(c, head->name, (size_t)before(head->name, "weight")))
        return;
    bool cifar = find_joined(c, prefix, n, "layer4.0.conv1.weight") == NULL;
    snprintf(from, sizeof from, "%.*s", before(head->name, "weight"), head->name);
    if (snprintf(to, sizeof to, "%s%s", prefix, cifar ? "linear." : "fc.") >= CKPT_NAME_BYTES)
        return;
    move(c->state, c->state_n, from, to);
}

/** Removes the name that torch.compile gives to the module that it wraps. */
static void strip_compiled(ckpt_tensor *tensors, int n) {
    static const char wrapper[] = "_orig_mod.";
    char *at = NULL;
    for (int i = 0; i < n; i++)
        while ((at = strstr(tensors[i].name, wrapper)) != NULL)
            memmove(at, at + sizeof wrapper - 1, strlen(at + sizeof wrapper - 1) + 1);
}

int layout_translate_names(ckpt *c) {
    static const char anchor[] = "layer1.0.conv1.weight";
    char prefix[CKPT_NAME_BYTES];
    if (find_anchor(c, anchor) == NULL)
        strip_compiled(c->state, c->state_n);
    for (size_t k = 0; k < sizeof namings / sizeof *namings && find_anchor(c, anchor) == NULL; k++) {
        const ckpt_tensor *t = find_anchor(c, namings[k].anchor);
        if (t == NULL)
            continue;
        size_t n = (size_t)before(t->name, namings[k].anchor);
        snprintf(prefix, sizeof prefix, "%.*s", (int)n, t->name);
        rename_all(c->state, c->state_n, prefix, n, &namings[k]);
    }
    move_head(c);
    return layout_check_names(c);
}
