#!/usr/bin/env bash
# A soak test: a small model is trained again and again, with random faults: killed and stopped processes, a full disk,
# EIO and short reads, damaged images, a lost rank of two, restarts. Each training must end with the bytes of an
# undisturbed one, and no process may grow. One line per fault, a summary at the end.
#   LINNET_SOAK_MINUTES  duration (default 60); beyond 100, run the script itself, since ctest ends it after 2 hours
#   LINNET_SOAK_SEED     of the faults (default: random, printed)
#   LINNET_SOAK_LOG      where the lines also go
# The damaged images are damaged from the beginning, in the undisturbed training too, since an image that becomes
# unreadable changes what follows by design. What appears later is another damage of the same images.
if [ "$(id -u)" != 0 ] && [ -z "${LINNET_OWN_MOUNTS:-}" ] && unshare -rm true 2>/dev/null; then
  exec env LINNET_OWN_MOUNTS=1 unshare -rm bash "$0"
fi
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$here/ranks.sh"
minutes=${LINNET_SOAK_MINUTES:-60}
RANDOM=${LINNET_SOAK_SEED:=$RANDOM}
faults=$(dirname "$LINNET")/tests/faults.so
[ -e "$faults" ] || die "$faults is not built"
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
log=${LINNET_SOAK_LOG:-$work/soak.log}
: >"$log"
begin=$SECONDS
pid='' sampler='' exit_code='' fault_n=0 round=0 kinds=() codes=()
say() { printf '%5d s  %s\n' $((SECONDS - begin)) "$*" | tee -a "$log"; }
trap '[ -z "$sampler" ] || kill $sampler 2>/dev/null; [ -z "$pid" ] || kill -KILL $pid $(ranks_of) 2>/dev/null; umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT

tiny 8
small+=(--arch resnet18)
mapfile -t spoilt < <({ find data/train -name '*.jpg' | sort | sed -n '7p;33p'; find data/val -name '*.jpg' | sort | sed -n 5p; })
damage() { # FILE: other damage, of the same size, since a resume refuses other data
  local size magic=('\xff\xd8\xff\xe0' '\x89PNG\r\n\x1a\n' 'GIF89a' '\0\0\0\0' 'II*\0')
  size=$(stat -c %s "$1")
  # shellcheck disable=SC2059 # the formats are those above
  { printf "${magic[RANDOM % 5]}"; head -c "$size" /dev/urandom; } | head -c "$size" >damaged
  cp damaged "$1"
}
for image in "${spoilt[@]}"; do damage "$image"; done

last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
options=(train "${small[@]}" --image-size 16 --trainer.threads 1 --data.max_bad 0.2 --schedule.name plateau
  --checkpoint.every_n_steps 4 --checkpoint.top_k 1 --monitor.report_seconds 10 --monitor.device_seconds 1 --dist.timeout 60)

# The disk of the disturbed trainings: a small file system, where one may be mounted.
mkdir disk
limited=''
room=$((450 << 20))
if mount -t tmpfs -o size=$room none disk 2>/dev/null; then limited=yes; fi

# ---- memory: PID SECONDS RSS of each training process
sample() {
  while sleep 0.5; do
    ! compgen -G 'disk/out/checkpoints/*/*.tmp' >/dev/null || continue # a save takes more memory for its time
    for p in $(pgrep -x linnet); do
      [ "$(readlink "/proc/$p/cwd")" = "$work" ] || continue
      awk -v p="$p" -v t="$EPOCHREALTIME" '/^VmRSS/ { print p, t, $2 }' "/proc/$p/status" 2>/dev/null || true
    done >>memory
  done
}
sample &
sampler=$!

# The lowest value of the last third against that of the first, after the first 20 s: within 2 %. The lowest, since a save
# and a report take more memory for their time. Processes of fewer samples are passed over; a short soak may have no other.
check_memory() {
  awk -v short=$((minutes < 20)) '
    function lowest(p, from, to,  i, low) {
      low = rss[p, from]
      for (i = from; i < to; i++) if (rss[p, i] < low) low = rss[p, i]
      return low
    }
    { if (!($1 in first)) first[$1] = $2; if ($2 - first[$1] > 20) rss[$1, n[$1]++] = $3 }
    END {
      for (p in n) if (n[p] >= 30) {
        a = lowest(p, 0, int(n[p] / 3)); b = lowest(p, int(n[p] * 2 / 3), n[p]); judged++
        growth = b / a - 1
        if (growth > worst) worst = growth
        if (growth > 0.02) { printf "process %s grew by %.1f %%, from %d to %d KiB, in %d samples\n", p, 100 * growth, a, b, n[p]; bad = 1 }
      }
      printf "memory: %d processes judged, largest growth %.2f %%\n", judged, 100 * worst
      exit bad || !(judged || short)
    }' memory
}

# ---- processes
ranks_of() { # the ranks below $pid, or the process itself if it has none
  local child found=()
  while read -r child; do
    if { tr '\0' '\n' <"/proc/$child/environ"; } 2>/dev/null | grep -q '^OMPI_COMM_WORLD_RANK=' && [ "$(cat "/proc/$child/comm" 2>/dev/null)" = linnet ]; then
      found+=("$child")
    fi
  done < <(descendants "$pid")
  echo "${found[*]:-$pid}"
}
descendants() {
  local child
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    echo "$child"
    descendants "$child"
  done
}
alive() { kill -0 "$pid" 2>/dev/null; }
nap() { # SECONDS, or until the training ends
  local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
  while alive && [ "${EPOCHREALTIME/./}" -lt $end ]; do sleep 0.1; done
}
fault() { # KIND DETAIL
  fault_n=$((fault_n + 1))
  kinds+=("$1")
  say "round $round, $ranks_n rank(s), $(cat "$out/$csv" 2>/dev/null | wc -l) lines of metrics.csv: $*"
}

# start FAULT OPTIONS...: the training in the background; FAULT is the injector's, or none
start() {
  local injected=$1
  shift
  if [ "$injected" = none ]; then "$LINNET" "${options[@]}" "$@" >out 2>err &
  else LD_PRELOAD=$faults LINNET_FAULT=$injected "$LINNET" "${options[@]}" "$@" >out 2>err &
  fi
  pid=$!
}
ended() { # CODES...: waits for the training, whose exit code must be one of them
  local code=0 wanted
  wait "$pid" 2>/dev/null || code=$?
  pid=''
  for wanted in "$@"; do [ $code != "$wanted" ] || { exit_code=$code; return 0; }; done
  cat out err >&2
  die "round $round: exit code $code, expected one of: $*"
}

# ---- faults of a running process: each leaves it running or ends it; $codes is what it may end with then
hit() {
  local kind list victims victim
  if [ "$ranks_n" = 2 ]; then list=(kill rank rank stop stop term damage damage full); else list=(kill kill stop stop term damage damage full); fi
  kind=${list[RANDOM % ${#list[@]}]}
  read -ra victims <<<"$(ranks_of)"
  victim=${victims[RANDOM % ${#victims[@]}]}
  case $kind in
    kill) fault kill "SIGKILL to all processes"; kill -KILL "$pid" "${victims[@]}" 2>/dev/null || true; codes+=(137 1) ;;
    rank) fault rank "SIGKILL to process $victim of ${victims[*]}"; kill -KILL "$victim" 2>/dev/null || true; codes+=(1 137) ;;
    term)
      fault term "SIGTERM"
      kill -TERM "$pid" 2>/dev/null || true
      [[ " ${codes[*]} " != *" 143 "* ]] || codes+=(3) # a second signal: it ends without saving
      codes+=(143)
      ;;
    stop)
      local seconds=$((1 + RANDOM % 6))
      fault stop "SIGSTOP to process $victim for $seconds s"
      kill -STOP "$victim" 2>/dev/null || true
      sleep $seconds
      kill -CONT "$victim" 2>/dev/null || true
      ;;
    damage)
      local image=${spoilt[RANDOM % ${#spoilt[@]}]}
      fault damage "$image"
      damage "$image"
      ;;
    full)
      [ -n "$limited" ] || return 0
      fault full "the disk has no space for 5 s"
      fallocate -l "$(($(df --output=avail -B1 disk | tail -n 1) - 65536))" disk/filler 2>/dev/null || true
      nap 5
      rm -f disk/filler
      codes+=(1) # if it ended meanwhile, its final state is not saved
      ;;
  esac
}

# One training to its end, with restarts; the result is compared with the undisturbed one.
disturbed() {
  local injected
  rm -rf "$out"
  exit_code=''
  until [ "$exit_code" = 0 ]; do
    injected=none codes=(0)
    [ -e "$out/$last" ] || rm -rf "$out" # ended before its first checkpoint: from the beginning
    # the injector is for one process: mpirun would meet its faults too
    if [ "$ranks_n" = 1 ] && [ $((SECONDS - begin)) -lt $((minutes * 60)) ]; then
      case $((RANDOM % 8)) in
        0) injected=short ;;
        1) injected=eio:.jpg:$((1 + RANDOM % 4)) ;;
        2) injected=full:last.ckpt:$((RANDOM * 6000)) codes+=(1) ;;
        3) injected=kill:.ckpt:$((RANDOM * 12000)) codes+=(137) ;;
        4) injected=kill:metrics.csv:$((RANDOM % 3000)) codes+=(137) ;;
      esac
    fi
    start "$injected" --devices "$ranks_n" --max-epochs "$epochs" --out "$out" --resume auto
    [ "$injected" = none ] || fault inject "$injected"
    while alive; do
      nap $((2 + RANDOM % gap))
      if alive && [ $((SECONDS - begin)) -lt $((minutes * 60)) ]; then hit; fi
    done
    ended "${codes[@]}"
  done
  [ "$(digest "$out/$last")" = "$(digest "whole$ranks_n/$last")" ] || die "round $round: other weights than the undisturbed training"
  same_metrics "whole$ranks_n/$csv" "$out/$csv"
  [ -z "$(find "$out" -name '*.tmp')" ] || die "round $round: a temporary file is left"
}

# ---- the undisturbed trainings: so many epochs that one takes about a tenth of the time, at most 3 or 4 minutes
say "seed $LINNET_SOAK_SEED, $minutes min, space: $([ -n "$limited" ] && echo "a file system of $((room >> 20)) MiB" || echo "not limited")"
out=disk/out
for ranks_n in 1 2; do
  from=${EPOCHREALTIME/./}
  run 0 "$LINNET" "${options[@]}" --devices $ranks_n --max-epochs 4 --out "short$ranks_n"
  each[ranks_n]=$(((${EPOCHREALTIME/./} - from) / 4))
done
length=$((minutes * 12 < 300 ? minutes * 12 : 300)) # longer than it takes: the short runs include the start
epochs=$((length * 1000000 / (each[1] > each[2] ? each[1] : each[2])))
[ $epochs -ge 4 ] || epochs=4
gap=$((length < 60 ? 6 : 20))
for ranks_n in 1 2; do
  say "undisturbed, $ranks_n rank(s), $epochs epochs"
  run 0 "$LINNET" "${options[@]}" --devices $ranks_n --max-epochs $epochs --out whole$ranks_n
done
while [ $((SECONDS - begin)) -lt $((minutes * 60)) ]; do
  round=$((round + 1))
  ranks_n=$((1 + (round + 1) % 2))
  disturbed
  say "round $round: equal to the undisturbed training of $ranks_n rank(s)"
done

kill $sampler
sampler=''
growth=$(check_memory) || { say "$growth"; die "a process grew, or none ran long enough"; }
say "$growth"
say "$round trainings equal to the undisturbed ones, $fault_n faults: $(printf '%s\n' "${kinds[@]}" | sort | uniq -c | awk '{ printf "%s%d %s", (NR > 1 ? ", " : ""), $1, $2 }')"
[ $fault_n -ge "$minutes" ] || die "only $fault_n faults in $minutes minutes"
[ -z "$(pgrep -x linnet | while read -r p; do [ "$(readlink "/proc/$p/cwd")" != "$work" ] || echo "$p"; done)" ] || die "a process is left"
