# shellcheck shell=bash disable=SC2154,SC2153,SC2030,SC2031
# How a message goes out. What must stay secret (addresses of webhooks, the mail server's password) is in the file `secrets` of SETTINGS, root's
# alone; curl gets it on standard input, so that it stands in no argument list (curl's manual, "--config").

# curl_with LINES: asks with these settings of curl's, each `name = "value"`. Prints what curl says when it fails, without addresses.
curl_with() {
  local bundle=/etc/ssl/certs/ca-certificates.crt said
  if [ -n "$TRUSTS" ]; then
    # Beside the authorities that the host trusts.
    cat "$bundle" "$TRUSTS" >"$work/authorities.pem"
    bundle=$work/authorities.pem
  fi
  said=$(curl --disable --config - --silent --show-error --fail --max-time 10 --cacert "$bundle" --output /dev/null 2>&1 <<<"$1") && return
  printf '%s\n' "$(sed -E 's#[a-z]+://[^ ]*#its address#g' <<<"${said:-curl says nothing}" | tail -n 1 | cut -c 1-300)" >&2
  return 1
}

# quoted TEXT: as a value in curl's settings.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# post URL JSON
post() {
  printf '%s' "$2" >"$work/body"
  curl_with "url = $(quoted "$1")
header = \"Content-Type: application/json\"
data-binary = $(quoted "@$work/body")"
}

# send CHANNEL TITLE BODY, both in ASCII.
send() {
  (
    # shellcheck source=/dev/null
    . "$SETTINGS/secrets"
    work=$(mktemp --directory)
    trap 'rm -rf "$work"' EXIT
    case $1 in
      # Slack's own escapes: docs.slack.dev, "Formatting text".
      slack) post "$SLACK_URL" "$(jq --null-input --arg text "$2"$'\n'"$3" '{ text: ($text | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;")) }')" ;;
      # A message of Discord's has at most 2000 characters, and mentions nobody.
      discord) post "$DISCORD_URL" "$(jq --null-input --arg text "$2"$'\n'"$3" '{ content: $text[:1900], allowed_mentions: { parse: [] } }')" ;;
      ntfy)
        printf '%s' "$3" >"$work/body"
        curl_with "url = $(quoted "$NTFY_URL")
header = $(quoted "Title: $2")
header = $(quoted "Content-Type: text/plain")
data-binary = $(quoted "@$work/body")"
        ;;
      email) send_email "$2" "$3" ;;
    esac
  )
}

send_email() {
  local user='' address recipients=''
  [ -z "$EMAIL_USER" ] || user="user = $(quoted "$EMAIL_USER:$EMAIL_PASSWORD")"
  while IFS= read -r address; do recipients+="mail-rcpt = $(quoted "$address")"$'\n'; done <<<"$EMAIL_TO"
  {
    printf 'From: %s\nTo: %s\nSubject: %s\nDate: %s\n' "$EMAIL_FROM" "${EMAIL_TO//$'\n'/, }" "$1" "$(LC_ALL=C date --rfc-email)"
    # Of no use to a person: no out-of-office notes come back (RFC 3834).
    printf 'Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n%s\n' "$2"
  } | sed 's/$/\r/' >"$work/mail"
  # The path is the name that the client greets with (curl's manual, "URL").
  curl_with "url = $(quoted "$EMAIL_SERVER/$HOST")
ssl-reqd
$user
mail-from = $(quoted "$EMAIL_FROM")
${recipients}upload-file = $(quoted "$work/mail")"
}

# The outside hears nothing either when no message has got through for a quarter of an hour.
heartbeat() {
  local since
  since=$(stat --format %Y "$STATE/undelivered" 2>/dev/null || date +%s)
  [ $(($(date +%s) - since)) -lt 900 ] || fail "no heartbeat, because messages have not been delivered for 15 minutes"
  (
    # shellcheck source=/dev/null
    . "$SETTINGS/secrets"
    work=$(mktemp --directory)
    trap 'rm -rf "$work"' EXIT
    curl_with "url = $(quoted "${HEARTBEAT_URL//\{host\}/$HOST}")"
  )
}
