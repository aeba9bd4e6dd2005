/** What ranks have to tell now and then: warnings and unreadable images. Rank 0 logs, lists and counts them. */
#ifndef LINNET_TRAINING_NEWS_H
#define LINNET_TRAINING_NEWS_H

#include "training/setup.h"

/** Whether this rank has some: goes into the next ranks_tell. */
bool news_wait(const setup *s);
/** After an exchange, on every rank: hands over one warning and one image of each rank that has some. @return 0,
 * E_RANK, E_DEVICE, E_NOMEM */
int news_exchange(setup *s);
/** Exchanges until no rank has any. @return as news_exchange */
int news_finish(setup *s);

#endif
