# page.jq - the series of a run (an array) as CSV, as data for plots, and as a page.
include "statistics";
include "table";

def csv:
    (["table", "system", "runner", "mechanism", "bytes", "measure", "unit", "cores", "connections", "idle", "median", "spread", "why"] | @csv),
    (.[] | [.table, .system, .runner, .what, .size, .measure, .unit, .cores, .connections, .idle, .median, .spread, .why] | @csv);

# name, median, low, high: of the round trips of 64 bytes, the fastest first.
def round_trips($system; $cores):
    map(select(.measure == "round_trip" and .size == 64 and .system == $system
               and .cores == $cores and .median != null))
    | sort_by(.median)[] | [.what, .median, (.values | low), (.values | high)] | @tsv;

# name, size, bandwidth.
def widths($system; $cores):
    map(select(.measure == "bandwidth" and .system == $system and .cores == $cores
               and .median != null))
    | group_by(.what)[] | sort_by(.size)[] | [.what, .size, .median] | @tsv;

def page_cell:
    if . == null then "<td>&ndash;</td>"
    elif .median == null then "<td class=why>\(.why | @html)</td>"
    else "<td\(if .spread > 0.2 then " class=wide" else "" end) title=\"\(.values | map(short) | join(", ") | @html)\">\(.median | short)</td>" end;

def page_table($title; $measure):
    map(select(.table == "mechanisms" and .measure == $measure)) | group_by([.system, .cores])[]
    | . as $part | (map(.size) | unique) as $sizes
    | "<h3>\($title), \(.[0].system | name_of_system), \(if .[0].cores == 1 then "one core" elif .[0].cores == 2 then "two cores" else "not pinned" end)</h3>"
      + (if .[0].system == "win32" then "<p class=warning>Measured under Wine: this says nothing about Windows.</p>" else "" end)
      + "<table><tr><th>\($sizes | map("<th>" + name_of_size) | join(""))</tr>"
      + ([((reduce $part[] as $s ([]; if index($s.what) then . else . + [$s.what] end))[]) as $what
          | "<tr><th>\($what | @html)" + ([$sizes[] as $size
              | [$part[] | select(.what == $what and .size == $size)][0] | page_cell] | join("")) + "</tr>"]
         | join("\n"))
      + "</table>";

def page_prices:
    map(select(.table == "prices")) | group_by(.system)[]
    | "<h3>Prices in microseconds, \(.[0].system | name_of_system)</h3>"
      + (if .[0].system == "win32" then "<p class=warning>Measured under Wine: this says nothing about Windows.</p>" else "" end)
      + "<table>" + (sort_by(.median) | map("<tr><th>\(.what | @html)\(page_cell)</tr>") | join("\n")) + "</table>";

def page_servers($title; $measure):
    map(select(.table == "servers" and .measure == $measure)) | group_by([.system, .cores])[]
    | . as $part | (map({connections, idle}) | unique_by([.idle, .connections])) as $columns
    | "<h3>\($title), \(.[0].system | name_of_system), \(if .[0].cores == 1 then "one core" else "clients on another core" end)</h3>"
      + (if .[0].system == "win32" then "<p class=warning>Measured under Wine: this says nothing about Windows.</p>" else "" end)
      + "<table><tr><th>\($columns | map("<th>\(.connections)\(if .idle > 0 then " + \(.idle) idle" else "" end)") | join(""))</tr>"
      + ([((reduce $part[] as $s ([]; if index($s.what) then . else . + [$s.what] end))[]) as $what
          | "<tr><th>\($what | @html)" + ([$columns[] as $column
              | [$part[] | select(.what == $what and .connections == $column.connections and .idle == $column.idle)][0]
              | page_cell] | join("")) + "</tr>"]
         | join("\n"))
      + "</table>";

def page($machine):
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>IPC, measured</title>
<meta name=viewport content=\"width=device-width\">
<style>
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1.5em } td, th { padding: .15em .7em; text-align: right }
th { text-align: left; font-weight: normal } tr:first-child th { font-weight: bold; text-align: right }
tr:nth-child(even) { background: #f3f5f8 } .why { color: #777; font-size: 85% } .wide { color: #a04000 }
.wide:after { content: \"?\" } .warning { border-left: 4px solid #c0392b; padding-left: .8em; color: #8e2a1e }
svg { max-width: 100%; height: auto } pre { background: #f3f5f8; padding: .8em }
</style>
<h1>Interprocess communication, measured</h1>
<pre>\($machine | @html)</pre>
<p>Medians of all rounds. Point at a figure to see each round. A question mark means that the
rounds differ by more than a fifth of the median.</p>
<!-- plot turns-1 -->
<!-- plot turns-2 -->
<!-- plot widths-1 -->
<!-- plot widths-2 -->
<!-- plot rates -->
<!-- plot idle -->",
    page_table("Round trip in microseconds"; "round_trip"),
    page_table("Bandwidth one way in MB/s"; "bandwidth"),
    page_prices,
    page_servers("Servers: echoes a second by clients"; "rate"),
    page_servers("Servers: microseconds that 99 of 100 echoes do not exceed"; "p99"),
    page_servers("Servers: seconds to connect all and serve each once"; "setup"),
    page_servers("Servers: bytes of memory for a client"; "memory_per_client"),
    page_servers("Servers: microseconds of processor time for a message"; "cpu_per_message"),
    "</html>";
