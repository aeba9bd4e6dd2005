# Hosts simulated by network namespaces, connected by a bridge in one more namespace. To be sourced after ../cli/lib.sh.
# Each host has its own name and address and shares only the files. Skips (77) if namespaces are not permitted.
# shellcheck shell=bash disable=SC2154
command -v mpirun >/dev/null || { echo "skipped: there is no mpirun"; exit 77; }
[ -e "$(dirname "$LINNET")/liblinnet_mpi.so" ] || { echo "skipped: built without MPI"; exit 77; }
export PATH=$PATH:/usr/sbin:/sbin
net=linnet$$ # prefix of the namespaces
if ! { ip netns add "$net-switch" && ip -n "$net-switch" link add bridge type bridge && unshare --uts true; } 2>why; then
  ip netns del "$net-switch" 2>/dev/null || true
  echo "skipped: network namespaces are not permitted: $(head -n 1 why)"
  exit 77
fi
trap 'hosts_close; rm -rf "$work"' EXIT
unset "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" LINNET_LAUNCHER 2>/dev/null || true
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

hosts_close() {
  local i
  for i in switch {1..4}; do
    ip netns pids "$net-$i" 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$net-$i" 2>/dev/null || true
  done
}

# hosts N: host1 ... hostN, 10.98.0.1 ...
hosts() {
  local i
  ip -n "$net-switch" link set bridge up
  for i in $(seq "$1"); do
    ip netns add "$net-$i"
    ip link add eth0 netns "$net-$i" type veth peer name "port$i" netns "$net-switch"
    ip -n "$net-switch" link set "port$i" master bridge up
    ip -n "$net-$i" addr add "10.98.0.$i/24" dev eth0
    ip -n "$net-$i" link set eth0 up
    ip -n "$net-$i" link set lo up
  done
  # mpirun calls this instead of ssh: HOST COMMAND...
  cat >agent <<AGENT
#!/bin/bash
host=\$1
shift
exec ip netns exec $net-\${host#host} unshare --uts bash -c "hostname \$host; \$*"
AGENT
  chmod +x agent
}

on() { ./agent "host$1" "${*:2}"; } # HOST COMMAND...
disconnect() { ip -n "$net-switch" link set "port$1" down; }
reconnect() {
  ip -n "$net-switch" link set "port$1" up
  for _ in {1..100}; do # the kernel detects the carrier after a second; even a refused connection is a response
    on "$1" exec timeout 1 bash -c "': </dev/tcp/10.98.0.$((1 + ($1 == 1)))/9'" 2>reply || true
    ! grep -q refused reply || return 0
    sleep 0.1
  done
  die "host$1 cannot be reached again"
}

timeout=15 # dist.timeout of runs with failures; mpirun must detect a lost host within it (docs/distributed.md)
# across N ARGUMENTS...: linnet with a rank on each of N hosts, mpirun on the first
across() {
  local n=$1 list
  shift
  list=$(seq -s, -f host%g:1 "$n")
  on 1 exec mpirun --bind-to none --host "$list" -n "$n" --mca plm_rsh_agent "$work/agent" --mca pml ob1 --mca btl tcp,self \
    --mca btl_tcp_if_include 10.98.0.0/24 --mca oob_tcp_if_include 10.98.0.0/24 --mca oob_tcp_keepalive_time 1 \
    --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes $((timeout * 6 / 10)) "$LINNET" "$(printf '%q ' "$@")"
}

# rank_on HOST: the process id of linnet on it
rank_on() { ip netns pids "$net-$1" | while read -r p; do [ "$(readlink "/proc/$p/exe")" != "$(readlink -f "$LINNET")" ] || echo "$p"; done; }
# no_processes_left CASE: no process is left on any host
no_processes_left() {
  local i p
  for _ in {1..300}; do
    p=$(for i in 1 2 3 4; do ip netns pids "$net-$i" 2>/dev/null || true; done)
    [ -n "$p" ] || return 0
    sleep 0.1
  done
  # shellcheck disable=SC2086
  ps -fp $p >&2 || true
  die "$1: processes are left"
}
