# shellcheck shell=bash
# list_files: mode, checksum and path of every file that standard input names or that lies in a folder that it names, one of them a line.
list_files() {
  local path
  while IFS= read -r path; do
    sudo find "$path" -type f -printf '%m ' -exec sha256sum {} \; 2>/dev/null || true
  done
}
