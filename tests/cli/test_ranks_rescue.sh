#!/usr/bin/env bash
# Several ranks: if rank 0 alone fails between two steps, the training so far is saved, although the ranks can no longer
# communicate.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
tiny 8
faults=$(dirname "$LINNET")/tests/faults.so
last=checkpoints/resnet18/last.ckpt
fast=(train --data data --arch resnet18 --image-size 16 --device cpu --precision 32-true --workers 1 --max-epochs 1
  --monitor.report false --batch-size 4 --data.shuffle false --lr 0.01 --trainer.log_every_n_steps 1 --trainer.threads 1)
run 0 ranks 2 "${fast[@]}" --out reference

step() { "$LINNET" info "$1" --json | sed -E 's/.*"step": ([0-9]+).*/\1/'; }
rescued() { # FOLDER, minimum number of steps
  says err "checkpoint $PWD/$1/$last saved at step"
  ! grep -q 'could not be saved' err || { cat err >&2; die "$1: contradictory messages about the save"; }
  [ "$(step "$1/$last")" -ge "$2" ] || die "$1: saved at step $(step "$1/$last")"
}

# writing metrics.csv fails
if [ -e "$faults" ]; then
  no_leaks=$no_leaks:verify_asan_link_order=0
  LD_PRELOAD=$faults LINNET_FAULT=fail:metrics.csv:400 run 1 ranks 2 "${fast[@]}" --out full
  says err 'Input/output error'
  rescued full 1
  run 0 ranks 2 "${fast[@]}" --out full --resume auto
  [ "$(digest full/$last)" = "$(digest reference/$last)" ] || die "full: the weights differ from those of the uninterrupted run"

  # the disk is full: all ranks continue, and the run ends with an error because rank 0 could not save the final state
  LD_PRELOAD=$faults LINNET_FAULT=full:.ckpt:$(($(stat -c %s reference/$last) + 1000)) run 1 ranks 2 "${fast[@]}" --checkpoint.top_k 0 \
    --checkpoint.every_n_steps 4 --out room
  says err 'training continues'
  [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "room: not one error line"; }
  [ "$(step room/$last)" = 4 ] || die "room: saved at step $(step room/$last)"
  run 0 ranks 2 "${fast[@]}" --checkpoint.top_k 0 --out room --resume auto
  [ "$(digest room/$last)" = "$(digest reference/$last)" ] || die "room: the weights differ from those of the uninterrupted run"
fi

# too many unreadable images, in rank 0's third batch: the 5th of the epoch
cp -r data damaged
find damaged/train -type f | sort | sed -n 17,20p | while read -r f; do echo no >"$f"; done
run 1 ranks 2 "${fast[@]}" --data damaged --out bad --data.max_bad 0.02
says err 'data.max_bad'
rescued bad 2

# a rank is killed: run.json contains that the run has failed
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"$LINNET" "${fast[@]}" --devices 2 --max-epochs 50 --monitor.report true --out lost >out 2>err &
pid=$!
until [ "$(cat lost/logs/resnet18/version_0/metrics.csv 2>/dev/null | wc -l)" -ge 4 ]; do sleep 0.01; done
mpirun=$(cat /proc/$pid/task/$pid/children)
for rank in $(cat "/proc/${mpirun// /}/task/${mpirun// /}/children"); do
  if tr '\0' '\n' <"/proc/$rank/environ" | grep -qx OMPI_COMM_WORLD_RANK=1; then kill -KILL "$rank"; fi
done
code=0
wait $pid || code=$?
[ $code = 1 ] || { cat err >&2; die "a killed rank ended the run with $code"; }
says lost/logs/resnet18/version_0/run.json '"state": "failed"'
says lost/viewlogs.md '**failed**'
