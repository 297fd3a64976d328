# index.jq - the class on one page, up to the evidence: title, figures, the table of students
# by labs, the tests by how many fail them, similar sources.
#
# Input: every student's line of facts; $tests each test's line, $classes[0] the class's object.
# All strings go through @html, in the format @html "...\(here)...".

include "common";

# Part of the points: four shades, and one for all points. They also differ in lightness.
def shade($points; $maximum):
  if $maximum <= 0 then "none"
  elif $points >= $maximum then "all"
  else "s\($points * 4 / $maximum | floor | [., 0] | max)"
  end;

def middle: sort | if length == 0 then 0 elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2] + .[length / 2 - 1]) / 2 end;

# ---- Distribution -----------------------------------------------------------------------------

# How many students have how much of the points: ten bars of ten per cent.
def distribution:
  . as $percents
  | [range(10) | . as $n | $percents | map(select(([. / 10 | floor, 9] | min) == $n)) | length] as $bars
  | ([$bars | max, 1] | max) as $most
  | "<svg class=\"bars\" viewBox=\"0 0 520 150\" role=\"img\" aria-label=\"How many students reached how much of the points\">"
    + ([range(10) | . as $n | $bars[$n] as $count
        | ($count * 105 / $most) as $height
        | "<rect x=\"\($n * 52 + 3)\" y=\"\(122 - $height)\" width=\"46\" height=\"\($height + 1)\"/>"
          + (if $count > 0 then "<text x=\"\($n * 52 + 26)\" y=\"\(117 - $height)\">\($count)</text>" else "" end)
          + "<text class=\"axis\" x=\"\($n * 52 + 26)\" y=\"141\">\($n * 10)–\(if $n == 9 then 100 else $n * 10 + 9 end)</text>"]
       | join(""))
    + "</svg>";

# ---- The table --------------------------------------------------------------------------------

def head_cell($column; $maximum):
  @html "<th scope=\"col\" data-kind=\"number\">\($column.lab[:2] | line)<small>\($column.system | system_name)</small><small>of \($maximum)</small></th>";

def lab_cell($student; $usual):
  if . == null then "<td class=\"none\" data-value=\"-1\">–</td>"
  else
    . as $lab
    | ([ (.lacks | map(.status) | group_by(.) | .[] | if .[0] == "does not compile" then "no compile" else .[0] end | line),
         (if .errors > 0 then "not judged" else empty end) ] | join(", ")) as $remark
    | @html "<td class=\"\(shade(.points; .maximum))\" data-value=\"\(.points)\" data-all=\"\(.points)/\(.maximum)\""
      + ([.stages[] | @html " data-\(.stage)=\"\(.points)/\(.maximum)\""] | join(""))
      + @html "><a href=\"#e-\($student.id)-\(.lab | line)-\(.system | line)\" title=\"\([.stages[] | "\(.stage) \(.points)/\(.maximum), "] | join(""))\(.passed) passed, \(.failed) failed, \(.blocked) blocked, \(.skipped) skipped\"><span class=\"value\">\(.points)</span>"
      + (if .maximum != $usual then @html "<span class=\"of\">/\(.maximum)</span>" else "" end)
      + "</a>"
      + (if $remark != "" then @html "<small>\($remark)</small>" else "" end)
      + "</td>"
  end;

# The points of a stage, of all labs.
def stage_cell($stage):
  [.labs[].stages[] | select(.stage == $stage)]
  | ([.[].points] | add | points) as $points | ([.[].maximum] | add // 0) as $maximum
  | @html "<td class=\"\(shade($points; $maximum))\" data-value=\"\($points)\">\($points)<small>of \($maximum)</small></td>";

def student_row($columns; $stages):
  . as $student
  | @html "<tr data-find=\"\(.id | line) \(.name // "" | line) \(.email // "" | line)\"><th scope=\"row\"><a href=\"#e-\(.id | line)\">\(who)</a><small>\(.id | line)"
    + (if .unsafe then "; without the sandbox" else "" end)
    + (if .late != null then @html "; \(.late.days | plural("day")) late" else "" end)
    + "</small></th>"
    + if .missing then "<td class=\"none\" data-value=\"-1\" colspan=\"\(($columns | length) + ($stages | length) + 2)\">not graded</td></tr>"
      else
        @html "<td class=\"\(shade(.final; .maximum)) total\" data-value=\"\(.final)\"><a href=\"#e-\(.id | line)\">\(.final)</a>"
        + (if .late != null then @html "<small>\(.points) − \(.late.deduction)</small>" else "" end)
        + @html "</td><td data-value=\"\(.final | percent($student.maximum) // -1)\">\(.final | percent($student.maximum) // "–")</td>"
        + ([$stages[] as $stage | $student | stage_cell($stage)] | join(""))
        + ([$columns[] | . as $c | [$student.labs[] | select(.lab == $c.lab and .system == $c.system)][0]
            | lab_cell($student; $c.maximum)] | join(""))
        + "</tr>"
      end;

# ---- Tests ------------------------------------------------------------------------------------

# A cause, and who failed for it: folded up, because a class may be large.
def cause_part($of; $test):
  @html "<details class=\"cause\"><summary>\(.count) of \($of): \(.why)</summary><p>"
  + ([.students[] | @html "<a href=\"#e-\(.id | line)-\($test.lab | line)-\($test.system | line)\">\(.who)</a>"] | join(", "))
  + (if .count > (.students | length) then @html ", and \(.count - (.students | length)) more" else "" end)
  + "</p></details>";

def test_row:
  . as $test
  | (.passed + .failed + .blocked) as $of
  | (if $of > 0 then .passed * 100 / $of | floor else null end) as $rate
  | @html "<tr data-find=\"\(.name)\" data-stage=\"\(.stage // "")\"><td data-value=\"\($rate // 101)\">"
    + (if $rate == null then "–" else
         "<svg class=\"rate\" viewBox=\"0 0 100 10\" aria-hidden=\"true\"><rect class=\"whole\" width=\"100\" height=\"10\"/><rect width=\"\($rate)\" height=\"10\"/></svg> \($rate) %" end)
    + @html "</td><td data-name=\"failed\" data-value=\"\(.failed)\">\(.failed)</td><td data-name=\"blocked\" data-value=\"\(.blocked)\">\(.blocked)</td><td data-name=\"of\" data-value=\"\($of)\">\($of)</td><td>\(.lab[:2]) \(.system | system_name)</td><td>\(.stage // "–")</td><td>\(.judges)</td><td class=\"text\">\(.name)"
    + (if .skipped > 0 then @html " <small>\(.skipped) skipped</small>" else "" end)
    + (if .error > 0 then @html " <small class=\"alarm\">\(.error) not judged</small>" else "" end)
    + ([.causes[] | cause_part($of; $test)] | join(""))
    + "</td></tr>";

def test_table($rows):
  "<div class=\"wide\"><table class=\"sortable tests\"><thead><tr><th scope=\"col\" data-kind=\"number\">passed by</th><th scope=\"col\" data-kind=\"number\">failed</th><th scope=\"col\" data-kind=\"number\">blocked</th><th scope=\"col\" data-kind=\"number\">of</th><th scope=\"col\">lab</th><th scope=\"col\">stage</th><th scope=\"col\">judges</th><th scope=\"col\">test</th></tr></thead><tbody>\n"
  + ($rows | map(test_row) | join("\n"))
  + "\n</tbody></table></div>\n";

# ---- The page ---------------------------------------------------------------------------------

. as $students
| $classes[0] as $class
| map(select(.missing | not)) as $graded
| ([ $graded[].labs[] | {lab, title, system, maximum} ] | group_by([.lab, .system])
   | map(max_by(.maximum))) as $columns
| ([$graded[].labs[].stages[].stage] as $there | stages | map(select(IN($there[])))) as $stages
| ([$graded[].labs[] | select(.readable | not)] | group_by([.lab, .system])
   | map("\(.[0].lab[:2]) \(.[0].system | system_name): \(length)") | join(", ")) as $unread
| ([$graded[] | .maximum] | max // 0) as $maximum
| [$graded[] | . as $s | .final | percent($s.maximum) // empty] as $percents
| [$graded[].final] as $finals
| ($graded | map(select(.unsafe)) | length) as $unsafe
| ([$graded[].labs[].errors] | add // 0) as $errors
| ($class.similar // []) as $similar
| @html "<title>\($class.title // "The class" | line)</title>\n</head>\n<body>\n<main>\n<h1>\($class.title // "The class" | line)</h1>\n",
  @html "<p class=\"meta\">\($students | length | plural("student")); graded \($class.started // "?" | line) to \($class.finished // "?" | line); seed <code>\($class.seed // "?" | line)</code>; kit \([$graded[].kit // empty | line] | unique | join(", "))\(if ($class.weights // []) == [] then "" else "; the points are weighted" end)</p>\n",
  (if $unsafe > 0 or $class.unsafe then
     @html "<p class=\"alarm\">Graded without the sandbox: \(if $class.unsafe then "the whole class" else $unsafe | plural("student") end). Their programs could see and change this machine and these results.</p>"
   else empty end),
  (if $errors > 0 then
     @html "<p class=\"alarm\">\($errors | plural("test")) could not be judged. That is an error of the kit or of this machine, not of the students: grade these again.</p>"
   else empty end),
  (if ($graded | length) < ($students | length) then
     @html "<p class=\"alarm\">\(($students | length) - ($graded | length) | plural("student")) without a result: read the log and grade again.</p>"
   else empty end),
  "<div class=\"figures\"><dl>",
  (([["median", ($finals | middle | points)],
     ["mean", (if ($finals | length) > 0 then ($finals | add) / ($finals | length) else 0 end | points)],
     ["best", ($finals | max // 0)], ["of", $maximum]])[] | @html "<div><dt>\(.[0])</dt><dd>\(.[1])</dd></div>"),
  "</dl><figure>", ($percents | distribution), "<figcaption>students by per cent of the points</figcaption></figure></div>",
  "<h2 id=\"students\">Students</h2>",
  "<p class=\"tools\" hidden><label>Find <input id=\"find\" type=\"search\" autocomplete=\"off\" placeholder=\"name, id, address, test\"></label> <output id=\"found\"></output>"
  + (if $stages == [] then "" else
       " <label>Stage <select id=\"stage\"><option value=\"\">all</option>"
       + ($stages | map(@html "<option>\(.)</option>") | join("")) + "</select></label>" end)
  + "</p>",
  "<p class=\"key\">Points: <span class=\"all\">all</span> <span class=\"s3\">¾ and more</span> <span class=\"s2\">half and more</span> <span class=\"s1\">¼ and more</span> <span class=\"s0\">less</span> Each figure leads to its evidence.</p>",
  "<div class=\"wide\"><table class=\"sortable students\"><thead><tr><th scope=\"col\">student</th>",
  @html "<th scope=\"col\" data-kind=\"number\">final<small>of \($maximum)</small></th><th scope=\"col\" data-kind=\"number\">%<small>of all</small></th>",
  ($stages[] | @html "<th scope=\"col\" data-kind=\"number\">\(.)<small>all labs</small></th>"),
  ($columns | map(head_cell(.; .maximum)) | join("")),
  "</tr></thead><tbody>",
  ($students[] | student_row($columns; $stages)),
  "</tbody></table></div>",
  "<h2 id=\"tests\">What the class fails</h2>",
  (if $unread != "" then @html "<p class=\"meta\">Left out, because nothing readable was handed in: \($unread)</p>" else empty end),
  ([$tests[] | select(.failed + .blocked > 0)] | if length > 0 then test_table(.) else "<p>Nobody failed a test.</p>" end),
  ([$tests[] | select(.failed + .blocked == 0)]
   | if length > 0 then @html "<details><summary>\(length | plural("test")) that nobody fails</summary>" + test_table(.) + "</details>" else empty end),
  "<h2 id=\"similar\">Similar sources</h2>",
  (if ($similar | length) == 0 then "<p>None, or the sources were not compared.</p>"
   else
     "<p>A hint to compare both programs yourself, not a verdict: the labs' programs are short, and good ones are similar.</p>"
     + "<div class=\"wide\"><table class=\"sortable\"><thead><tr><th scope=\"col\" data-kind=\"number\">alike</th><th scope=\"col\">lab</th><th scope=\"col\">one</th><th scope=\"col\">other</th></tr></thead><tbody>"
     + ($similar | sort_by(-.percent) | map(
          @html "<tr data-find=\"\(.a | line) \(.b // "" | line)\"><td data-value=\"\(.percent)\">\(if .b == null then "–" else "\(.percent) %" end)</td><td>\(.lab // "" | .[:2]) \(.system // "" | system_name)</td><td><a href=\"#e-\(.a | line)\">\(.a | line)</a></td><td>" + (if .b == null then "not compared: \(.why | line | @html)" elif .b == "the kit" then .b else @html "<a href=\"#e-\(.b | line)\">\(.b | line)</a>" end) + "</td></tr>") | join("\n"))
     + "</tbody></table></div>"
   end),
  "<h2 id=\"evidence\">Evidence</h2>"
