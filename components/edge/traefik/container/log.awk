# Reads what Traefik writes: its access log, an object with sorted names a line, and its own words. Writes each access as nginx' edge does,
# with the same first fields, and without the query, which may hold secrets. What was refused goes to standard error, so that fail2ban
# reads that and no other request: by the edge, which asked no service (no OriginStatus), or by a service on a route whose name says that
# this answer counts. A quote in a value is escaped, so no client can write the name of a field.

# A field in nanoseconds as one in seconds, under its name in nginx' log.
function seconds(name, as, text) {
  if (!match(text, "\"" name "\":[0-9]+")) return text
  return substr(text, 1, RSTART - 1) "\"" as "\":" sprintf("%.3f", substr(text, RSTART + length(name) + 3, RLENGTH - length(name) - 3) / 1e9) substr(text, RSTART + RLENGTH)
}

/^\{"ClientAddr":"/ {
  match($0, /"DownstreamStatus":[0-9]+/)
  status = substr($0, RSTART + 19, RLENGTH - 19)
  match($0, /"ClientAddr":"[^"]*"/)
  client = substr($0, RSTART + 14, RLENGTH - 15)
  sub(/:[0-9]+$/, "", client)
  match($0, /"StartUTC":"[^"]*"/)
  time = substr($0, RSTART + 12, RLENGTH - 13)
  refused = status ~ /^(401|403)$/ && $0 !~ /"OriginStatus":[1-9]/
  if (match($0, /"RouterName":"[^"]*_ban[0-9_]*@/)) {
    counted = substr($0, RSTART, RLENGTH)
    sub(/.*_ban/, "", counted)
    sub(/@$/, "_", counted)
    if (index(counted, "_" status "_")) refused = 1
  }
  rest = $0
  sub(/^\{"ClientAddr":"[^"]*",/, "", rest)
  sub(/,"StartUTC":"[^"]*"/, "", rest)
  sub(/,"level":"info"/, "", rest)
  sub(/,"msg":""/, "", rest)
  sub(/,"time":"[^"]*"/, "", rest)
  sub(/"DownstreamContentSize":/, "\"bytes\":", rest)
  sub(/"DownstreamStatus":[0-9]+,/, "", rest)
  sub(/"RequestHost":/, "\"host\":", rest)
  sub(/"RequestMethod":/, "\"method\":", rest)
  if (match(rest, /"RequestPath":"([^"\\]|\\.)*"/)) {
    path = substr(rest, RSTART + 15, RLENGTH - 16)
    sub(/\?.*/, "", path)
    rest = substr(rest, 1, RSTART - 1) "\"path\":\"" path "\"" substr(rest, RSTART + RLENGTH)
  }
  sub(/"ServiceAddr":/, "\"upstream\":", rest)
  rest = seconds("Duration", "seconds", seconds("OriginDuration", "upstreamSeconds", rest))
  line = "{\"time\":\"" time "\",\"client\":\"" client "\",\"status\":" status "," rest
  if (refused) print line > "/dev/stderr"
  else print line
  fflush()
  next
}
{
  print
  fflush()
}
