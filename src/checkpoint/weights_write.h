/** Files of tensors alone, for others to read: written atomically. */
#ifndef LINNET_CHECKPOINT_WEIGHTS_WRITE_H
#define LINNET_CHECKPOINT_WEIGHTS_WRITE_H

#include "checkpoint/checkpoint.h"

/** What torch.save(state_dict) writes: an OrderedDict of `tensors`, whose data are borrowed for the call.
 *  @return 0, E_IO, E_FULL, E_NOMEM; after a failure an older file of that name is intact */
int state_dict_save(const char *path, const ckpt_tensor *tensors, int n);

/** A safetensors file. `metadata`: items of kind 's', UTF-8. @return the same */
int safetensors_save(const char *path, const ckpt_tensor *tensors, int n, const ckpt_item *metadata, int metadata_n);

#endif
