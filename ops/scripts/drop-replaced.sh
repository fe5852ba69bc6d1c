# shellcheck shell=bash disable=SC2154
# Drops databases that restores put aside. Runs after database.sh. REPLACED, names with spaces between, is a parameter.
only_one "${database_id}_database" 900
require_postgres
there=$(replaced_databases | cut -d ' ' -f 1)
for name in $REPLACED; do
  # The name was read from the host a moment ago; whatever else it may be is not dropped.
  grep --quiet --line-regexp --fixed-strings "$name" <<<"$there" || fail "$name is not a database that a restore of $SYSTEM put aside; there are: ${there:-none}"
  drop_database "$name"
done
