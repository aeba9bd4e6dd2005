/** Which of several ranks this process is: asked of whoever started it. */
#ifndef LINNET_DISTRIBUTED_LAUNCH_H
#define LINNET_DISTRIBUTED_LAUNCH_H

#include "distributed/communicator.h"

/** Whether a launcher (mpirun, srun --mpi=pmix) has started this process as one of its ranks. */
bool launched(void);

/** Why ranks cannot be joined here, whoever starts them; NULL when they can be. Opens MPI's module. */
const char *comm_unavailable(void);

/** Joins the other ranks, when there are any: *out is NULL for a process that nobody launched. Opens
 *  liblinnet_mpi.so, which lies beside the program or in ../lib/linnet. @return 0, E_UNSUPPORTED (this build has no
 * MPI, or the library is missing), E_DEVICE */
int comm_open(comm **out);
/** NULL is allowed. */
void comm_close(comm *c);

#endif
