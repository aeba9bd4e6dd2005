#!/usr/bin/env bash
# linnet doctor: what it says of MPI and NCCL, there and not there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
build=$(dirname "$LINNET")

line() { sed -n "s/^$1  *//p" out; }
run 0 "$LINNET" doctor
if [ ! -e "$build/liblinnet_mpi.so" ]; then
  [[ $(line MPI) == "MPI cannot be used: "* ]] || die "MPI: $(line MPI)"
else
  mkdir bin
  PATH=$PWD/bin run 0 "$LINNET" doctor
  [ "$(line MPI)" = "ready, but mpirun, which --devices needs, is not installed" ] || die "MPI: $(line MPI)"
  says out "-> apt install openmpi-bin"
  printf '#!/bin/sh\n' >bin/mpirun
  chmod +x bin/mpirun
  PATH=/nowhere:$PWD/bin run 0 "$LINNET" doctor
  [ "$(line MPI)" = "ready: --devices starts ranks with $PWD/bin/mpirun" ] || die "MPI: $(line MPI)"
fi

LINNET_NCCL=/nowhere/libnccl.so.2 run 0 "$LINNET" doctor
[[ $(line NCCL) == "built without "* || $(line NCCL) == "NCCL cannot be opened (/nowhere/libnccl.so.2: "* ]] ||
  die "NCCL: $(line NCCL)"
fake=$build/tests/fake_cuda/libnccl.so.2
if [ -e "$fake" ]; then
  LINNET_NCCL=$fake run 0 "$LINNET" doctor --json
  grep -Eq "\"state\": \"ready: NCCL [0-9]+\.[0-9]+\.[0-9]+, $fake\"" out || { cat out >&2; die "NCCL is not found"; }
fi

# the CPU level: the machine's own, held lower, not a level
level=$("$build/tests/base_tool_cpu_level")
run 0 env -u LINNET_CPU "$LINNET" doctor
[[ $(line CPU) == *" usable, level $level" ]] || die "CPU: $(line CPU)"
if [ "$level" != sse41 ]; then
  LINNET_CPU=sse41 run 0 "$LINNET" doctor
  [[ $(line CPU) == *" usable, level sse41 (LINNET_CPU; this CPU has $level)" ]] || die "CPU: $(line CPU)"
  says out "auto is 32-true"
  [[ $(line "cpu engine") != ready* || $(line "cpu engine") == *"SSE4.1 (LINNET_CPU)"* ]] || die "$(line "cpu engine")"
fi
LINNET_CPU=avx3 run 2 "$LINNET" doctor
says err "LINNET_CPU=avx3 is not a CPU level"
