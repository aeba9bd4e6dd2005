#include "training/run_dataset.h"

#include "base/status.h"
#include "base/text.h"

#include <string.h>

static uint64_t cache_bytes(const config *c) { return (uint64_t)(c->data.cache_size * 1e9); }

splits_request run_context_data(const config *c) {
    return (splits_request){.path = c->data.path,
                            .train_path = c->data.train,
                            .val_path = c->data.val,
                            .list = c->data.list,
                            .class_list = c->data.class_list,
                            .val_split = c->data.val_split,
                            .seed = c->trainer.seed,
                            .train = true,
                            .val = true,
                            .shard_options = {.image_key = c->data.image_key,
                                              .cache_dir = c->data.cache_dir,
                                              .cache_bytes = cache_bytes(c),
                                              .timeout = c->data.timeout}};
}

const char *run_context_data_name(const config *c) {
    return c->data.list[0] != 0 ? c->data.list : c->data.path[0] != 0 ? c->data.path : c->data.train;
}

int run_context_open_one(dataset **out, const config *c, const char *split) {
    splits_request data = run_context_data(c);
    dataset *other = NULL;
    data.train = strcmp(split, "train") == 0;
    data.val = !data.train;
    return data.train ? splits_open(out, &other, &data) : splits_open(&other, out, &data);
}

static void on_progress(void *context) { comm_moves(context); }

void run_dataset_reading(splits_request *q, const config *c, int64_t step_images, comm *ranks) {
    int64_t batches = c->data.ahead + c->data.read_ahead + 1;
    q->shard_options.on_progress = on_progress;
    q->shard_options.progress_context = ranks;
    if (c->data.sequential && c->data.shuffle)
        q->train_window = c->data.shuffle_buffer + batches * step_images;
}

int run_dataset_check_copies(const config *c, const dataset *train, const dataset *val) {
    uint64_t need = train->copy_bytes + val->copy_bytes;
    char shown[2][32];
    if (need <= cache_bytes(c))
        return OK;
    return fail(E_DATA,
                "the copies of shards of train and val need %s together, and data.cache_size is %s: raise "
                "data.cache_size%s",
                text_bytes(shown[0], (double)need), text_bytes(shown[1], (double)cache_bytes(c)),
                c->data.sequential ? " or lower data.shuffle_buffer" : " or set data.sequential");
}
