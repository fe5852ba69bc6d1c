# shellcheck shell=bash disable=SC2154,SC2016,SC2153
# What is looked at, beside the host's memory, which monit reads itself. Each prints a line of JSON for each thing that is wrong.

# problem ALERT OF VALUE THRESHOLD
problem() {
  jq --null-input --compact-output --arg alert "$1" --arg of "$2" --arg value "$3" --arg threshold "$4" '$ARGS.named'
}

# As everybody but root may fill them, which is what `df` says. monit's own figure counts what is kept for root as free.
check_disks() {
  local disk percent
  for disk in / "$DATA_VOLUME"; do
    if ! mountpoint --quiet "$disk"; then
      problem disk "$disk" "is not mounted" "$DISK_PERCENT %"
      continue
    fi
    percent=$(df --output=pcent "$disk" | tail -n 1 | tr -dc '0-9')
    [ "$percent" -lt "$DISK_PERCENT" ] || problem disk "$disk" "$percent %" "$DISK_PERCENT %"
  done
}

# Services that Swarm has started again by itself, and those that do not run. A task that ended, and has a newer one of the same specification in its
# place, was restarted; another specification is an update. Swarm keeps two ended tasks of each place (first-boot.sh).
check_services() {
  curl --silent --show-error --fail --max-time 20 --unix-socket /run/docker.sock 'http://localhost/v1.41/tasks' |
    jq --compact-output --argjson minutes "$RESTART_MINUTES" '
      def at: sub("\\.[0-9]+"; "") | fromdateiso8601;
      def of: .Spec.ContainerSpec.Labels["berth.resource"];
      [.[] | select(of != null)] | group_by([.ServiceID, .Slot])[] | sort_by(.CreatedAt) | .[-1] as $newest
      | ([.[] | select(.Spec == $newest.Spec and (.Status.State | IN("failed", "complete", "rejected", "orphaned", "shutdown"))
           and (.ID != $newest.ID or .Status.State != "shutdown") and now - (.Status.Timestamp | at) < 60 * $minutes)]) as $ended
      | (if $ended == [] then empty else
           { value: "\($ended | length) within \($minutes) minutes; the last: \($ended[-1].Status | .Err // .State)", threshold: "none within \($minutes) minutes" } end),
        ($newest | select($ended == [] and .DesiredState == "running" and .Status.State != "running" and now - (.CreatedAt | at) > 300)
         | { value: "does not run: \(.Status | .Err // .Message // .State)", threshold: "runs within 5 minutes" })
      | { alert: "restarts", of: ($newest | of) } + .'
  service_memory
}

# Anonymous and shared memory, and the kernel's own: what is read from files is given back before anything is killed. Version 2 of cgroups, or 1.
service_memory() {
  local service pid limit path file used
  docker ps --quiet --filter label=berth.resource --filter status=running |
    xargs --no-run-if-empty docker inspect --format '{{index .Config.Labels "berth.resource"}} {{.State.Pid}} {{.HostConfig.Memory}}' |
    while read -r service pid limit; do
      [ "$limit" -gt 0 ] || continue
      path=$(awk -F : '$2 == "memory" { v1 = "memory" $3 } $1 == 0 { v2 = $3 } END { print v1 != "" ? v1 : v2 }' "/proc/$pid/cgroup" 2>/dev/null) || continue
      file=/sys/fs/cgroup/${path#/}/memory.stat
      [ -r "$file" ] || continue
      used=$(awk '$1 ~ /^(anon|shmem|slab_unreclaimable)$/ { v2 += $2 } $1 ~ /^total_(rss|shmem)$/ { v1 += $2; old = 1 }
        END { printf "%.0f", old ? v1 : v2 }' "$file")
      [ $((used * 100 / limit)) -lt "$SERVICE_MEMORY_PERCENT" ] ||
        problem service-memory "$service" "$((used * 100 / limit)) % ($((used / 1048576)) of $((limit / 1048576)) MiB)" "$SERVICE_MEMORY_PERCENT %"
    done
}

# The last deployment of each service, as its record has it.
check_deployments() {
  local file
  for file in "$DEPLOYMENTS"/*.history.jsonl; do
    [ ! -s "$file" ] || tail -n 1 "$file" | jq --compact-output 'select(.outcome == "failed" or .outcome == "interrupted") |
      { alert: "deployment", of: .service, value: "\(.version) \(.outcome) at \(.timestamp): \(.error // "no error" | .[:300])", threshold: "the last one succeeds" }'
  done
  for file in "$DEPLOYMENTS"/*.open.json; do
    [ ! -s "$file" ] || jq --compact-output 'select(.tentative != true and now - (.timestamp | fromdateiso8601) > 7200) |
      { alert: "deployment", of: .service, value: "\(.version) has begun at \(.timestamp) and has not ended", threshold: "ends within 2 hours" }' "$file"
  done
}

# What the edge serves, whoever keeps the certificate and wherever it is.
check_certificates() {
  local domain certificate ends days
  while IFS= read -r domain; do
    [ -n "$domain" ] || continue
    certificate=$(timeout 10 openssl s_client -connect 127.0.0.1:443 -servername "$domain" </dev/null 2>/dev/null |
      openssl x509 -noout -subject -enddate 2>/dev/null) || certificate=
    ends=$(sed -n 's/^notAfter=//p' <<<"$certificate")
    # As certificate-files.sh calls it.
    if [ -z "$ends" ] || [[ $certificate = *"no certificate yet"* ]]; then
      problem certificate "$domain" "the edge serves none" "$CERTIFICATE_DAYS days left"
      continue
    fi
    days=$((($(date -d "$ends" +%s) - $(date +%s)) / 86400))
    [ "$days" -ge "$CERTIFICATE_DAYS" ] || problem certificate "$domain" "$days days left, until $ends" "$CERTIFICATE_DAYS days left"
  done <<<"$DOMAINS"
}

check_backups() {
  local file
  for file in "$BACKUP_RECORDS"/*.json; do
    [ ! -s "$file" ] || jq --compact-output --arg of "$(basename "$file" .json)" --argjson now "$(date +%s)" \
      "$backup_rules"'. + { $of } | problems | { alert, of, value: .says, threshold: "a good one within \(.hours) hours" }' "$file"
  done
}

# Each server on the host has a folder of its socket (components/data/postgres.ts).
check_postgres() {
  local folder server container said kind name value more
  for folder in "$SOCKETS"/*/; do
    [ -d "$folder" ] || continue
    server=$(basename "$folder")
    container=$(docker ps --quiet --filter "label=berth.resource=$server" --filter status=running | head -n 1)
    # Whether it runs is another alert.
    [ -n "$container" ] || continue
    if ! said=$(timeout 10 docker exec "$container" psql --no-psqlrc --username postgres --dbname postgres --no-align --tuples-only --quiet \
      --command "SELECT 'connections', '', count(*), current_setting('max_connections') FROM pg_stat_activity WHERE backend_type = 'client backend'
        UNION ALL SELECT 'slot', slot_name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint / 1048576, coalesce(wal_status, 'no WAL')
        FROM pg_replication_slots" 2>&1); then
      problem connections "$server" "answers no connection: $(tail -n 1 <<<"$said" | redact | cut -c 1-300)" "$CONNECTIONS_PERCENT % of max_connections"
      continue
    fi
    while IFS='|' read -r kind name value more; do
      case $kind in
        connections)
          [ $((value * 100 / more)) -lt "$CONNECTIONS_PERCENT" ] ||
            problem connections "$server" "$value of $more" "$CONNECTIONS_PERCENT % of max_connections" ;;
        slot)
          # What a slot needs is gone, or may go with the next checkpoint (PostgreSQL's manual, "pg_replication_slots").
          if [ "$value" -ge "$REPLICATION_MEBIBYTES" ] || [ "$more" = lost ] || [ "$more" = unreserved ]; then
            problem replication "$server $name" "keeps $value MiB of WAL ($more)" "$REPLICATION_MEBIBYTES MiB"
          fi ;;
      esac
    done <<<"$said"
  done
}
