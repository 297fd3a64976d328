# students.sh - finds the students and their submissions, and keeps the list. grading/grade reads this file.
#
#     find_students SUBMISSION...    makes .grade/ids, the list of students to grade, with the link
#                                    .grade/ID/submission of each. Sets `table`, the file that names the
#                                    students, and `new_table`, whether it is another than at the last start
#     keep_map                       keeps that table, and what exports tell; adds the students in it who
#                                    have handed in nothing
#     seconds_of TIME                prints it in seconds since 1970
#     who_is_there                   copies ids, without students who are no longer in the table
#
# Reads: as build canvas grade here map moodle unsafe
# shellcheck shell=sh disable=SC2034,SC2154

# The program `students` lists the students and their submissions, by names alone. An archive of a class is
# unpacked in the sandbox before. The settings of the last start count if nothing is handed in now.
find_students() {
    all_labs=$(every_lab | paste -s -d , -)
    mkdir -p "$GRADE_WORK/found" "$GRADE_WORK/unpacked"
    for path; do
        inner=$(only_archive "$path")
        if [ -n "$inner" ]; then set -- "$@" "$inner"; else set -- "$@" "$path"; fi
        shift
    done
    archive='' other='' given=$#
    for path; do
        if [ -f "$path" ] && [ -z "$as" ]; then
            name=$(basename "$path")
            unpacked=$GRADE_WORK/unpacked/$(echo "$path" | sha256sum | cut -c 1-8)/${name%.*}
            mkdir -p "$unpacked"
            if is_class "$path" "$unpacked"; then archive=${archive:+$archive, }$path path=$unpacked; else other=$path; fi
        else
            other=$path
        fi
        set -- "$@" "$path"
        shift
    done
    # A student decides what an archive contains: it must not take the place of others.
    if [ -n "$archive" ] && [ -n "$other" ]; then
        wrong "$archive contains several students, beside $other: if it is one student's, use --as ID; if it is a class, name it alone"
    fi

    # The list of the students is remembered, so that they keep their ids.
    table=$map new_table=yes
    if [ -z "$table" ] && [ -e "$grade/map.json" ]; then
        new_table=
        if [ -s "$grade/map.csv" ]; then table=$grade/map.csv; fi
    else
        table=${table:-${moodle:-$canvas}}
    fi
    "$build/grading/students" "$GRADE_WORK/found" "$all_labs" ${as:+--as "$as"} ${table:+--map "$table"} "$@" >"$GRADE_WORK/found.json" || exit 1
    refused=$(jq -r '.refused // empty' "$GRADE_WORK/found.json")
    if [ -n "$refused" ]; then wrong "$refused"; fi
    if [ -n "$archive" ]; then check_replaced; fi
    jq -r -L "$here/report" 'include "common"; .said[] | one_line' "$GRADE_WORK/found.json" | while read -r sentence; do say "$sentence"; done

    jq -r '.students[].id' "$GRADE_WORK/found.json" >"$grade/ids"
    while read -r id; do
        path=$GRADE_WORK/found/$id
        if [ -L "$path" ]; then path=$(readlink "$path"); fi
        mkdir -p "$grade/$id"
        ln -sfn "$path" "$grade/$id/submission"
    done <"$grade/ids"
    if [ $# -eq 0 ]; then # those that are known
        (cd "$grade" && for entry in */submission; do if [ -L "$entry" ]; then dirname "$entry"; fi; done) >"$grade/ids"
    fi
}

# `is_class ARCHIVE FOLDER`: returns whether it contains a class; then FOLDER contains that.
is_class() {
    chown "$("$here/unprivileged" --user)" "$2" 2>/dev/null || true
    code=0
    if [ "$unsafe" = true ]; then
        kind=$("$here/unprivileged" "$build/grading/students" --unpack "$2" "$all_labs" <"$1" 9>&-) || code=$?
    else
        kind=$("$here/unprivileged" "$here/sandbox/cell" --seconds 600 --cpu 600 --file 260 \
            --read "$build/grading/students=/students" --write "$2=/out" -- /students --unpack /out "$all_labs" <"$1" 9>&-) || code=$?
    fi
    if [ "$code" = 125 ]; then no_sandbox "$1 was not unpacked"; fi
    if [ "$code" != 0 ] && [ "$kind" = class ]; then wrong "$1 cannot be unpacked whole"; fi
    if [ "$code" != 0 ] && [ "$given" = 1 ]; then # beside others it is one student's: it must not stop them
        wrong "$1 cannot be read to its end: if it is one student's, use --as ID; if it is a class, unpack it and name the folder"
    fi
    [ "$kind" = class ] # one student's archive that is damaged is named by intake
}
# Prints what earlier starts have found: {"ID": {"name", "email", ...}}.
found_before() { if [ -e "$grade/found.json" ]; then cat "$grade/found.json"; else echo '{}'; fi; }
# The archive of a class may replace students of another one, or of an older one, if it contains at least
# half of them. It never replaces students whose submissions were no part of such an archive.
check_replaced() {
    say "$archive contains several students: $(jq '.students | length' "$GRADE_WORK/found.json")"
    replaced=$(found_before |
        jq -r --slurpfile new "$GRADE_WORK/found.json" '[$new[0].students[].id] as $ids | to_entries | group_by(.value.archive)[]
            | map(.key | select(IN($ids[]))) as $both
            | select($both != [] and (.[0].value.archive == null or ($both | length) * 2 < length)) | $both[]')
    if [ -n "$replaced" ]; then
        wrong "$archive would replace what is known of $(echo "$replaced" | paste -s -d ' ' -): if it is one student's, use --as ID; if it is a class, unpack it and name the folder"
    fi
}
# Prints the only file of a folder, if it is an archive: the download as it came.
only_archive() {
    if [ -z "$as" ] && [ -d "$1" ] && [ "$(find "$1" -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l)" = 1 ]; then
        find "$1" -mindepth 1 -maxdepth 1 -type f \( -iname '[!.]*.zip' -o -iname '[!.]*.7z' -o -iname '[!.]*.tar*' -o -iname '[!.]*.t[gx]z' \)
    fi
}

# Returns whether a student has no submission and is no longer in the map. Otherwise a misspelt id
# would stay, with the address of another student.
is_gone() {
    [ "$(readlink "$grade/$1/submission")" = '(nothing)' ] && ! grep -qxF -- "$1" "$GRADE_WORK/known"
}
# Prints the ids of standard input without these.
who_is_there() { while read -r id; do if ! is_gone "$id"; then echo "$id"; fi; done; }

# `date -d` also takes "-", and 05/11/2026 as 11 May: only dates that begin with the year are clear.
seconds_of() {
    echo "$1" | grep -qE '^[0-9]{4}([-/])[0-9]{1,2}\1[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}.*)?$' && date -d "$1" +%s 2>/dev/null
}
# `with_times FILTER`: prints that object of the list, {"ID": {"submitted", …}}, with times in seconds.
with_times() {
    jq "$1" "$GRADE_WORK/found.json" >"$GRADE_WORK/object"
    jq -r 'to_entries[] | select(.value.submitted | IN(null, "", "-") | not) | "\(.key) \(.value.submitted)"' "$GRADE_WORK/object" |
        while read -r id submitted; do
            seconds=$(seconds_of "$submitted") || {
                echo "grade: the time of $id must be written as 2026-11-20 23:59, not as $submitted" >&2
                exit 2
            }
            jq -n --arg id "$id" "{(\$id): $seconds}"
        done >"$GRADE_WORK/times" || return 1
    jq --slurpfile times "$GRADE_WORK/times" '($times | add // {}) as $at | with_entries(.key as $id | .value.submitted = $at[$id])' \
        "$GRADE_WORK/object"
}

keep_map() {
    # The map is remembered, and what exports tell of the students.
    if [ -n "$new_table" ]; then
        with_times '.map // {}' >"$grade/map.new" || exit 2
        mv "$grade/map.new" "$grade/map.json"
        if [ -n "$table" ]; then cp "$table" "$grade/map.csv"; fi
    fi
    # A folder given with --as tells nothing of these: what an export told before stays.
    with_times '[.students[] | {key: .id, value: {name, email, submitted, late, from, path}}] | from_entries' >"$GRADE_WORK/new" || exit 2
    found_before |
        jq --slurpfile new "$GRADE_WORK/new" --arg unpacked "$GRADE_WORK/unpacked/" '. as $old | . + ($new[0] | with_entries(.key as $id
            | .value |= (.archive = (.path | if . != null and startswith($unpacked) then split("/")[-1] else null end) | del(.path)
                | $old[$id] + with_entries(select(.value != null and .value != "")))))' >"$grade/found.new"
    jq -r --slurpfile found "$grade/found.new" --slurpfile map "$grade/map.json" 'to_entries[]
        | select(.value.submitted == null and .value.late == null and $map[0][.key].submitted == null
            and ($found[0][.key] | .submitted or .late or .from == "Canvas")) | .key' "$GRADE_WORK/new" |
        while read -r id; do say "$id: its time is still the export's; if that changed, write it into the map's column submitted"; done
    mv "$grade/found.new" "$grade/found.json"

    # Students in the map without a submission appear in the gradebook with 0 points. A misspelt id is
    # reported twice: as a student without a submission, and as an id that is not in the map.
    jq -r 'keys[]' "$grade/map.json" | LC_ALL=C sort >"$GRADE_WORK/known"
    who_is_there <"$grade/ids" >"$GRADE_WORK/ids"
    mv "$GRADE_WORK/ids" "$grade/ids"
    if [ -n "$new_table" ] && [ -n "$table" ]; then
        LC_ALL=C sort -u "$grade/ids" | LC_ALL=C comm -13 "$GRADE_WORK/known" - |
            while read -r id; do say "$id is not in the map"; done
        while read -r id; do
            if ! grep -qxF -- "$id" "$grade/ids"; then
                if [ -s "$grade/$id/packed" ]; then
                    say "$id is in the map, and not among these: what was handed in before counts"
                else
                    say "$id is in the map, and has handed in nothing"
                fi
                mkdir -p "$grade/$id"
                if [ ! -L "$grade/$id/submission" ]; then ln -s '(nothing)' "$grade/$id/submission"; fi
                echo "$id" >>"$grade/ids"
            fi
        done <"$GRADE_WORK/known"
    fi
    LC_ALL=C sort -u -o "$grade/ids" "$grade/ids"
    if [ ! -s "$grade/ids" ]; then wrong 'there is nothing to grade: name an archive or a folder'; fi
}
