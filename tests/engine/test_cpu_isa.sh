#!/usr/bin/env bash
# Convolutions of odd shapes once more with oneDNN held to each lower instruction set, as other machines have them.
set -u
program=${LINNET_BUILD:?}/tests/engine_test_cpu_convolutions
for isa in AVX2 AVX512_CORE AVX512_CORE_BF16; do
  echo "oneDNN limited to $isa"
  ONEDNN_MAX_CPU_ISA=$isa DNNL_MAX_CPU_ISA=$isa "$program" odd
  rc=$?
  [ $rc = 0 ] || exit $rc
done
