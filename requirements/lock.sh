#!/usr/bin/env bash
# Recompile the locks: hashes, no index or download addresses. Run through `make lock`.
set -eu
cd "$(dirname "$0")"
for name in runtime dev tryton localstripe bench; do
  echo "locking requirements/$name.txt"
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --no-annotate "$@" "$name.in" --output-file "$name.txt"
done
