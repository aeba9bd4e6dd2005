#!/usr/bin/env bash
# Debian 12: the .deb of ./dev package, installed where there is no compiler.
# shellcheck source=tests/system/package.sh
. "$(dirname "$0")/package.sh"
package_in bookworm
