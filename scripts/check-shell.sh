#!/usr/bin/env bash
# Checks every shell script of the repository: *.sh, and files with a shell in their first line.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v shellcheck >/dev/null; then
  echo "shellcheck is missing. Install it: sudo apt-get install shellcheck" >&2
  exit 1
fi
git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 -r shellcheck --external-sources
