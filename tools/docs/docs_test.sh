#!/usr/bin/env bash
# The generated documents in docs/ are those that the code makes now.
status=0
for document in syscalls.md host-calls.md rooms.svg; do
  if ! diff -u "docs/$document" "tools/docs/$document"; then
    echo "docs/$document is older than what it is made from: run ./narwhal docs and commit it"
    status=1
  fi
done
exit $status
