#!/bin/sh
# Stands where LocalStack looks for its own Java: runs the one installed here, without the agent that
# lifts DynamoDB Local's limit of 20 secondary indexes and that cannot be had outside LocalStack.
for argument do
  shift
  case "$argument" in
    -javaagent:*) ;;
    *) set -- "$@" "$argument" ;;
  esac
done

# Its process id and when it started, which src/tools/localstack/identity.rs reads; `exec` keeps both.
if [ -r "/proc/$$/stat" ]; then
  read -r stat <"/proc/$$/stat"
  started=$(set -f; set -- ${stat##*) }; shift 19; echo "$1")
else
  started=$(TZ=UTC LC_ALL=C ps -o lstart= -p $$)
fi
# Exit code 0 keeps LocalStack from starting it again: where it is being stopped, where its folder has
# gone, and where it was started four times before LocalStack was ready. One that was ready always gets its
# DynamoDB Local back, after the first few times with a pause.
echo "$$ $started" 2>/dev/null >>"$RYDES_RUN/java" || exit 0
starts=0
while read -r _; do starts=$((starts + 1)); done <"$RYDES_RUN/java"
if [ "$starts" -gt 4 ]; then
  [ -e "$RYDES_RUN/ready" ] || exit 0
  tail -n 4 "$RYDES_RUN/java" >"$RYDES_RUN/java.new" && mv "$RYDES_RUN/java.new" "$RYDES_RUN/java"
  sleep 1
fi
if [ -e "$RYDES_RUN/stopping" ]; then exit 0; fi
# LocalStack throws away what Java says. Compiling for speed takes Java more time than it saves here:
# without it, DynamoDB Local is up in half the time, and 15,000 requests take half the processor time.
# A Java that has other compilers ignores the option. LocalStack ends DynamoDB Local before it removes the
# library that each start unpacks, 0.9 MB; it goes with the folder of the run.
exec "$RYDES_JAVA" -XX:+IgnoreUnrecognizedVMOptions -XX:TieredStopAtLevel=1 \
  -Djava.io.tmpdir="$RYDES_RUN/tmp" "$@" 2>>"$RYDES_RUN/log"
