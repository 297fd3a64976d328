# hosts.sh - asks the hosts of --hosts whether they can judge as this machine would. grading/grade
# reads this file.
#
#     find_likeness    sets `likeness`, a checksum: machines with the same one judge and skip the same tests
#     ready_line       prints what a host answers: "ready", the kit, the likeness, the number of processors
#     ask_hosts        makes $GRADE_WORK/hosts/all, the list for GNU parallel, and sets `number`, how many
#                      hosts there are; ends with 3 if one cannot take part
#
# Reads: build grade here hosts kit_sum labs stages systems top unsafe
# Sets: likeness number
# shellcheck shell=sh disable=SC2034,SC2154

# The maximum must not depend on the host.
find_likeness() {
    likeness=$(for lab in $labs; do
        for system in $systems; do
            jq -c '[.tests[] | [.id, .cast, .maximum, .verdict == "skipped"]]' "$grade/absent/$lab-$system.json"
        done
    done | sha256sum | cut -c 1-16)
}
ready_line() { echo "ready $kit_sum $likeness $(nproc)"; }

# In a user namespace root's files belong to nobody, and ssh may refuse this machine's settings
# because of that.
choose_ssh() {
    plain_ssh=ssh
    if ! "$here/namespace" ssh -G localhost >"$GRADE_WORK/null" 2>&1; then
        plain_ssh='ssh -F none'
        if [ -e "$HOME/.ssh/config" ]; then plain_ssh="ssh -F $HOME/.ssh/config"; fi
    fi
}

# `read_host N`: sets `slots`, `ssh` and `host` from the line of the Nth host.
read_host() {
    slots='' ssh=$plain_ssh host=$(sed -n "$1p" "$GRADE_WORK/hosts/list")
    case $host in @*/*) host=${host#*/} ;; esac # a name for a group of hosts
    case $host in
    */*) if is_number "${host%%/*}"; then slots=${host%%/*} host=${host#*/}; fi ;;
    esac
    case $host in *' '*) ssh=${host% *} host=${host##* } ;; esac
    # A host that disappears is noticed within a minute.
    ssh="$ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
}

# `judge_answer N CODE`: reads the Nth host's answer, and prints the line for GNU parallel.
judge_answer() {
    said=$GRADE_WORK/hosts/$1
    last=$(LC_ALL=C tr -d '\000-\011\013-\037\177' <"$said" | grep . | tail -n 1)
    code=$2
    read_host "$1"
    # shellcheck disable=SC2086 # words: ready, the kit, the likeness, the number of processors
    set -- $last
    if [ "$code" = 255 ]; then
        echo "grade: $host cannot be reached: $last" >&2
    elif [ "$code" = 126 ] || [ "$code" = 127 ]; then
        echo "grade: $host has no kit in $top: $last" >&2
    elif [ "$code" != 0 ] || [ $# != 4 ] || [ "$1" != ready ]; then
        echo "grade: $host cannot grade:" >&2
        sed 's/^/  /' "$said" >&2
    elif [ "$2" != "$kit_sum" ]; then
        echo "grade: $host has another kit: its sum is $2, this one's $kit_sum" >&2
    elif [ "$3" != "$likeness" ]; then
        echo "grade: $host cannot judge the same tests as this machine; make doctor there may tell why" >&2
    elif [ "$host" = : ]; then
        echo "${slots:-$4}/:"
    else
        echo "${slots:-$4}/$here/remote-judge $ssh $host"
    fi
}

ask_hosts() {
    say 'asking the hosts'
    choose_ssh
    mkdir "$GRADE_WORK/hosts"
    sed 's/\r$//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^#/d; /^$/d' "$hosts" >"$GRADE_WORK/hosts/list"
    question="exec env BUILD='$build' setpriv --pdeathsig TERM '$here/grade' --ready \
--labs $(echo "$labs" | paste -s -d , -) --systems $(echo "$systems" | paste -s -d , -) --stages $stages"
    if [ "$unsafe" = true ]; then question="$question --unsafe"; fi
    asked='' number=0
    while [ $number -lt "$(wc -l <"$GRADE_WORK/hosts/list")" ]; do
        number=$((number + 1))
        read_host $number
        if [ "$host" = : ]; then
            ready_line >"$GRADE_WORK/hosts/$number" &
        else
            # shellcheck disable=SC2086 # words
            "$here/namespace" $ssh "$host" "$question" >"$GRADE_WORK/hosts/$number" 2>&1 </dev/null 9>&- &
        fi
        asked="$asked $!"
    done
    if [ $number = 0 ]; then wrong "$hosts names no host"; fi
    number=0
    for process in $asked; do
        number=$((number + 1)) code=0
        wait "$process" || code=$?
        judge_answer $number $code >>"$GRADE_WORK/hosts/all"
    done
    if [ "$(wc -l <"$GRADE_WORK/hosts/all")" != $number ]; then
        echo 'grade: nothing was graded: all hosts must be able to' >&2
        exit 3
    fi
}
