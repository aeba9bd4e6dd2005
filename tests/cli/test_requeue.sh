#!/usr/bin/env bash
# dist.requeue: SIGUSR1 saves, then only rank 0 calls scontrol; if scontrol hangs, there is one warning and the run
# continues. distributed/slurm tests its other failures.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
tiny 8
small+=(--arch resnet18)
mkdir bin
cat >bin/scontrol <<'END'
#!/bin/sh
echo "$@" >>scontrol.calls
if [ "$SCONTROL" = hangs ]; then exec sleep 60; fi
END
chmod +x bin/scontrol
csv=logs/resnet18/version_0/metrics.csv

requeued() { # FOLDER, expected line, options...
  local folder=$1 said=$2
  shift 2
  rm -f scontrol.calls
  # shellcheck disable=SC2154
  PATH=$PWD/bin:$PATH SLURM_JOB_ID=4711 "$LINNET" train "${small[@]}" --image-size 16 --batch-size 8 --max-epochs 1 \
    --monitor.report false --dist.requeue true --out "$folder" "$@" >/dev/null 2>err &
  pid=$!
  until [ "$(cat "$folder/$csv" 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.01; done
  kill -USR1 $pid
  wait $pid || { cat err >&2; die "$folder: the run did not continue"; }
  [ "$(grep -c "requested by a signal" err)" = 1 ] || { cat err >&2; die "$folder: not saved once"; }
  [ "$(grep -c "$said" err)" = 1 ] || { cat err >&2; die "$folder: not one line '$said'"; }
  [ "$(cat scontrol.calls)" = "requeue 4711" ] || die "$folder: scontrol was called with: $(cat scontrol.calls)"
}
SCONTROL=hangs requeued hanging "4711 was not requeued: scontrol did not finish within 0.5 s" --dist.timeout 1

# shellcheck source=ranks.sh
. "$(dirname "$0")/ranks.sh"
ASAN_OPTIONS=$no_leaks SCONTROL=well requeued well "the job was requeued" --devices 2 --trainer.threads 1
