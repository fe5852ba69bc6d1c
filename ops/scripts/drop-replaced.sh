# shellcheck shell=bash disable=SC2154
# Drops databases that restores have replaced. Runs after database.sh. REPLACED, names with spaces between, is a parameter.
only_one "${database_id}_database" 900
require_postgres
there=$(replaced_databases | cut -d ' ' -f 1)
for name in $REPLACED; do
  # Only names that were just read from the host are dropped.
  grep --quiet --line-regexp --fixed-strings "$name" <<<"$there" || fail "$name is not a database that a restore of $SYSTEM has replaced; these are: ${there:-none}"
  drop_database "$name"
done
