/** Opens the comm of a process that a launcher has started as one of several ranks. */
#ifndef LINNET_DISTRIBUTED_COMM_OPEN_H
#define LINNET_DISTRIBUTED_COMM_OPEN_H

#include "distributed/communicator.h"

/** Whether a launcher (mpirun, srun --mpi=pmix) has started this process as one of its ranks. */
bool launched(void);
/** The number of processes that the launcher has started, according to its environment variables; 1 without a launcher.
 *  Also counts the processes of launchers that linnet cannot use (mpiexec of MPICH and Intel MPI, srun without PMIx).
 */
int launched_ranks(void);
/** Refuses several processes that a launcher has started without MPI: each of them would run separately.
 *  @return 0, E_OPTION */
int comm_check_launcher(void);

/** The reason why several ranks are not possible on this machine, whatever the launcher; NULL if they are possible.
 *  Opens the MPI module. */
const char *comm_unavailable(void);

/** Connects to the other ranks; *out is NULL for a process that no launcher has started. Opens liblinnet_mpi.so, which
 *  is beside the program or in ../lib/linnet. @return 0, E_UNSUPPORTED (this build has no MPI, or the library is
 *  missing), E_OPTION (as comm_check_launcher; or MPI has not connected the processes), E_DEVICE. comm_close must be
 *  called in any case */
int comm_open(comm **out);
/** NULL is allowed. */
void comm_close(comm *c);

#endif
