# trace-wine.awk - finds the events of a sequence diagram in what Wine's server wrote. See trace-events.awk.
#
# Its input is the output of `wineserver -d` with the time before each line. The server writes each request of each
# thread, "0024: write( async={handle=0064,...}, data={6d,...} )", and then its reply, "0024: write() = 0 { size=1 }".
# One that blocks has the reply PENDING; when it is done, a request of the thread contains "APC_ASYNC_IO,status=".
# A wait for objects ends with "0024: *wakeup* signaled=0". The bytes of sockets do not go through the server, nor did
# those of mailslots in Wine 8: they are in the output of `strace -xx`, which has files of its own. What is in shared
# memory, nothing shows.

BEGIN {
    # The calls behind requests, and behind codes of ioctl.
    split("read ReadFile write WriteFile recv_socket recv send_socket send FSCTL_PIPE_LISTEN ConnectNamedPipe" \
          " FSCTL_PIPE_DISCONNECT DisconnectNamedPipe 00012003 bind 0001200b listen 00120324 accept 0012032c connect" \
          " 00120330 shutdown mutex Mutex event Event semaphore Semaphore mapping FileMapping create Create open Open" \
          " release_mutex ReleaseMutex release_semaphore ReleaseSemaphore event_op SetEvent", pair, " ")
    for (i = 1; i in pair; i += 2) calls[pair[i]] = pair[i + 1]
}

order && thread == "wine" {
    id = substr(line, 1, index(line, ":") - 1)
    print_line(time, id, time, substr(line, length(id) + 3))
}
order && line ~ /^(sendmsg\(|read\(|write\(|poll\(\[\{fd=)[0-9]+<(TCP|TCPv6|UNIX|UNIX-DGRAM):/ {
    if (line ~ /^poll/) time += part_of(line, "<[0-9.]+>$", 1, 1) # it counts when it returns
    print_line(time, "unix " thread, time, line)
}
# A line that begins with "server: " or "client: ".
order && line ~ /^write\([0-9]+<[^"]*"\\x(73\\x65\\x72\\x76\\x65\\x72|63\\x6c\\x69\\x65\\x6e\\x74)\\x3a\\x20/ {
    print_line(time, "unix " thread, time, line)
}
order { next }

function failing(status) { return status "" == "0" ? "" : " fails: " status }
function field(text, name) { return part_of(text, "[ {,]" name "=[^,} ]*", length(name) + 2, 0) }
# A byte as strace writes it in a text.
function letter(n) {
    return n == 10 ? "\\n" : n == 13 ? "\\r" : n == 34 ? "\\\"" : n < 32 || n > 126 ? sprintf("\\%o", n) : sprintf("%c", n)
}
# Returns the bytes, "6d,65", as text in quotes. If each second byte is below 8, they are UTF-16: here for letters of
# two bytes in UTF-8 at most.
function text_of(bytes,    hex, n, i, wide, high, low, data) {
    n = split(bytes, hex, ",")
    wide = n > 0 && n % 2 == 0
    for (i = 2; i <= n; i += 2) if (hex[i] !~ /^0[0-7]/) wide = 0
    for (i = 1; i <= n; i += wide ? 2 : 1) {
        low = number_of(hex[i])
        high = wide ? number_of(hex[i + 1]) : 0
        if (high || (wide && low > 127)) data = data letter(192 + high * 4 + int(low / 64)) letter(128 + low % 64)
        else data = data letter(low)
    }
    return "\"" decoded(data) "\""
}
function data_in(text) { return part_of(text, "data=\\{[0-9a-f,]*", 6, 0) }
# The port of a socket's address, which is most significant byte first.
function port_in(text,    hex) {
    split(part_of(text, "[{,](02|17),00,[0-9a-f]+,[0-9a-f]+", 1, 0), hex, ",")
    return number_of(hex[3] hex[4])
}
# An end of a pipe or socket, the value of `handle` in the thread's process.
function new_end(handle, name) {
    ends[leader[id], handle] = ++end_count
    name_of[end_count] = name
    closing[end_count] = name == "socket" ? "closesocket" : "CloseHandle"
    return end_count
}
# Where the bytes go that are written to an end, and come from that are read. All ends of a mailslot are one.
function written_to(end) { return end in slot_of ? "slot " slot_of[end] : "from " end }
function read_from(end) { return end in slot_of ? "slot " slot_of[end] : "from " peer[end] }
function connect_ends(one, other) { peer[one] = other; peer[other] = one }
function asks_connection(call, end, name) {
    opener["connection " name, last["connection " name] + 1] = end
    send(add(begin_of[id], "row", id, call), "connection " name, 1, "connection")
}
function accepts(call, end,    key, n, cause) {
    key = "connection " name_of[end]
    n = first[key] + 1
    cause = receive(id, key, 1, time)
    connect_ends(call == "accept" ? new_end("00" substr(answer[id], 1, 2), "socket") : end, opener[key, n])
    return cause
}
function writes(call, end, bytes, text, time) { send(add(time, "row", id, call " " bytes), written_to(end), bytes, text) }
function next_text() { return texts[unix_of[id], ++texts_taken[id]] } # what the thread has sent by sendmsg()
# What the thread has done with mailslots. Its calls wait here until the server has given it the slot, at `opened_at`.
function slot_calls(unix, opened_at,    n, line, time, key, count) {
    id = of_unix[unix]
    for (n = slots_done[unix] + 1; n <= slot_count[unix]; n++) {
        line = slot_line[unix, n]
        time = slot_time[unix, n] < opened_at ? opened_at : slot_time[unix, n]
        split(part_of(line, "\\[[0-9]+->[0-9]+", 1, 0), part, "->")
        key = "slot " part[line ~ /^write/ ? 2 : 1]
        whole[key] = 1
        count = part_of(line, "= -?[0-9]+", 2, 0) + 0
        if (line ~ /^write/ && count >= 0) send(add(time, "row", id, "WriteFile " count), key, count, text_of(sent_bytes(line)))
        if (line ~ /^read/ && !(id in unanswered)) blocks("ReadFile", time)
        if (line ~ /^write/ || (line ~ /^read/ && count < 0)) continue
        delete unanswered[id]
        if (line ~ /^read/) returned(id, "ReadFile", "ReadFile returns " count, since[id], time, take(id, key, count, time))
        else returned(id, "ReadFile", "ReadFile" failing("IO_TIMEOUT"), since[id], time, time)
    }
    slots_done[unix] = n - 1
}
function sent_bytes(line) {
    line = part_of(line, "\"(\\\\x[0-9a-f][0-9a-f])*", 3, 0)
    gsub(/\\x/, ",", line)
    return line
}
# What the thread has asked for is done, at once or after a wait that began at `begin`.
function done_io(call, end, status, begin, count,    cause, text) {
    if (status == "PIPE_CONNECTED" || status == "BUFFER_OVERFLOW") status = 0
    text = call (status == 0 ? " returns" : failing(status))
    if (call == "send" && status == 0) { writes(call, end, count, next_text(), begin); return }
    if (status == "PIPE_BROKEN" || status == "PIPE_DISCONNECTED") cause = end_of_file(id, "from " peer[end], time)
    else if (status != 0) cause = time
    else if (call ~ /^(ConnectNamedPipe|accept)$/) cause = accepts(call, end)
    else if (call ~ /^(ReadFile|recv)$/) {
        cause = call == "recv" || end in slot_of ? take(id, read_from(end), count, time) : receive(id, read_from(end), count, time)
        text = text " " count
    }
    if (call != "connect" || status != 0) returned(id, call, text, begin, time, cause)
}
function blocks(call, begin) { unanswered[id] = call; since[id] = begin }

# The wait for objects has ended: by that one of them whose number is `n`, from 0. 128 is added if it is a mutex whose
# owner has ended.
function satisfied(n, blocked,    handle, name, cause, entry) {
    split(waits_for[id], part, ",")
    handle = part[n % 128 + 1]
    if (blocked) delete unanswered[id]
    cause = blocked ? time : 0
    if ((leader[id], handle) in child_of) {
        process_awaited(id, first_thread[child_of[leader[id], handle]], wait_call[id], since[id], time)
        return
    }
    name = object[leader[id], handle]
    entry = wake[name]
    if (entry && leader[ID[entry]] != leader[id] && (blocked || TEXT[entry] ~ /^SetEvent/)) {
        reach(entry, id, short(name), time)
        cause = blocked ? T[entry] : 0
    }
    delete wake[name]
    got(wait_call[id], short(name) (n < 128 ? "" : ", abandoned"), cause)
}
# A long call has returned: what it got is enough, if it has blocked.
function got(call, what, cause) { returned(id, call, (cause > since[id] ? "gets " : call ": ") what, since[id], time, cause) }
function short(name) { sub(/.*[-\\]/, "", name); return name }

# ---- One line: a request, a reply, or what else the server does -----------------------------------------------

{
    time = $1 + 0
    id = $2
    line = $4
    finish = time
    name = substr(line, 1, index(line, "(") - 1)
    reply = line ~ /^[a-z_]+\(\) = /
    status = reply ? part_of(line, "= [A-Za-z_0-9]+", 2, 0) : ""
}
line ~ /^write\([0-9]+<\\x/ {
    note_error(id, substr(text_of(sent_bytes(line)), 2))
    if (error[id] !~ /^TODO STEP/ || over[leader[of_unix[id]]]) next
    over[leader[of_unix[id]]] = 1 # the checker ends it
    process_ends(time, leader[of_unix[id]], error[id], "end")
}
line ~ /^sendmsg\(.* = [0-9]/ { texts[id, ++text_count[id]] = text_of(sent_bytes(line)); next }
line ~ /^(read|write)\([0-9]+<UNIX|^poll.* = 0 / {
    slot_line[id, ++slot_count[id]] = line
    slot_time[id, slot_count[id]] = time
    if (leader[of_unix[id]] in has_slot) slot_calls(id, 0)
}
id ~ /^unix/ { next }
!reply { request[id] = line; begin_of[id] = time }
name ~ /^init_(first_)?thread$/ && !reply {
    unix_of[id] = "unix " field(line, "unix_tid")
    of_unix[unix_of[id]] = id
}
reply && name == "init_first_thread" {
    leader[id] = id
    pid_of[id] = field(line, "pid")
    first_thread[pid_of[id]] = id
    split(inherited[pid_of[id]], part, " ")
    for (i = 1; i in part; i++) { split(part[i], pair, ":"); ends[id, pair[1]] = pair[2] }
}
!(id in leader) { next }
# The first program that a process opens is its own.
!(leader[id] in program) && name == "create_file" && line ~ /\.exe"/ {
    path = part_of(line, "name=L\"[^\"]*", 7, 0)
    ours[id] = path !~ /(\\[Ww]indows|\\probe)\\/
    sub(/\.exe$/, "", path)
    program[id] = base_name(path)
    if (!ours[id]) next
    processes[++process_count] = id
    if (pid_of[id] in creator) reach(add(created_at[pid_of[id]], "row", creator[pid_of[id]], "CreateProcess"), id, manner[pid_of[id]], time)
}
!ours[leader[id]] { next }
line ~ /^\*wakeup\* signaled=([0-9]+)$/ && id in waits_for && id in unanswered {
    n = part_of(line, "[0-9]+$", 0, 0) + 0
    if (n < 192) satisfied(n, 1) # above are calls that the system makes in between
}
reply && name == "new_thread" && request[id] ~ /process=ffffffff/ {
    if (request[id] ~ /objattr=\{\}/) { # Wine's own: it calls the handler of Ctrl-C
        if (ctrl_event && leader[ID[ctrl_event]] != leader[id]) reach(ctrl_event, leader[id], "Ctrl event", time)
        add(time, "row", leader[id], "gets a Ctrl event")
    }
    new_thread(id, field(line, "tid"), time)
}
reply && name == "new_process" && status == "0" {
    pid = field(line, "pid")
    child_of[leader[id], field(line, "handle")] = pid
    creator[pid] = id
    created_at[pid] = begin_of[id]
    # Without bInheritHandles Wine copies the standard handles: they are the first of the new process.
    manner[pid] = field(request[id], "flags") ~ /[4-7c-f]$/ ? "" : "bInheritHandles FALSE"
    split("hstdin hstdout hstderr", part, " ")
    for (i = n = 1; i <= 3; i++) {
        handle = field(request[id], part[i])
        copy = manner[pid] == "" ? handle : sprintf("%04x", 4 * n)
        n += handle !~ /^(0000|ffffffff)$/
        if ((leader[id], handle) in ends) inherited[pid] = inherited[pid] copy ":" ends[leader[id], handle] " "
    }
}

# ---- Pipes, mailslots and sockets ---------------------------------------------------------------------------------

reply && name == "create_named_pipe" && status == "0" {
    pipe = part_of(request[id], "name=L\"[^\"]*", 7, 0)
    made[pipe] = new_end(field(line, "handle"), pipe)
    if (pipe ~ /Win32\.Pipes/) add(time, "row", id, "CreatePipe")
    else add(time, "row", id, "CreateNamedPipe")
}
reply && name == "get_handle_fd" { has_slot[leader[id]] = 1; slot_calls(unix_of[id], time) }
reply && name == "create_mailslot" {
    add(time, "row", id, "CreateMailslot" failing(status))
    if (status != "0") next
    path = part_of(request[id], "name=L\"[^\"]*", 7, 0)
    slot_of[new_end(field(line, "handle"), "")] = path
    whole["slot " path] = 1
}
reply && name == "open_file_object" {
    path = part_of(request[id], "filename=L\"[^\"]*", 11, 0)
    if (path ~ /\\Afd$/) { new_end(field(line, "handle"), "socket"); next }
    if (path !~ /[Pp]ipe|[Mm]ailslot/) next
    if (status != "0") { add(time, "row", id, "CreateFile" failing(status)); next }
    other = new_end(field(line, "handle"), path)
    if (path ~ /[Mm]ailslot/) { add(time, "row", id, "CreateFile"); slot_of[other] = path; next }
    if (path ~ /Win32\.Pipes/) connect_ends(other, made[path])
    else asks_connection("CreateFile", other, path)
}
reply && name == "ioctl" && request[id] ~ /CONDRV_CTRL_EVENT/ { ctrl_event = add(begin_of[id], "row", id, "GenerateConsoleCtrlEvent") }
reply && name ~ /^(ioctl|get_async_result)$/ { answer[id] = data_in(line) }
reply && name ~ /^(read|write|ioctl|recv_socket|send_socket)$/ {
    handle = part_of(request[id], "async=\\{handle=[0-9a-f]+", 14, 0)
    call = calls[name == "ioctl" ? part_of(request[id], "code=[A-Za-z_0-9]+", 5, 0) : name]
    if (!((leader[id], handle) in ends) || call == "") next
    end = ends[leader[id], handle]
    if (call == "bind" && status == "0") call = "bind " (name_of[end] = port_in(line))
    if (call ~ /^(bind|listen)/) { add(time, "row", id, call failing(status)); next }
    if (call == "DisconnectNamedPipe" || (call == "shutdown" && request[id] !~ /data=\{00/)) {
        note_close(add(time, "row", id, call), "from " end)
        next
    }
    if (call == "connect") asks_connection(call, end, port_in(request[id]))
    if (call == "WriteFile" && (status == "0" || status == "PENDING")) {
        bytes = data_in(request[id])
        writes(call, end, split(bytes, part, ","), text_of(bytes), begin_of[id])
    }
    if (name ~ /socket/ && request[id] ~ /event=0000/ && request[id] !~ /apc_context=00000000/) { # with OVERLAPPED
        operation[leader[id], field(request[id], "apc_context")] = (call == "recv" ? "WSARecv" : "WSASend") " " end
        if (call == "recv") add(begin_of[id], "row", id, "WSARecv")
        else overlapped[id] = end
        next
    }
    if (status == "PENDING" || status == "ALERTED") { blocks(call, begin_of[id]); end_of[id] = end }
    else if (call !~ /^(WriteFile|connect)$/ || status != "0") done_io(call, end, status, begin_of[id], split(data_in(line), part, ","))
}
# The thread itself has tried: before the wait, or after it.
reply && name == "set_async_direct_result" && id in overlapped {
    writes("WSASend", overlapped[id], number_of(field(request[id], "information")), next_text(), begin_of[id])
    delete overlapped[id]
}
(reply && name == "set_async_direct_result" || !reply && name == "select" && line ~ /APC_ASYNC_IO,status=/) && id in end_of {
    call = unanswered[id]
    delete unanswered[id]
    end = end_of[id]
    delete end_of[id]
    if (reply) done_io(call, end, 0, since[id], number_of(field(request[id], "information")))
    else done_io(call, end, part_of(line, "ASYNC_IO,status=[A-Z_0-9]+", 16, 0), since[id], part_of(line, "total=[0-9]+", 6, 0) + 0)
}
reply && name == "close_handle" && status == "0" {
    handle = field(request[id], "handle")
    delete object[leader[id], handle] # the next object may have the same handle
    delete child_of[leader[id], handle]
    if (!((leader[id], handle) in ends)) next
    end = ends[leader[id], handle]
    note_close(add(time, "row", id, closing[end]), "from " end)
    delete ends[leader[id], handle]
}

# ---- Shared memory, and waits for objects -------------------------------------------------------------------------

reply && name ~ /^(create|open)_(mutex|event|semaphore|mapping)$/ && request[id] ~ /rootdir=0*[1-9a-f]/ {
    path = part_of(request[id], "name=L\"[^\"]*", 7, 0)
    if (path == "") next
    split(name, part, "_")
    if (status != "0") add(time, "row", id, calls[part[1]] calls[part[2]] failing(status))
    else add(time, "row", id, calls[part[1]] calls[part[2]] " " (part[2] == "mapping" ? path : short(path)))
    if (status == "0") object[leader[id], field(line, "handle")] = path
}
# The request counts: a thread that it wakes may be earlier than the reply.
(name ~ /^release_/ || (name == "event_op" && request[id] ~ /op=1/)) && (leader[id], field(request[id], "handle")) in object {
    path = object[leader[id], field(request[id], "handle")]
    if (!reply) wake[path] = woken[id] = add(time, "row", id, calls[name] " " short(path))
    else if (status != "0") TEXT[woken[id]] = calls[name] failing(status)
}
reply && name == "select" && request[id] ~ /data=\{WAIT(_ALL)?,handles=/ && !(id in unanswered) {
    waits_for[id] = part_of(request[id], "handles=\\{[0-9a-f,]+", 9, 0)
    known = 0
    for (n = split(waits_for[id], part, ","); n > 0; n--)
        if ((leader[id], part[n]) in object || (leader[id], part[n]) in child_of) known = 1
    if (!known) { delete waits_for[id]; next }
    wait_call[id] = waits_for[id] ~ /,/ ? "WaitForMultipleObjects" : "WaitForSingleObject"
    since[id] = begin_of[id]
    if (status == "PENDING") blocks(wait_call[id], begin_of[id])
    else if (status == "TIMEOUT") add(time, "row", id, wait_call[id] ": timeout")
    else if (status ~ /^([0-9a-f]+|ABANDONED_WAIT_0)$/) satisfied(status ~ /^A/ ? 128 : number_of(status), 0)
}

# ---- Completion ports ---------------------------------------------------------------------------------------------

reply && name == "create_completion" { add(time, "row", id, "CreateIoCompletionPort") }
reply && name == "set_completion_info" { add(time, "row", id, "CreateIoCompletionPort (socket)") }
reply && name ~ /^(remove|get_thread)_completion$/ {
    if (status == "PENDING" && !(id in unanswered)) blocks("GetQueuedCompletionStatus", begin_of[id])
    if (status != "0") next
    if (!(id in unanswered)) since[id] = begin_of[id]
    cause = id in unanswered ? time : 0
    delete unanswered[id]
    split(operation[leader[id], field(line, "cvalue")], part, " ")
    count = number_of(field(line, "information"))
    if (part[1] == "WSARecv") {
        came = take(id, "from " peer[part[2]], count, time)
        if (cause) cause = came
    }
    got("GetQueuedCompletionStatus", part[1] " " count, cause)
}

!reply && name == "terminate_process" && /handle=ffffffff/ && !over[leader[id]] {
    over[leader[id]] = 1
    process_exits(time, leader[id], field(line, "exit_code"), error[unix_of[id]])
}
