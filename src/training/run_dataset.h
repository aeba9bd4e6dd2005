/** The dataset of a run, as the options of group `data` describe it. */
#ifndef LINNET_TRAINING_RUN_DATASET_H
#define LINNET_TRAINING_RUN_DATASET_H

#include "config/config.h"
#include "dataset/splits/splits.h"
#include "distributed/communicator.h"

/** What splits_open is asked for: both parts of the dataset; a command changes what it needs otherwise. It borrows from
 * `c`. */
splits_request run_context_data(const config *c);
/** What messages call the dataset: its list or its folder. */
const char *run_context_data_name(const config *c);
/** The images of one part, "train" or "val", without those of the other. @return as splits_open */
int run_context_open_one(dataset **out, const config *c, const char *split);

/** Adds how a training reads the images. step_images: images of a step over the ranks of this host. ranks: progress is
 * recorded there; must remain valid while the datasets are open. */
void run_dataset_reading(splits_request *q, const config *c, int64_t step_images, comm *ranks);

/** Whether the copies of shards of both splits fit into data.cache_size together. @return 0, E_DATA */
int run_dataset_check_copies(const config *c, const dataset *train, const dataset *val);

#endif
