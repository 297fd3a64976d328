# pack.sh - keeps what was handed in, and recognises what is already graded. grading/grade-submission
# reads this file.
#
#     kit_sum      prints the checksum of this kit
#     pack         makes $state/packed, an archive, from the submission; $state/refusal contains the
#                  reason if that is not possible, and $state/submitted the time of an archive. Ends with 1
#                  if this start of grade has named a submission that is no longer there, or something of ours failed
#     key_of       prints the key: a checksum of the submission, the settings and the kit
#     is_graded    returns whether there is a result with this key
#
# Reads: id key state sum top
# shellcheck shell=sh disable=SC2154

MOST_MB=64       # of a folder, without what is made by a build
MOST_ARCHIVE=256 # MB of an archive, which may contain that
# What builds and editors make; intake leaves it out, too.
NOT_PACKED='--exclude=.vs --exclude=.git --exclude=ipch --exclude=x64 --exclude=Debug --exclude=Release
    --exclude=*.obj --exclude=*.o --exclude=*.exe --exclude=*.pdb --exclude=*.ilk --exclude=*.pch --exclude=*.sdf'

# Contains all that the verdicts depend on. It is the same for the same kit on any machine.
kit_sum() {
    cd "$top" || exit
    find labs grading/harness grading/probe grading/intake grading/sandbox grading/submission grading/grade-submission \
        grading/remote-judge grading/namespace -type f ! -path '*/mistakes/*' ! -name '*.md' ! -name annotate.jq -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16
}

# A folder becomes a tar: links are stored as links, nothing is followed, and nothing blocks.
pack() {
    handed=$state/submission
    if [ ! -e "$handed" ] && [ -e "$state/packed" ]; then
        if [ ! -L "${GRADE_WORK-}/found/$id" ]; then return 0; fi # it was moved, but we have a copy
        echo "grade: $id: $(readlink "$handed") is not there; what was handed in before is not graded in its place" >&2
        exit 1
    fi
    rm -f "$state/refusal" "$state/submitted"
    if [ ! -e "$handed" ]; then
        echo 'nothing was handed in' >"$state/refusal"
        : >"$state/packed.new"
    elif [ -d "$handed" ]; then
        code=0
        # shellcheck disable=SC2086 # patterns
        (set -f && ulimit -f $((MOST_MB * 2048)) && timeout "$PATIENCE" tar -C "$handed" -cSf "$state/packed.new" \
            --sort=name --numeric-owner --ignore-case $NOT_PACKED .) 2>>"$state/packing" || code=$?
        if [ $code = 124 ]; then not_packed "reading the folder took more than $PATIENCE s"; fi
        if [ $code != 0 ]; then
            if is_full "$state"; then not_packed "the folder of the results has less than $LEAST_ROOM MB free"; fi
            echo "the folder cannot be read whole, or holds more than $MOST_MB MB" >"$state/refusal"
        fi
    else
        head -c $((MOST_ARCHIVE * 1048576 + 1)) "$handed" >"$state/packed.new" || not_packed 'the archive cannot be copied'
        if [ "$(stat -c %s "$state/packed.new")" -gt $((MOST_ARCHIVE * 1048576)) ]; then
            echo "the archive has more than $MOST_ARCHIVE MB" >"$state/refusal"
        fi
        stat -L -c %Y "$handed" >"$state/submitted"
    fi
    if [ -e "$state/refusal" ]; then : >"$state/packed.new"; fi
    mv "$state/packed.new" "$state/packed"
}

# An error of ours: there is no result, and the next start tries again.
not_packed() {
    rm -f "$state/packed.new"
    complain "it cannot be kept: $1"
    exit 1
}

key_of() {
    { echo "$sum" && cat "$state/packed" "$state/refusal" 2>/dev/null; } | sha256sum | cut -d ' ' -f 1
}

is_graded() {
    [ -f "$state/graded.json" ] &&
        head -c 200 "$state/graded.json" | grep -qF "\"key\":\"$key\""
}
