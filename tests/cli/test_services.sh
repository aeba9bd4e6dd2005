#!/usr/bin/env bash
# How systemd (KillMode=mixed) and Kubernetes stop a run: SIGTERM to the main process only, SIGKILL to all after a grace
# period. A single process and two ranks, also as process 1 of a container, save and end within it; the resume is
# byte-equal. The commands in deploy have options that linnet accepts.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
unset "${!OMPI_@}" "${!PMIX_@}" "${!PMI_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
tiny 2
small+=(--arch resnet18)
small=("${small[@]}" --image-size 16 --batch-size 2 --trainer.threads 1 --trainer.limit_val_batches 0 --monitor.report false)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
grace=100

deploy=$LINNET_SOURCE/deploy
says "$deploy/systemd/linnet@.service" KillMode=mixed
accepted() { # WORDS: of linnet train, with the values of a run
  [ -n "$1" ] || die "a file in deploy has no command"
  read -ra words <<<"$1"
  run 0 "$LINNET" "${words[@]}" --print-config
  says out "resume: auto"
}
options=$(sed -nE 's/^# +OPTIONS=(.*)/\1/p' "$deploy/systemd/linnet@.service")
accepted "$(sed -nE "s|^ExecStart=linnet (.*)|\1|p" "$deploy/systemd/linnet@.service" | sed "s|\$OPTIONS|$options|")"
says out "devices: 4"
accepted "$(sed -nE 's/^ *command: \[linnet, (.*)\]/\1/p' "$deploy/kubernetes/job.yaml" | tr -d ',"')"
says out "devices: 4"
accepted "$(sed -nE '/^ +- linnet$/,/^ +lifecycle/s/^ +- (.*)/\1/p' "$deploy/kubernetes/mpijob.yaml" | tail -n +2 | paste -sd ' ')"
accepted "$(sed -nE 's|.*srun --mpi=pmix linnet (.*)|\1|p' "$deploy/slurm/linnet.sbatch" |
  sed -e 's|"$data"|/data|' -e 's|"$out"|/out|' -e 's|"${@:3}"|--arch resnet50|')"
says out "requeue: true"

begin() { # FOLDER ROWS [COMMAND...]: $main is the main process
  local folder=$1 rows=$2
  shift 2
  setsid "$@" "$LINNET" train "${options[@]}" --resume auto --out "$folder" >out 2>err &
  session=$! main=$!
  until [ "$(cat "$folder/$csv" 2>/dev/null | wc -l)" -ge "$rows" ]; do
    kill -0 $session || { cat err >&2; die "$folder: ended before it was stopped"; }
    sleep 0.01
  done
  [ $# = 0 ] || main=$(tr -d ' ' <"/proc/$session/task/$session/children")
}
stop() { # SIGNAL CODE: to the main process; no process may be left after the grace period
  local code=0 end=$((SECONDS + grace))
  kill "-$1" $main
  while ps -o pid= -s $session >left; do
    [ $SECONDS -lt $end ] || { ps -s $session >&2; die "SIG$1: processes are left after the grace period"; }
    sleep 0.05
  done
  wait $session || code=$?
  [ $code = "$2" ] || { cat err >&2; die "SIG$1 ended with $code, not $2"; }
  says err 'stopping: a checkpoint is saved after this step'
  says err "$last: continue with --resume auto"
}
container=(unshare --pid --fork --mount-proc)
"${container[@]}" true 2>/dev/null || container=()
stopped() { # FOLDER: started, stopped twice, finished
  begin "$1" 3 "${container[@]}"
  stop TERM 143
  begin "$1" 7
  stop HUP 129
  run 0 "$LINNET" train "${options[@]}" --resume auto --out "$1"
  [ "$(digest "$1/$last")" = "$(digest "reference-$1/$last")" ] || die "$1: the weights differ from those of the uninterrupted run"
  same_metrics "reference-$1/$csv" "$1/$csv"
}

options=("${small[@]}" --max-epochs 2)
run 0 "$LINNET" train "${options[@]}" --out reference-one
stopped one

[ -e "${LINNET_BUILD:-$(dirname "$LINNET")}/liblinnet_mpi.so" ] && [ -n "$(type -P mpirun)" ] || {
  echo "no Open MPI: a single process only"
  exit 0
}
options=("${small[@]}" --max-epochs 3 --devices 2)
export ASAN_OPTIONS=$no_leaks
run 0 "$LINNET" train "${options[@]}" --out reference-two
stopped two
