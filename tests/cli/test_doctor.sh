#!/usr/bin/env bash
# linnet doctor: its lines about MPI and NCCL, with and without them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
build=$(dirname "$LINNET")

line() { sed -n "s/^$1  *//p" out; }
run 0 "$LINNET" doctor
if [ ! -e "$build/liblinnet_mpi.so" ]; then
  [[ $(line MPI) == "MPI is not available: "* ]] || die "MPI: $(line MPI)"
else
  mkdir bin
  PATH=$PWD/bin run 0 "$LINNET" doctor
  [ "$(line MPI)" = "ready, but mpirun is not installed; --devices needs mpirun" ] || die "MPI: $(line MPI)"
  says out "-> apt install openmpi-bin"
  printf '#!/bin/sh\n' >bin/mpirun
  chmod +x bin/mpirun
  PATH=/nowhere:$PWD/bin run 0 "$LINNET" doctor
  [ "$(line MPI)" = "ready: --devices starts the ranks with $PWD/bin/mpirun" ] || die "MPI: $(line MPI)"
fi

LINNET_NCCL=/nowhere/libnccl.so.2 run 0 "$LINNET" doctor
[[ $(line NCCL) == "built without "* || $(line NCCL) == "cannot load NCCL (/nowhere/libnccl.so.2: "* ]] ||
  die "NCCL: $(line NCCL)"
fake=$build/tests/fake_cuda/libnccl.so.2
if [ -e "$fake" ]; then
  LINNET_NCCL=$fake run 0 "$LINNET" doctor --json
  grep -Eq "\"state\": \"ready: NCCL [0-9]+\.[0-9]+\.[0-9]+, $fake\"" out || { cat out >&2; die "doctor does not report NCCL"; }
fi

# the libraries for images and shards
run 0 "$LINNET" doctor
[[ $(line images) == "every format: .jpg "* || $(line images) == "built without the libraries for ."* ]] || die "images: $(line images)"
[[ $(line shards) == ".tar, .tar.gz"*http* || $(line shards) == "built without lib"* ]] || die "shards: $(line shards)"

# report.html needs cmark-gfm
run 0 "$LINNET" doctor
[[ $(line report.html) == ready || $(line report.html) == "this build has no cmark-gfm: install "* ]] || die "report.html: $(line report.html)"

# the CPU level: the machine's own, a lower one, an invalid one
level=$("$build/tests/base_tool_cpu_level")
run 0 env -u LINNET_CPU "$LINNET" doctor
[[ $(line CPU) == *" available, CPU level $level" ]] || die "CPU: $(line CPU)"
if [ "$level" != sse41 ]; then
  LINNET_CPU=sse41 run 0 "$LINNET" doctor
  [[ $(line CPU) == *" available, CPU level sse41 (set by LINNET_CPU; this CPU supports $level)" ]] || die "CPU: $(line CPU)"
  says out "trainer.precision auto: 32-true"
  [[ $(line "cpu engine") != ready* || $(line "cpu engine") == *"SSE4.1 (LINNET_CPU)"* ]] || die "$(line "cpu engine")"
fi
LINNET_CPU=avx3 run 2 "$LINNET" doctor
says err "LINNET_CPU=avx3 is not a CPU level"
