#!/usr/bin/env bash
# `linnet train --devices N` under a stand-in for mpirun: what it is given, what of it is seen, which signals are passed
# on, exit codes, restarts, and that nothing stays behind.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
real_path=$PATH
export PATH="$here/launcher:$PATH"
# this test may itself run under a launcher or a batch system
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true

train() { "$LINNET" train --data data --devices 3 "$@"; }
no_ranks_left() { # SCENE
  local p
  while read -r p; do
    ! kill -0 "$p" 2>/dev/null || die "$1: process $p outlived its launcher"
  done <pids
  rm pids
}
quiet() { [ ! -s err ] || { cat err >&2; die "stderr is not empty"; }; }
one_line() { [ "$(wc -l <err)" = 1 ] || { cat err >&2; die "stderr is not one line"; }; }

export SCENE=ok
run 0 train --json
[ "$(cat out)" = "the result" ] || die "mpirun's banner is seen"
quiet
says command "-n 3 --bind-to none --oversubscribe"
says command "linnet train --data data --devices 3 --json"
says command "group True input /dev/null"
if [ "$(id -u)" = 0 ]; then says command "root 1 1"; else says command "root - -"; fi

rm -f ready*
SCENE=fails run 1 train
[ "$(cat err)" = "linnet: rank 0 says why" ] || die "another line than the rank's"
rm -f ready*
SCENE=killed run 1 train
says err "rank 1 ended by SIGKILL"
one_line
no_ranks_left killed
SCENE=no-slots run 1 train
says err "mpirun could not start 3 ranks (ended with exit code 1): There are not enough slots available in the system"
one_line
rm -f ready*
SCENE=orphans run 1 train
says err "mpirun ended by SIGKILL"
no_ranks_left orphans
rm -f ready*

# interrupt SCENE SIGNAL CODE: once the ranks are there
interrupt() {
  local code=0
  rm -f ready*
  SCENE=$1 setsid "$LINNET" train --data data --devices 3 >out 2>err &
  pid=$!
  until [ -e ready0 ] && [ -e ready1 ] && [ -e ready2 ]; do sleep 0.01; done
  sleep 0.1
  kill "-$2" $pid
  if [ "$1" = deaf ]; then
    sleep 0.2
    kill "-$2" $pid
  fi
  wait $pid || code=$?
  [ "$code" = "$3" ] || { cat err >&2; die "$1: $2 ended with $code, not $3"; }
  no_ranks_left "$1"
}
interrupt stop INT 130
says err "rank 0 says why"
says err "stopping after this step, then saving; press Ctrl-C again to quit without saving"
[ "$(wc -l <err)" = 2 ] || { cat err >&2; die "stderr is not two lines"; }
interrupt stop TERM 143
interrupt stop USR2 143
interrupt save USR1 0
interrupt deaf INT 3
says err "stopped immediately by SIGINT"

# before the ranks are there
SCENE=slow "$LINNET" train --data data --devices 3 >out 2>err &
pid=$! code=0
until grep -q "group" command && [ "$(grep -c group command)" -ge 11 ]; do sleep 0.01; done
kill -INT $pid
wait $pid || code=$?
[ "$code" = 130 ] || die "an early SIGINT ended with $code"
no_ranks_left slow

# the launcher is killed: mpirun ends with it
rm -f ready*
SCENE=stop "$LINNET" train --data data --devices 3 >out 2>err &
pid=$!
until [ -e ready0 ] && [ -e ready1 ] && [ -e ready2 ]; do sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null || true
while read -r p; do
  for _ in {1..500}; do kill -0 "$p" 2>/dev/null || continue 2; sleep 0.01; done
  die "process $p outlived its killed launcher"
done <pids

# restarts go on from the last checkpoint; a usage error and a stop are final
rm command
SCENE=fails-once run 0 train --restarts 2
says err "restart 1 of 2 in 1 s, from the beginning: no checkpoint was saved"
! grep -q -- --resume command || die "a restart goes on from what this run has not saved"
rm command
SCENE=saves-once run 0 train --restarts 2 --init weights.pth
says err "restart 1 of 2 in 1 s, from $PWD/saved.ckpt"
says command "--restarts 2 --init weights.pth --init= --resume $PWD/saved.ckpt"
rm command
SECONDS=0
SCENE=fails run 1 train --restarts 2
[ "$(grep -c group command)" = 3 ] || die "2 restarts are not 3 starts"
says err "restart 2 of 2 in 2 s"
[ $SECONDS -ge 3 ] || die "restarts without a pause"
rm command
SCENE=hopeless run 1 train --restarts 2
[ "$(grep -c group command)" = 1 ] || die "a failure for good was tried again"
SCENE=fails "$LINNET" train --data data --devices 3 --restarts 2 >out 2>err & # stopped between two starts
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

# srun that knows no MPI; a batch script is none
SLURM_PROCID=1 SLURM_NTASKS=4 run 2 "$LINNET" train --data data
says err "srun has started 4 processes without a connection to each other"
SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 run 2 "$LINNET" train --data data
SCENE=ok SLURM_PROCID=0 SLURM_NTASKS=4 run 0 train

# one device: restarts need no mpirun
export PATH=$real_path
tiny 8
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --restarts 1
says out "last "
