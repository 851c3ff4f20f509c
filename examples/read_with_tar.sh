#!/usr/bin/env bash
# Count what is in a shard set and add up all of its bytes with GNU tar: `bash read_with_tar.sh FOLDER`.
set -euo pipefail
cd "$1"
tars=(./*-[0-9]*.tar)
split=$(basename "${tars[0]}" | cut -d- -f1)
names=$(for tar in "${tars[@]}"; do tar --list --file "$tar"; done)
samples=$(cut -d. -f1 <<<"$names" | sort -u | wc -l)
sum=$(for tar in "${tars[@]}"; do tar --extract --to-stdout --file "$tar"; done | sha256sum | cut -d' ' -f1)
printf '{"consumer": "%s", "samples": {"%s": %d}, "members": %d, "sha256": "%s"}\n' \
  "$(tar --version | head -n1)" "$split" "$samples" "$(wc -l <<<"$names")" "$sum"
