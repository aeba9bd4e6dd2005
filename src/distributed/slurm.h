/** Requeues the Slurm job of this process. */
#ifndef LINNET_DISTRIBUTED_SLURM_H
#define LINNET_DISTRIBUTED_SLURM_H

/** Runs `scontrol requeue` for the job of this process ($SLURM_JOB_ID). Slurm ends the job soon afterwards. Only one
 *  rank may call it. The output of scontrol goes to stderr. If scontrol does not end within `seconds`, it and its child
 *  processes are killed. @return 0, E_IO (the message has the reason) */
int requeue_job(double seconds);

#endif
