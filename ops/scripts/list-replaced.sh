# shellcheck shell=bash
# The databases that restores have replaced, as JSON, oldest first. Runs after database.sh.
require_postgres
replaced_databases | jq --raw-input --null-input '[inputs | split(" ") | { name: .[0], time: .[1], bytes: (.[2] | tonumber) }]'
