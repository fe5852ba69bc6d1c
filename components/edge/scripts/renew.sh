# shellcheck shell=bash
# Keeps the edge's certificates, one for each domain: asks for one when there is none or when it is about to expire (certbot's own 30
# days), and makes the edge take it. A domain that gets none does not keep the others from theirs. Run by `up` and by the timer;
# whatever fails, the edge goes on with what it has. DOMAINS, ADDRESS, ADDRESS6 (where the host has IPv6), DIRECTORY_URL, EMAIL, AUTHORITY, STORE, DATA_VOLUME and
# DNS_WAIT_SECONDS are parameters; see acme.ts.
only_one certificates 600
challenges=$CHALLENGES_DIRECTORY/.well-known/acme-challenge
mapfile -t names <<<"$DOMAINS"
addresses=("$ADDRESS" ${ADDRESS6:+"$ADDRESS6"})
records="A records (and remove AAAA records)"
[ -z "${ADDRESS6:-}" ] || records="A and AAAA records"

# Makes the edge take what was issued for a domain. Compares instead of being told, so that an edge that missed one (a new server, a
# reload that failed) gets it with the next run.
take() (
  # Spelled out: a caller that asks for the result turns `set -e` off in here.
  certificate=$EDGE_DIRECTORY/$TLS_DIRECTORY/$1.pem
  issued=$(sudo cat "$STORE/live/$1/privkey.pem" "$STORE/live/$1/fullchain.pem" 2>/dev/null) || exit 0
  only_one edge 120
  [ "$issued" != "$(sudo cat "$certificate" 2>/dev/null)" ] || exit 0
  backup=$(sudo mktemp "$certificate.XXXXXX") || exit 1
  sudo cp -a "$certificate" "$backup" || exit 1
  sudo tee "$certificate.new" >/dev/null <<<"$issued" && sudo mv "$certificate.new" "$certificate" || exit 1
  container=$(edge_container)
  if [ -z "$container" ] || { edge_reload "$container" && edge_drain; }; then
    sudo rm -f "$backup"
    exit 0
  fi
  sudo mv "$backup" "$certificate"
  [ -z "$container" ] || edge_again "$container"
  exit 1
)

serves() {
  sudo openssl x509 -in "$EDGE_DIRECTORY/$TLS_DIRECTORY/$1.pem" -noout -subject -issuer -enddate 2>&1 | tr '\n' ' '
}

# keeps DOMAIN WHY: said at the end, when every domain had its turn.
problems=()
keeps() {
  problems+=("$2
The edge goes on with the certificate it has: $(serves "$1")")
}

# All addresses of a domain, IPv6 too, which an authority prefers.
lookup() {
  { timeout 20 getent ahostsv4 "$1"; timeout 20 getent ahostsv6 "$1" | grep -v '^::ffff:'; } |
    awk '{ print $1 }' | sort -u | paste -sd ' '
}

# leads_here ADDRESSES…: to this host, by one family or both, and nowhere else.
leads_here() {
  [ "$#" -gt 0 ] && ! printf '%s\n' "$@" | grep -qvxF -f <(printf '%s\n' "${addresses[@]}")
}

# Asks the edge as the authority will; says what came instead of the answer.
unanswered() {
  local token=berth-$BASHPID answer address
  sudo install -d -m 0755 "$CHALLENGES_DIRECTORY/.well-known" "$challenges"
  sudo install -m 0644 /dev/stdin "$challenges/$token" <<<"$token"
  for address in "${addresses[@]}"; do
    case $address in *:*) address="[$address]" ;; esac
    answer=$(curl --silent --show-error --max-time 5 --resolve "$1:80:$address" \
      "http://$1/.well-known/acme-challenge/$token" 2>&1) || true
    [ "$answer" = "$token" ] || printf '  %s at %s: %s\n' "$1" "$address" "${answer:0:200}"
  done
  sudo rm -f "$challenges/$token"
}

# Prints what certbot says when it fails.
ask() {
  local said
  said=$(sudo ${AUTHORITY:+env "REQUESTS_CA_BUNDLE=$STORE/authority.pem"} timeout --kill-after=5 240 certbot certonly --non-interactive \
    --config-dir "$STORE" --server "$DIRECTORY_URL" --agree-tos --no-eff-email --email "$EMAIL" \
    --webroot --webroot-path "$CHALLENGES_DIRECTORY" --cert-name "$1" --key-type ecdsa \
    --keep-until-expiring --domain "$1" 2>&1) && return
  printf '%s\n' "$said"
  # certbot says so of many an error of the authority's, without its type (2.1 without the error too); the log of its run has both.
  ! grep -q 'An unexpected error occurred' <<<"$said" ||
    sudo grep -h -A 1 'urn:ietf:params:acme:error:' /var/log/letsencrypt/letsencrypt.log | tail -n 2 | sed 's/^ */  /'
  return 1
}

# Everything that one domain needs; what is in the way goes to `problems`.
keep() {
  local domain=$1 found wrong output issued=
  take "$domain" || { keeps "$domain" "the edge does not take the certificate in $STORE/live/$domain"; return; }
  # shellcheck disable=SC2086 # Words.
  while found=$(lookup "$domain" || true) && ! leads_here $found; do
    [ $((SECONDS - started)) -lt "$DNS_WAIT_SECONDS" ] || {
      keeps "$domain" "no certificate was asked for: every domain must lead to this host (${addresses[*]}) and to nothing else, and after $DNS_WAIT_SECONDS seconds
  $domain leads to ${found:-nothing}
An authority that looks there fails, and few failures an hour are allowed. Correct the $records, wait until they are seen (dig +short $domain), then run up again."
      return
    }
    sleep 2
  done
  wrong=$(unanswered "$domain")
  [ -z "$wrong" ] || {
    keeps "$domain" "no certificate was asked for: the edge does not answer for a challenge at http://$domain/.well-known/acme-challenge/
$wrong"
    return
  }
  for _ in 1 2 3; do
    output=$(ask "$domain") && issued=yes && break
    case $output in
      # An authority may forget accounts (Let's Encrypt's staging does): a new one is made.
      *accountDoesNotExist*) sudo rm -rf "$STORE/accounts" ;;
      # A nonce was out of date: clients ask again (RFC 8555, 6.5), certbot too unless it has lost the answer.
      *badNonce*) ;;
      *) break ;;
    esac
  done
  [ -n "$issued" ] || {
    keeps "$domain" "$DIRECTORY_URL issued no certificate for $domain. certbot says:
$(grep -v -E '^(Saving debug log|Ask for help|See the logfile|Plugins selected|$)' <<<"$output" | tail -n 15)"
    return
  }
  take "$domain" || keeps "$domain" "the edge does not take the new certificate in $STORE/live/$domain"
}

mountpoint -q "$DATA_VOLUME" || fail "the data volume is not mounted at $DATA_VOLUME: nothing may write below it. The edge goes on with the certificates it has"
sudo install -d -m 0700 "$STORE"
[ -z "$AUTHORITY" ] || sudo install -m 0644 /dev/stdin "$STORE/authority.pem" <<<"$AUTHORITY"
started=$SECONDS
for name in "${names[@]}"; do keep "$name"; done
[ "${#problems[@]}" -eq 0 ] || fail "$(printf '%s\n' "${problems[@]}")"
# One certificate for all of them was how it began.
if sudo test -e "$STORE/renewal/edge.conf"; then
  sudo certbot delete --non-interactive --config-dir "$STORE" --cert-name edge >/dev/null 2>&1 || true
fi
