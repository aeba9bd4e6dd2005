#!/usr/bin/env bash
# Runs every case of test_cpu_reproducible 200 times (or $LINNET_REPETITIONS), at every CPU level that this machine
# supports.
set -u
repetitions=${LINNET_REPETITIONS:-200}
machine=$("${LINNET_BUILD:?}/tests/base_tool_cpu_level")
for level in sse41 avx2 avx512 avx512_bf16 amx; do
  echo "level $level"
  LINNET_CPU=$level "$LINNET_BUILD/tests/engine_test_cpu_reproducible" "$repetitions"
  rc=$?
  [ $rc = 0 ] || exit $rc
  [ "$level" != "$machine" ] || break
done
