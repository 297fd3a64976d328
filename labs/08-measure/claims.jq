# claims.jq - what the texts claim, beside what was measured (an array of series).
#
# A verdict is taken from the figures of this run: "holds", "does not hold", or that the rounds
# differ by more than the figures do. What only Windows could show has no verdict here.
include "statistics";
include "table";

def pick($system; $cores; $what; $size; $measure):
    [.[] | select(.system == $system and .cores == $cores and .what == $what and .size == $size
                  and .measure == $measure and .median != null)][0];

# Whether $a is beyond $b, both series, by more than both spread.
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

def claim($who; $said; $shows; $verdict):
    "", "\($who): \($said)", "    here:    \($shows)", "    verdict: \($verdict)";

def memory_claim($cores; $where):
    best("unix"; $cores; 64; "round_trip"; is_memory) as $memory
    | best("unix"; $cores; 64; "round_trip"; is_memory | not) as $other
    | claim("Survey, on shared memory"; "it is the fastest IPC there can be (round trip of 64 bytes, \($where))";
            "\($memory | shown), and the best of the others: \($other | shown)"; beyond($other; $memory));

def width_claim:
    best("unix"; 1; 65536; "bandwidth"; is_memory) as $memory
    | best("unix"; 1; 65536; "bandwidth"; (is_memory or . == "memcpy") | not) as $other
    | claim("Survey, on shared memory"; "the same for bandwidth (messages of 64 KB, one core)";
            "\($memory | shown), and the best of the others: \($other | shown)"; beyond($memory; $other));

def socket_claim:
    best("unix"; 1; 65536; "bandwidth"; . == "tcp" or . == "unix-stream") as $socket
    | best("unix"; 1; 65536; "bandwidth"; test("^(pipe|fifo|vmsplice|posix-queue|sysv-queue)")) as $other
    | pick("win32"; 1; "tcp"; 65536; "bandwidth") as $wine
    | pick("win32"; 1; "named-pipe"; 65536; "bandwidth") as $pipe
    | claim("Survey, on sockets"; "of what connects peers they carry the most";
            "UNIX, one core, 64 KB: \($socket | shown), and the best without sockets: \($other | shown)";
            beyond($socket; $other)),
      "             (Winsock under Wine: \($wine | shown), \($pipe | shown): which says nothing about Windows)";

def overlapped_claim:
    pick("win32"; 1; "named-pipe-overlapped"; 65536; "bandwidth") as $overlapped
    | pick("win32"; 1; "named-pipe"; 65536; "bandwidth") as $plain
    | claim("Survey, on overlapped I/O"; "it gains about 100 KB/s over other ways";
            "a pipe under Wine, 64 KB: \($overlapped | shown), \($plain | shown); 100 KB/s would be \(
              if $plain == null then "-" else (10 / $plain.median | short) end) % of that";
            "cannot be told from here: Wine says nothing about Windows, and networks carried 1 MB/s then");

def port_claim:
    claim("Report, on completion ports"; "they have a dramatic effect on speed";
          "see the table of servers with many clients: `make measure` there";
          "cannot be told from here for Windows: run the kit's programs there");

def select_claim:
    claim("Survey, on select() under Winsock"; "it is very inefficient";
          "labs/05-sockets has server_select beside the other servers, on both systems";
          "cannot be told from here for Windows");

def claims:
    memory_claim(1; "both processes on one core"),
    memory_claim(2; "a core for each"),
    width_claim,
    socket_claim,
    overlapped_claim,
    port_claim,
    select_claim;
