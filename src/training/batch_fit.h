/** Compiles the plans of a run and finds the largest batch whose plan fits into memory. */
#ifndef LINNET_TRAINING_BATCH_FIT_H
#define LINNET_TRAINING_BATCH_FIT_H

#include "training/run_context.h"

/** Compiles the plans of full and last training batches and of a full validation batch, so that a plan that cannot
 *  run fails here and not at the end of an epoch. @param[out] out memory of the full training batch. @return 0,
 *  E_SHAPE, E_NOMEM */
int run_context_compile(engine_memory *out, run_context *s);

/** engine_compile for images of data.image_size (in validation val_size). A plan that needs more memory than is
 * available is refused, even if the system would allocate it and fail later. @return 0, E_SHAPE, E_DEVICE, E_NOMEM (the
 * message has the memory needed and available, and the largest batch that fits) */
int run_context_compile_batch(engine_plan **out, run_context *s, int images, bool training);

#endif
