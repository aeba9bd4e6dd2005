#!/usr/bin/env bash
# Debian 13: the .deb of ./dev package, installed where there is no compiler.
# shellcheck source=tests/system/package.sh
. "$(dirname "$0")/package.sh"
package_in trixie
