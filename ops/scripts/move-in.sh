# shellcheck shell=bash disable=SC2153,SC2154
# Restores a dump from elsewhere beside the running database, for the database's owner, checks it, and migrates it to the schema of the
# deployed version. With CUT_OVER "yes" it then takes the running one's place, else it is dropped. Nothing is stopped. Runs after job.sh,
# database.sh, migration-steps.sh, golang-migrate.sh, replaced.sh, exchange.sh and dump.sh. DUMP (a file of pg_dump's custom format), EXTENSIONS (lines
# of name and schema), EXPECTED and ROW_COUNTS (rows of each table, and the query for them), WRITTEN (what was written although nobody may have)
# and DUMP_SECONDS are parameters.
only_one "${database_id}_database" 900
require_postgres
# Owns what is restored until it is handed over: as the superuser nothing could be.
mover=berth_moving_in
# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
  rm -f "$DUMP"
  docker exec "$postgres" rm -f /tmp/berth-moving-in || true
  # Once it has the running one's name, there is nothing to drop.
  drop_database "$restored"
  in_database postgres "DROP ROLE IF EXISTS $mover" >/dev/null 2>&1 || true
}
trap clean_up EXIT
[ -z "$WRITTEN" ] || fail "rows were written while the old database was closed for writes ($WRITTEN); nothing was replaced. Stop whatever writes there"
began=$EPOCHREALTIME
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

create_beside
in_database postgres "DROP ROLE IF EXISTS $mover" >/dev/null
in_database postgres "CREATE ROLE $mover SUPERUSER" >/dev/null
# The extensions of both places are made as Berth makes them, so that they stay the superuser's.
here=$(in_database "$DATABASE" "SELECT extname, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'" | tr '|' ' ')
made="^;"
while read -r extension schema; do
  [ -n "$extension" ] || continue
  in_database "$restored" "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS \"$schema\"; CREATE EXTENSION IF NOT EXISTS \"$extension\" SCHEMA \"$schema\" CASCADE" >/dev/null ||
    fail "the extension $extension cannot be made here; nothing was replaced"
  [ "$schema" = public ] || made+="|^[0-9; ]+ SCHEMA - $schema "
done <<<"$EXTENSIONS"$'\n'"$here"
contents=$(dump_contents)
grep --invert-match --extended-regexp " (COMMENT - )?EXTENSION |$made" <<<"$contents" | docker exec --interactive "$postgres" sh -c 'cat >/tmp/berth-moving-in'
said=$(superuser pg_restore --exit-on-error --no-owner --no-privileges --no-publications --no-subscriptions --role "$mover" \
  --use-list /tmp/berth-moving-in --dbname "$restored" <"$DUMP" 2>&1) || {
  fail "the dump does not restore; nothing was replaced. PostgreSQL says:
$(tail -n 5 <<<"$said")"
}
in_database "$restored" "REASSIGN OWNED BY $mover TO \"$owner\"; DROP ROLE $mover" >/dev/null
# What the owner may do on tables that belong to extensions is Berth's, not the old place's.
grants=$(in_database "$DATABASE" "SELECT format('GRANT %s ON %I.%I TO %I;', privilege_type, table_schema, table_name, grantee) FROM information_schema.role_table_grants
  WHERE grantee = '$owner' AND EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'
    AND objid = format('%I.%I', table_schema, table_name)::regclass)")
[ -z "$grants" ] || in_database "$restored" "$grants" >/dev/null

counted=$(generated "$restored" "$ROW_COUNTS")
require_rows "$counted" "the old database"
restore_seconds=$(since "$began")
migrating=$EPOCHREALTIME
bring_along "the dump"
in_database "$restored" ANALYZE >/dev/null
migrate_seconds=$(since "$migrating")
tables=$(count_tables "$restored")
rows=$(awk -F '|' '{ sum += $2 } END { print sum + 0 }' <<<"$counted")
replaced=
if [ "$CUT_OVER" = yes ]; then
  exchange_databases
  rm -f "$DIRECTORY/.moved-in-$database_id.json"
else
  jq --null-input --arg time "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --argjson seconds "$(awk -v here="$(since "$began")" -v dump="$DUMP_SECONDS" 'BEGIN { printf "%.1f", here + dump }')" \
    '$ARGS.named' >"$DIRECTORY/.moved-in-$database_id.json"
fi
ended=$EPOCHREALTIME
clean_up
trap - EXIT
jq --null-input --arg schema "$schema_version" --arg replaced "$replaced" --argjson tables "$tables" --argjson rows "$rows" \
  --argjson restoreSeconds "$restore_seconds" --argjson migrateSeconds "$migrate_seconds" --argjson cleanUpSeconds "$(since "$ended")" '$ARGS.named'
