# What is wrong with the backups and drills of one record, a sentence each. $now is in seconds since 1970. `ops status` and the alerts of a
# host both say it so.

# Daily, and some time for it to run.
def stale_backup_hours: 26;
# Weekly, and a day.
def stale_drill_hours: 8 * 24;

def age:
  ([$now - fromdateiso8601, 0] | max | round) as $seconds
  | if $seconds < 120 then "\($seconds) s"
    elif $seconds < 7200 then "\($seconds / 60 | floor) min"
    elif $seconds < 48 * 3600 then "\($seconds / 3600 | floor) h \($seconds % 3600 / 60 | floor) min"
    else "\($seconds / 86400 | floor) days" end;

def each($what; $of; $stale_hours):
  (. // {}) | to_entries[] | .key as $source | .value
  | { alert: $what, of: "\($source) (\($of))", hours: $stale_hours } + (
      (select(.problem != "") | { says: "\($what) of \($source) (\($of)), \(.attempt | age) ago: \(.problem)" }),
      # Pulumi's state comes after each deploy, which may be weeks apart.
      (select($source | startswith("state ") | not) | select(.ok == null or ($now - (.ok | fromdateiso8601)) / 3600 > $stale_hours)
       | { says: "\($what) of \($source) (\($of)) is STALE: the last good one is \(if .ok == null then "none" else (.ok | age) + " old" end)" })
    );

# Of a record with the name that it is of.
def problems:
  . as { $of, $backup, $sources, $drills }
  | ($backup | select(. != null and .problem != "") | { alert: "backup", $of, hours: stale_backup_hours, says: "backup of \($of): \(.problem)" }),
    ($sources | each("backup"; $of; stale_backup_hours)),
    ($drills | each("drill"; $of; stale_drill_hours)),
    # Databases and Redis servers are restored in a drill.
    ($sources // {} | keys_unsorted[] | select(startswith("folder ") or startswith("state ") | not) | select(($drills // {})[.] == null)
     | { alert: "drill", of: "\(.) (\($of))", hours: stale_drill_hours, says: "drill of \(.) (\($of)): there was none yet" });
