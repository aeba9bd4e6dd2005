/** Files that contain tensors only, for other programs. They are written atomically. */
#ifndef LINNET_CHECKPOINT_WEIGHTS_WRITE_H
#define LINNET_CHECKPOINT_WEIGHTS_WRITE_H

#include "checkpoint/checkpoint.h"

/** Writes a file like torch.save(state_dict): an OrderedDict of `tensors`, whose data are borrowed for the call.
 *  @return 0, E_IO, E_FULL, E_NOMEM; after a failure an older file of that name is unchanged */
int state_dict_save(const char *path, const ckpt_tensor *tensors, int n);

/** Writes a safetensors file. @param metadata (metadata_n) items of kind 's', in UTF-8 @return as state_dict_save */
int safetensors_save(const char *path, const ckpt_tensor *tensors, int n, const ckpt_item *metadata, int metadata_n);

#endif
