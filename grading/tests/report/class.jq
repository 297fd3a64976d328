# class.jq - the made-up class of make-class: the class's object, then each student's.

# ---- Real results, by the names of their files ------------------------------------------------

def nul: [0] | implode;
def escape: [27] | implode;

(reduce inputs as $r ({};
   .[input_filename | split("/") | last | rtrimstr(".json")] = $r)) as $real

# A lab's result as grading/grade-submission writes it.
| def built: [{name: "server.c", status: "built", why: null, compiler: null},
              {name: "client.c", status: "built", why: null, compiler: null}];
def lab($name):
  $real[$name] | {lab, title, system, files: built, points, maximum, tests: (.tests | map(. + {repeated: false}))};

# The reference's results, with the tests in them that a mistake fails. Its own file contains only
# the tests that judge the mistaken program.
def mistaken($name; $mistake):
  lab($name)
  | .tests |= map(. as $t
      | first(($real[$mistake].tests[] | select(.id == $t.id and .verdict == "failed") | . + {cast: $t.cast, repeated: false}), $t))
  | .points = ([.tests[] | .points] | add);

# The result of a lab whose programs cannot be judged.
def without($name; $file; $status; $why; $compiler):
  lab($name)
  | .files |= map(if .name == $file then . + {status: $status, why: $why, compiler: $compiler} else . end)
  | .points = 0
  | .tests |= map(if .verdict == "skipped" then . else
      {id, name, judges, points: 0, maximum, step, seconds: 0, hint, cast, verdict: "failed",
       reason: "\($file) \({"missing": "is missing", "refused": "was refused"}[$status] // "does not compile")"} end);

# The first test fails, and the program printed the given text.
def printing($lines):
  .tests[0] |= (. + {verdict: "failed", points: 0, reason: "the server printed \($lines[0])",
    waiting: [], left: [], transcript: ($lines | map("[server] " + .))})
  | .points = ([.tests[] | select(.verdict == "passed") | .points] | add);

# What the checker notes if a line is still in the buffer of the C library.
def unflushed:
  .tests[0].notes = ["Nothing came on its standard output, which is a pipe: what printf() wrote may still be in the buffer of the C library. Call fflush(stdout) after each line."];

def right: [lab("01-unix-right"), lab("01-win32-right"), lab("04-unix-right"), lab("04-win32-right")];

def script: "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title='stolen'\">";

def student($id; $name; $labs):
  {id: $id, name: $name, email: "\($id)@example.org", source: "\($id).zip", labs: $labs};

# ---- The dozen --------------------------------------------------------------------------------

def dozen: [
  # All right.
  student("ivanov.petr"; "Пётр Иванов"; right),
  # One common mistake.
  student("abel_n"; "Niels Abel"; right | .[0] = mistaken("01-unix-right"; "01-unix-read_is_message") | (.[0].tests[] | select(.id == "single_bytes").repeated) = true
    | .[1].tests[2] += {repeated: true, first: {verdict: "failed", reason: "the client <b>has not ended</b>; waited for 3 seconds"}}),
  # Bytes that differ: the mark must be under the first one.
  student("curie-m"; "Marie Skłodowska-Curie"; right
    | .[2].tests[4] |= (. + {verdict: "failed", points: 0, reason: "the reply differs from what was sent",
        sent: {text: "Zażółć\\0", bytes: 12, from: 0, mark: 0},
        expected: {text: "Zażółć\\0", bytes: 12, from: 4, mark: 7},
        received: {text: "Zażółx\\0", bytes: 11, from: 4, mark: 8}, difference: 9,
        transcript: ["[server] server: ready", "... 8 earlier lines"]})
    | .[2].points -= .[2].tests[4].maximum),
  # HTML, and an end of the page's own script.
  student("html"; "<b onmouseover=alert(1)>Bobby</b>"; right
    | .[0] |= printing(["</script>" + script, "</pre></details>" + script, "]]>--><!--", "&lt;b&gt; &amp; \"quotes\" 'single'"])
    | .[0].tests[0].name += script | .[1].tests[0].name += script),
  # Formulas, in a name and in what was printed.
  student("formula"; "=cmd|' /C calc'!A0"; right | .[0] |= (printing(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"]) | unflushed)),
  # Commands to a terminal, NUL, marks of direction, bytes that were no UTF-8.
  student("terminal"; "Eve\u202e\u2066gnirts\u200f"; right
    | .[0] |= (unflushed | printing([escape + "[31mred" + escape + "[0m" + escape + "]0;title", "a" + nul + "b",
        "user\u202etxt.exe", "\ufffd\ufffd", "tab\there", "\u009b2J"]))),
  # Names that break formats: quotes, commas, line ends, Markdown.
  student("quotes"; "O'Neil, \"Tip\"\nsecond line | `code` [link](http://example.org)"; right
    | .[2] |= printing(["```", "````\n# heading", "~~~", "    indented", "| a | b |"])),
  # A line of 20,000 characters, and a thousand lines.
  student("long"; "Long"; right
    | .[3] |= printing([[range(4000) | "12345"] | join("")] + [range(1000) | "line \(.)"])),
  # Files that are missing, that do not compile, that are no files.
  student("missing"; "Mia Missing"; right
    | .[0] = without("01-unix-right"; "server.c"; "missing"; null; null)
    | .[1] = without("01-win32-right"; "client.c"; "does not compile"; null;
        "client.c: In function 'main':\nclient.c:3:5: error: expected ';' before 'return'\n    3 |     return 0 ```\n      |     ^~~~~~ " + script + "\r\n" + escape + "[K\n")
    | .[2] = without("04-unix-right"; "client.c"; "refused"; "it is a link to /etc/passwd"; null)),
  # Late, graded without the sandbox.
  student("late.unsafe"; "Leo Late"; right | .[0] = mistaken("01-unix-right"; "01-unix-client_reads_once")),
  # A test that the kit itself could not judge, one that was skipped, and no name.
  student("-1"; null; right
    | .[0].tests[5] |= (. + {verdict: "error", points: 0, reason: "cannot start the probe"})
    | .[0].tests[6] |= (. + {verdict: "skipped", points: 0, reason: "needs Windows"})
    | .[0].maximum -= (.[0].tests[5].maximum + .[0].tests[6].maximum)
    | .[0].points = .[0].maximum
    # And one that was not run, because a test that it needs failed.
    | .[1] |= (.points -= .tests[3].maximum
        | .tests[3] |= (. + {verdict: "blocked", points: 0, seconds: 0, reason: "fix ten_messages first", blocked_by: "ten_messages"}))),
  # Almost nothing works.
  student("z"; "Zoë"; right
    | .[0] = mistaken("01-unix-right"; "01-unix-keeps_client_ends")
    | .[1] = without("01-win32-right"; "server.c"; "missing"; null; null)
    | .[2] = without("04-unix-right"; "server.c"; "missing"; null; null)
    | .[3] = without("04-win32-right"; "server.c"; "missing"; null; null)
    | .[3].files[1].status = "missing")
];

# The saved results are older than the stages: the first tests become basic, the last robust.
def staged:
  .labs[].tests |= (length as $n | to_entries
    | map(.value + {stage: ["basic", "complete", "robust"][.key * 3 / $n | floor]}));

def finished:
  staged | . + {seed: "0x00001234", kit: "v0.9-12-gabcdef0", graded: "2026-11-21T10:00:00Z", seconds: 12.3456,
       unsafe: (.id == "late.unsafe"),
       notes: (if .id == "html" then ["the archive had an extra top folder " + script] else [] end),
       points: ([.labs[].points] | add), maximum: ([.labs[].maximum] | add),
       late: (if .id == "z" then {due: "2026-11-18T00:00:00Z", submitted: "2026-11-17T00:00:00Z", days: 0, deduction: 0} else null end)}
  | .final = .points
  | if .id == "late.unsafe" then
      .late = {due: "2026-11-18T00:00:00Z", submitted: "2026-11-19T22:10:00Z", days: 2, deduction: (.points * 0.2)}
      | .final = .points - .late.deduction
    else . end;

dozen as $dozen
| [range($count) | . as $n | $dozen[$n % 12] | if $n >= 12 then .id += "-\($n)" else . end | finished] as $students
| {title: "IPC, made up & <tested>", seed: "0x00001234", started: "2026-11-21T09:58:00Z",
   finished: "2026-11-21T10:00:00Z", labs: ["01-anon-pipes", "04-shared-memory"], systems: ["unix", "win32"],
   unsafe: false, students: ($students | map(.id)),
   similar: [{a: "ivanov.petr", b: "abel_n", percent: 97, lab: "01-anon-pipes", system: "unix"},
             {a: "html", b: "z", percent: 61, lab: "04-shared-memory", system: "win32"}]},
  $students[]
