#!/usr/bin/env bash
# The generated documents in docs/ are those that the code makes now.
if ! diff -u docs/syscalls.md tools/docs/syscalls.md; then
  echo "docs/syscalls.md is not what syscalls/table.def says: run ./narwhal docs and commit it"
  exit 1
fi
