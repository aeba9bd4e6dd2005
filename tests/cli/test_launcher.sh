#!/usr/bin/env bash
# `linnet train --devices N` with a stand-in for mpirun: its arguments, its visible output, forwarded signals, exit
# codes, restarts, and that no process or file is left.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
real_path=$PATH
export PATH="$here/launcher:$PATH"
# this test may itself run under a launcher or a batch system
unset "${!OMPI_@}" "${!PMIX_@}" "${!PMI_@}" "${!MV2_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true

train() { "$LINNET" train --data data --devices 3 "$@"; }
no_ranks_left() { # CASE
  local p
  while read -r p; do
    ! kill -0 "$p" 2>/dev/null || die "$1: process $p is left after its launcher"
  done <pids
  rm pids
}
quiet() { [ ! -s err ] || { cat err >&2; die "stderr is not empty"; }; }
one_line() { [ "$(wc -l <err)" = 1 ] || { cat err >&2; die "stderr is not one line"; }; }

export CASE=ok
run 0 train --json
[ "$(cat out)" = "the result" ] || die "mpirun's banner is printed"
quiet
says command "-n 3 --bind-to none --oversubscribe"
says command "linnet train --data data --devices 3 --json"
says command "group True input /dev/null"
if [ "$(id -u)" = 0 ]; then says command "root 1 1"; else says command "root - -"; fi

rm -f ready*
CASE=fails run 1 train
[ "$(cat err)" = "linnet: rank 0 says why" ] || die "not the rank's message"
rm -f ready*
CASE=killed run 1 train
says err "rank 1 was killed by SIGKILL"
one_line
no_ranks_left killed
CASE=no-slots run 1 train
says err "mpirun could not start 3 ranks (exited with status 1): There are not enough slots available in the system"
one_line
rm -f ready*
CASE=orphans run 1 train
says err "mpirun was killed by SIGKILL; all ranks were terminated"
no_ranks_left orphans
rm -f ready*

# interrupt CASE "SIGNAL..." CODE [COMMAND]: sends the signals when the ranks have started
interrupt() {
  local code=0 signal
  rm -f ready*
  CASE=$1 setsid ${4:-} "$LINNET" train --data data --devices 3 >out 2>err &
  pid=$!
  until [ -e ready0 ] && [ -e ready1 ] && [ -e ready2 ]; do sleep 0.01; done
  for signal in $2; do
    sleep 0.1
    kill "-$signal" $pid
  done
  wait $pid || code=$?
  [ "$code" = "$3" ] || { cat err >&2; die "$1: SIG$2 ended with $code, not $3"; }
  no_ranks_left "$1"
}
interrupt stop INT 130
says err "rank 0 says why"
says err "stopping: a checkpoint is saved after this step; press Ctrl-C again to exit without saving"
[ "$(wc -l <err)" = 2 ] || { cat err >&2; die "stderr is not two lines"; }
interrupt stop TERM 143
interrupt stop USR2 143
interrupt stop HUP 129
says err "stopping: a checkpoint is saved after this step; send a second signal to exit without saving"
# a dropped connection may send SIGHUP twice, and systemd SIGHUP with SIGTERM: neither ends a save
interrupt saving "HUP HUP TERM" 129
says err "rank 0 says why"
interrupt saving "TERM HUP" 143
says err "rank 0 says why"
interrupt save "HUP USR1" 0 nohup
interrupt save USR1 0
interrupt ignores "INT INT" 3
says err "stopped immediately by SIGINT"

# a signal before the ranks have started
CASE=slow "$LINNET" train --data data --devices 3 >out 2>err &
pid=$! code=0
until grep -q "group" command && [ "$(grep -c group command)" -ge 15 ]; do sleep 0.01; done
kill -INT $pid
wait $pid || code=$?
[ "$code" = 130 ] || die "an early SIGINT ended with $code"
no_ranks_left slow

# the launcher is killed: mpirun ends with it
rm -f ready*
CASE=stop "$LINNET" train --data data --devices 3 >out 2>err &
pid=$!
until [ -e ready0 ] && [ -e ready1 ] && [ -e ready2 ]; do sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null || true
while read -r p; do
  for _ in {1..500}; do kill -0 "$p" 2>/dev/null || continue 2; sleep 0.01; done
  die "process $p is left after its killed launcher"
done <pids

# children that the launcher did not start are not killed: the reader of a shell's exec
rm -f ready*
(
  exec > >(sleep 2; cat >late)
  CASE=ok exec "$LINNET" train --data data --devices 3
) || die "a run whose output a child reads failed"
for _ in {1..500}; do [ -s late ] && break; sleep 0.02; done
[ "$(cat late)" = "the result" ] || die "the reader of the output was killed"

# restarts continue from the last checkpoint; there is none after a usage error or a stop
rm command
CASE=fails-once run 0 train --restarts 2
says err "restart 1 of 2 starts in 1 s from the beginning: no checkpoint was saved"
! grep -q -- --resume command || die "a restart resumes a checkpoint that this run has not saved"
rm command
CASE=saves-once run 0 train --restarts 2 --init weights.pth
says err "restart 1 of 2 starts in 1 s from $PWD/saved.ckpt"
says command "--restarts 2 --init weights.pth --init= --resume $PWD/saved.ckpt"
rm command
SECONDS=0
CASE=fails run 1 train --restarts 2
[ "$(grep -c group command)" = 3 ] || die "not 3 starts with 2 restarts"
says err "restart 2 of 2 starts in 2 s"
[ $SECONDS -ge 3 ] || die "no pause before a restart"
rm command
CASE=permanent run 1 train --restarts 2
[ "$(grep -c group command)" = 1 ] || die "a permanent failure was restarted"
CASE=fails "$LINNET" train --data data --devices 3 --restarts 2 >out 2>err & # stopped between two starts
pid=$!
until grep -q "restart 2 of 2" err; do sleep 0.01; done
kill -USR1 $pid # nothing to save
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || die "SIGINT between two starts ended with $code"
rm command
run 2 train --restarts 2 --lr x
[ ! -e command ] || die "ranks were started with a wrong option"

# no mpirun
PATH=/nowhere run 1 "$LINNET" train --data data --devices 2
says err "apt install openmpi-bin"
one_line

# srun without MPI is refused; a batch script is not
SLURM_PROCID=1 SLURM_NTASKS=4 run 2 "$LINNET" train --data data
says err "srun started 4 processes without MPI"
SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 run 2 "$LINNET" train --data data
CASE=ok SLURM_PROCID=0 SLURM_NTASKS=4 run 0 train
# mpiexec of MPICH, Intel MPI and MVAPICH2
for command in "train --data data --devices 3" "eval last.ckpt data" "find-lr data" "bench train" "bench allreduce"; do
  # shellcheck disable=SC2086
  PMI_RANK=1 PMI_SIZE=4 run 2 "$LINNET" $command
  says err "the mpiexec of another MPI (MPICH, Intel MPI) started 4 processes"
  one_line
done
MV2_COMM_WORLD_RANK=1 MV2_COMM_WORLD_SIZE=4 run 2 "$LINNET" train --data data
one_line
CASE=ok PMI_RANK=0 PMI_SIZE=1 run 0 train

# other commands that start ranks, and one that does not
for command in "eval last.ckpt data" "find-lr data" "bench train"; do
  rm -f ready* command
  # shellcheck disable=SC2086
  CASE=ok run 0 "$LINNET" $command --devices 3
  says command "-n 3"
  [ "$(cat out)" = "the result" ] || die "$command --devices: not the ranks' result"
done
run 2 "$LINNET" predict last.ckpt image.jpg --devices 3
says err "linnet predict uses one device, but trainer.devices is 3: set --devices 1"

# one device: restarts need no mpirun
export PATH=$real_path
tiny 8
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --restarts 1
says out "last "
