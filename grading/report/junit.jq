# junit.jq - one result.json as JUnit XML, in the form that both Ant's schema and Jenkins know.

include "common";

# An attribute is one line.
def attribute: line | @html;
def element: visible | @html;
def seconds: (. // 0) * 1000 | round / 1000 | if . < 0.001 then 0 else . end;

. as $result
| "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>",
  ( (.labs // []) | to_entries[] | .key as $n | .value | . as $lab | (.tests // []) as $tests
  | "<testsuite id=\"\($n)\" package=\"\($lab.lab | attribute)\" name=\"\(lab_name | attribute)\""
    + " timestamp=\"\($result.graded // "1970-01-01T00:00:00Z" | line | .[:19] | @html)\" hostname=\"localhost\""
    + " tests=\"\($tests | length)\" failures=\"\($tests | map(select(is_lost)) | length)\" errors=\"\($tests | count("error"))\""
    + " skipped=\"\($tests | count("skipped"))\" time=\"\([$tests[].seconds // 0] | add | seconds)\">",
    "<properties><property name=\"student\" value=\"\($result.id | attribute)\"/>"
    + "<property name=\"seed\" value=\"\($result.seed | attribute)\"/>"
    + "<property name=\"points\" value=\"\($lab.points | points) of \($lab.maximum // 0)\"/></properties>",
    ( $tests[]
      | "<testcase name=\"\(test_name | attribute)\" classname=\"\($lab.lab | attribute).\($lab.system | attribute).\(.id | attribute)\" time=\"\(.seconds | seconds)\""
        + if .verdict == "passed" then "/>"
          elif .verdict == "skipped" then "><skipped message=\"\(why | attribute)\"/></testcase>"
          else
            (if is_lost then "failure" else "error" end) as $kind
            | "><\($kind) type=\"\(.verdict | attribute)\" message=\"\(why | attribute)\">\(evidence($lab; $result.seed) | element)</\($kind)></testcase>"
          end ),
    "<system-out>\([$lab.files[]? | select((.compiler // "") != "") | .name + ":\n" + (.compiler | visible | lines(200))] | join("\n") | element)</system-out>",
    "<system-err></system-err>",
    "</testsuite>" ),
  "</testsuites>"
