#!/usr/bin/env bash
# What can happen to a run across hosts, which are network namespaces: a cut link, killed and stopped ranks, a full disk, a
# corrupt image. Each ends within dist.timeout with one line that names rank, host and step, leaves no process and a whole
# checkpoint, and a resume ends as the undisturbed run does, byte for byte. long_failures.sh [SCENE...]: these alone.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
# shellcheck source=tests/distributed/hosts.sh
. "$(dirname "$0")/hosts.sh"
hosts 4
tiny 8
# shellcheck disable=SC2154
options=("${small[@]}" --batch-size 4 --trainer.threads 1 --max-epochs 3 --checkpoint.every_n_steps 2 --dist.timeout "$timeout"
  --monitor.report false)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
scenes=("$@")
[ $# -gt 0 ] || scenes=(killed killed4 lead stopped cut cut4 disk bad)
whole() { # N: the undisturbed run on N hosts, once
  [ ! -e "whole$1" ] || return 0
  run 0 across "$1" train "${options[@]}" --out "whole$1"
  none_left "whole$1"
}
rows() { # NAME N: waits until N rows are written
  until [ -e "$1/$csv" ] && [ "$(wc -l <"$1/$csv")" -ge "$2" ]; do
    kill -0 "$pid" || { cat err >&2; die "$1: ended early"; }
    sleep 0.02
  done
}

# disturb NAME HOSTS LINE COMMAND...: the command is run in mid-epoch; LINE is an expression that the one line matches
disturb() {
  local name=$1 n=$2 line=$3 code=0 start
  shift 3
  across "$n" train "${options[@]}" --out "$name" >out 2>err &
  pid=$!
  rows "$name" 5
  start=$(date +%s)
  "$@"
  until [ "$(grep -c '^linnet: ' err)" -ge 1 ] || ! kill -0 $pid 2>/dev/null || [ $(($(date +%s) - start)) -gt 60 ]; do sleep 0.1; done
  echo "$name: told after $(($(date +%s) - start)) s"
  [ $(($(date +%s) - start)) -le "$timeout" ] || { cat err >&2; die "$name: not told within dist.timeout"; }
  wait $pid || code=$?
  [ $(($(date +%s) - start)) -le $timeout ] || { cat err >&2; die "$name: the job is late to end"; }
  echo "$name: ended after $(($(date +%s) - start)) s with $code: $(grep '^linnet: ' err)"
  [ "$code" != 0 ] || { cat err >&2; die "$name: ended as if nothing had happened"; }
  [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "$name: not one line"; }
  grep -qE "^linnet: $line" err || { cat err >&2; die "$name: another line than $line"; }
  none_left "$name"
  run 0 "$LINNET" info "$name/$last"
}
resumes() { # NAME HOSTS
  whole "$2"
  run 0 across "$2" train "${options[@]}" --out "$1" --resume auto
  none_left "$1"
  [ "$(digest "$1/$last")" = "$(digest "whole$2/$last")" ] || die "$1: other weights than the undisturbed run"
}
signal() { kill "-$1" "$(rank_on "$2")"; }

scene_killed() {
  disturb killed 2 'rank 1 on host2 at step [0-9]+ \(.*\): its process has ended' signal KILL 2
  resumes killed 2
}
scene_killed4() {
  disturb killed4 4 'rank 2 on host3 at step [0-9]+ \(.*\): its process has ended' signal KILL 3
  resumes killed4 4
}
scene_lead() {
  disturb lead 2 'rank 0 on host1 at step [0-9]+ \(.*\): its process has ended' signal KILL 1
  resumes lead 2
}
scene_stopped() {
  disturb stopped 2 'rank 1 on host2 at step [0-9]+ \(.*\): no heartbeat for .*, but its host responds' signal STOP 2
  resumes stopped 2
}
scene_cut() {
  disturb cut 2 'rank 1 on host2 at step [0-9]+ \(.*\): no heartbeat for .*, and its host does not respond' cut_off 2
  mend 2
  resumes cut 2
}
scene_cut4() {
  disturb cut4 4 'rank 3 on host4 at step [0-9]+ \(.*\): no heartbeat for .*, and its host does not respond' cut_off 4
  mend 4
  resumes cut4 4
}
# rank 0's disk is full: it says so, and what was saved before stays
scene_disk() {
  local code=0
  mkdir disk
  mount -t tmpfs -o size=220m none disk
  trap 'hosts_close; umount "$work/disk"; rm -rf "$work"' EXIT
  across 2 train "${options[@]}" --out disk >out 2>err || code=$?
  [ "$code" = 1 ] && [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "full disk: ended with $code"; }
  says err "No space left on device"
  none_left full
  run 0 "$LINNET" info "disk/$last"
  mount -o remount,size=600m disk
  resumes disk 2
}
# a corrupt image on one rank: the run goes on, and rank 0 lists it
scene_bad() {
  local bad whole
  bad=$(find data/train -type f | sort | sed -n 6p)
  whole=$(base64 -w 0 "$bad")
  echo no image >"$bad"
  run 0 across 2 train "${options[@]}" --data.max_bad 0.1 --out bad
  says bad/logs/resnet18/version_0/bad_images.txt "$bad"
  none_left bad
  base64 -d <<<"$whole" >"$bad"
}
for scene in "${scenes[@]}"; do
  "scene_$scene"
  echo "$scene: holds"
done
