#!/usr/bin/env bash
# Debian 12 (GCC 12, oneDNN 2.6, Open MPI 4): the commands of the README, and the .deb where there is no compiler.
# shellcheck source=tests/system/distribution.sh
. "$(dirname "$0")/distribution.sh"
distribution bookworm
