# Read before log.awk where clients come over IPv6 too: takes the brackets from a client's address, and says of which network the client is, which is
# what fail2ban counts and bans: a client of IPv6 takes any address of its /64.
/^\{"ClientAddr":"/ {
  match($0, /^\{"ClientAddr":"[^"]*"/)
  client = substr($0, RSTART + 15, RLENGTH - 16)
  after = substr($0, RSTART + RLENGTH)
  port = client
  sub(/.*:/, "", port)
  sub(/:[0-9]+$/, "", client)
  bits = client ~ /^\[/ ? 64 : 32
  gsub(/[][]/, "", client)
  $0 = "{\"ClientAddr\":\"" client ":" port "\",\"network\":\"" client "/" bits "\"" after
}

