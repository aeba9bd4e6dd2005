/** The communication thread: implements a comm over a transport. Only this thread calls the transport. It advances the
 *  exchanges while the device computes, and sleeps between two polls, so waiting takes almost no compute. */
#ifndef LINNET_DISTRIBUTED_COMM_THREAD_H
#define LINNET_DISTRIBUTED_COMM_THREAD_H

#include "distributed/transport.h"

/** Calls `open` in the new thread. @return 0, E_DEVICE with the transport's reason, E_NOMEM */
int comm_thread_open(comm **out, transport_open_function *open);

/** An orderly close if no call has failed: then all ranks must call it. After a failure the process should end soon. */
void comm_thread_close(comm *c);

#endif
