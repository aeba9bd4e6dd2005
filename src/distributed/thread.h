/** The communication thread: a comm over a transport. It alone calls the transport, moves exchanges on while the device
 *  computes, and sleeps between looks, so that waiting costs next to no compute. */
#ifndef LINNET_DISTRIBUTED_THREAD_H
#define LINNET_DISTRIBUTED_THREAD_H

#include "distributed/transport.h"

/** Calls `open` in the new thread. @return 0, E_DEVICE with the transport's reason, E_NOMEM */
int comm_thread_open(comm **out, transport_open_function *open);

/** In order when no call has failed: then all ranks come here. Else the process should end soon. */
void comm_thread_close(comm *c);

#endif
