#!/usr/bin/env bash
# Makes src/report/assets again: the charting library of `--report`, the map of the world, and their licences.
# Needs npm and the network. Versions and hashes are in scripts/report-assets/package-lock.json: the same lock, the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT
cp scripts/report-assets/* "$folder"
(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --silent)

assets=src/report/assets
mkdir -p "$assets"
"$folder/node_modules/.bin/esbuild" "$folder/charting.js" --bundle --minify --format=iife --global-name=charting \
    --charset=ascii --legal-comments=none --log-level=warning --outfile="$folder/charting.min.js"
cp "$folder/node_modules/world-atlas/countries-110m.json" "$assets"

# Of what is installed, commander and esbuild are not in the bundle.
bundled=(echarts zrender tslib d3-geo d3-array internmap topojson-client)
for package in "${bundled[@]}" world-atlas; do
    licence=$(find "$folder/node_modules/$package" -maxdepth 1 -iname 'LICENSE*' | sort | head -n 1)
    cp "$licence" "$assets/LICENSE-$package"
done
cp "$folder/node_modules/echarts/licenses/LICENSE-d3" "$assets/LICENSE-echarts-d3"
cp "$folder/node_modules/echarts/NOTICE" "$assets/NOTICE-echarts"

# A page is a copy of the libraries, so it carries their licences.
{
    echo '/*!'
    for package in "${bundled[@]}" echarts-d3; do
        printf '==== %s ====\n' "$package"
        tr -d '\r' <"$assets/LICENSE-$package"
    done
    cat "$assets/NOTICE-echarts"
    printf '\n*/\n'
    cat "$folder/charting.min.js"
} >"$assets/charting.min.js"
