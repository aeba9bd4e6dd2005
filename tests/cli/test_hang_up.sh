#!/usr/bin/env bash
# A dropped terminal, as of an SSH connection: the run saves once and ends, and its resume is byte-equal. Under nohup it
# continues.
# shellcheck source=tests/cli/resumed.sh
. "$(dirname "$0")/resumed.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

train=("$LINNET" train "${options[@]}" --checkpoint.every_n_steps 0)
/usr/bin/python3 "$here/hang_up.py" dropped/$csv 4 "${train[@]}" --out dropped || die "the run outlived its terminal"
grep -q "	stop	by SIGHUP, saved" "dropped/${csv%/*}/journal.log" || die "the journal does not contain SIGHUP"
run 0 "${train[@]}" --out dropped --resume auto
check dropped

/usr/bin/python3 "$here/hang_up.py" nohup/$csv 4 nohup "${train[@]}" --out nohup || die "the run under nohup failed"
check nohup

# SIGHUP does not count as a second signal, nor as the first one of two
"${train[@]}" --out several >out 2>err &
pid=$! code=0
until [ "$(cat several/$csv 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.01; done
for signal in HUP HUP TERM; do kill -$signal $pid; done
wait $pid || code=$?
[ $code = 129 ] || [ $code = 143 ] || { cat err >&2; die "SIGHUP, SIGHUP, SIGTERM ended with $code"; }
says err "several/checkpoints/resnet18/last.ckpt: continue with --resume auto"
