/** mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019) of a whole batch, as torchvision's references do it: every
 *  image is mixed with the one before it in the batch, the first with the last, and its label likewise.
 *    mixup:  x = l * x + (1 - l) * before, l from Beta(alpha, alpha); in 8 bits, l on a grid of 2^-16
 *    cutmix: a rectangle of about 1 - l of the area is the other image's; the label's weight is its true share
 *  With both on, each batch gets one of them, at even odds. */
#ifndef LINNET_LOADER_MIX_H
#define LINNET_LOADER_MIX_H

#include "base/random.h"
#include "loader/batch.h"

/** Beta(alpha, alpha), alpha > 0. */
double mix_beta(random_stream *r, double alpha);

/** What mix_batch does after its draws, in place: with weight lambda of each image's own; with a rectangle about (x, y)
 *  of the other's. b->n > 0. */
void mix_up(batch *b, double lambda);
void mix_cut(batch *b, double lambda, int x, int y);

/** Mixes in place. alpha 0: that kind is off. b->label is then the heavier of the two labels, as torchvision counts
 *  accuracy. Draws are a function of the stream alone. */
void mix_batch(batch *b, double mixup_alpha, double cutmix_alpha, random_stream *r);

#endif
