#!/usr/bin/env bash
# Gathers the licence texts that have to travel with the binary into the folder $1, from the
# sources that the build used. Run it after `make build`.
set -eu
cd "$(dirname "$0")/.."
to=${1:?usage: deploy/notices.sh FOLDER}
mkdir -p "$to"
cp LICENSE-MIT LICENSE-APACHE deploy/THIRD-PARTY.md "$to/"
fdk=$(cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" |
  grep -o '"manifest_path":"[^"]*fdk-aac-sys[^"]*"' | head -n 1 | cut -d'"' -f4)
cp "$(dirname "$fdk")/aac/NOTICE" "$to/FDK-AAC-NOTICE"
for part in hls.js mpegts.js vue vue-router vue-i18n qrcode; do
  cp "$(find -L "web/node_modules/$part" -maxdepth 1 -iname 'license*' | head -n 1)" "$to/$part-LICENSE"
done
