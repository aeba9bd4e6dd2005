/** Compiling the plans of a run, and the largest batch whose plan fits into memory. */
#ifndef LINNET_TRAINING_BATCH_FIT_H
#define LINNET_TRAINING_BATCH_FIT_H

#include "training/setup.h"

/** Compiles the plans of full and last batches, of training and validation: what cannot run fails here, not at the end
 * of an epoch. @param[out] out memory of the largest, the full training batch. @return 0, E_SHAPE, E_NOMEM */
int setup_compile(engine_memory *out, setup *s);

/** engine_compile for images of data.image_size, in validation of val_size. A plan whose memory is not there is
 * refused, though the system might hand it out and fail later. @return 0, E_SHAPE, E_DEVICE, E_NOMEM: names what is
 * needed, what there is, and the largest batch that fits */
int setup_compile_batch(engine_plan **out, setup *s, int images, bool training);

#endif
