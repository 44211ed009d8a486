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
exec "$RYDES_JAVA" "$@"
