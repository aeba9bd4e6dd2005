#include "cli/checkpoint_options.h"

#include "base/status.h"

#include <string.h>

int checkpoint_options(config *c, const ckpt *k) {
    static config trained;
    const ckpt_item *yaml = ckpt_find_item(k->own, k->own_n, "config");
    if (yaml == NULL || yaml->kind != 's')
        return OK; /* not ours: the recipe's sizes and normalisation */
    config_defaults(&trained);
    int rc = config_read_yaml_text(&trained, yaml->s, strlen(yaml->s), "the checkpoint's configuration");
    c->model = trained.model;
    c->data.image_size = trained.data.image_size;
    c->data.resize_size = trained.data.resize_size;
    memcpy(c->data.mean, trained.data.mean, sizeof c->data.mean);
    memcpy(c->data.std, trained.data.std, sizeof c->data.std);
    return rc;
}

int checkpoint_classes(int *out, const ckpt *k, const char *path) {
    static const char *const name[] = {"model.fc.bias", "fc.bias", "module.fc.bias"};
    for (int i = 0; i < 3; i++) {
        const ckpt_tensor *t = ckpt_find_tensor(k, name[i]);
        if (t != NULL && t->rank == 1) {
            *out = (int)t->shape[0];
            return OK;
        }
    }
    return fail(E_FORMAT, "%s has no fc.bias: it is no checkpoint of a ResNet", path);
}
