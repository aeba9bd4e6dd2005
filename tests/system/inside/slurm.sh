#!/usr/bin/env bash
# In a root with Slurm and linnet, in namespaces of its own: a cluster of one node runs deploy/slurm/linnet.sbatch with two
# ranks. At SIGUSR1 the job saves and requeues itself; it continues and ends with the weights of an uninterrupted one.
# shellcheck source=tests/system/inside/lib.sh
. "$(dirname "$0")/lib.sh"
hostname node1
ip link set lo up
ip address add 10.0.0.1/32 dev lo # Slurm listens only if there is an address besides 127.0.0.1
printf '127.0.0.1 localhost\n10.0.0.1 node1\n' >/etc/hosts
mkdir -p /etc/slurm /var/spool/slurmctld /var/spool/slurmd
cat >/etc/slurm/slurm.conf <<'CONF'
ClusterName=test
SlurmctldHost=node1
SlurmUser=root
AuthType=auth/slurm
CredType=auth/slurm
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
ReturnToService=2
NodeName=node1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=node1 Default=YES MaxTime=INFINITE State=UP
CONF
echo "CgroupPlugin=disabled" >/etc/slurm/cgroup.conf
head -c 1024 /dev/urandom >/etc/slurm/slurm.key
chmod 600 /etc/slurm/slurm.key

stage "slurmctld and slurmd"
slurmctld -D >/var/log/slurmctld.log 2>&1 &
slurmd -D -N node1 >/var/log/slurmd.log 2>&1 &
for ((i = 0; i < 100; i++)); do
  [ "$(sinfo -h -o %T 2>/dev/null)" != idle ] || break
  sleep 0.2
done
sinfo
[ "$(sinfo -h -o %T)" = idle ] || { tail -n 20 /var/log/slurm*.log; die "the cluster does not start"; }

linnet shapes /tmp/data --train 20 --val 4 >/dev/null
options=(--arch resnet18 --image-size 64 --batch-size 8 --lr 0.02 --max-epochs 2 --workers 1 --trainer.threads 1
  --trainer.log_every_n_steps 1)
submit() { # OUT: prints the job's number
  sbatch --parsable --nodes=1 --ntasks-per-node=2 --cpus-per-task=1 --time=30 --output="$1.log" \
    /linnet/deploy/slurm/linnet.sbatch /tmp/data "$1" "${options[@]}"
}
state() { scontrol show job "$1" | sed -nE 's/.*JobState=([A-Z]+) .*/\1/p'; }
finished() { # JOB OUT
  for ((i = 0; i < 1200; i++)); do
    case $(state "$1") in
      COMPLETED) return 0 ;;
      FAILED | CANCELLED | TIMEOUT | NODE_FAIL) break ;;
      PENDING) scontrol update jobid="$1" starttime=now 2>/dev/null || true ;; # a requeued job would wait two minutes
    esac
    sleep 0.5
  done
  tail -n 30 "$2.log" /var/log/slurm*.log
  die "job $1: $(state "$1")"
}
digest() { linnet info "$1/checkpoints/resnet18/last.ckpt" --json | grep -o '"digest": "[^"]*"'; }

stage "sbatch deploy/slurm/linnet.sbatch, uninterrupted"
whole=$(submit /tmp/whole)
finished "$whole" /tmp/whole

stage "the same, requeued at SIGUSR1"
job=$(submit /tmp/requeued)
for _ in {1..1200}; do
  [ "$(cat /tmp/requeued/logs/resnet18/version_0/metrics.csv 2>/dev/null | wc -l)" -lt 3 ] || break
  sleep 0.1
done
[ "$(state "$job")" = RUNNING ] || { tail -n 30 /tmp/requeued.log; die "job $job: $(state "$job")"; }
scancel --signal=USR1 "$job" # as --signal=USR1@120 does: to the steps, not to the script
finished "$job" /tmp/requeued
grep -F 'the job was requeued' /tmp/requeued.log
scontrol show job "$job" | grep -o 'Requeue=.*Restarts=[0-9]*'
[ "$(scontrol show job "$job" | sed -nE 's/.*Restarts=([0-9]+).*/\1/p')" = 1 ] || die "the job was not restarted once"
[ "$(digest /tmp/requeued)" = "$(digest /tmp/whole)" ] || die "the requeued job has other weights"
stage "end of $0"
