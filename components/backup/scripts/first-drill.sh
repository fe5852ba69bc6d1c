# shellcheck shell=bash disable=SC2153
# Restores the newest backups once, in the run that declares or changes how they are made; answers what it found, as JSON. SCRIPT_PATH and
# RECORD are parameters.
said=$("$SCRIPT_PATH" drill 2>&1) || fail "$said"
jq --compact-output '.drills // {} | with_entries(.key |= ltrimstr("database ")) | map_values({ id, written, tables, rows, rpoSeconds, rtoSeconds })' "$RECORD"
