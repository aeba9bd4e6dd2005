#!/usr/bin/env bash
# `linnet train --devices 2` under the real mpirun: SIGINT saves once and exits with 130; a killed rank ends the run
# with one line; --restarts restarts after a killed rank; each resumed run gives the results of an uninterrupted run,
# byte for byte.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -e "${LINNET_BUILD:-$(dirname "$LINNET")}/liblinnet_mpi.so" ] && [ -n "$(type -P mpirun)" ] || {
  echo "skipped: no Open MPI"
  exit 77
}
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
tiny 8
small+=(--arch resnet18)
# shellcheck disable=SC2154
options=("${small[@]}" --batch-size 8 --trainer.threads 1 --devices 2 --max-epochs 2 --checkpoint.every_n_steps 2)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out reference
[ "$(grep -c '^2 epochs' out)" = 1 ] || die "more than rank 0 prints"
rows() { until [ "$(cat "$1/$csv" 2>/dev/null | wc -l)" -ge "$2" ]; do sleep 0.01; done; }
same() { [ "$(digest "$1/$last")" = "$(digest reference/$last)" ] || die "$1: the weights differ from those of the uninterrupted run"; }

"$LINNET" train "${options[@]}" --out stopped >out 2>err &
pid=$! code=0
rows stopped 3
kill -INT $pid
wait $pid || code=$?
[ "$code" = 130 ] || { cat err >&2; die "SIGINT ended with $code"; }
[ "$(grep -c 'saved .*last.ckpt' err)" = 1 ] || { cat err >&2; die "not exactly one save"; }
run 0 "$LINNET" train "${options[@]}" --out stopped --resume auto
same stopped

"$LINNET" train "${options[@]}" --out killed --restarts 1 >out 2>err &
pid=$!
rows killed 4
mpirun=$(cat /proc/$pid/task/$pid/children)
ranks=$(cat "/proc/${mpirun// /}/task/${mpirun// /}/children")
kill -KILL "${ranks##* }" 2>/dev/null || kill -KILL "$(echo "$ranks" | awk '{print $2}')"
wait $pid || { cat err >&2; die "the restart failed"; }
grep -Eq "rank 1 on $(uname -n) at step [0-9]+ \(.+\) was killed by SIGKILL" err ||
  { cat err >&2; die "no line contains host, step and phase of rank 1"; }
says err "restart 1 of 1 starts in 1 s from $PWD/killed/$last"
same killed
