# look.jq - lists the students whom the instructor must look at, with the command that mends it.
#
#     jq -r -s -L report --arg form few --arg command C -f look.jq    input: result.json of each student
#
# With the form `all` the input is the output of `grade-submission --look`: first it lists the files
# of every student. C is the command of grade with its --out.

include "common";

def found:
  (.files // []) | group_by(.path | split("/")[:2])
  | map((.[0].path | split("/")[:2] | join("/")) + ": " + (map(.path | split("/")[2:] | join("/")) | sort | join(", ")))
  | if length == 0 then ["nothing was found"] else . end;

# What to add to the command: how the submission is graded when the instructor has mended it.
def mend:
  if any(.look[]; test("download of a whole class")) then "ARCHIVE"
  elif all(.look[]; test("column submitted")) then "--map FILE"
  else "--as \(.id | line) FOLDER" end;

(if $form == "all" then .[] | (.id | line), ((found + (.notes // []) + [(.refused // [])[] | "\(.path) was not taken: it \(.why)"] + [.error // empty])[] | "  \(line)") else empty end),
(map(select((.look // []) | length > 0))
 | if length == 0 then empty
   else
     "\(length | plural("submission")) \(if length == 1 then "needs" else "need" end) a look:",
     (.[] | "  \(.id | line): \(.look | map(line) | join("; "))",
            "    then: \($command) \(mend)")
   end)
