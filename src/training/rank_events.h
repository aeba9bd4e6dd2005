/** Rank events: warnings and unreadable images, which the ranks send to rank 0. Rank 0 logs, lists and counts them. */
#ifndef LINNET_TRAINING_RANK_EVENTS_H
#define LINNET_TRAINING_RANK_EVENTS_H

#include "training/run_context.h"

/** Whether this rank has an event; the next rank_sync_begin announces it. */
bool rank_events_pending(const run_context *s);
/** Called by every rank after an exchange: sends one warning and one image from each rank that has any. @return 0,
 *  E_RANK, E_DEVICE, E_NOMEM */
int rank_events_exchange(run_context *s);
/** Repeats the exchange until no rank has events. @return as rank_events_exchange */
int rank_events_finish(run_context *s);

#endif
