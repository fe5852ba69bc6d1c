# shellcheck shell=bash
# Puts the script that leads IPv6 to the edge (SCRIPT at SCRIPT_PATH) on the host with the unit that runs it (SERVICE_UNIT, named UNIT), and waits until the
# edge takes connections at ADDRESS and each of PORTS.
[ -e /proc/net/if_inet6 ] || fail "the host's kernel has no IPv6: cat /proc/cmdline"
changed=
write_file "$SCRIPT_PATH" 0755 "$SCRIPT"
write_file "/etc/systemd/system/$UNIT" 0644 "$SERVICE_UNIT"
[ -z "$changed" ] || sudo systemctl daemon-reload
sudo systemctl enable --quiet "$UNIT"
if [ -n "$changed" ]; then sudo systemctl restart "$UNIT"; else sudo systemctl start "$UNIT"; fi ||
  fail "$UNIT does not start: $(sudo journalctl --unit "$UNIT" --lines 5 --output cat)"

answers() { timeout 2 bash -c "exec 3<>/dev/tcp/$ADDRESS/$1" 2>/dev/null; }
began=$SECONDS
for port in ${PORTS//,/ }; do
  until answers "$port"; do
    [ $((SECONDS - began)) -lt 40 ] ||
      fail "the edge does not answer at [$ADDRESS]:$port after 40 seconds. $UNIT says: $(sudo journalctl --unit "$UNIT" --lines 5 --output cat)"
    sleep 0.5
  done
done
