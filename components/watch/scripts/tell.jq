# Who is told what: from what is wrong now and from what was told before. $now is in seconds since 1970; $channels a list of names; $remind
# seconds. The state has each alert by its name: {alert, of, check, value, threshold, since, told: {<channel>: seconds}}, with `over` when it has
# ended and somebody has not heard of that yet.

def name: "\(.alert) \(.of)";

# $found: what is wrong. $blind: checks that did not look, whose alerts stay as they are.
def next_state($found; $blind):
  . as $before
  | (reduce $found[] as $each ({};
      ($each | name) as $name
      | .[$name] = ($before[$name] // { since: $now, told: {} } | del(.over)) + $each
        # Two sentences about one thing are one alert.
        + (if .[$name] == null then {} else { value: "\(.[$name].value); \($each.value)" } end))) as $active
  | $active + ($before | with_entries(select($active[.key] == null) | .value |= if .check | IN($blind[]) then . else { over: $now } + . end))
  | with_entries(.value.told |= with_entries(select(.key | IN($channels[]))))
  | with_entries(select(.value.over == null or .value.told != {}));

# What has to be sent: {name, channel, kind}.
def messages:
  to_entries[] | .key as $name | .value as $alert | $channels[] as $channel | $alert.told[$channel] as $told
  | if $alert.over != null then select($told != null) | "OVER"
    elif $told == null then "PROBLEM"
    elif $now - $told >= $remind then "STILL"
    else empty end
  | { name: $name, channel: $channel, kind: . };

# After a message has gone out.
def delivered($name; $channel; $kind):
  if $kind == "OVER" then del(.[$name].told[$channel]) else .[$name].told[$channel] = $now end
  | with_entries(select(.value.over == null or .value.told != {}));

def words: { memory: "memory of the host", disk: "disk", restarts: "service that restarts", "service-memory": "memory of a service", deployment: "failed deployment",
  certificate: "certificate", backup: "backup", drill: "restore drill", connections: "connections of Postgres", replication: "replication slot", watch: "the watch itself" };

# A message of an alert, as {title, body}.
def message($kind; $host; $stack; $runbook):
  { title: ("\($kind): \(words[.alert]): \(.of) on \($host)" | gsub("[[:cntrl:]]"; " ")),
    body: ([
      "host: \($host) (stack \($stack))", "what: \(words[.alert]): \(.of)",
      "value: \(.value)\(if $kind == "OVER" then " (when it was last wrong)" else "" end)", "threshold: \(.threshold)",
      "since: \(.since | floor | todate)", (select($kind == "OVER") | "until: \(.over | floor | todate)"),
      "what to do: \($runbook)#\(.alert)"
    ] | join("\n")) };
