/** Rank events: warnings and unreadable images, which the ranks send to rank 0. Rank 0 logs, lists and counts them. */
#ifndef LINNET_TRAINING_RANK_EVENTS_H
#define LINNET_TRAINING_RANK_EVENTS_H

#include "training/run_context.h"

/** Whether this rank has any; the next rank_sync_begin sends this. */
bool rank_events_pending(const run_context *s);
/** Called by every rank after an exchange: sends one warning and one image of each rank that has any. @return 0,
 * E_RANK, E_DEVICE, E_NOMEM */
int rank_events_exchange(run_context *s);
/** Exchanges until no rank has any. @return as rank_events_exchange */
int rank_events_finish(run_context *s);

#endif
