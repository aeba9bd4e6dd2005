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
  [ "$(line MPI)" = "ready, but --devices has no mpirun" ] || die "MPI: $(line MPI)"
  says out "-> apt install openmpi-bin"
  printf '#!/bin/sh\n' >bin/mpirun
  chmod +x bin/mpirun
  PATH=/nowhere:$PWD/bin run 0 "$LINNET" doctor
  [ "$(line MPI)" = "ready: --devices starts ranks by $PWD/bin/mpirun" ] || die "MPI: $(line MPI)"
fi

LINNET_NCCL=/nowhere/libnccl.so.2 run 0 "$LINNET" doctor
[[ $(line NCCL) == "built without "* || $(line NCCL) == "NCCL cannot be opened (/nowhere/libnccl.so.2: "* ]] ||
  die "NCCL: $(line NCCL)"
fake=$build/tests/fake_cuda/libnccl.so.2
if [ -e "$fake" ]; then
  LINNET_NCCL=$fake run 0 "$LINNET" doctor --json
  grep -Eq "\"state\": \"ready: NCCL [0-9]+\.[0-9]+\.[0-9]+, $fake\"" out || { cat out >&2; die "NCCL is not found"; }
fi
