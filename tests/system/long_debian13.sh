#!/usr/bin/env bash
# Debian 13 (GCC 14, oneDNN 3.7, Open MPI 5): the commands of the README, and the .deb where there is no compiler.
# shellcheck source=tests/system/distribution.sh
. "$(dirname "$0")/distribution.sh"
distribution trixie
