#!/usr/bin/env bash
# dist.requeue: SIGUSR1 saves, then scontrol is called once; what it does not manage is one warning, and the run goes on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8
mkdir bin
cat >bin/scontrol <<'END'
#!/bin/sh
echo "$@" >>scontrol.calls
if [ "$SCONTROL_CODE" = hangs ]; then
  sleep 60 &
  echo $! >sleeper
  wait
fi
exit "$SCONTROL_CODE"
END
chmod +x bin/scontrol
csv=logs/resnet18/version_0/metrics.csv

requeued() { # folder, PATH, SCONTROL_CODE, what is said [, dist.timeout]
  # shellcheck disable=SC2154
  PATH=$2 SLURM_JOB_ID=4711 SCONTROL_CODE=$3 "$LINNET" train "${small[@]}" --batch-size 8 --max-epochs 1 \
    --dist.requeue true --dist.timeout "${5:-300}" --out "$1" >/dev/null 2>err &
  pid=$!
  until [ "$(cat "$1/$csv" 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.01; done
  kill -USR1 $pid
  wait $pid || { cat err >&2; die "$1: the run did not go on"; }
  says err "as asked"
  [ "$(grep -c "$4" err)" = 1 ] || { cat err >&2; die "$1: not one line '$4'"; }
}
requeued requeue "$PWD/bin:$PATH" 0 "the job is requeued"
[ "$(cat scontrol.calls)" = "requeue 4711" ] || die "scontrol was called with: $(cat scontrol.calls)"
requeued refused "$PWD/bin:$PATH" 1 "4711 was not requeued: scontrol ended with 1"
requeued missing /nonexistent 0 "4711 was not requeued: cannot start scontrol"
requeued hanging "$PWD/bin:$PATH" hangs "4711 was not requeued: scontrol did not answer within 0.5 s" 1
! kill -0 "$(cat sleeper)" 2>/dev/null || die "what scontrol had started lives on"
