# shellcheck shell=bash disable=SC2153
# Removes a dump that is not restored. DUMP is a parameter.
rm -f "$DUMP"
