#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# npm.sh VERSION: the npm package, in build/npm. The modules are those that the server serves; for require() esbuild makes one file of
# them. Both kinds get their types: a .d.ts is read for a module, a .d.cts for the other.
set -eu
cd "$(dirname "$0")/.."
version=$1
out=build/npm
esbuild=tests/node_modules/.bin/esbuild
rm -rf "$out"
mkdir -p "$out"
cp src/web/pgherald*.js clients/js/*.js clients/js/*.d.ts clients/js/README.md LICENSE "$out"
for each in pgherald react; do
    "$esbuild" "$out/$each.js" --bundle --external:react --format=cjs --target=es2022 --log-level=warning --outfile="$out/$each.cjs"
    sed "s|'\./pgherald\.js'|'./pgherald.cjs'|" "$out/$each.d.ts" >"$out/$each.d.cts"
done
sed "s|\"version\": \"0.0.0\"|\"version\": \"$version\"|" clients/js/package.json >"$out/package.json"
echo "build/npm: pgherald $version, $(cat "$out"/pgherald*.js | gzip -9 | wc -c) bytes of modules, compressed"
