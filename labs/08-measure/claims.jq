# claims.jq - what the texts claim, beside what was measured (an array of series).
#
# A verdict comes from the figures of this run: "holds", "does not hold", or no verdict, if the rounds
# differ by more than the figures. A claim that only Windows can prove has no verdict here.
include "statistics";
include "table";

def pick($system; $cores; $what; $size; $measure):
    [.[] | select(.system == $system and .cores == $cores and .what == $what and .size == $size
                  and .measure == $measure and .median != null)][0];

# Whether the series $a is larger than $b, by more than their spreads.
def beyond($a; $b):
    if $a == null or $b == null then "not measured"
    elif ($a.values | low) > ($b.values | high) then "holds"
    elif ($a.values | high) < ($b.values | low) then "does not hold"
    else "no verdict: the rounds differ by more" end;

def best($system; $cores; $size; $measure; of):
    [.[] | select(.system == $system and .cores == $cores and .size == $size and .measure == $measure
                  and .median != null and (.what | of))]
    | if . == [] then null elif $measure == "round_trip" then min_by(.median) else max_by(.median) end;

def shown: if . == null then "-" else "\(.what) \(.median | short) \(.unit)" end;
def is_memory: startswith("memory-");
def is_yardstick: . == "memcpy" or . == "perf-pipe";

def claim($who; $said; $shows; $verdict):
    "", "\($who): \($said)", "    here:    \($shows)", "    verdict: \($verdict)";

def memory_claim($cores; $where):
    best("unix"; $cores; 64; "round_trip"; is_memory) as $memory
    | best("unix"; $cores; 64; "round_trip"; (is_memory or is_yardstick) | not) as $other
    | claim("Survey, on shared memory"; "it is the fastest IPC possible (round trip of 64 bytes, \($where))";
            "\($memory | shown), and the best of the others: \($other | shown)"; beyond($other; $memory));

def width_claim:
    best("unix"; 1; 65536; "bandwidth"; is_memory) as $memory
    | best("unix"; 1; 65536; "bandwidth"; (is_memory or is_yardstick) | not) as $other
    | claim("Survey, on shared memory"; "the same for bandwidth (messages of 64 KB, one core)";
            "\($memory | shown), and the best of the others: \($other | shown)"; beyond($memory; $other));

def socket_claim:
    best("unix"; 1; 65536; "bandwidth"; . == "tcp" or . == "unix-stream") as $socket
    | best("unix"; 1; 65536; "bandwidth"; test("^(pipe|fifo|vmsplice|posix-queue|sysv-queue)")) as $other
    | pick("win32"; 1; "tcp"; 65536; "bandwidth") as $wine
    | pick("win32"; 1; "named-pipe"; 65536; "bandwidth") as $pipe
    | claim("Survey, on sockets"; "they carry the most of all that connects peers";
            "UNIX, one core, 64 KB: \($socket | shown), and the best without sockets: \($other | shown)";
            beyond($socket; $other)),
      "             (Winsock under Wine: \($wine | shown), \($pipe | shown): which says nothing about Windows)";

def overlapped_claim:
    pick("win32"; 1; "named-pipe-overlapped"; 65536; "bandwidth") as $overlapped
    | pick("win32"; 1; "named-pipe"; 65536; "bandwidth") as $plain
    | claim("Survey, on overlapped I/O"; "it gains about 100 KB/s over other ways";
            "a pipe under Wine, 64 KB: \($overlapped | shown), \($plain | shown); 100 KB/s would be \(
              if $plain == null then "-" else (10 / $plain.median | short) end) % of that";
            "no verdict here: Wine says nothing about Windows, and networks carried 1 MB/s then");

# One figure of a server under load, on one core.
def server($system; $what; $clients; $measure):
    [.[] | select(.table == "servers" and .system == $system and .cores == 1 and .what == $what
                  and .connections == $clients and .idle == 0 and .measure == $measure
                  and .median != null)][0];

def rate_of: if . == null then "-" else "\(.what) \(.median | short) a second" end;

def port_claim:
    server("win32"; "06-port"; 1000; "rate") as $port
    | server("win32"; "05-thread"; 1000; "rate") as $threads
    | server("unix"; "06-epoll"; 1000; "rate") as $epoll
    | server("unix"; "05-thread"; 1000; "rate") as $unix_threads
    | claim("Report, on completion ports"; "they have a dramatic effect on speed";
          "1,000 clients under Wine: \($port | rate_of), \($threads | rate_of); on UNIX: \($epoll | rate_of), \($unix_threads | rate_of)";
          "no verdict here: Wine says nothing about Windows (under Wine: \(beyond($port; $threads)))");

def select_claim:
    server("win32"; "05-select"; 50; "rate") as $select
    | server("win32"; "05-thread"; 50; "rate") as $threads
    | server("win32"; "06-port"; 50; "rate") as $port
    | claim("Survey, on select() under Winsock"; "it is very inefficient";
          "50 clients under Wine: \($select | rate_of), \($threads | rate_of), \($port | rate_of)";
          "no verdict here: Wine says nothing about Windows (under Wine: \(beyond($threads; $select)))");

def claims:
    memory_claim(1; "both processes on one core"),
    memory_claim(2; "a core for each"),
    width_claim,
    socket_claim,
    overlapped_claim,
    port_claim,
    select_claim;
