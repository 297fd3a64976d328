# trace-strace.awk - finds the events of a sequence diagram in what strace wrote. See trace-events.awk.
#
# Its input is the files of `strace -ff -ttt -T -yy`: one for each thread, NAME.THREAD. With -v order=1 it prints
# each line again, after the thread and the time at which the call counts. A call that waits counts when it
# returns, any other when it begins: so a write comes before the read that it wakes. These lines, sorted by the
# time, are the input of a second run. It follows each pipe, FIFO, socket and mapping by the name that strace
# gives to its descriptors, and finds for each read what was written there first, and not read yet.

BEGIN {
    split("recvfrom recv sendto send accept4 accept wait4 waitpid vfork fork clone fork clone3 fork openat open" \
          " rt_sigqueueinfo sigqueue rt_sigtimedwait sigwaitinfo rt_sigsuspend sigsuspend tgkill raise" \
          " clock_nanosleep sleep nanosleep sleep epoll_pwait epoll_wait pselect6 select", pair, " ")
    for (i = 1; i in pair; i += 2) shown[pair[i]] = pair[i + 1]
    READS = "^(readv?|recvfrom|recvmsg)$"
    POLLS = "^(p?poll|select|pselect6|epoll_p?wait|rt_sig(timedwait|suspend)|pause)$"
    OTHER_WAITS = "^(accept4?|wait4|waitid|(clock_)?nanosleep|openat)$"
}

function waits(name, line) {
    return name ~ READS || name ~ POLLS || name ~ OTHER_WAITS || (name == "futex" && line ~ /FUTEX_(WAIT|LOCK_PI)/)
}

order {
    begin = time
    if (waits(substr(line, 1, index(line, "(") - 1), line))
        time = match(line, /<[0-9.]+>$/) ? begin + substr(line, RSTART + 1, RLENGTH - 2) : NEVER
    print_line(time, thread, begin, line)
    next
}

# ---- Descriptors and texts --------------------------------------------------------------------------------

# What the first descriptor in the text is: "pipe:[7]" for "3<pipe:[7]>, ...".
function object_of(text) {
    text = part_of(text, text ~ /^[0-9]+<[A-Za-z0-9-]+:\[/ ? "^[0-9]+<.*\\]>" : "^[0-9]+<[^>]*>", 0, 1)
    gsub(/^[0-9]+<| \(deleted\)$/, "", text)
    return text
}
# The name of the bytes that a process writes to an object, or reads from it; "" if no process can.
function channel(object, writes,    part) {
    if (object ~ /^pipe:/) return object in made ? object : ""
    if (object ~ /^\//) return object in fifo ? object : ""
    if (object !~ /^(TCP|UDP|UNIX)/) return ""
    gsub(/^[^\[]*\[|(,"[^"]*")?\]$/, "", object)
    if (split(object, part, "->") == 1) return writes ? "" : object
    return object ~ /:/ ? (writes ? part[1] ">" part[2] : part[2] ">" part[1]) : part[writes ? 2 : 1]
}
# The first string, with its quotes.
function string_in(text) { return decoded(part_of(text, "\"([^\"\\\\]|\\\\.)*\"(\\.\\.\\.)?", 0, 0)) }
# The address in the arguments of bind() or connect(): a port, or a path in quotes. The same in an object's name.
function address_in(text) {
    return text ~ /sun_path=/ ? part_of(text, "sun_path=@?\"[^\"]*\"", 9, 0) : part_of(text, "port=htons\\([0-9]+", 11, 0)
}
function address_of(object) {
    return object ~ /"/ ? part_of(object, "\"[^\"]*\"", 0, 0) : part_of(object, "[0-9]+\\]$", 0, 1)
}
# An address in shared memory: the memory and the offset, which are the same in all processes.
function place(id, address,    n) {
    for (n = maps[leader[id]]; n > 0; n--)
        if (address >= map_begin[leader[id], n] && address < map_end[leader[id], n])
            return map_name[leader[id], n] " + " address - map_begin[leader[id], n]
    return ""
}

# ---- One line, which is a call, a signal or an end ---------------------------------------------------------------

{
    end = $1 + 0; id = $2; begin = $3 + 0; line = $4
    split(line, word, " ")
    if (!(id in leader)) { leader[id] = id; processes[++process_count] = id }
    if (end < NEVER) finish = end
}
# By the checker: it ends a program that prints a TODO.
/\t\+\+\+ killed by SIGKILL/ {
    if (error[leader[id]] !~ /^TODO STEP/) next
    over[leader[id]] = 1
    process_ends(end, id, error[leader[id]], "end")
    next
}
/\t\+\+\+ / {
    over[leader[id]] = 1
    if (word[2] == "exited")
        process_exits(end, id, word[4], error[leader[id]])
    else process_ends(end, id, "is ended by " word[4], "ended by " word[4])
    next
}
/\t--- / { signal(id, word[2], part_of(line, "si_pid=[0-9]+", 7, 0), end); next }
{
    name = substr(line, 1, index(line, "(") - 1)
    call = name in shown ? shown[name] : name
    match(line, /.*\) += /)
    args = substr(line, length(name) + 2, (RLENGTH > 0 ? RLENGTH : length(line)) - length(name) - 1)
    sub(/\) += $/, "", args)
    result = RLENGTH > 0 ? substr(line, RLENGTH + 1) : "?"
    count = result + 0
    object = object_of(args)
    reading = channel(object, 0)
    writing = channel(object, 1)
    rest = args # after the descriptor
    sub(/^[0-9]+<[^"]*>(\(deleted\))?, /, "", rest)
    if (name ~ /msg$/) sub(/.*iov_base=/, "", rest)
    if (name ~ READS && reading == "" && args ~ /^0</) call = call " (input)" # of this trace nobody writes there
    if (name == "openat") call = "open " base_name(part_of(args, "\"[^\"]*\"", 1, 1))
    # What a program prints reaches the checker, so it always can. Its last error is of interest.
    if (name == "write" && args ~ /^[12]</ && writing == "") {
        if (args ~ /^2</) note_error(leader[id], part_of(args, "\"([^\"\\\\]|\\\\.)*", 1, 0))
        next
    }
    if (result ~ /^\?/) {
        if (name == "exit_group") next
        if (line !~ />$/ || end == NEVER) { unanswered[id] = call; since[id] = begin }
        else if (end - begin >= SLOW) add(begin, "block", id, call) # a signal has interrupted it
        next
    }
    if (result ~ /^-1 /) {
        split(result, word, " ")
        if (reading writing != "" || name ~ /^(connect|bind|mknodat|execve)$/ ||
            (name == "openat" && args !~ /"\/(lib|usr|etc|proc|sys)/))
            returned(id, call, call " fails: " word[2], begin, end, 0)
        next
    }
}
name ~ /^(pipe2?|socketpair)$/ {
    add(begin, "row", id, name)
    for (; match(args, /[a-zA-Z0-9-]+:\[[^\]]*\]/); args = substr(args, RSTART + RLENGTH))
        made[substr(args, RSTART, RLENGTH)] = 1
}
name ~ /^mknod/ && args ~ /S_IFIFO/ {
    path = part_of(args, "\"[^\"]*\"", 1, 1)
    add(begin, "row", id, "mkfifo " base_name(path))
    fifo[path ~ /^\// ? path : part_of(args, "<[^>]*>", 1, 1) "/" path] = 1
}
name == "openat" && (object_of(result) in fifo || result ~ /<\/dev\/shm\//) { returned(id, call, call, begin, end, 0) }
name == "socket" && args ~ /SOCK_(DGRAM|SEQPACKET)/ { whole[channel(object_of(result), 0)] = 1 }
name == "bind" { add(begin, "row", id, "bind " address_in(args)); if (reading in whole) bound[address_in(args)] = reading }
name == "listen" { add(begin, "row", id, "listen") }
name == "connect" && address_in(args) != "" {
    n = add(begin, "row", id, "connect")
    if (!(reading in whole)) send(n, "connection " address_in(args), 1, "connection")
}
name ~ /^accept/ { returned(id, call, "accept returns", begin, end, receive(id, "connection " address_of(object), 1, end)) }
name ~ /^(writev?|sendto|sendmsg)$/ {
    if (writing == "" && address_in(args) in bound) writing = bound[address_in(args)]
    if (writing == "") next
    where = writing in fifo ? " in " base_name(writing) : ""
    send(add(begin, "row", id, call " " count), writing, count, string_in(rest) where)
    took = part_of(line, "<[0-9.]+>$", 1, 1)
    if (took >= LONG) returned(id, call, call " returns", begin, begin + took, 0)
}
name ~ READS && reading != "" {
    if (rest ~ /MSG_PEEK/) polled(id, call " (peek)", begin, end)
    else returned(id, call, call " returns " count, begin, end, take(id, reading, count, end))
}
call ~ /\(input\)/ { returned(id, call, "input: " (count ? string_in(rest) : "end of file"), begin, end, 0) }
name ~ POLLS {
    polled(id, call, begin, end)
    if (name == "rt_sigtimedwait")
        signal(id, part_of(result, "SIG[A-Z0-9_]+", 0, 0), part_of(args, "si_pid=[0-9]+", 7, 0), end)
    else if (end - begin >= SLOW) show_poll(id)
}
name ~ /nanosleep$/ && end - begin >= SLOW { returned(id, call, "sleep returns", begin, end, 0) }
name == "close" && reading writing != "" { note_close(add(begin, "row", id, "close"), writing != "" ? writing : reading) }
name == "shutdown" && args !~ /SHUT_RD$/ { note_close(add(begin, "row", id, "shutdown"), writing) }
name ~ /^(clone3?|v?fork)$/ && count > 0 {
    if (args ~ /CLONE_THREAD/) { new_thread(id, count, begin); next }
    leader[count] = count
    program[count] = program[leader[id]]
    processes[++process_count] = count
    reach(add(begin, "row", id, "fork"), count, "")
}
name == "execve" {
    program[leader[id]] = base_name(part_of(args, "\"[^\"]*\"", 1, 1))
    maps[leader[id]] = 0
    if (id in seen) add(begin, "row", id, "exec " program[id])
}
name == "wait4" && count > 0 { process_awaited(id, count, call, begin, end) }
name ~ /^(kill|tgkill|rt_t?g?sigqueueinfo)$/ && args ~ /SIG/ {
    number = part_of(args, "SIG[A-Z0-9_]+", 0, 0)
    value = part_of(args, "si_int=-?[0-9]+", 7, 0)
    entry = add(begin, "row", id, (args + 0 == leader[id] ? "raise" : call) " " number)
    if (args + 0 != leader[id] && args + 0 in leader)
        send(entry, "signal " args + 0 " " number, 1, number (value == "" ? "" : ", value " value))
}
name == "mmap" && args ~ /MAP_SHARED, [0-9]/ {
    n = ++maps[leader[id]]
    split(args, part, ", ")
    split(result, word, " ")
    map_begin[leader[id], n] = number_of(word[1])
    map_end[leader[id], n] = number_of(word[1]) + part[2]
    map_name[leader[id], n] = base_name(part_of(args, "<[^>]*>", 1, 1))
    add(begin, "row", id, "mmap " map_name[leader[id], n])
}
name == "futex" {
    split(args, part, ",")
    key = place(id, number_of(part[1]))
    if (key == "") next
    if (args ~ /FUTEX_WAKE/ && count > 0) wake[key] = add(begin, "row", id, "futex wake")
    if (args !~ /FUTEX_WAIT/) next
    if (key in wake) { reach(wake[key], id, key, end); cause = T[wake[key]] }
    returned(id, "futex wait", "futex wait returns", begin, end, cause)
}
