#!/bin/sh
# The first process of a container: keeps the daemon running in it, so that its local runs outlive restarts of the daemon.
#
#   HOLDFAST_JOIN_URL         a central to join, unless its home has joined one
#   HOLDFAST_JOIN_TOKEN_FILE  the file with the policy token
#   HOLDFAST_JOIN_CA          a certificate authority to trust besides the system's (optional)
#
# Any other arguments are a command of Holdfast: docker run IMAGE status
set -u

if [ "${1:-daemon}" != daemon ]; then exec holdfast "$@"; fi

# Since it joined, its central may have sent it to another one, whose revisions a second join would throw away.
if [ -n "${HOLDFAST_JOIN_URL:-}" ] && holdfast status --json | grep -q '"state": "unjoined"'; then
  holdfast join "$HOLDFAST_JOIN_URL" --token-file "${HOLDFAST_JOIN_TOKEN_FILE:?names the file with the policy token}" \
    ${HOLDFAST_JOIN_CA:+--ca "$HOLDFAST_JOIN_CA"} --no-daemon || exit
fi

stopping=
trap 'stopping=yes; kill -TERM "$daemon" 2> /dev/null' TERM INT HUP
while :; do
  holdfast daemon &
  daemon=$!
  # A signal ends a wait before the daemon has ended.
  while :; do
    wait "$daemon"
    code=$?
    kill -0 "$daemon" 2> /dev/null || break
  done
  [ -z "$stopping" ] || exit "$code"
  case $code in
    # Stopped; another daemon has this home, or it cannot be used; a wrong command line.
    0 | 1 | 2) exit "$code" ;;
    # 75 asks for a restart. After anything else it waits by itself before it begins.
  esac
done
