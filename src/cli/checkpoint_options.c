#include "cli/checkpoint_options.h"

#include "training/run_context.h"
#include "training/weights.h"

#include <string.h>

int checkpoint_options(config *c, const ckpt *k, const char *path) {
    static config trained;
    const ckpt_item *yaml = ckpt_find_item(k->own, k->own_n, "config");
    if (yaml == NULL || yaml->kind != 's') /* not ours: the recipe's sizes and normalisation */
        return weights_arch(c->model.arch, k, path);
    config_defaults(&trained);
    int rc = config_read_yaml_text(&trained, yaml->s, strlen(yaml->s), "the checkpoint's configuration");
    c->model = trained.model;
    c->data.image_size = run_context_val_size(&trained);
    c->data.resize_size = trained.data.resize_size;
    memcpy(c->data.mean, trained.data.mean, sizeof c->data.mean);
    memcpy(c->data.std, trained.data.std, sizeof c->data.std);
    return rc;
}
