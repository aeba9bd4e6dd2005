/** A job of Slurm that puts itself back into the queue. */
#ifndef LINNET_DISTRIBUTED_SLURM_H
#define LINNET_DISTRIBUTED_SLURM_H

/** `scontrol requeue` for the job that this process belongs to ($SLURM_JOB_ID); Slurm ends the job soon after. One rank
 *  alone may call it. Waits for scontrol, whose output goes to stderr, at most `seconds`, then kills it and what it has
 *  started. @return 0, or E_IO that says why not */
int requeue_job(double seconds);

#endif
