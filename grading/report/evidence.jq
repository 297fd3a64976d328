# evidence.jq - one student's part of the class's page: the evidence for each cell.

include "common";

def files:
  [ (.files // [])[] | select(.status != "built")
    | @html "<p><strong>\(file_line)</strong></p>"
      + (if (.compiler // "") != "" then @html "<pre>\(.compiler | visible | lines(60))</pre>" else "" end) ]
  | join("\n");

# The page contains the end of a long transcript, the student's report all of it.
def shortened:
  if (.transcript // [] | length) > 12 then
    .transcript = ["... \((.transcript | length) - 12) earlier lines"] + .transcript[-12:]
  else . end;

def failure($lab; $seed):
  if .alone then
    .tests[0]
    | @html "<h4>\(verdict_name): \(test_name) <span class=\"points\">\(.points | points) of \(.maximum // 0)</span></h4>"
      + @html "<pre>\(shortened | evidence($lab; $seed))</pre>"
  else
    .tests as $tests
    | @html "<h4>\($tests[0] | verdict_name): \($tests | length | plural("test")) for one reason</h4><pre>\($tests | evidence_of_all($lab; $seed))</pre>"
      + @html "<details><summary>which</summary><ul>" + ($tests | map(@html "<li>\(test_name)</li>") | join("")) + "</ul></details>"
  end;

def lab($id; $seed):
  . as $lab
  | (.tests // []) as $tests
  | @html "<section id=\"e-\($id)-\(.lab | line)-\(.system | line)\"><h3>\(lab_name): \(.points | points) of \(.maximum // 0)</h3>"
    + @html "<p>\($tests | stage_points | if . != "" then . + "; " else "" end)\($tests | count("passed")) passed, \($tests | count("failed")) failed, \($tests | count("blocked") | if . > 0 then "\(.) blocked, " else "" end)\($tests | count("skipped")) skipped"
    + ($tests | count("error") | if . > 0 then @html ", \(.) not judged: the kit's failure, not the student's" else "" end)
    + ($tests | map(select(.repeated)) | length | if . > 0 then @html "; \(plural("test")) repeated" else "" end)
    + "</p>\n"
    + files
    + ($tests | failures | map(failure($lab; $seed)) | join("\n"))
    + ($tests | map(select(.repeated and .verdict == "passed") | @html "<p>passed when repeated: \(test_name); before: \(.first // {} | why)</p>") | join(""))
    + ($tests | map(select(.verdict == "skipped") | @html "<p>skipped: \(test_name): \(why)</p>") | join(""))
    + "</section>";

. as $result
| @html "<details class=\"student\" data-find=\"\(.id | line) \(.name // "" | line) \(.email // "" | line)\"><summary>\(who) <span class=\"points\">\(.final // .points | points) of \(.maximum // 0)</span></summary>"
  + @html "<div id=\"e-\(.id | line)\"><p><a href=\"./\(.id | line)/report.md\">report.md</a>, <a href=\"./\(.id | line)/log.txt\">log.txt</a>; <a href=\"#students\">all students</a>; handed in as \(.source // "?" | line); graded \(.graded // "?" | line) in \(.seconds // 0 | points) s</p>"
  + (if .unsafe then "<p class=\"alarm\">Graded without the sandbox.</p>" else "" end)
  + (if lateness != null then @html "<p>Handed in \(late_line).</p>" else "" end)
  + ((.notes // []) | map(@html "<p>\(line)</p>") | join(""))
  + "</div>\n"
  + ((.labs // []) | map(lab($result.id; $result.seed)) | join("\n"))
  + "</details>"
