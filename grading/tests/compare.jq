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
    else "nothing in the report matches \"\($pattern)\"" end;

def differs($at; $mark):
    if .difference == $at and .received.mark == $mark then empty
    else "the difference is at \(.difference), marked at \(.received.mark)" end;

# What the evidence must contain in addition to the reason.
def evidence:
    if .id == "fail_garbage" then lacks(.transcript; "^.server. misbehaving: .xC3\\( .*\u043F\u0440$")
    elif .id == "fail_cut_output" then lacks(.transcript; ": 1000 bytes kept, 79001 thrown away$")
    elif .id == "fail_no_child" then lacks(.waiting; "^server \\(process [0-9]+\\) ")
    elif .id == "late_hang" then lacks(.waiting; "^server \\(process [0-9]+\\) ")
    elif .id == "late_silence" then lacks(.left; "silent-hang$")
    elif .id == "late_no_newline" then lacks(.transcript; "half a li \\(no newline yet\\)$")
    elif .id == "late_message_is_whole" then lacks(.transcript; "one.x00two.x00$")
    elif .id == "late_no_nul" then lacks(.transcript; "one.x00tw \\(no NUL yet\\)$")
    elif .id == "late_again" then lacks(.notes; "^Such a line came earlier, ")
    elif .id == "late_wording" then differs(17; 18)
    elif .id == "late_number" then lacks(.notes[:1]; "^It printed 'server: client 0 connected'[.] If that is the line, it has another number[.]$")
    elif .id == "late_ready" then lacks(.notes[:1]; "^It printed 'server: listening on 127.0.0.1:5050'[.] If that is the line, it has other words[.]$")
    elif .id == "fail_order_like" then lacks(.notes; "^.misbehaving: one. came before .misbehaving: two.\\. .*too early")
    elif .id == "fail_case" then
        differs(0; 1),
        lacks([.received.text]; "^.Misbehaving: all  done\\..$")
    elif .id == "fail_other_text" then
        differs(24; 26), lacks([.received.text]; "two"),
        if .facts[:3] | map(.[:10]) == ["expected  ", "received  ", "          "] then empty
        else "the facts are \(.facts)" end
    elif .id == "fail_unwritten" then
        lacks([.reason]; "^STEP 3 of the server is still to be written: Start the client[.]$"),
        if .advice == [{program: "server", step: 3}] then empty else "the advice is \(.advice)" end
    elif .id == "fail_said_why" then
        lacks(.facts; "^stderr     the server: misbehaving: open: error 2: No such file$")
    elif .id == "fail_blamed" then
        if .stderr == null then empty else "it repeats \(.stderr)" end
    elif .id == "fail_crash" then lacks(.notes; "^It used an address|access violation")
    elif .id == "fail_signal" and (.reason // "" | test("signal")) then lacks(.notes; "^It called abort\\(\\)")
    elif .id == "fail_no_handler" then lacks(.notes; "^It had no handler for SIGUSR1 ")
    elif .id == "fail_broken_pipe" then lacks(.notes; "Ignore SIGPIPE")
    elif .id == "fail_lost_output" then
        if .reason // "" | test("signal") then lacks(.notes; "have been lost .* fflush\\(stdout\\)") else empty end
    elif .id | IN("fail_silent", "fail_again", "late_hang", "late_probe", "late_other_event") then
        if .notes == null then empty else "it has notes, for no reason: \(.notes)" end
    elif .id == "late_busy" then lacks(.notes; "^The processor is in use: ")
    elif .id == "late_unflushed_message" then
        lacks(.notes; "^Nothing came on its standard output, .*still be .* fflush\\(stdout\\)")
    elif .id == "late_unflushed" then # Windows flushes what a Ctrl-C ends
        lacks(.notes; "^(Nothing came on its standard output, .*still be|The line came only) .* fflush\\(stdout\\)")
    elif .id == "late_flushed" then
        lacks(.notes; "closed standard input[.] .* fflush"), lacks(.transcript; "misbehaving: ready$"),
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

# A test that only UNIX has is not missing on Win32.
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
# `leaves_nothing_behind` reports what the tests that passed have left, and only that.
([.tests[] | select(.id != "leaves_nothing_behind" and .verdict == "passed") | .left[]?] as $left
 | .tests[] | select(.id == "leaves_nothing_behind")
 | if .verdict == (if $left == [] then "passed" else "failed" end) and
      ((.left // []) | length) == ($left | length)
   then "passed   \($where)  leaves_nothing_behind: \($left | length) findings"
   else "failed   \($where)  leaves_nothing_behind: is \(.verdict), \($left | length) are left"
   end)
