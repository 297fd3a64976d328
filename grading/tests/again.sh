# again.sh - the group `again` of grading/tests/class: what further starts keep, and whom they replace. It calls
# the parts of grade, and runs no student's program.
# shellcheck shell=sh disable=SC2154 # grading/tests/class reads this file, and sets the variables

# `start [OPTION...] [SUBMISSION...]`: what `grade` does up to the list of the students. Sets $code.
start() {
    rm -rf "$out/place"
    mkdir -p "$out/place" "$out/results/.grade"
    # shellcheck disable=SC2030,SC2031,SC2034,SC2317 # the parts take these
    (
        set -eu
        here=$top/grading grade=$out/results/.grade look='' kit_sum=$sum
        export GRADE_WORK="$out/place"
        for part in options students settings; do
            # shellcheck source=/dev/null
            . "$here/class/$part.sh"
        done
        set -- --unsafe --labs 01 --systems unix --out "$out/results" "$@"
        read_options "$@"
        shift "$words"
        check_options "$@"
        recall
        choose_stages
        choose_labs
        find_students "$@"
        keep_map
        keep_settings
        keep_as
    ) >"$out/grade" 2>&1
    code=$?
}
says() { check "$1" grep -qxF -- "$2" "$out/grade"; } # NAME LINE
# `judged ID EMAIL`: as if the student had been judged with the settings of now.
judged() {
    mkdir -p "$out/results/.grade/$1/sources" "$out/results/$1"
    : >"$out/results/.grade/$1/log.txt"
    jq -c --arg id "$1" '{key: "k", sum, id: $id, source: "", seed, kit, graded: "2026-11-20T10:00:00Z", seconds: 1, unsafe,
        notes: [], look: [], newest: 1700000000, points: 8, maximum: 10, labs: [{lab: "01-anon-pipes", title: "", system: "unix", files: [],
        points: 8, maximum: 10, tests: [{id: "one", name: "one", stage: "basic", verdict: "passed", points: 8, maximum: 10, judges: "server", cast: ""}]}]}' \
        "$out/results/.grade/settings.json" >"$out/results/.grade/$1/graded.json"
}
# `finish`: what `grade` does around judging. `finish killed` ends before it.
finish() {
    # shellcheck disable=SC2030,SC2031,SC2034,SC2317 # the parts take these
    (
        set -eu
        here=$top/grading results=$out/results grade=$out/results/.grade told=results jobs=2 regrade='' only_failed=
        sum=$(jq -r .sum "$grade/settings.json")
        export GRADE_WORK="$out/place"
        say() { echo "grade: $1"; }
        # shellcheck source=/dev/null
        . "$here/class/schedule.sh"
        # shellcheck source=/dev/null
        . "$here/class/results.sh"
        publish_others
        if [ $# -gt 0 ]; then exit; fi
        while read -r id; do "$here/grade-submission" --publish "$results" "$id"; done <"$grade/ids"
        note_published
        (cd "$results" && for file in */result.json; do dirname "$file"; done) >"$grade/students"
        name_leftovers
    ) >"$out/grade" 2>&1
    code=$?
}
# `archive NAME STUDENT...`: packs a folder for each student.
archive() {
    plant
    name=$1
    shift
    for student; do put "$student/$LAB/unix/server.c" "int $name;\\n"; done
    tar -C "$tree" -czf "$out/$name.tar.gz" .
}
known() { (cd "$out/results/.grade" && for link in */submission; do echo "${link%/*}"; done | paste -s -d ' ' -); }

# Whose submissions an archive may replace.
archives() {
    archive alice .
    archive mallory alice bob mallory
    archive class alice bob cyd
    cp "$out/class.tar.gz" "$out/class (1).tar.gz"
    start "$out/mallory.tar.gz" "$out/alice.tar.gz"
    check 'an archive with other students in it, beside one: refused' [ "$code" = 2 ]
    says 'and named' "grade: $out/mallory.tar.gz contains several students, beside $out/alice.tar.gz: if it is one student's, use --as ID; if it is a class, name it alone"
    start "$out/alice.tar.gz"
    start "$out/mallory.tar.gz"
    check 'an archive that would replace a student: refused' [ "$code $(known)" = '2 alice' ]
    says 'and whom it would replace' "grade: $out/mallory.tar.gz would replace what is known of alice: if it is one student's, use --as ID; if it is a class, unpack it and name the folder"
    start --as mallory "$out/mallory.tar.gz"
    check 'with --as it is one student' [ "$code $(known)" = '0 alice mallory' ]
    rm -rf "$out/results"
    start "$out/class.tar.gz"
    check 'the archive of a class' [ "$code $(known)" = '0 alice bob cyd' ]
    says 'how many students it contains is said' "grade: $out/class.tar.gz contains several students: 3"
    start --as bob "$out/alice.tar.gz"
    start "$out/class (1).tar.gz"
    check 'a new download of the class' [ "$code" = 0 ]
    says 'which replaces what --as named: said' \
        "grade: bob: what --as named before, $out/alice.tar.gz, is replaced by what is handed in now; name it again if that is wrong"
    start
    check 'and said once' [ "$(grep -c 'as named' "$out/grade")" = 0 ]
    archive some bob dan
    start "$out/some.tar.gz"
    check 'an archive with few of them: refused' [ "$code $(known)" = '2 alice bob cyd' ]
    archive others dan eve
    start "$out/others.tar.gz"
    check 'an archive with others' [ "$code $(known)" = '0 alice bob cyd dan eve' ]
    rm -rf "$out/results"
}

# What an export told stays, until another tells otherwise.
told_times() {
    plant
    for name in Ann_LATE Bob; do put "${name}_1${#name}_2_server.c" 'int x;\n'; done
    start "$tree"
    jq '.Bob_13 += {email: "bob@x.org", submitted: 1700000000, late: true}' "$out/results/.grade/found.json" >"$out/found.json" &&
        mv "$out/found.json" "$out/results/.grade/found.json"
    cd "$out" && start --as Bob_13 tree && cd - >/dev/null || return
    says '--as: it is said that the time is still that of the export' \
        "grade: Bob_13: its time is still the export's; if that changed, write it into the map's column submitted"
    check '--as with a relative path: its submission is the folder' [ -f "$out/results/.grade/Bob_13/submission/Bob_13_2_server.c" ]
    check_json '--as keeps what the export told' "$out/results/.grade/found.json" \
        '.Bob_13 == {name: "Bob", email: "bob@x.org", submitted: 1700000000, late: true, from: "Canvas"}'
    printf 'id,submitted\nAnn_18,-\nBob_13,2026-11-20T23:59:30Z\ncyd,2026-11-20\ndan,2026/11/20 9:05 UTC\n' >"$out/map.csv"
    start --map "$out/map.csv" --due 2026-11-20 "$tree"
    # shellcheck disable=SC2016 # a variable of jq
    check_json 'times of a map' "$out/results/.grade/map.json" \
        '[.Ann_18, .Bob_13, .cyd, .dan | .submitted] == [null, 1795219170, $day, 1795165500]' --argjson day "$(date -d 2026-11-20 +%s)"
    says 'a due date without a time is the end of the day' "grade: due: $(LC_ALL=C date -d '2026-11-20 23:59:59' '+%a %Y-%m-%d %H:%M:%S %z')"
    printf 'id,submitted\nAnn_18,05/11/2026\n' >"$out/map.csv"
    start --map "$out/map.csv" "$tree"
    says 'a time of a map that is not clear' 'grade: the time of Ann_18 must be written as 2026-11-20 23:59, not as 05/11/2026'
    for time in 20.11.2026 tomorrow 05/11/26 '2026-11-20 25:00' 2026-11/20; do
        # shellcheck source=/dev/null
        check "another, $time" [ -z "$(. "$top/grading/class/students.sh" && seconds_of "$time")" ]
    done
    start --due '2026-11-20 21:00 UTC'
    says 'a due date with a time' "grade: due: $(LC_ALL=C date -d '2026-11-20 21:00 UTC' '+%a %Y-%m-%d %H:%M:%S %z')"
    # The submission of this start must be graded, or nothing.
    ln -sfn "$out/nowhere" "$out/place/found/Bob_13"
    ln -sfn "$out/nowhere" "$out/results/.grade/Bob_13/submission"
    echo packed >"$out/results/.grade/Bob_13/packed"
    for where in "$out/place" "$out"; do
        GRADE_WORK=$where "$top/grading/grade-submission" --look "$out/results" Bob_13 >"$out/grade" 2>&1
        code=$?
        if [ "$where" = "$out" ]; then break; fi
        check 'a submission of this start that is gone is not replaced by the old one' [ $code = 1 ]
        says 'and is named' "grade: Bob_13: $out/nowhere is not there; what was handed in before is not graded in its place"
    done
    check 'one of an earlier start is' [ $code = 0 ]
    rm -rf "$out/results"
}

# The files of a clone have the time of the download.
clones() {
    mkdir "$out/clones"
    for login in annlee bobroe; do mkdir -p "$out/clones/lab1-$login/.git"; done
    printf 'identifier,github_username,github_id,name,submitted\nLee,annlee,1,,\nRoe,bobroe,2,,2026-11-20 10:00\n' >"$out/roster.csv"
    start --map "$out/roster.csv" "$out/clones"
    check 'without a due date the times of clones do not matter' [ "$code $(grep -c 'clones without' "$out/grade")" = '0 0' ]
    start --due 2026-11-20
    says 'with one it is said that they are not known' \
        "grade: clones without a time in the map's column submitted: annlee; their files have the time of the download, so lateness costs nothing"
    rm -rf "$out/results" "$out/clones"
    mkdir -p "$out/clones/anna" "$out/clones/boris/.git" "$out/clones/clara"
    start --due 2026-11-20 "$out/clones"
    check 'a single .git is no clone: its time counts' [ "$code $(grep -c 'clones without' "$out/grade")" = '0 0' ]
    rm -rf "$out/results"
}

# Settings and ids of some students, where others have results.
leftovers() {
    mkdir "$out/two"
    for name in anna boris; do
        plant
        put "$LAB/unix/server.c" 'int x;\n'
        tar -C "$tree" -cf "$out/two/$name.tar" .
    done
    printf 'id,email\nanna,a@x.org\nboris,b@x.org\n' >"$out/map.csv"
    start --map "$out/map.csv" "$out/two"
    for id in anna boris; do judged $id; done
    finish
    check 'nothing is left by a first start' [ "$code $(cat "$out/grade")" = '0 ' ]
    printf '01 all 2\n' >"$out/weights.txt"
    start --weights "$out/weights.txt" --due '2023-11-13 00:00 UTC' --as anna "$out/two/anna.tar"
    finish
    check_json 'new weights and a due date count for all students' "$(of boris)" '.maximum == 20 and .late.days == 2'
    check 'which leaves no other settings' [ ! -s "$out/grade" ]
    before=$(stat -c %Y.%i "$out/results/.grade/published")
    start --as anna "$out/two/anna.tar"
    finish
    check 'the same settings are not written twice' [ "$(stat -c %Y.%i "$out/results/.grade/published")" = "$before" ]
    start --due '2023-11-12 00:00 UTC'
    finish killed
    start --as anna "$out/two/anna.tar"
    finish
    check_json 'a due date of a start that was killed counts for all students, too' "$(of boris)" '.late.days == 3'
    mkdir "$out/results/boris/report.md.new" # the report cannot be written, as if the start was killed before
    start --weights none
    finish
    rmdir "$out/results/boris/report.md.new"
    finish
    check 'a report that is missing for a new result is written' \
        [ "$code $(grep -c '^The points are weighted' "$out/results/boris/report.md")" = '0 0' ]
    start --seed 0x1 --as anna "$out/two/anna.tar"
    judged anna
    finish
    says 'students with results from other settings are counted' \
        'grade: students still graded by other settings or another kit: 1; to grade them again, start without SUBMISSION'
    rm "$out/results/.grade/boris/graded.json" # as --only-failed leaves it if it is killed
    finish
    check 'and a student whose verdicts are gone' [ "$code $(grep -c . "$out/grade") $(grep -c 'another kit: 1;' "$out/grade")" = '0 1 1' ]
    judged boris
    printf 'id,email\nann,a@x.org\nbob,B@x.org\n' >"$out/map.csv"
    mv "$out/two/anna.tar" "$out/two/ann.tar"
    mv "$out/two/boris.tar" "$out/two/bob.tar"
    start --map "$out/map.csv" "$out/two"
    for id in ann bob; do judged $id; done
    jq '.anna.email = "a@x.org"' "$out/results/.grade/found.json" >"$out/found.json" && mv "$out/found.json" "$out/results/.grade/found.json"
    finish
    says 'ids of an earlier start' 'grade: not among these, with results of an earlier start: anna boris'
    says 'and what removes them' '  to remove ID from the gradebook: rm -r results/ID results/.grade/ID'
    says 'two ids with one address' 'grade: ann and anna have the same address, a@x.org'
    start --as ann "$out/two/ann.tar"
    finish
    check 'a start for one student does not list the others' [ "$(grep -c 'not among these' "$out/grade")" = 0 ]
    rm -rf "$out/results"
}

again() {
    chmod 711 "$out"
    sum=$("$top/grading/grade-submission" --kit)
    archives
    told_times
    clones
    leftovers
}
