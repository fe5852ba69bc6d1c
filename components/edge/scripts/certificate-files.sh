# shellcheck shell=bash
# edge_certificates: writes the file of each of the DOMAINS, key in front. Without a CERTIFICATE those that are there stay, and a domain's first one is what the
# edge had for all of them, or a placeholder: nginx does not start without. CERTIFICATE, PRIVATE_KEY (secret), RENEWAL_SCRIPT,
# RENEWAL_UNIT and TLS_DIRECTORY are parameters.

# The one certificate of all domains, as hosts of earlier versions of Berth have it.
common=$EDGE_DIRECTORY/$TLS_DIRECTORY/edge.pem

# What a domain begins with.
first_certificate() {
  if sudo test -s "$common"; then
    sudo cat "$common"
  else
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
      -subj '/CN=no certificate yet' -keyout - 2>/dev/null || fail "openssl cannot make the edge's first certificate"
  fi
}

# No site names it any more.
edge_forget_common() {
  sudo rm -f "$common"
}

edge_certificates() {
  local domain certificate content
  if [ -n "$CERTIFICATE" ] && [ -e "$RENEWAL_SCRIPT" ]; then
    # Nothing may renew over it. Account and certificates stay on the volume: asking for them again counts against limits.
    sudo systemctl disable --now --quiet "$RENEWAL_UNIT.timer"
    sudo systemctl stop "$RENEWAL_UNIT.service"
    sudo rm -f /etc/systemd/system/"$RENEWAL_UNIT".{service,timer} "$RENEWAL_SCRIPT"
    sudo systemctl daemon-reload
  fi
  while IFS= read -r domain; do
    [ -n "$domain" ] || continue
    certificate=$EDGE_DIRECTORY/$TLS_DIRECTORY/$domain.pem
    if [ -n "$CERTIFICATE" ]; then
      content=$PRIVATE_KEY$'\n'$CERTIFICATE
    elif ! sudo test -s "$certificate"; then
      content=$(first_certificate)
    else
      continue
    fi
    edge_write "$certificate" "$content"
  done <<<"$DOMAINS"
}
