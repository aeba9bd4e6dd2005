/** mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019) of a whole batch, as in torchvision's references: every image
 *  is mixed with the previous one in the batch, the first with the last, and so are the labels.
 *    mixup:  x = l * x + (1 - l) * previous, l from Beta(alpha, alpha); in 8 bits, l on a grid of 2^-16
 *    cutmix: a rectangle of about 1 - l of the area is copied from the other image; the weights of the labels are the
 *            true fractions of the area
 *  If both are on, each batch gets one of them, with probability 1/2 each. */
#ifndef LINNET_LOADER_MIX_H
#define LINNET_LOADER_MIX_H

#include "base/random.h"
#include "loader/batch.h"

/** Beta(alpha, alpha), alpha > 0. */
double mix_beta(random_stream *r, double alpha);

/** What mix_batch does after its draws, in place. mix_up: `lambda` is the weight of each image itself. mix_cut: the
 *  rectangle around (x, y) comes from the other image. b->n > 0. */
void mix_up(batch *b, double lambda);
void mix_cut(batch *b, double lambda, int x, int y);

/** Mixes in place. alpha 0: that kind is off. Afterwards b->label is the label with the larger weight, for which
 *  torchvision counts accuracy. The draws depend on the stream alone. */
void mix_batch(batch *b, double mixup_alpha, double cutmix_alpha, random_stream *r);

#endif
