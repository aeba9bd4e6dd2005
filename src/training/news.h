/** Rank events: warnings and unreadable images, which the ranks send to rank 0. Rank 0 logs, lists and counts them. */
#ifndef LINNET_TRAINING_NEWS_H
#define LINNET_TRAINING_NEWS_H

#include "training/setup.h"

/** Whether this rank has any; the next ranks_tell sends this. */
bool news_wait(const setup *s);
/** Called by every rank after an exchange: sends one warning and one image of each rank that has any. @return 0,
 * E_RANK, E_DEVICE, E_NOMEM */
int news_exchange(setup *s);
/** Exchanges until no rank has any. @return as news_exchange */
int news_finish(setup *s);

#endif
