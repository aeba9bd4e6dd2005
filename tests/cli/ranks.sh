# Functions shared by the tests of several ranks. To be sourced after lib.sh.
# shellcheck shell=bash
: "${no_leaks:?source lib.sh first}"
command -v mpirun >/dev/null || { echo "skipped: there is no mpirun"; exit 77; }
[ -e "$(dirname "$LINNET")/liblinnet_mpi.so" ] || { echo "skipped: built without MPI"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

ranks() { # N ARGUMENTS...
  local n=$1
  shift
  ASAN_OPTIONS=$no_leaks mpirun --bind-to none --oversubscribe --mca plm ^slurm,tm,lsf,pals,rsh --mca btl self,vader -n "$n" "$LINNET" "$@"
}
value() { sed -E "s/.*\"$2\": ([-0-9.e+]+).*/\\1/" "$1"; }
near() { # A B BOUND: relative
  awk -v a="$1" -v b="$2" -v bound="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; s = b < 0 ? -b : b; exit !(d <= bound * s) }' ||
    die "$1 and $2 differ by more than $3"
}
column() { # NAME FILE: its values in metrics.csv or ranks.csv
  awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) k = i; next } $k != "" { print $k }' "$2"
}
