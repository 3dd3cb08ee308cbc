#!/usr/bin/env bash
# How good the detections are, beside reference detectors: simulates organisations under attack, replays their logs and
# holds the detections against the labels. Seeds are pooled, populations are not. What it prints goes to stdout.
#
# QUALITY_POPULATIONS, QUALITY_SEEDS   lists, separated by blanks
# QUALITY_USERS, QUALITY_DAYS          size of each organisation and stream
# QUALITY_WARM_UP_DAYS                 days at the beginning that are learnt from and not counted
# QUALITY_ATTACKS                      campaigns, as `farsign simulate --attacks` takes them
# QUALITY_CONFIG                       a configuration to replay with
# QUALITY_KEEP                         a folder to keep logs, labels, detections, JSON, charts and calibration in
# QUALITY_FIT                          a file to write the table of scores to that the last population gives
# FARSIGN                              the program
set -euo pipefail
cd "$(dirname "$0")/.."

farsign=${FARSIGN:-target/release/farsign}
read -ra populations <<<"${QUALITY_POPULATIONS:-ordinary all-remote vpn-for-all mobile-carriers border-region travelling-sales university}"
read -ra seeds <<<"${QUALITY_SEEDS:-9201 9202 9203}"
users=${QUALITY_USERS:-300}
days=${QUALITY_DAYS:-42}
warm_up_days=${QUALITY_WARM_UP_DAYS:-14}
attacks=${QUALITY_ATTACKS:-foreignNaive=6,vpnExit=6,residentialProxySameCountry=6,tokenReplay=6,relayPhishing=6,passwordSpray=3,credentialStuffing=3,mfaFatigue=6,slowTravel=6,torExit=6,dormantTakeover=6,impossiblePair=6,spraySingleSource=3,sprayFingerprint=3,sprayLowAndSlow=3,bruteForce=6,toolkitBrowser=3,forgedIssuer=6}

if [[ -n ${QUALITY_KEEP:-} ]]; then
    work=$QUALITY_KEEP
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi

data=geoip-test-data
tables=(--city-db "$data/farsign-test-City.mmdb" --asn-db "$data/farsign-test-ASN.mmdb")
for list in "$data"/lists/*.txt; do
    tables+=(--list "$(basename "$list" .txt)=$list")
done
fit=()
if [[ -n ${QUALITY_FIT:-} ]]; then
    fit=(--fit-scores "$QUALITY_FIT")
fi
config=()
if [[ -n ${QUALITY_CONFIG:-} ]]; then
    config=(--config "$QUALITY_CONFIG")
fi

# Three backticks: what stands between them is set as it is.
fence=$(printf '\140%.0s' 1 2 3)

echo "# Detection quality"
echo
echo "$users users, $days days, the first $warm_up_days of them warm-up; seeds ${seeds[*]}; attacks of each: $attacks."
echo "How to read it: docs/evaluate.md."
for population in "${populations[@]}"; do
    folder=$work/$population
    for seed in "${seeds[@]}"; do
        mkdir -p "$folder/$seed"
        echo "bench-quality: $population, seed $seed" >&2
        "$farsign" simulate --population "$population" --seed "$seed" --users "$users" --days "$days" \
            --attacks "$attacks" --labels "$folder/$seed/labels.ndjson" -o "$folder/$seed/signins.ndjson.zst" 2>"$work/log" ||
            { cat "$work/log" >&2 && exit 1; }
        "$farsign" replay "${config[@]}" "${tables[@]}" --emit-suppressed -o "$folder/$seed/detections.ndjson" \
            "$folder/$seed/signins.ndjson.zst" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }
    done
    "$farsign" evaluate "${seeds[@]/#/$folder/}" "${config[@]}" "${tables[@]}" --warm-up-days "$warm_up_days" \
        --json "$folder/report.json" --plots "$folder/plots" --calibrate "$folder/calibration.csv" "${fit[@]}" >"$folder/report.txt"
    printf '\n## %s\n\n%s' "$population" "$fence"
    cat "$folder/report.txt"
    echo "$fence"
    if [[ -z ${QUALITY_KEEP:-} ]]; then
        rm -rf "${seeds[@]/#/$folder/}"
    fi
done

printf '\n## Farsign in every population\n\n'
echo '| population | at | false alerts | rate | recall % | not copying % | precision % | sign-ins | minutes |'
echo '|---|---|--:|--:|--:|--:|--:|--:|--:|'
for population in "${populations[@]}"; do
    # Rows of the table of detectors: "│ Farsign ┆ low ┆ …  │".
    grep -E '^│ Farsign +┆' "$work/$population/report.txt" |
        sed -E "s/^│ Farsign +/| $population /; s/┆/|/g; s/│\$/|/; s/ +/ /g"
done
