# trace-events.awk - collects the events of a sequence diagram, and prints them. awk reads it before trace-strace.awk
# or trace-wine.awk, which find the events in what was recorded; trace-draw.awk draws them.
#
# It prints lines with tabs between the fields; TIME is in seconds, ID is a process or thread:
#
#     0     column  ID  NAME              a column of the diagram, from left to right
#     TIME  row     ID  TEXT              ID does something alone
#     TIME  block   ID  CALL              ID blocks in a call, until its next line
#     TIME  arrow   ID  TEXT  TO  LABEL   ID does something that reaches TO
#     TIME  never   ID  TEXT              the last lines: what was never answered

BEGIN {
    FS = OFS = "\t"
    SLOW = 0.01 # seconds
    LONG = 0.5  # a call that was interrupted earlier might have been answered; a call that sends has not blocked
    NEVER = 9999999999
}

# The first part of the text that fits the pattern, without its first `skip` and last `drop` characters, or "".
function part_of(text, pattern, skip, drop) {
    return match(text, pattern) ? substr(text, RSTART + skip, RLENGTH - skip - drop) : ""
}
function number_of(hex,    n, i) {
    sub(/^0x/, "", hex)
    for (i = 1; i <= length(hex); i++) n = 16 * n + index("123456789abcdef", substr(hex, i, 1))
    return n + 0
}
function base_name(path) { sub(/.*[\/\\]/, "", path); return path }

# The text, with letters of UTF-8 in place of their bytes, which are "\NNN" there. Other bytes stay so.
function decoded(text,    out, letter, i) {
    while (match(text, /(\\3[0-3][0-7]|\\3[45][0-7]\\2[0-7][0-7]|\\36[0-7]\\2[0-7][0-7]\\2[0-7][0-7])\\2[0-7][0-7]/)) {
        letter = ""
        for (i = RSTART; i < RSTART + RLENGTH; i += 4)
            letter = letter sprintf("%c", substr(text, i + 1, 1) * 64 + substr(text, i + 2, 1) * 8 + substr(text, i + 3, 1))
        out = out substr(text, 1, RSTART - 1) letter
        text = substr(text, RSTART + RLENGTH)
    }
    return out text
}

# ---- The events. They are kept until the end: what begins as a row may reach another process -------------

function add(time, kind, id, text) {
    T[++entries] = time; K[entries] = kind; ID[entries] = id; TEXT[entries] = text
    seen[id] = 1
    return entries
}
# What `entry` does reaches `to`, which has noticed it at `time`: not before, though clocks may differ a little. A
# thread is reached when it has been started.
function reach(entry, to, label, time,    n) {
    if (K[entry] == "arrow" && TO[entry] == to && LABEL[entry] == label) return
    if (K[entry] == "arrow" || T[entry] < started_at[to]) {
        if ((entry, to, label) in reached) return
        reached[entry, to, label] = 1
        entry = add(T[entry] < started_at[to] ? started_at[to] + 0.000002 : T[entry], "row", ID[entry], "")
    }
    K[entry] = "arrow"; TO[entry] = to; LABEL[entry] = label
    seen[to] = 1
    if (!time || T[entry] < time) return
    T[entry] = time - 0.000001
    for (n = entry - 1; n > 0; n--) if (ID[n] == ID[entry] && T[n] > T[entry]) T[n] = T[entry]
}
function duration(seconds) {
    if (seconds < 0.001) return sprintf("%.2f ms", 1000 * seconds)
    return seconds < 1 ? sprintf("%.0f ms", 1000 * seconds) : sprintf("%.1f s", seconds)
}
# A call of `id` has returned. It has blocked if what it waited for happened after its begin, at `cause`. If that is
# not known, it has blocked if it was slow.
function returned(id, call, text, begin, end, cause) {
    if (cause > poll_begin[id] && cause <= poll_end[id]) show_poll(id)
    if (cause <= begin && (cause || end - begin < SLOW)) { add(end, "row", id, text); return }
    add(begin, "block", id, call)
    add(end, "row", id, text " (" duration(end - begin) ")")
}
# A call has returned that waits for many things, and takes none: what follows shows whether it has blocked.
function polled(id, call, begin, end) { poll_call[id] = call; poll_begin[id] = begin; poll_end[id] = end }
function show_poll(id,    begin) {
    begin = poll_begin[id]
    poll_begin[id] = poll_end[id]
    returned(id, poll_call[id], poll_call[id] " returns", begin, poll_end[id], poll_end[id])
}

# ---- Queues: of bytes in a channel, of signals to a process, of connections to an address --------------------

function send(entry, key, bytes, data,    n, process) {
    process = leader[ID[entry]]
    if (!((process, key) in wrote)) { wrote[process, key] = 1; opens[process, ++opened[process]] = key }
    n = ++last[key]
    sent[key, n] = entry; left[key, n] = bytes; what[key, n] = data
    bytes = owed[key] # by its clock the reader was first
    owed[key] = 0
    receive(ower[key], key, bytes, owed_at[key])
}
# Takes `bytes` from a queue, or one element if it has whole messages. Returns when the last of them came.
function receive(id, key, bytes, time,    n, part, cause) {
    while (first[key] + 0 < last[key] + 0 && bytes > 0) {
        n = first[key] + 1
        part = key in whole || left[key, n] < bytes ? left[key, n] : bytes
        bytes = key in whole ? 0 : bytes - part
        left[key, n] -= part
        reach(sent[key, n], id, what[key, n], time)
        cause = T[sent[key, n]]
        if (left[key, n] <= 0) first[key] = n
    }
    if (bytes > 0) { owed[key] += bytes; ower[key] = id; owed_at[key] = time }
    return cause
}
# The same, or the end of file.
function take(id, key, bytes, time) {
    return bytes == 0 && !(key in whole) ? end_of_file(id, key, time) : receive(id, key, key in whole ? 1 : bytes, time)
}
function signal(id, number, from, time,    key) {
    key = "signal " leader[id] " " number
    if (first[key] + 0 < last[key] + 0) returned(id, "", "gets " number, time, time, receive(id, key, 1, time))
    else if (number != "SIGCHLD" && !(from in leader)) add(time, "row", leader[id], "gets " number " from outside")
}

# Whatever closes the writing end of a channel; the last one that is not the reader ends the file.
function note_close(entry, key) {
    if (key == "") return
    done[leader[ID[entry]], key] = 1
    closed[key, ++closes[key]] = entry
    if (key in at_end && leader[ID[entry]] != leader[at_end[key]]) reach(entry, at_end[key], "end of file", end_at[key])
}
function end_of_file(id, key, time,    n) {
    for (n = closes[key]; n > 0; n--)
        if (leader[ID[closed[key, n]]] != leader[id]) {
            reach(closed[key, n], id, "end of file", time)
            return T[closed[key, n]]
        }
    at_end[key] = id
    end_at[key] = time
    return time
}

# ---- Processes -----------------------------------------------------------------------------------------------------

function new_thread(id, thread, time) {
    leader[thread] = leader[id]
    threads[leader[id], ++thread_count[leader[id]]] = thread
    starter[thread] = id
    started_at[thread] = time
}
function process_ends(time, id, text, label,    n) {
    if (leader[id] != id) return
    ended[id] = add(time, "row", id, text)
    outcome[id] = label
    for (n = 1; n <= opened[id]; n++) if (!((id, opens[id, n]) in done)) note_close(ended[id], opens[id, n])
    if (id in awaited) reach(ended[id], awaited[id], label, awaited_at[id])
}

function process_exits(time, id, code, why) {
    process_ends(time, id, "exits with " code (code > 0 && why != "" ? ": " why : ""), "exit code " code)
}
# Keeps the error line "server: open: error 2: ..." without its first word. Events are none.
function note_error(process, text) {
    sub(/(\\r)?\\n.*/, "", text)
    if (text !~ /^[a-z_]+: / || text ~ /^[a-z_]+: (sent|received|ready|client|done)/) return
    sub(/^[a-z_]+: /, "", text)
    error[process] = text ~ /^TODO STEP/ ? part_of(text, "^TODO STEP [0-9]+", 0, 0) : decoded(text)
}
# The call of `id` that waits for a process has returned.
function process_awaited(id, process, call, begin, end,    cause) {
    awaited[process] = id
    awaited_at[process] = cause = end
    if (process in ended) { reach(ended[process], id, outcome[process], end); cause = T[ended[process]] }
    returned(id, call, call " returns", begin, end, cause)
}

# ---- The first of two runs: with -v order=1 each line is printed after the time at which it counts -------------------

order {
    thread = FILENAME
    sub(/.*\./, "", thread)
    time = substr($0, 1, index($0, " ") - 1)
    line = substr($0, index($0, " ") + 1)
}
function print_line(time, id, begin, line) { printf "%.6f\t%s\t%s\t%s\n", time, id, begin, line }

# ---- The end -----------------------------------------------------------------------------------------------------

END {
    if (order) exit
    for (id in unanswered) if (id in seen || id == leader[id]) {
        add(since[id], "block", id, unanswered[id])
        if (over[leader[id]]) continue
        if (finish - since[id] >= LONG) add(finish, "never", id, unanswered[id] " did not return in " duration(finish - since[id]))
        else add(finish, "row", id, "is ended by the checker")
    }
    for (key in last)
        for (n = first[key] + 1; n <= last[key]; n++) if (left[key, n] > 0) {
            text = left[key, n] " bytes were not read: " what[key, n]
            if (key ~ /^connection /) text = "its connection was not accepted"
            if (key ~ /^signal /) text = what[key, n] " did not come"
            add(finish, "never", ID[sent[key, n]], text)
        }
    for (n = 1; n <= process_count; n++) {
        id = processes[n]
        for (m = 1; m <= thread_count[id]; m++) if (threads[id, m] in seen) seen[id] = 1
        if (!(id in seen)) continue
        name = program[id] (++named[program[id]] > 1 ? " " named[program[id]] : "")
        print 0, "column", id, name
        number = 1
        for (m = 1; m <= thread_count[id]; m++) {
            thread = threads[id, m]
            if (!(thread in seen)) continue
            print 0, "column", thread, name ", thread " ++number
            reach(add(started_at[thread], "row", starter[thread], "thread"), thread, "")
        }
    }
    for (n = 1; n <= entries; n++) if (n == 1 || T[n] < start) start = T[n]
    for (n = 1; n <= entries; n++)
        print sprintf("%.6f", T[n] - start + 0.000001), K[n], ID[n], TEXT[n] (K[n] == "arrow" ? "\t" TO[n] "\t" LABEL[n] : "")
}
