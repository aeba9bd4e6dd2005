#!/usr/bin/env bash
# Failures of a run across hosts, which are network namespaces: a cut link, killed and stopped ranks, a full disk, a
# corrupt image. Each run ends within dist.timeout with one line that contains rank, host and step, and leaves no
# process and a complete checkpoint. A resume gives the results of an uninterrupted run, byte for byte. long_failures.sh
# [CASE...]: only these.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
# shellcheck source=tests/distributed/hosts.sh
. "$(dirname "$0")/hosts.sh"
hosts 4
tiny 8
small+=(--arch resnet18)
# shellcheck disable=SC2154
options=("${small[@]}" --batch-size 4 --trainer.threads 1 --max-epochs 3 --checkpoint.every_n_steps 2 --dist.timeout "$timeout"
  --monitor.report false)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
cases=("$@")
[ $# -gt 0 ] || cases=(killed killed4 rank0 stopped cut cut4 disk bad)
reference() { # N: the uninterrupted run on N hosts, once
  [ ! -e "reference$1" ] || return 0
  run 0 across "$1" train "${options[@]}" --out "reference$1"
  no_processes_left "reference$1"
}
rows() { # NAME N: waits until N rows are written
  until [ -e "$1/$csv" ] && [ "$(wc -l <"$1/$csv")" -ge "$2" ]; do
    kill -0 "$pid" || { cat err >&2; die "$1: ended early"; }
    sleep 0.02
  done
}

# disturb NAME HOSTS LINE COMMAND...: runs the command in the middle of an epoch; LINE is a regular expression for the
# error line
disturb() {
  local name=$1 n=$2 line=$3 code=0 start
  shift 3
  across "$n" train "${options[@]}" --out "$name" >out 2>err &
  pid=$!
  rows "$name" 5
  start=$(date +%s)
  "$@"
  until [ "$(grep -c '^linnet: ' err)" -ge 1 ] || ! kill -0 $pid 2>/dev/null || [ $(($(date +%s) - start)) -gt 60 ]; do sleep 0.1; done
  echo "$name: reported after $(($(date +%s) - start)) s"
  [ $(($(date +%s) - start)) -le "$timeout" ] || { cat err >&2; die "$name: not reported within dist.timeout"; }
  wait $pid || code=$?
  [ $(($(date +%s) - start)) -le $timeout ] || { cat err >&2; die "$name: the job ended too late"; }
  echo "$name: ended after $(($(date +%s) - start)) s with $code: $(grep '^linnet: ' err)"
  [ "$code" != 0 ] || { cat err >&2; die "$name: ended with status 0"; }
  [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "$name: not one line"; }
  grep -qE "^linnet: $line" err || { cat err >&2; die "$name: the error line does not match $line"; }
  no_processes_left "$name"
  run 0 "$LINNET" info "$name/$last"
}
resumes() { # NAME HOSTS
  reference "$2"
  run 0 across "$2" train "${options[@]}" --out "$1" --resume auto
  no_processes_left "$1"
  [ "$(digest "$1/$last")" = "$(digest "reference$2/$last")" ] || die "$1: the weights differ from those of the uninterrupted run"
}
signal() { kill "-$1" "$(rank_on "$2")"; }

case_killed() {
  disturb killed 2 'rank 1 on host2 at step [0-9]+ \(.*\): the process has exited' signal KILL 2
  resumes killed 2
}
case_killed4() {
  disturb killed4 4 'rank 2 on host3 at step [0-9]+ \(.*\): the process has exited' signal KILL 3
  resumes killed4 4
}
case_rank0() {
  disturb rank0 2 'rank 0 on host1 at step [0-9]+ \(.*\): the process has exited' signal KILL 1
  resumes rank0 2
}
case_stopped() {
  disturb stopped 2 'rank 1 on host2 at step [0-9]+ \(.*\): no heartbeat for .*, but the host responds' signal STOP 2
  resumes stopped 2
}
case_cut() {
  disturb cut 2 'rank 1 on host2 at step [0-9]+ \(.*\): no heartbeat for .*, and the host does not respond' disconnect 2
  reconnect 2
  resumes cut 2
}
case_cut4() {
  disturb cut4 4 'rank 3 on host4 at step [0-9]+ \(.*\): no heartbeat for .*, and the host does not respond' disconnect 4
  reconnect 4
  resumes cut4 4
}
# rank 0's disk is full: it prints an error, and the previous checkpoints are kept
case_disk() {
  local code=0
  mkdir disk
  mount -t tmpfs -o size=220m none disk
  trap 'hosts_close; umount "$work/disk"; rm -rf "$work"' EXIT
  across 2 train "${options[@]}" --out disk >out 2>err || code=$?
  [ "$code" = 1 ] && [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "full disk: ended with $code"; }
  says err "No space left on device"
  no_processes_left full
  run 0 "$LINNET" info "disk/$last"
  mount -o remount,size=600m disk
  resumes disk 2
}
# a corrupt image on one rank: the run continues, and rank 0 lists the image
case_bad() {
  local bad content
  bad=$(find data/train -type f | sort | sed -n 6p)
  content=$(base64 -w 0 "$bad")
  echo no image >"$bad"
  run 0 across 2 train "${options[@]}" --data.max_bad 0.1 --out bad
  says bad/logs/resnet18/version_0/bad_images.txt "$bad"
  no_processes_left bad
  base64 -d <<<"$content" >"$bad"
}
for failure in "${cases[@]}"; do
  "case_$failure"
  echo "$failure: passed"
done
