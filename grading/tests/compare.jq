# compare.jq - compares the results of selftest.c with what the ids and hints of its tests say
# that they must be. Takes the JSON of a run and prints a line per test, with the word `where` in
# it. judge calls it.

def expected:
    if .id | startswith("left_failed_") then "failed"
    else {pass: "passed", fail: "failed", late: "failed", slow: "failed",
          skip: "skipped", error: "error", left: "passed"}[.id | split("_")[0]]
    end;

def lacks($list; $pattern):
    if any($list[]? | strings; test($pattern)) then empty
    else "nothing in the report fits \"\($pattern)\"" end;

def differs($at; $mark):
    if .difference == $at and .received.mark == $mark then empty
    else "the difference is at \(.difference), marked at \(.received.mark)" end;

# What has to be in the evidence beside the reason.
def evidence:
    if .id == "fail_garbage" then lacks(.transcript; "^.server. wicked: .xC3\\( .*\u043F\u0440$")
    elif .id == "fail_cut_output" then lacks(.transcript; ": 1000 bytes kept, 79001 thrown away$")
    elif .id == "fail_no_child" then lacks(.waiting; "^server \\(process [0-9]+\\) ")
    elif .id == "late_hang" then lacks(.waiting; "^server \\(process [0-9]+\\) ")
    elif .id == "late_silence" then lacks(.left; "silent-hang$")
    elif .id == "late_no_newline" then lacks(.transcript; "half a li \\(no newline yet\\)$")
    elif .id == "fail_again" then lacks(.notes; "^Such a line came earlier, ")
    elif .id == "fail_order_like" then lacks(.notes; "^.wicked: one. came before .wicked: two.\\. .*too early")
    elif .id == "fail_case" then
        differs(0; 1),
        lacks([.received.text]; "^.Wicked: all  done\\..$")
    elif .id == "fail_other_text" then
        differs(19; 21), lacks([.received.text]; "two")
    elif .id == "fail_crash" then lacks(.notes; "^It used an address|access violation")
    elif .id == "fail_signal" and (.reason // "" | test("signal")) then lacks(.notes; "^It called abort\\(\\)")
    elif .id == "fail_no_handler" then lacks(.notes; "^It had no handler for SIGUSR1 ")
    elif .id == "fail_broken_pipe" then lacks(.notes; "Ignore SIGPIPE")
    elif .id == "fail_lost_output" then
        if .reason // "" | test("signal") then lacks(.notes; "have been lost .* fflush\\(stdout\\)") else empty end
    elif .id == "fail_silent" or .id == "late_hang" or .id == "late_probe" then
        if .notes == null then empty else "it has notes, for no reason: \(.notes)" end
    elif .id == "late_unflushed_message" then
        lacks(.notes; "^Nothing came on its standard output, .*still be .* fflush\\(stdout\\)")
    elif .id == "late_unflushed" then # Windows flushes what a Ctrl-C ends
        lacks(.notes; "^(Nothing came on its standard output, .*still be|The line came only) .* fflush\\(stdout\\)")
    elif .id == "late_flushed" then
        lacks(.notes; "closed standard input[.] .* fflush"), lacks(.transcript; "wicked: ready$"),
        if any(.transcript[]; test("received")) then "the transcript has what came late" else empty end
    elif .id == "late_interrupted" then
        lacks(.notes; "sent SIGINT[.] .* fflush"), lacks(.waiting; "sigwait")
    elif .id == "fail_events" then lacks(.notes; "line .client: sent .one..[.] .*standard error")
    elif .id == "fail_changed_byte" then
        differs(200; 81),
        if .sent.bytes == 400 and .expected.text[81:82] == "Q" and .received.text[81:82] == "P"
        then empty else "the excerpts are wrong" end
    elif .id == "fail_cut_short" or .id == "fail_too_much" then differs(3; 4)
    elif .id == "fail_cyrillic" then differs(3; 3)
    else empty end;

def faults:
    (if .verdict == expected then empty else "its verdict is \(.verdict): \(.reason)" end),
    (if .hint == null then empty
     elif .id | startswith("left_") then lacks(.left; .hint)
     else lacks([.reason]; .hint) end),
    (if .left == null or (.id | test("^left_|^late_silence$")) then empty
     else "it leaves \(.left)" end),
    (if .verdict != "failed" or ([.waiting, .transcript | type] == ["array", "array"]) then empty
     else "there is no evidence" end),
    (if [.. | strings | select(test("[\u0000-\u001F\u007F-\u009F]"))] == [] then empty
     else "there are control characters in its report" end),
    evidence;

# What UNIX alone has is not missing on Win32.
(.tests[]
 | select(.id != "leaves_nothing_behind" and .reason != "only UNIX has such a thing")
 | if .verdict == "skipped" and expected != "skipped"
   then "skipped  \($where)  \(.id): \(.reason)"
   else [faults] as $faults
   | if $faults == [] then "passed   \($where)  \(.id): \(.name)"
     else "failed   \($where)  \(.id): \($faults | join("; "))" end
   end),
(if .passed + .failed + .skipped + .errors == (.tests | length)
 then "passed   \($where)  the totals count every test"
 else "failed   \($where)  the totals do not count every test" end),
# `leaves_nothing_behind` tells what the tests that passed have left, and only that.
([.tests[] | select(.id != "leaves_nothing_behind" and .verdict == "passed") | .left[]?] as $left
 | .tests[] | select(.id == "leaves_nothing_behind")
 | if .verdict == (if $left == [] then "passed" else "failed" end) and
      ((.left // []) | length) == ($left | length)
   then "passed   \($where)  leaves_nothing_behind: \($left | length) findings"
   else "failed   \($where)  leaves_nothing_behind: is \(.verdict), \($left | length) are left"
   end)
