# repeat.jq - lists the tests of a submission that run once more, as "LAB SYSTEM TEST", of the checkers'
# results. grading/submission/judge.sh uses this module.

# Tests for which no time was left are no verdicts. They run once more, all of a lab together.
def not_begun:
    ([.tests[] | select(.not_begun) | .id] | unique | join(",")) as $ids
    | select($ids != "") | "\(.lab) \(.system) \($ids)";

# Failed tests run once more, each alone and with longer waits: a busy machine must not cost
# points. If most tests of a lab fail, the machine is not the reason. A test runs again, too, if
# it was skipped for a reason other than the machine's: a program must not reduce its maximum. A test
# without a verdict, for example because others had taken what it needed, always runs again. The
# leak check only works after a whole run.
def failed($absent; $most):
    .lab as $lab | .system as $system
    | ([$absent[] | select(.lab == $lab and .system == $system) | .tests[]
        | select(.verdict == "skipped") | .id] | unique) as $skipped
    | [.tests[] | select(.id != "leaves_nothing_behind")] as $tests
    | [$tests[] | . as $test
       | select(.verdict == "failed" or (.verdict == "skipped" and ($skipped | index($test.id) | not)))] as $bad
    | [$tests[] | select(.verdict == "blocked")] as $blocked
    | [$tests[] | select(.verdict == "error" and (.not_begun | not))] as $unjudged
    | $unjudged + (if ($bad + $blocked | length) <= $most then $bad else [] end)
    | [.[].id] | unique[] | "\($lab) \($system) \(.)";

# A test that passed the second time blocks no other.
def blocked($again):
    .lab as $lab | .system as $system
    | [$again[] | select(.lab == $lab and .system == $system) | .tests[]
       | select(.verdict == "passed") | .id] as $passed
    | [.tests[] | select(.verdict == "blocked" and (.blocked_by as $id | $passed | index($id))) | .id]
    | unique[] | "\($lab) \($system) \(.)";
