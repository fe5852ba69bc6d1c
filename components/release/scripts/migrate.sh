# shellcheck shell=bash
# Runs a release's migrations once, in the new image, before the new slot starts. The parameters are those of job.sh.
run_job migration ||
  job_failed "the migrations of $SERVICE failed, the release stops and the old version serves."
