# exports.sh - the group `exports` of grading/tests/class: what real systems export, and how students
# pack. It tests finding and taking in, not grading.
# shellcheck shell=sh disable=SC2154 # grading/tests/class reads this file, and sets the variables

# `find_students [--map FILE] PATH...`: the list is in $out/found.json.
find_students() {
    rm -rf "$out/found"
    mkdir "$out/found"
    timeout 600 "$build/grading/students" "$out/found" "$labs" "$@" >"$out/found.json" 2>"$out/said"
}
finds() { # NAME ID...: these students, and no others
    name=$1
    shift
    check "$name" [ "$(jq -r '.students | map(.id) | sort | join(" ")' "$out/found.json")" = "$*" ]
}
# Each file contains its own name, to show which one was taken.
shelve() { # FILE...
    for file; do
        mkdir -p "$shelf/$(dirname "$file")"
        echo "int $(basename "$file" | tr -c 'A-Za-z0-9\n' _);" >"$shelf/$file"
    done
}
new_shelf() {
    shelf=$out/$1
    mkdir "$shelf"
}
holds() { # NAME FILE TEXT: the file of a student
    check "$1" grep -q "$3" "$out/found/$2"
}
# `look PATH...`: a dry run. The output is in $out/grade.
look() {
    "$top/grading/grade" --look --labs 01 --systems "${systems:-unix}" "$@" >"$out/grade" 2>&1
    code=$?
}
of_look() { sed -n "/^$1\$/,/^[^ ]/p" "$out/grade" | sed '1d; /^[^ ]/d'; }
shows() { # NAME ID PATTERN: the list shows it for this student
    if of_look "$2" | grep -qE -- "$3"; then passed "$1"; else failed "$1: $2: $(of_look "$2" | head -n 4)"; fi
}

of_canvas() {
    new_shelf canvas
    shelve birchboris_LATE_12346_67891_server.c birchboris_LATE_12346_67892_client.c cedarclara_12347_67893_server.c \
        cedarclara_12347_67899_server-1.c cedarclara_12347_67894_client-2.c doedan_12348_text.html
    plant
    put "$LAB/unix/server.c" 'int x;\n'
    tar_up && gzip -c "$out/archive" >"$shelf/almondanna_12345_67890_lab1-2.tar.gz"
    cat >"$out/gradebook.csv" <<'ROWS'
Student,ID,SIS User ID,SIS Login ID,Section,IPC (4711)
    Points Possible,,,,,85
"Almond, Anna",12345,s1,anna@x.org,A,
"Birch, Boris",12346,s2,boris,A,
"Holly, Hugo",12399,s3,hugo,A,
ROWS
    find_students "$shelf"
    finds 'Canvas: one student for each number' almondanna_12345 birchboris_12346 cedarclara_12347 doedan_12348
    check_json 'Canvas: which submissions are late' "$out/found.json" '.students | map(.late) == [false, true, false, false]'
    check 'Canvas: loose files are together' [ "$(find "$out/found/birchboris_12346" -name '[sc]*.c' | wc -l)" = 2 ]
    holds 'Canvas: of a file that was handed in again the last version' cedarclara_12347/server.c server_1
    holds 'Canvas: which has its own name' cedarclara_12347/client.c client_2
    check 'Canvas: another copy has the same checksum' [ "$(stat -c %Y "$out/found/birchboris_12346")" = 0 ]
    find_students --map "$out/gradebook.csv" "$shelf"
    finds 'Canvas: the ids of its gradebook' anna_x.org boris cedarclara_12347 doedan_12348
    check_json 'Canvas: names of its gradebook, without its other rows' "$out/found.json" \
        '.map | (keys_unsorted == ["anna_x.org", "boris", "hugo"]) and ."anna_x.org".name == "Anna Almond"'
    if command -v zip >/dev/null; then
        (cd "$shelf" && zip -qr "$out/submissions.zip" .)
        # Alone in the folder of downloads.
        mkdir "$out/downloads" && mv "$out/submissions.zip" "$out/downloads"
        look --map "$out/gradebook.csv" "$out/downloads"
        shows 'Canvas: its archive is a class' anna_x.org "^  $LAB/unix: server.c\$"
        check 'Canvas: with everybody in it' [ "$code $(grep -c '^[a-z]*_[a-z0-9.]*$\|^boris$\|^hugo$' "$out/grade")" = '0 5' ]
        check 'Canvas: a text is no program' grep -q '^  doedan_12348: no source was handed in' "$out/grade"
    else
        skipped 'Canvas: its archive: this machine lacks zip'
    fi
    jq -R -s -L "$top/grading/report" -f "$top/grading/report/canvas.jq" --argjson classes '[{"title": "IPC"}]' --argjson facts \
        '[{"id": "birchboris_12346", "final": 3, "points": 3, "maximum": 85, "labs": []}]' <"$out/gradebook.csv" >"$out/filled.json"
    check_json 'Canvas: the number at the end of an id is found in its gradebook' "$out/filled.json" '.csv | test("\"Birch, Boris\",.*,3\n")'
    sed 's/"Birch, Boris",12346,s2,boris/"Holly, Holm",12397,anna+x.org,holm/' "$out/gradebook.csv" >"$out/alike.csv"
    for file in gradebook alike; do
        jq -R -s -L "$top/grading/report" -f "$top/grading/report/canvas.jq" --argjson classes '[{"title": "IPC"}]' --argjson facts \
            '[{"id": "anna_x.org", "final": 3, "points": 3, "maximum": 85, "labs": []}]' <"$out/$file.csv" >"$out/$file.json"
    done
    check_json 'Canvas: a login with @ is found' "$out/gradebook.json" '(.csv | test("\"anna@x.org\",\"A\",3\n")) and .said == []'
    check_json 'Canvas: not if another name has the same id' "$out/alike.json" '(.csv | test(",3\n") | not) and (.said | length == 1)'
    # Only LATE is known of the time, not that of the download.
    echo '{"points": 8, "newest": 1795176000, "notes": [], "look": [], "id": "boris"}' >"$out/graded.json"
    echo '{"boris": {"late": true, "from": "Canvas"}}' >"$out/boris.json"
    echo '{}' >"$out/nobody.json"
    echo '{"due": 1700000000, "late": [{"days": 1, "percent": 50}]}' >"$out/due.json"
    annotate() { # FOUND MAP
        jq --slurpfile settings "$out/due.json" --slurpfile map "$2" --slurpfile found "$1" --arg submitted 1795176000 \
            -f "$top/grading/submission/annotate.jq" "$out/graded.json" >"$out/annotated.json"
    }
    annotate "$out/boris.json" "$out/nobody.json"
    check_json 'Canvas: LATE costs nothing by itself, and is named' "$out/annotated.json" '.final == 8 and .late == null and (.look | length == 1)'
    echo '{"boris": {"submitted": 1700000001}}' >"$out/time.json"
    annotate "$out/boris.json" "$out/time.json"
    check_json 'Canvas: the time of the map costs what it costs' "$out/annotated.json" '.final == 4 and .look == []'
    sed -i 's/true/false/' "$out/boris.json"
    annotate "$out/boris.json" "$out/nobody.json"
    check_json 'Canvas: without LATE it is in time' "$out/annotated.json" '.final == 8 and .late.days == 0 and .look == []'
    echo '{"boris": {"from": "git"}}' >"$out/boris.json"
    annotate "$out/boris.json" "$out/nobody.json"
    check_json 'GitHub Classroom: the time of the download costs nothing' "$out/annotated.json" '.final == 8 and .late == null'
    annotate "$out/boris.json" "$out/time.json"
    check_json 'GitHub Classroom: the time of the map costs what it costs' "$out/annotated.json" '.final == 4'
    new_shelf years
    shelve ivanov_2024_11_lab.zip petrov_2024_11_lab.zip
    find_students "$shelf"
    finds 'a year is no number of Canvas' ivanov_2024_11_lab petrov_2024_11_lab
    new_shelf mixed
    shelve birch_1_2_lab.zip zoe.zip
    find_students "$shelf"
    finds 'nobody is absent because others have names of Canvas' birch_1_2_lab zoe
}

of_moodle() {
    new_shelf moodle
    shelve 'Иван Иванов_201_assignsubmission_file/part one.zip' 'Иван Иванов_201_assignsubmission_file/part two.zip' \
        'Иван Иванов_201_assignsubmission_onlinetext/onlinetext.html' 'Ann Lee_202_assignsubmission_file_/work.tar.gz' \
        'Flat One_203_assignsubmission_file_server.c' 'Flat One_203_assignsubmission_file_client.c' \
        'Team 5_77_assignsubmission_file/server.c'
    {
        printf '\357\273\277'
        printf '%s\r\n' 'Identifier;"Full name";"ID number";"Email address";Status;Grade' \
            'Participant 201;"Иван Иванов";u201;ivan@x.org;;' 'Participant 202;Ann Lee;;ann@x.org;;' \
            'Participant 204;"Only; Listed";u204;only@x.org;;'
    } >"$out/worksheet.csv"
    if [ -n "$pages" ]; then tail -c +4 "$out/worksheet.csv" | iconv -f UTF-8 -t CP1251; else cat "$out/worksheet.csv"; fi >"$out/cp1251.csv"
    iconv -f UTF-8 -t UTF-16 "$out/worksheet.csv" >"$out/utf16.csv"
    { echo 'sep=;' && cat "$out/cp1251.csv"; } >"$out/sep.csv"
    find_students "$shelf"
    finds 'Moodle: folders and the flat form' Ann_Lee_202 Flat_One_203 Ivan_Ivanov_201 Team_5_77
    check 'Moodle: two archives and a text in folders of one student' [ "$(find "$out/found/Ivan_Ivanov_201" -type f | wc -l)" = 3 ]
    check 'Moodle: files of the flat form have their own names' [ "$(ls "$out/found/Flat_One_203")" = "$(printf 'client.c\nserver.c')" ]
    for file in worksheet cp1251 utf16 sep; do
        find_students --map "$out/$file.csv" "$shelf"
        finds "Moodle: ids of the worksheet, $file" Ann_Lee_202 Flat_One_203 Team_5_77 u201
        check_json "Moodle: names of the worksheet, $file" "$out/found.json" \
            '.map | keys_unsorted == ["u201", "Ann_Lee_202", "u204"] and .u201.name == "Иван Иванов" and .u204.name == "Only; Listed"'
    done
    printf 'id,name\nu201,Иван Иванов\nAnn Lee,Ann\n' >"$out/plain.csv"
    find_students --map "$out/plain.csv" "$shelf"
    finds 'Moodle: a map with names' Ann_Lee Flat_One_203 Team_5_77 u201
    sed 's/ivan@x.org/I.Ivanov@x.org/' "$out/worksheet.csv" | jq -R -s -L "$top/grading/report" -f "$top/grading/report/moodle.jq" --argjson classes '[{}]' \
        --argjson facts '[{"id": "i.ivanov_x.org", "final": 3, "points": 3, "maximum": 85, "labs": []}]' >"$out/filled.json"
    check_json 'Moodle: an address is found' "$out/filled.json" '(.csv | test("\"I.Ivanov@x.org\",\"\",3\r\n")) and .said == ["the worksheet has no Feedback comments: only grades are filled in"]'
    mkdir -p "$out/before/.grade" # of an earlier start
    cp "$out/cp1251.csv" "$out/before/.grade/map.csv"
    jq .map "$out/found.json" >"$out/before/.grade/map.json"
    look --out "$out/before" "$shelf"
    shows 'Moodle: the list of the last start counts' u201 "part one.zip. is no archive that can be read here; ask for a .zip"
    printf 'id,name\nu1,Ann\nu1,Bob\n' >"$out/twice.csv"
    find_students --map "$out/twice.csv" "$shelf"
    check_json 'two rows of a map for one id' "$out/found.json" '.refused == "it has two rows for u1: Ann and Bob" and .students == []'
    touch "$shelf/late one.zip"
    find_students "$shelf"
    finds 'Moodle: an archive beside its folders' Ann_Lee_202 Flat_One_203 Ivan_Ivanov_201 Team_5_77 late_one
}

of_gradescope() {
    new_shelf assignment_77_export
    shelve submission_101/server.c submission_101/client.c submission_102/unix/server.c submission_103/server.c
    cat >"$shelf/submission_metadata.yml" <<'ROWS'
---
submission_101:
  :submitters:
  - :name: Ann Lee
    :sid: '5001'
    :email: ann@x.org
  :created_at: 2026-11-20 21:34:12.123456789 Z
  :score: 0.0
  :history:
  - :id: 99
    :created_at: 2026-11-19 10:00:00 Z
submission_102:
  :submitters:
  - :name: "Боб \"B\" Roe"
    :sid:
    :email: bob@x.org
  - :name: Cyd Doe
    :sid: '5003'
    :email: cyd@x.org
  :created_at: 2026-11-21 01:00:00 Z
ROWS
    find_students "$shelf"
    if [ "$(jq -r .students[0].name "$out/found.json")" = null ]; then
        skipped 'Gradescope: names: the kit was built without libyaml'
        finds 'Gradescope: one student for each folder' submission_101 submission_102 submission_103
        return
    fi
    finds 'Gradescope: one student for each address, of a group each' ann_x.org bob_x.org cyd_x.org submission_103
    check_json 'Gradescope: names, addresses and times' "$out/found.json" '.students[0] | [.name, .email, .submitted]
        == ["Ann Lee", "ann@x.org", "2026-11-20 21:34:12.123456789 Z"]'
    check_json 'Gradescope: students that the metadata lacks, and groups' "$out/found.json" \
        '.said | sort == ["submission_102 is the work of 2 students: each of them is graded", "submission_103 is not in submission_metadata.yml"]'
    printf 'id,name\n5001,Ann\ncyd,Cyd Doe\n' >"$out/plain.csv"
    tar -C "$out" -cjf "$out/export.tar.bz2" assignment_77_export
    mkdir "$out/unpacked"
    check 'Gradescope: its archive is a class' \
        [ "$("$build/grading/students" --unpack "$out/unpacked" "$labs" <"$out/export.tar.bz2")" = class ]
    find_students --map "$out/plain.csv" "$out/unpacked"
    finds 'Gradescope: with the ids of a map' 5001 bob_x.org cyd submission_103
    sed 's/submission_101:/submission_204:/; /:email: bob/d; /:email: cyd/d' "$shelf/submission_metadata.yml" >"$out/metadata"
    mv "$out/metadata" "$shelf/submission_metadata.yml"
    mv "$shelf/submission_101" "$shelf/submission_204"
    find_students "$shelf"
    finds 'Gradescope: who hands in again stays; without an address the number of the student, then of the submission' \
        5003 Bob__B__Roe_102 ann_x.org submission_103
}

of_github() {
    new_shelf lab1-submissions
    for name in annlee bob-roe stranger; do
        shelve "lab1-$name/$LAB/unix/server.c"
        mkdir "$shelf/lab1-$name/.git"
    done
    printf 'identifier,github_username,github_id,name\n"Lee, Ann",AnnLee,1,\nBob Roe,bob-roe,2,Bob Roe\nCyd,,,\n' >"$out/roster.csv"
    find_students --map "$out/roster.csv" "$shelf"
    finds 'GitHub Classroom: the names of the roster' AnnLee bob-roe
    check_json 'GitHub Classroom: a repository of nobody' "$out/found.json" '.said == ["lab1-stranger is a repository of nobody in the map, and was left out"]'
    new_shelf lab2-submissions
    for name in a-ivanov ivanov b-petrov petrov c-orlov; do
        shelve "lab2-$name/$LAB/unix/server.c"
        mkdir "$shelf/lab2-$name/.git"
    done
    printf 'identifier,github_username\nIvanov,ivanov\nSmith,a-ivanov\nPetrov,petrov\nOrlov,orlov\nJones,c-orlov\n' >"$out/logins.csv"
    find_students --map "$out/logins.csv" "$shelf"
    check 'GitHub Classroom: nobody takes the place of a login that is the end of another' \
        [ "$(cd "$out/found" && for id in *; do echo "$id $(basename "$(readlink "$id")")"; done | paste -s -d , -)" = \
        'a-ivanov lab2-a-ivanov,c-orlov lab2-c-orlov,ivanov lab2-ivanov,petrov lab2-petrov' ]
    new_shelf lab3-submissions
    for name in ivanov lab3-ivanov petrov; do
        shelve "lab3-$name/$LAB/unix/server.c"
        mkdir "$shelf/lab3-$name/.git"
    done
    printf 'identifier,github_username\nIvanov,ivanov\nMallory,lab3-ivanov\nPetrov,petrov\n' >"$out/logins.csv"
    find_students --map "$out/logins.csv" "$shelf"
    check 'GitHub Classroom: nobody takes the clone of another by a login that begins with the prefix' \
        [ "$(cd "$out/found" && for id in *; do echo "$id $(basename "$(readlink "$id")")"; done | paste -s -d , -)" = \
        'ivanov lab3-ivanov,lab3-ivanov lab3-lab3-ivanov,petrov lab3-petrov' ]
    rm -r "$shelf/lab3-lab3-ivanov"
    find_students --map "$out/logins.csv" "$shelf"
    finds 'GitHub Classroom: nor with no clone' ivanov petrov
    new_shelf chat-server-submissions
    for name in annlee bob-roe; do
        shelve "chat-server-$name/server.c" "chat-server-$name/client.c"
        mkdir "$shelf/chat-server-$name/.git"
    done
    find_students --map "$out/roster.csv" "$shelf"
    finds 'GitHub Classroom: the name of the exercise contains that of a program' AnnLee bob-roe
    new_shelf games
    shelve "lab1-annlee/$LAB/unix/server.c" lab1-gameserver/helper.c
    mkdir "$shelf/lab1-annlee/.git" "$shelf/lab1-gameserver/.git"
    find_students "$shelf"
    finds 'GitHub Classroom: a login contains that of a program' lab1-annlee lab1-gameserver
    find_students --map "$out/roster.csv" "$out/lab1-submissions"
    check_json 'GitHub Classroom: a student without an account' "$out/found.json" '.map | keys_unsorted == ["AnnLee", "bob-roe", "Cyd"]'
}

# A class is never one student, and nothing is guessed about it.
of_folders() {
    new_shelf stray
    shelve anna.zip boris.tar.gz server.c
    find_students "$shelf"
    check_json 'a program beside archives' "$out/found.json" '.students == [] and (.refused | test("^stray contains server.c beside 2 submissions: is it one student, or a class"))'
    rm "$shelf/server.c"
    shelve lab1/unix/server.c
    find_students "$shelf"
    check_json 'a lab beside archives' "$out/found.json" '.refused | test("contains lab1 beside 2")'
    rm -r "$shelf/lab1"
    mkdir -p "$shelf/results/.grade"
    shelve results/anna/sources/server.c
    (cd "$shelf" && find_students .)
    finds 'a folder of results is nobody' anna boris
    check_json 'and is named' "$out/found.json" '.said == ["results contains results of grade, and was left out"]'
    new_shelf around
    shelve downloads/anna.zip downloads/boris.zip
    find_students "$shelf"
    finds 'a folder around the class' anna boris
    new_shelf same
    long=$(printf '%070d' 0)
    shelve "${long}0.zip" "${long}Aa.zip" "${long}BB.zip" # the last two have the same checksum
    find_students "$shelf"
    check_json 'long names that begin alike: three ids' "$out/found.json" '.students | map(.id) | unique | length == 3'
    new_shelf loose
    shelve ivanov_server.c ivanov_client.c 'anna lee-server.cpp' notes.txt
    find_students "$shelf"
    finds 'loose files with the names of students' anna_lee ivanov
    holds 'have the names of programs' ivanov/client.c ivanov_client
    new_shelf one
    shelve linux/server.c windows/client.c readme.txt
    find_students "$shelf"
    finds 'folders of systems are one student' one
    new_shelf solution
    shelve Lab1.sln PipeServer/PipeServer.cpp PipeClient/PipeClient.cpp
    find_students "$shelf"
    finds 'a solution of Visual Studio is one student' solution
    rm "$shelf/Lab1.sln"
    find_students "$shelf"
    finds 'also without its .sln' solution
    shelve OldServer/OldServer.cpp
    find_students "$shelf"
    check_json 'two servers and a client are one student or a class' "$out/found.json" '.refused | test("^solution contains PipeClient beside 2 submissions")'
    shelve server/server.cpp
    find_students "$shelf"
    finds 'a folder server is a part of one student' solution
    new_shelf servers
    shelve ivanov_server/server.c ivanov_server/client.c petrov_server/server.c petrov_server/backup.zip
    find_students "$shelf"
    finds 'several folders of servers are a class' ivanov_server petrov_server
    new_shelf halves
    shelve server.zip client.zip
    find_students "$shelf"
    finds 'server.zip and client.zip are one student' halves
    new_shelf crowd
    shelve class/anna/server.c class/boris/server.c
    for name in anna boris; do (cd "$shelf/class/$name" && seq -f h%g 10001 | xargs touch); done
    find_students "$shelf"
    finds 'a folder around a class of many files' anna boris
    check_json 'is read whole' "$out/found.json" '.said == ["the class is in the folder class"]'
    (cd "$shelf/class/anna" && seq -f i%g 10001 | xargs touch)
    find_students "$shelf/class"
    finds "one student's very many files do not stop the others" anna boris
    check_json 'and the student is named' "$out/found.json" '.said == ["anna contains more than 20000 files and folders, and was not read whole"]'
    new_shelf places
    shelve a-mallory/alice/server.c a-mallory/bob/server.c alice/server.c
    find_students "$shelf/a-mallory" "$shelf/alice"
    check 'a folder with several students does not take the place of one that is named by itself' \
        [ "$(readlink "$out/found/alice")" = "$shelf/alice" ]
    (cd "$out" && find_students --as cyd loose/ivanov_server.c)
    holds '--as with a relative path: the link leads there from any folder' cyd ivanov_server
    # The archive of a class may contain what it likes.
    plant
    put 'Ann Lee_1_assignsubmission_file/server.c' 'int x;\n' && put 'Bob Roe_2_assignsubmission_file/server.c' 'int y;\n'
    ln -s /etc/passwd "$tree/Bob Roe_2_assignsubmission_file/client.c"
    ln "$tree/Ann Lee_1_assignsubmission_file/server.c" "$tree/Bob Roe_2_assignsubmission_file/unix.c"
    mkfifo "$tree/Ann Lee_1_assignsubmission_file/client.c"
    tar -C "$tree" --sort=name --transform 's|Ann Lee_1_assignsubmission_file/server|../outside_1_assignsubmission_file/server|' -cPf "$out/hostile.tar" .
    mkdir -p "$out/hostile/in"
    check 'the archive of a class: links, FIFOs and other folders' \
        [ "$("$build/grading/students" --unpack "$out/hostile/in" "$labs" <"$out/hostile.tar")$(cd "$out/hostile" && find . ! -type d)" = one ]
    put 'Cyd Doe_3_assignsubmission_file/server.c' 'int z;\n'
    tar -C "$tree" --sort=name --transform 's|Ann Lee_1_assignsubmission_file/server|../outside_1_assignsubmission_file/server|' -cPf "$out/hostile.tar" .
    check 'leave the others' [ "$("$build/grading/students" --unpack "$out/hostile/in" "$labs" <"$out/hostile.tar") $(cd "$out/hostile" && find . ! -type d | sort | paste -s -d ' ' -)" = \
        'class ./in/Bob Roe_2_assignsubmission_file/server.c ./in/Cyd Doe_3_assignsubmission_file/server.c' ]
    head -c 6147 "$out/hostile.tar" >"$out/cut.tar"
    look "$out/cut.tar"
    check 'a damaged archive of a class is refused' [ "$code" = 2 ]
    check 'with the reason' grep -q 'the archive is damaged: download it again' "$out/grade"
    plant
    (cd "$tree" && seq 8000 | xargs touch && tar --transform "s|\$|$(printf '/a%.0s' $(seq 62))|" -cf "$out/deep.tar" $(seq 8000))
    look "$out/deep.tar"
    check 'an archive with too many files is refused' [ "$code" = 2 ]
    check 'because it may be a class' grep -q "cannot be read to its end: if it is one student's, use --as ID; if it is a class, unpack it" "$out/grade"
    tar -C "$tree" -cf "$out/one.tar" 1
    look "$out/deep.tar" "$out/one.tar"
    check '... but beside others it stops nobody' [ "$code" = 0 ]
    if [ -z "$pages" ]; then return; fi
    new_shelf "$(printf '\310\342\340\355\356\342')"
    shelve "$(printf '\317\345\362\360\356\342.zip')" "$(printf '\221\250\244\256\340\256\242.zip')"
    find_students "$shelf"
    finds 'names in CP1251 and in CP866' Petrov Sidorov
}

# Programs that are packed in unusual ways: a class, and one dry run.
of_packing() {
    new_shelf packing
    program='#include <unistd.h>\nint main(void) { return 0; }\n'
    pack() { tar -C "$tree" -caf "$shelf/$1" . && plant; }
    plant
    put lab1/unix/server.c "$program" && put lab1/unix/client.c "$program" && pack lab1_named.tar.bz2
    put 'Lab 01/linux/server.c' "$program" && put 'Lab 01/linux/client.c' "$program" && pack tux.tgz
    put server.c "$program" && put client.c "$program" && pack pair.tar
    put server.c "$program" && put client.c 'int main(void) { return 0; }\n' && pack one_header.tar
    put server.c "$program" && put old_server.c 'int main(void) { return 0; }\n' && pack beside.tar
    put server_linux.c "$program" && put server_win.c 'int main(void) { return 0; }\n' && put common.h 'int both;\n' && pack systems.tar
    put server.c.txt "$program" && put old/lab1.c "$program" && pack text.tar
    put 'Лабораторная работа 1/pipe_server.c' "$program" && put 'Лабораторная работа 1/client.c' "$program" && pack russian.tar.xz
    put PipeServer/main.cpp "$program" && put PipeServer/more.cpp 'int more;\n' && put PipeClient/PipeClient.cpp "$program" && pack folders.tar
    put 03-mailslots/unix/server.c "$program" && put 03-mailslots/unix/client.c "$program" && pack other_lab.tar
    put a/server.c "$program" && put b/server.c "int twice;\\n$program" && pack twice.tar
    put server.c '\377\376i\0n\0t\0 \0a\0;\0\r\0\n\0' && put client.c '/* \317\360\350\342\345\362 */\n' && pack encodings.tar
    put server.c "$program" && tar -C "$tree" -czf "$out/work.tar.gz" . && put server.c "int two;\\n$program" && tar -C "$tree" -czf "$out/work-1.tar.gz" .
    plant && mv "$out/work.tar.gz" "$out/work-1.tar.gz" "$tree" && pack again.tar
    put server.c "$program" && tar -C "$tree" -czf "$out/server.tgz" . && plant && put client.c "$program" && tar -C "$tree" -cf "$out/client.tar" .
    mkdir "$shelf/halves" && mv "$out/server.tgz" "$out/client.tar" "$shelf/halves" && echo '%PDF' >"$shelf/halves/report.pdf"
    plant && put 'a/Ivan Lee_1_assignsubmission_file/server.c' "$program" && put 'a/Ann Lee_2_assignsubmission_file/server.c' "$program"
    tar -C "$tree" -cf "$shelf/class.tar" .
    mkdir -p "$shelf/large/.vs" "$shelf/large/unix"
    cp "$tree/a/Ann Lee_2_assignsubmission_file/server.c" "$shelf/large/unix" && plant
    head -c 70000000 /dev/zero >"$shelf/large/.vs/cache"
    base64 -d >"$shelf/rar.rar" <<'BYTES'
UmFyIRoHAM+QcwAADQAAAAAAAACL7XQAgDsAHQAAAB0AAAAD8XtDbgBgdF0UMBsApIEAADAxLWFub24tcGlwZXMvdW5peC9zZXJ2ZXIuY2lu
dCBtYWluKHZvaWQpIHsgcmV0dXJuIDA7IH0KxD17AEAHAA==
BYTES
    base64 -d >"$shelf/seven.7z" <<'BYTES'
N3q8ryccAAPHEzT/HQAAAAAAAABiAAAAAAAAALy3JzxpbnQgbWFpbih2b2lkKSB7IHJldHVybiAwOyB9CgEEBgABCR0ABwsBAAEBAAwdAAgK
AfF7Q24AAAUBETkAMAAxAC0AYQBuAG8AbgAtAHAAaQBwAGUAcwAvAHUAbgBpAHgALwBzAGUAcgB2AGUAcgAuAGMAAAAVBgEAIICkgQAA
BYTES
    base64 -d >"$shelf/deflate64.zip" <<'BYTES'
UEsDBBUAAAAJAABgdFvxe0NuHQAAAB0AAAAbAAAAMDEtYW5vbi1waXBlcy91bml4L3NlcnZlci5jaW50IG1haW4odm9pZCkgeyByZXR1cm4g
MDsgfQpQSwECFQAVAAAACQAAYHRb8XtDbh0AAAAdAAAAGwAAAAAAAAAAAAAApIEAAAAAMDEtYW5vbi1waXBlcy91bml4L3NlcnZlci5jUEsF
BgAAAAABAAEASQAAAFYAAAAAAA==
BYTES
    if command -v zstd >/dev/null; then
        plant && put server.c "$program" && pack zstd.tar.zst
    fi
    visual_studio "$shelf/studio"
    systems=unix,win32 look "$shelf"
    both="^  $LAB/unix: client.c, server.c\$"
    check 'a dry run' [ "$code" = 0 ]
    shows 'lab1/unix in a tar.bz2' lab1_named "$both"
    shows 'Lab 01/linux in a tgz' tux "$both"
    shows 'the system is known by the headers' pair "$both"
    shows 'or by those of the other program of the pair' one_header "$both"
    shows 'a name in Russian, and pipe_server.c' russian "$both"
    shows 'which is said' russian 'pipe_server.c" was taken as 01-anon-pipes/unix/server.c'
    shows 'main.cpp in PipeServer' folders "^  $LAB/unix: client.cpp, more.cpp, server.cpp\$"
    shows 'server.c.txt' text "^  $LAB/unix: server.c\$"
    shows 'every source that was seen is named' text '"./old/lab1.c" is neither server.c nor client.c, nor beside one of them, and was ignored'
    shows 'a name with the system' systems "^  $LAB/unix: common.h, server.c\$"
    shows 'another, with the same header beside it' systems "^  $LAB/win32: common.h, server.c\$"
    shows 'a program beside another is named' beside '"./old_server.c" seems to have a main of its own: then it was not used'
    shows 'and where a program must be' text "^  the programs must be LAB/SYSTEM/server.c and client.c, for example $LAB/unix/server.c\$"
    shows 'programs of another lab are named' other_lab '"./03-mailslots/unix/[a-z]*.c" and others are of a lab or a system that was not set'
    shows 'two versions of one archive: the last' again "^  $LAB/unix: server.c\$"
    shows 'which is said' again '"./work.tar.gz/./server.c" is an older version of "./work-1.tar.gz/./server.c"'
    shows 'a pair in two archives beside a report' halves "$both"
    shows 'the archive of a class within a class' class 'the archive is the download of a whole class from Moodle'
    shows 'a folder with what a build makes' large "^  $LAB/unix: server.c\$"
    shows 'rar' rar "^  $LAB/unix: server.c\$"
    shows '7z' seven "^  $LAB/unix: server.c\$"
    if command -v zstd >/dev/null; then shows 'tar.zst' zstd "^  $LAB/unix: server.c\$"; else skipped 'tar.zst: this machine lacks zstd'; fi
    shows 'Visual Studio: C++ in folders' studio "^  $LAB/win32: client/client.cpp, client/stdafx.cpp, client/stdafx.h, server/server.cpp, server/stdafx.cpp, server/stdafx.h\$"
    shows 'Visual Studio: it is said that it is C++' studio "^  $LAB/win32/server.cpp is C.., in UTF-16|^  $LAB/win32/server.cpp is C..: a C.. compiler builds it"
    shows 'Visual Studio: which encoding it was' studio 'server.cpp" was in UTF-16LE, and was converted to UTF-8$'
    check 'those who must be looked at' [ "$(sed -n '/ need a look:$/,$s/^  \([a-z0-9_]*\): .*/\1/p' "$out/grade" | paste -s -d ' ' -)" = \
        'beside class deflate64 encodings other_lab text twice' ]
    check 'with the reason' grep -q '^  deflate64: .* is compressed by a method that cannot be read here (.*deflat.*); ask for a plain .zip' "$out/grade"
    check 'and what mends it' [ "$(grep -c '^    then: grading/grade --out results --as [a-z0-9_]* FOLDER$' "$out/grade")" = 6 ]
    check 'of the archive of a class, too' grep -qx '    then: grading/grade --out results ARCHIVE' "$out/grade"
    look "$shelf/encodings.tar"
    shows 'one system is set: the sources without a folder are for it' encodings "$both"
    shows 'and in UTF-16' encodings 'server.c" was in UTF-16LE, and was converted to UTF-8$'
    if [ -n "$pages" ]; then shows 'and in CP1251' encodings 'client.c" was in CP1251, and was converted to UTF-8$'; fi
}

# As Visual Studio leaves a solution: C++, its own headers, UTF-16, the results of the build.
visual_studio() {
    mkdir -p "$1/x64/Debug"
    for name in server client; do
        mkdir -p "$1/$name/x64/Debug"
        printf '#pragma once\r\n#include <windows.h>\r\n#define IT_IS_%s 1\r\n#include <string>\r\n' $name >"$1/$name/stdafx.h"
        printf '#include "stdafx.h"\r\n' >"$1/$name/stdafx.cpp"
        printf '#include "stdafx.h"\r\n#include <tchar.h>\r\nint _tmain(int argc, _TCHAR *argv[])\r\n{\r\n    bool one = IT_IS_%s;\r\n    std::string all(argc + one, 120);\r\n    const wchar_t *first = argv[0];\r\n    return all.empty() || first == nullptr;\r\n}\r\n' \
            $name | iconv -f UTF-8 -t UTF-16 >"$1/$name/$name.cpp"
        echo '<Project/>' >"$1/$name/$name.vcxproj"
        echo 'int main;' >"$1/$name/x64/Debug/$name.cpp"
        echo 'int main;' >"$1/$name/x64/made.cpp"
    done
    echo MZ >"$1/x64/Debug/server.exe"
}

of_studio() {
    visual_studio "$out/studio"
    tar -C "$out/studio" -cf "$out/archive" . && take "$LAB" win32
    check 'Visual Studio: nothing of the build is taken' [ "$(find "$taken/sources" -type f | wc -l)" = 6 ]
    check_json 'nor named' "$taken/intake.json" '.notes | all(test("x64") | not)'
    put_program() { # SYSTEM NAME FILE: builds it as grading does
        MAKELEVEL=1 make -s --no-print-directory -C "$top/labs/01-anon-pipes" theirs SYSTEM="$1" WORK="$taken/sources/$LAB" \
            OUT="$out/built" NAMES="$2" >"$out/said" 2>&1
        code=$?
    }
    if command -v x86_64-w64-mingw32-g++ >/dev/null; then
        put_program win32 server
        check 'Visual Studio: C++ is built' [ -f "$out/built/win32/server.exe" ]
    else
        skipped 'Visual Studio: C++ is built: this machine lacks g++-mingw-w64-x86-64'
    fi
    MINGW_CXX=no-compiler put_program win32 server
    check 'C++ without its compiler is a failure of the machine' grep -q 'server.cpp is C++, and this machine has no no-compiler; tools/setup installs it' "$out/said"
    # Such a program is not judged, and the next start tries again.
    jq -n --arg lab "$LAB" '{$lab, system: "win32", title: "", tests: [{id: "one", verdict: "failed", judges: "server", cast: "", points: 0, maximum: 2, reason: ""}]}' >"$out/absent.json"
    echo "$LAB win32 server.c lacking" >"$out/files"
    echo '{}' >"$out/nobody.json"
    : >"$out/none"
    jq -cn -f "$top/grading/submission/result.jq" --slurpfile settings "$out/nobody.json" --slurpfile intake "$out/none" \
        --slurpfile absent "$out/absent.json" --slurpfile runs "$out/none" --slurpfile again "$out/none" \
        --slurpfile said "$out/none" --rawfile files "$out/files" --arg id x --arg source x --arg key x --arg graded x \
        --arg started 0 --arg ended 0 --arg failure '' >"$out/lacking.json"
    check_json 'and no verdict' "$out/lacking.json" '.key == "" and .labs[0].tests[0].verdict == "error"'
    plant
    put unix/server.cpp '#include <string>\n#include "ipclab.h"\n#include "contract.h"\nint main() { std::string s("x"); if (s.empty()) log_event("%%s", s.c_str()); return 0; }\n'
    tar_up && take "$LAB" unix
    if command -v g++ >/dev/null; then
        put_program unix server
        check 'C++ on UNIX, with the library of the labs' "$out/built/unix/server"
    else
        skipped 'C++ on UNIX: this machine lacks g++'
    fi
}

exports() {
    pages=yes
    if ! iconv -f CP1251 -t UTF-8 </dev/null >/dev/null 2>&1; then
        pages=''
        skipped 'CP1251 and CP866: this machine lacks libc-gconv-modules-extra'
    fi
    labs=$(cd "$top/labs" && printf '%s,' [0-9][0-9]-*)
    of_canvas
    of_moodle
    of_gradescope
    of_github
    of_folders
    of_packing
    of_studio
}
