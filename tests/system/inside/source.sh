#!/usr/bin/env bash
# In a bare root with a copy of the source as the current folder: the two commands of the README, two ranks, the package.
# shellcheck source=tests/system/inside/lib.sh
. "$(dirname "$0")/lib.sh"

stage "./dev demo"
./dev demo
[ -s demo/report.html ]
build/linnet doctor

if [ -z "${LINNET_SKIP_DEV_TEST:-}" ]; then
  stage "./dev test"
  ./dev test || {
    stage "again, one at a time, the tests that failed" # a time limit may be too short on a busy machine
    ./dev test -j 1 --rerun-failed
  }
fi

stage "--devices 2, stopped and resumed"
build/linnet shapes /tmp/two/data --train 20 --val 4
stopped_and_resumed build/linnet /tmp/two --data /tmp/two/data --devices 2

stage "./dev package"
install lintian
./dev package
stage "end of $0"
