# weights.jq - reads the file of `grade --weights`: lines LAB STAGE-OR-TEST WEIGHT. Prints a list of
# {"lab", "what", "weight"}, or fails with an error that names the line. class/settings.sh calls it.
#
#     jq -R -n -f weights.jq --arg labs "the labs of the kit, a line for each"
#                            --arg tests "LAB TEST, a line for each test of the labs that were set"
#
# It reads the CSV of a spreadsheet, too: with commas or semicolons between the columns, with quotes, a first
# line of names, and decimal commas where semicolons separate. The tests of labs that were not set are not known.

($labs | split("\n")) as $labs
| ($tests | split("\n") | map(select(. != "") | split(" ") | {lab: .[0], id: .[1]})) as $tests
| [inputs] | to_entries
| map((.key + 1) as $line
    | def wrong: error("line \($line): \(.)");
    .value | ltrimstr("\ufeff") | sub("#.*"; "") | gsub("\""; "")
    | if test(";") then gsub(","; ".") else . end
    | [splits("[\\s,;]+")] | map(select(. != ""))
    | select(. != [] and ($line > 1 or (.[0] | ascii_downcase) != "lab"))
    | if length != 3 then "a line is LAB, STAGE or TEST, WEIGHT: 01 basic 2" | wrong else . end
    | . as [$lab, $what, $weight]
    # Not by first() and `//`: in jq 1.6 later errors are lost then.
    | [if $lab == "all" then $lab
       else $labs[] | select(. == $lab or (split("-")[0] | ltrimstr("0")) == ($lab | ltrimstr("0"))) end][0] as $name
    | if $name == null then "there is no lab \($lab)" | wrong else . end
    | if $weight | test("^[0-9]+([.][0-9]+)?$") | not then "a weight is a number such as 2 or 0.5, not \($weight)" | wrong else . end
    | if ($what | IN("all", "basic", "complete", "robust"))
         or ($name != "all" and (all($tests[]; .lab != $name)))
         or any($tests[]; .id == $what and ($name == "all" or .lab == $name)) then .
      else "there is no stage and no test \($what)\(if $lab == "all" then "" else " in lab \($lab)" end)" | wrong end
    | {lab: $name, $what, weight: ($weight | tonumber)})
