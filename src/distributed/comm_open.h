/** Opens the comm of a process that a launcher has started as one of several ranks. */
#ifndef LINNET_DISTRIBUTED_COMM_OPEN_H
#define LINNET_DISTRIBUTED_COMM_OPEN_H

#include "distributed/communicator.h"

/** Whether a launcher (mpirun, srun --mpi=pmix) has started this process as one of its ranks. */
bool launched(void);

/** The reason why several ranks are not possible on this machine, whatever the launcher; NULL if they are possible.
 *  Opens the MPI module. */
const char *comm_unavailable(void);

/** Connects to the other ranks; *out is NULL for a process that no launcher has started. Opens liblinnet_mpi.so, which
 *  is beside the program or in ../lib/linnet. @return 0, E_UNSUPPORTED (this build has no MPI, or the library is
 *  missing), E_DEVICE */
int comm_open(comm **out);
/** NULL is allowed. */
void comm_close(comm *c);

#endif
