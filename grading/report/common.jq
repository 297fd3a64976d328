# common.jq - functions for all reports: harmless text, evidence as text.
#
# Output of students' programs, names from archives and messages of compilers go through these
# functions before they go into a report. Each format then escapes them itself: HTML and XML by
# @html, CSV by cell and @csv, Markdown by fence and md.

# ---- Harmless text --------------------------------------------------------------------------

def hex($digits):
  . as $n
  | [range($digits - 1; -1; -1) | ($n / pow(16; .) | floor) % 16 | "0123456789abcdef"[.:. + 1]]
  | join("");

# Characters that are invisible, or that change how others are shown: control characters (also the
# beginning of terminal sequences), marks for the direction of writing, joiners. Also those that
# XML forbids.
def unseen: "[\\p{Cc}\\p{Cf}\\x{2028}\\x{2029}\\x{fffe}\\x{ffff}]";

# Text of one or more lines, with invisible characters made visible. Tabs and line ends stay.
def visible:
  tostring
  | split("\r\n") | join("\n")
  | if test(unseen) then
      [ explode[]
        | if . == 10 or . == 9 then .
          elif . < 32 or (. >= 127 and . < 160) then "\\x" + hex(2) | explode[]
          elif . > 127 and ([.] | implode | test(unseen)) then
            "\\u" + hex(if . > 65535 then 6 else 4 end) | explode[]
          else .
          end ]
      | implode
    else .
    end;

# One line, without invisible characters: names of people, files and tests.
def one_line:
  tostring
  | if test(unseen) then
      [ explode[]
        | if . < 32 or (. >= 127 and . < 160) then 32
          elif . > 127 and ([.] | implode | test(unseen)) then empty
          else .
          end ]
      | implode
    else .
    end;

# At most so many characters.
def cut($most):
  if length > $most then "\(.[:$most]) ... (\(length - $most) more characters)" else . end;

# At most so many lines, each cut to a limit.
def lines($most):
  rtrimstr("\n")
  | split("\n")
  | (if length > $most then .[:$most] + ["... (\(length - $most) more lines)"] else . end)
  | map(cut(400))
  | join("\n");

def line: one_line | cut(400);

# ---- Figures --------------------------------------------------------------------------------

# Points have at most two decimals.
def points: (. // 0) * 100 | round / 100;

# Whole per cent, or null if the maximum is 0.
def percent($maximum): if ($maximum // 0) > 0 then (. // 0) * 100 / $maximum | floor else null end;

def plural($noun): "\(.) \($noun)\(if . == 1 then "" else "s" end)";

def count($verdict): map(select(.verdict == $verdict)) | length;

# Whether a test has cost points: failed, or blocked because a needed test failed.
def is_lost: .verdict == "failed" or .verdict == "blocked";

# The stages, in the order in which a student reaches them. A lab without stages has none.
def stages: ["basic", "complete", "robust"];

# The tests of each stage: [["basic", [...]], ...]. Input: the tests of a lab.
def of_stages:
  . as $tests | [stages[] as $stage | [$stage, [$tests[] | select(.stage == $stage)]] | select(.[1] != [])];

# "basic 12/12, complete 20/24": the points of each stage. Input: the tests of a lab.
def stage_points:
  [ of_stages[] | "\(.[0]) \([.[1][].points] | add | points)/\([.[1][] | select(.verdict != "skipped") | .maximum] | add // 0)" ]
  | join(", ");

# Whether a lab's result contains a program of the student: one that was neither missing nor refused.
def is_readable: (.files // []) | length == 0 or any(.[]; .status | IN("missing", "refused") | not);

# ---- Names ----------------------------------------------------------------------------------

def system_name: {"unix": "UNIX", "win32": "Win32"}[.] // line;
def number: (.lab // "")[:2] | line;
def lab_name: "Lab \(number), \(.title // .lab | line), \(.system | system_name)";
def who: if (.name // "") == "" then .id | line else .name | line end;

# A test's name, and the partner of the program if there is more than one.
def test_name:
  (.name // .id | line) + (if (.cast // "") != "" then " (\(.cast | line))" else "" end);

def verdict_name: {"error": "not judged"}[.verdict] // (.verdict | line);

# What is wrong with a file, in one line. The sentence in .why may already name the file.
def file_line:
  (.name | line) as $name
  | if (.why // "") == "" then "\($name): \(.status | line)"
    elif .why | contains($name) then .why | line
    else "\($name): \(.status | line): \(.why | line)"
    end;

# Null for a submission in time.
def lateness: if (.late.days // 0) > 0 then .late else null end;

def late_line:
  lateness
  | "late by \(.days | plural("day")) (due \(.due // "?" | line), handed in \(.submitted // "?" | line)): "
    + (if (.deduction // 0) > 0 then "\(.deduction | points) points are taken off" else "no points are taken off" end);

# ---- Evidence -------------------------------------------------------------------------------

def blanks($n): [range($n) | " "] | join("");
def row($head; $text): $head + blanks(11 - ($head | length)) + $text;

# Several lines under one label.
def rows($head):
  [ (. // []) | to_entries[] | row(if .key == 0 then $head else "" end;
      .value | visible | split("\n") | join("\\n") | cut(400)) ];

# The number of characters in the first so many bytes of UTF-8: a mark is under a character.
def characters($bytes):
  reduce explode[] as $c ({bytes: 0, n: 0};
    if .bytes >= $bytes then .
    else .bytes += (if $c < 128 then 1 elif $c < 2048 then 2 elif $c < 65536 then 3 else 4 end)
      | .n += 1
    end)
  | .n;

# Bytes that were sent, expected or received, as excerpts of the checker.
def excerpt($head; $mark):
  if type != "object" then []
  else
    (.text // "" | visible | split("\n") | join("\\n") | cut(400)) as $text
    | [ row($head; $text + "  (\(.bytes // 0 | plural("byte"))"
        + (if (.from // 0) > 0 then ", from byte \(.from))" else ")" end)) ]
    + (if $mark and .mark != null and .mark <= 400 then
         [ row(""; blanks(.mark as $bytes | $text | characters($bytes)) + "^ the first difference") ]
       else [] end)
  end;

# The text after "reason", or after "because" if nothing failed.
def why: .reason // "" | visible | split("\n") | join("\\n") | cut(1000);

# The command with which a student repeats it with the kit.
def again($lab): "make check LAB=\($lab | number) SYSTEM=\($lab.system | line) WORK=your-folder";

# How to fix a failed test: for each judged program the STEP and the hint. Results without a list
# of advice have one step and one hint, about the server of a pair. They are left out if that
# server is ours.
def advice_list:
  if .advice != null then .advice
  elif .cast // "" | test("our server") then []
  else [{program: ({"client": "client"}[.judges // ""] // "server"), step, hint}]
  end;

def advice($lab; $seed):
  advice_list as $advice
  | [ $advice[] | (.program // "" | line) as $program
      | (if (.step // 0) > 0 then row("step"; "STEP \(.step) of the \($program)") else empty end),
        (if (.hint // "") != "" then
           row("hint"; (if ($advice | length) > 1 then "\($program): " else "" end) + (.hint | line))
         else empty end) ]
  + (if .repeated and .verdict == "failed" then [ row("repeated"; "alone, with the same result") ] else [] end)
  + (if .verdict == "failed" then
       [ row("again"; "\(again($lab)) TEST=\(.id | line) SEED=\($seed // "" | line)") ]
     else [] end);

# All facts about a test that did not pass, as lines of text. The input is the test; $lab its
# lab's result, $seed the seed of the run.
def evidence($lab; $seed):
  [ row(if is_lost then "reason" else "because" end; why) ]
  + (.notes | rows("note"))
  + (.sent | excerpt("sent"; false))
  + (.expected | excerpt("expected"; false))
  + (.received | excerpt("received"; true))
  + (.waiting | rows("waiting"))
  + (.left | rows("left"))
  + (.transcript | rows("transcript"))
  + advice($lab; $seed)
  | join("\n");

# The same for several tests with one reason: how to fix the first one, if they ran at all (which
# takes time).
def evidence_of_all($lab; $seed):
  [ .[0] | row(if is_lost then "reason" else "because" end; why) ]
  + (if .[0].verdict == "failed" and (.[0].seconds // 0) > 0 then .[0] | advice($lab; $seed)
     elif .[0].reason // "" | test("does not compile") then [ row("again"; again($lab)) ]
     else [] end)
  | join("\n");

# Whether there is more to show than a reason. There is not if a program is missing or does not
# compile.
def has_evidence:
  ((.transcript // []) | length > 0) or .expected != null or .received != null or .sent != null
  or ((.waiting // []) | length > 0) or ((.left // []) | length > 0);

# The failed tests of a lab: each with evidence separately, the others grouped by their reason.
# Output: [{"tests": [...], "alone": true or false}].
def failures:
  map(select(is_lost or .verdict == "error"))
  | (map(select(has_evidence)) | map({alone: true, tests: [.]}))
    + (map(select(has_evidence | not)) | group_by([.verdict, .reason])
       | map({alone: (length == 1), tests: .}));

# Why a test failed, without what differs from student to student: texts, sizes, times.
def cause:
  ((.notes // []) | join(" ")) as $notes
  | if $notes | test("buffer of the C library") then "output is not flushed"
    elif $notes | test("^Standard output contains|bytes contain the line|^Nothing came on its standard error") then
      "events are printed on standard output, which carries the messages"
    elif $notes | test("it came too early") then "a line comes too early"
    else
      why | gsub("\"[^\"]*(\"|$)"; "\"…\"")
      | gsub("(?<kept>(code|signal|error|client) )?(?<number>[0-9]+)"; if .kept then .kept + .number else "N" end)
      | cut(160)
    end;

# ---- Forms ----------------------------------------------------------------------------------

# A cell that a spreadsheet does not take for a formula. Only for text: numbers stay numbers.
def cell:
  if type == "string" then
    one_line | if test("^[ ]*[-=+@\\x{ff1d}\\x{ff0b}\\x{ff0d}\\x{ff20}|%]") then "'" + . else . end
  elif . == null then ""
  else .
  end;

# Text within a line of Markdown.
def md: line | gsub("(?<c>[\\\\`*_{}\\[\\]<>#|~&@$!])"; "\\\(.c)");

# Text as a block of Markdown. The text cannot end the block: the fence is longer than any in it.
def fence:
  ([match("`+"; "g").length] | max // 0) as $longest
  | ([range([3, $longest + 1] | max) | "`"] | join("")) as $ticks
  | "\($ticks)text\n\(.)\n\($ticks)";
