# shellcheck shell=bash
# Hands the folder to the user that the service runs as. Runs after data-folder.sh; OWNER is a parameter beside its own.
sudo chown "$OWNER:$OWNER" "$DATA_DIRECTORY"
