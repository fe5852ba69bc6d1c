# shellcheck shell=bash disable=SC2153,SC2154
# Says, as JSON, what a dump from elsewhere has and what the database has, and reads all of the dump on the way. The running database is only
# read; the dump's schema is made beside it for a moment. Runs after database.sh and dump.sh. DUMP, and SCHEMA_QUERY (schema.sql), are
# parameters. Whoever calls removes DUMP.
only_one "${database_id}_database" 900
require_postgres
trap '(drop_database "$restored") || true' EXIT
contents=$(dump_contents)
# All rows as text: a dump that was cut off or damaged ends here. A row is a line; one that holds a line's end has it as \n.
read_rows() {
  superuser pg_restore --data-only --file=- <"$DUMP" | LC_ALL=C awk '
    copying == "" && /^COPY .* FROM stdin;$/ { copying = $0; rows = 0; next }
    copying != "" && $0 == "\\." { printf "%d\t%s\n", rows, copying; copying = ""; next }
    copying != "" { rows++; bytes += length($0) + 1; next }
    /^INSERT INTO / { inserts = 1 }
    END { if (copying != "") exit 1; printf "%.0f %d\n", bytes, inserts }'
}
error=/run/lock/berth-${database_id}_dump-error
found=$(read_rows 2>"$error") ||
  fail "the dump is cut off or damaged; nothing was changed. pg_restore says:
$(tail -n 3 "$error")"
rm -f "$error"
read -r bytes inserts <<<"$(tail -n 1 <<<"$found")"

schema=null
if grep --quiet --extended-regexp '^[0-9]+; 1259 [0-9]+ TABLE ' <<<"$contents"; then
  create_beside
  said=$(superuser pg_restore --schema-only --exit-on-error --no-owner --no-privileges --no-publications --no-subscriptions \
    --dbname "$restored" <"$DUMP" 2>&1) || fail "the dump's schema cannot be made here, so it cannot be compared; nothing was changed. PostgreSQL says:
$(tail -n 5 <<<"$said")"
  schema=$(generated "$restored" "$SCHEMA_QUERY")
fi
here=$(generated "$DATABASE" "$SCHEMA_QUERY")
# Of any size, so by files and not as arguments.
jq --null-input --arg bytes "$bytes" --arg inserts "$inserts" --arg sha256 "$(sha256sum <<<"$here" | cut -c 1-64)" \
  --arg largeObjects "$(grep --count --extended-regexp '^[0-9]+; 2613 ' <<<"$contents" || true)" \
  --slurpfile schema <(cat <<<"$schema") --slurpfile here <(cat <<<"$here") --rawfile rows <(sed '$d' <<<"$found") \
  '{ bytes: ($bytes | tonumber), inserts: ($inserts == "1"), largeObjects: ($largeObjects | tonumber), $sha256, $rows, schema: $schema[0], here: $here[0] }'
