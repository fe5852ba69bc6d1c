# What is wrong with the backups and drills of one record, a sentence each. $now is in seconds since 1970. `ops status` and the alerts of a
# host both say it so.

# Daily, and some time for it to run.
def stale_backup_hours: 26;
# Weekly, and a day.
def stale_drill_hours: 8 * 24;

# As often as WAL may fail to leave the host before it is said, and at least so many minutes.
def missed_times: 3;
def stale_wal_minutes: 15;
# How long a loss is said after it has ended.
def lost_hours: 24;

def age:
  ([$now - fromdateiso8601, 0] | max | round) as $seconds
  | if $seconds < 120 then "\($seconds) s"
    elif $seconds < 7200 then "\($seconds / 60 | floor) min"
    elif $seconds < 48 * 3600 then "\($seconds / 3600 | floor) h \($seconds % 3600 / 60 | floor) min"
    else "\($seconds / 86400 | floor) days" end;

# Hours.
def since: ($now - fromdateiso8601) / 3600;

def each($what; $of; $stale_hours):
  (. // {}) | to_entries[] | .key as $source | .value
  | { alert: $what, of: "\($source) (\($of))", hours: $stale_hours } + (
      (select(.problem != "") | { says: "\($what) of \($source) (\($of)), \(.attempt | age) ago: \(.problem)" }),
      # Pulumi's state comes after each deploy, which may be weeks apart.
      (select($source | startswith("state ") | not) | select(.ok == null or (.ok | since) > $stale_hours)
       | { says: "\($what) of \($source) (\($of)) is STALE: the last good one is \(if .ok == null then "none" else (.ok | age) + " old" end)" })
    );

# Of point in time, by Postgres server.
def of_point_in_time($of):
  (. // {}) | to_entries[] | "\(.key) (\($of))" as $name | .value
  | (.base // {}) as $base
  | ([missed_times * (.everyMinutes // 5), stale_wal_minutes] | max / 60) as $stale
  | { alert: "backup", of: "WAL of \($name)", hours: $stale } + (
      (select((.problem // "") != "") | { says: "WAL of \($name)\(if .attempt then ", \(.attempt | age) ago" else "" end): \(.problem)" }),
      (select(.until == null or (.until | since) > $stale)
       | { says: "WAL of \($name) is STALE: \(if .until == null then "none was sent yet" else "what was written in the last \(.until | age) is on the host alone" end)" }),
      (select(.lost and (.lost.until | since) <= lost_hours)
       | { says: "WAL of \($name) was lost between \(.lost.from) and \(.lost.until): no second of that can be brought back (docs/runbooks/backups.md)" })
    ),
    { alert: "backup", of: "base backup of \($name)", hours: stale_drill_hours } + (
      (select(($base.problem // "") != "") | { says: "base backup of \($name), \($base.attempt | age) ago: \($base.problem)" }),
      (select($base.ok == null or ($base.ok | since) > stale_drill_hours)
       | { says: "base backup of \($name) is STALE: the last good one is \(if $base.ok == null then "none" else ($base.ok | age) + " old" end)" })
    );

# Of a record with the name that it is of.
def problems:
  . as { $of, $backup, $sources, $drills, $pointInTime }
  | ($backup | select(. != null and .problem != "") | { alert: "backup", $of, hours: stale_backup_hours, says: "backup of \($of): \(.problem)" }),
    ($sources | each("backup"; $of; stale_backup_hours)),
    ($drills | each("drill"; $of; stale_drill_hours)),
    # Databases and Redis servers are restored in a drill, and each server's point in time.
    (($sources // {} | keys_unsorted[] | select(startswith("folder ") or startswith("state ") | not)),
     ($pointInTime // {} | keys_unsorted[] | "point in time \(.)") | select(($drills // {})[.] == null)
     | { alert: "drill", of: "\(.) (\($of))", hours: stale_drill_hours, says: "drill of \(.) (\($of)): there was none yet" }),
    ($pointInTime | of_point_in_time($of));
