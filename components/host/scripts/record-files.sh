# shellcheck shell=bash disable=SC2153
# Records the files of this command as it has just written them (KEPT_FILES: files and folders, one a line) in KEPT_FILES_RECORD, with which
# `ops drift` compares them. Runs after the command, and after list-files.sh.
sudo install -d -m 0700 "$(dirname "$KEPT_FILES_RECORD")"
{
  printf '# %s\n' "${KEPT_FILES//$'\n'/$'\n# '}"
  list_files <<<"$KEPT_FILES"
} | sudo tee "$KEPT_FILES_RECORD.new" >/dev/null
sudo mv "$KEPT_FILES_RECORD.new" "$KEPT_FILES_RECORD"
