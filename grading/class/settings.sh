# settings.sh - keeps the settings of a start: all that is the same for each student. grading/grade reads
# this file.
#
#     keep_settings    makes .grade/settings.json; what no option has set is taken from the last start
#     keep_as          keeps which submission --as has named; prints whose such submission this start replaces
#
# Reads: as build due grade here kit_sum labs language late likeness look seed stages systems time title top unsafe was_due was_language was_late was_seed was_title was_weights weights
# Sets: sum
# shellcheck shell=sh disable=SC2034,SC2154

read_late() {
    if [ -z "$late" ]; then
        echo '[]'
        return
    fi
    sed 's/#.*//; s/\r$//' "$late" | grep '[^[:space:]]' | jq -Rn '[inputs
        | capture("^\\s*(?<days>[0-9]+)\\s+(?<much>[0-9.]+)(?<unit>%?)\\s*$") // error("no row: \(.)")
        | {days: (.days | tonumber)} + if .unit == "%" then {percent: (.much | tonumber)} else {points: (.much | tonumber)} end]'
}

# Prints the weights as JSON, or on standard error what is wrong.
read_weights() {
    if [ -z "$weights" ] || [ "$weights" = none ] || [ -n "$look" ]; then
        echo '[]'
        return
    fi
    tests=$(for lab in $labs; do "$build/labs/$lab/check" --list | sed "s/^\([^ ]*\).*/$lab \1/"; done)
    jq -R -n -c -f "$here/class/weights.jq" --arg labs "$(every_lab)" --arg tests "$tests" <"$weights"
}

keep_settings() {
    late_table=$(read_late) || wrong "$late: each line is a number of days and what they cost: 3 10%"
    weight_table=$(read_weights 2>"$GRADE_WORK/said") || wrong "$weights: $(sed 's/^jq: error ([^)]*): //' "$GRADE_WORK/said")"
    # The deductions and the weights are remembered, like the map: a second start without --late must not
    # give points back.
    : "${due:=$was_due}" "${seed:=$was_seed}" "${title:=$was_title}" "${language:=${was_language:-en}}"
    if [ -z "$late" ]; then late_table=${was_late:-$late_table}; fi
    if [ -z "$weights" ]; then weight_table=${was_weights:-$weight_table}; fi
    if [ "$due" = none ]; then due='' late_table='[]'; fi
    if [ -n "$due" ]; then
        say "due: $(LC_ALL=C date -d "@$due" '+%a %Y-%m-%d %H:%M:%S %z')"
        clones=$(jq -nr --slurpfile found "$grade/found.json" --slurpfile map "$grade/map.json" '
            $found[0] | to_entries[] | select(.value.from == "git" and .value.submitted == null and $map[0][.key].submitted == null) | .key' | paste -s -d ' ' -)
        if [ -n "$clones" ]; then
            say "clones without a time in the map's column submitted: $clones; their files have the time of the download, so lateness costs nothing"
        fi
    fi

    if [ -z "$seed" ]; then seed=0x$(od -An -N4 -tx4 /dev/urandom | tr -d ' '); fi
    # If this machine can now judge other tests, everybody's maximum changes.
    sum=$(echo "$labs $systems $stages $seed $unsafe $time $kit_sum ${likeness-}" | sha256sum | cut -d ' ' -f 1)
    kit=$(git -C "$top" describe --always --dirty 2>/dev/null || echo "$kit_sum")
    started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    jq -n --arg labs "$labs" --arg systems "$systems" --arg seed "$seed" \
        --argjson unsafe "$unsafe" --arg title "${title:-Interprocess communication}" --arg kit "$kit" --arg language "$language" \
        --arg kit_sum "$kit_sum" --arg started "$started" --argjson time "$time" --argjson late "$late_table" --argjson weights "$weight_table" \
        --argjson due "${due:-null}" --arg stages "$stages" --arg sum "$sum" \
        '{labs: ($labs | split("\n")), systems: ($systems | split("\n")), stages: ($stages | split(",")), $seed, $unsafe, $title, $language, $kit, $kit_sum, $sum, $time, $due, $late, $weights, $started}' \
        >"$grade/settings.new"
    mv "$grade/settings.new" "$grade/settings.json"
}

# An instructor has mended what --as names: another start with the class must not replace that silently.
keep_as() {
    while read -r id; do
        path=$(readlink "$grade/$id/submission")
        if [ "$id" = "$as" ]; then
            echo "$path" >"$grade/$id/as"
        elif [ -e "$grade/$id/as" ] && [ "$path" != "$(cat "$grade/$id/as")" ]; then
            say "$id: what --as named before, $(cat "$grade/$id/as"), is replaced by what is handed in now; name it again if that is wrong"
            rm "$grade/$id/as"
        fi
    done <"$grade/ids"
}
