# shellcheck shell=bash disable=SC2034,SC2154
# What is done with a dump from elsewhere: a file of pg_dump's custom format, DUMP. Runs after database.sh.

# create_beside: an empty database `restored` with the owner (set in `owner`), the encoding and the sorting of the running one.
create_beside() {
  local encoding collation ctype
  drop_database "$restored"
  read -r owner encoding collation ctype <<<"$(in_database postgres "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = '$DATABASE'" | tr '|' ' ')"
  in_database postgres "CREATE DATABASE \"$restored\" OWNER \"$owner\" TEMPLATE template0 ENCODING '$encoding' LC_COLLATE '$collation' LC_CTYPE '$ctype'" >/dev/null
}

# The dump's table of contents.
dump_contents() {
  docker exec --interactive "$postgres" pg_restore --list <"$DUMP" ||
    fail "what came is no dump of pg_dump's custom format; nothing was replaced"
}

# generated DATABASE SQL: runs what a query writes (\gexec), and answers the rows.
generated() {
  docker exec --interactive "$postgres" psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 \
    --username postgres --dbname "$1" <<<"$2"
}

# require_rows COUNTED WHOSE: fails unless it has every line of EXPECTED, rows of each table. WHOSE has them: "the dump".
require_rows() {
  local missing table rows
  missing=$(LC_ALL=C comm -23 <(LC_ALL=C sort <<<"$EXPECTED") <(LC_ALL=C sort <<<"$1"))
  [ -n "$missing" ] || return 0
  fail "the copy has other rows than $2; nothing was replaced. Of its tables:
$(while IFS='|' read -r table rows; do printf '  %s has %s rows, the copy %s\n' "$table" "$rows" "$(awk -F '|' -v table="$table" '$1 == table { print $2; found = 1 } END { if (!found) print "none" }' <<<"$1")"; done <<<"$missing")"
}

# Lines of table and rows, as JSON.
rows_as_json() {
  jq --raw-input --null-input '[inputs | split("|") | { table: .[0], rows: (.[1] | tonumber) }]'
}
