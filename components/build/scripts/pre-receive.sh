# shellcheck shell=bash disable=SC2153
# Builds what is pushed to BRANCH, before the branch moves: a push whose build fails is refused. What comes for other branches is taken and
# not built. NAME, BRANCH, DEPLOY (the command that deploys) and BUILD_PATH are parameters.
while read -r _ commit reference; do
  if [ "$reference" != "refs/heads/$BRANCH" ]; then
    echo "$NAME: $reference was taken; nothing is built or deployed of it: that is for $BRANCH alone"
    continue
  fi
  # What git sets for its hooks leads the build to the commits, which are not in the repository yet.
  digest=$("$BUILD_PATH" "$commit" </dev/null) || exit 1
  echo "$NAME: built $commit as $digest; nothing is deployed yet"
  # The command that deploys says so itself.
  [ -n "${GIT_PUSH_OPTION_COUNT:-}" ] && [ "${GIT_PUSH_OPTION_0:-}" = deploying ] || echo "Deploy it: $DEPLOY --ref $commit"
done
