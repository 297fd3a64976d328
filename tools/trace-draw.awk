# trace-draw.awk - draws the events that trace-events.awk prints as a sequence diagram: as text, or with -v svg=1
# as SVG. Both have the same lines and places, in characters; -v width=100 is how many a line should have,
# and -v least=28 how many a column must have.
#
# A column is a line of life, "│", or "░" while the process blocks. Texts are on its right. A text is in the line
# of the one before if it goes on there, or if that one is farther left.

BEGIN { FS = "\t"; DY = 20 }

# Splits a text into characters of UTF-8, and returns their number.
function split_text(text, out,    i, n, c) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (n && c ~ /[\200-\277]/) out[n] = out[n] c
        else out[++n] = c
    }
    return n
}
# Writes a text of at most `most` characters at `x`. Returns where it ends.
function say(x, text, most, attributes,    out, n, i) {
    n = split_text(text, out)
    if (n > most) { n = most; out[n] = "…" }
    text = ""
    for (i = 1; i <= n; i++) { cell[x + i - 1] = out[i]; text = text out[i] }
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text)
    if (n) draw(sprintf("<text x=\"%d\" y=\"%d\"%s>%s</text>", 8 * x + 16, DY * lines + 4, attributes, text))
    return x + n
}
function draw(element) { drawn = drawn "\n" element }
function end_line(    x, i, text) {
    for (x = 0; x < width; x++) text = text (cell[x] == "" ? " " : cell[x])
    for (i = 1; i <= columns; i++) {
        if (drawn_life[i] == "") continue
        lives = lives sprintf("\n<path class=\"%s\" d=\"M%d %dv%d\"/>", drawn_life[i] == "│" ? "life" : "blocks",
                              8 * at[i] + 20, DY * lines - 10, DY)
    }
    sub(/ +$/, "", text)
    if (!svg) print text
    for (x in cell) delete cell[x]
}
function new_line(    i) {
    end_line()
    lines++
    busy = join = 0
    for (i = 1; i <= columns; i++) live(i)
}
function live(i) { cell[at[i]] = drawn_life[i] = life[i] }
function room(i) { return (i == columns ? width : at[i + 1] - 1) - at[i] - 2 }

# Writes a text in column `i`: after the last one there, or in a place that is free.
function place(i, text, goes_on,    out) {
    if (goes_on && i == join && tail + 2 + split_text(text, out) <= at[i] + 2 + room(i)) {
        tail = say(tail, ", " text, width)
        return
    }
    if (i <= busy) new_line()
    live(i)
    tail = say(at[i] + 2, text, room(i))
    busy = i
    join = goes_on ? i : 0
}
# An arrow to column `to`, in a line of its own. `x` and `end` are its ends.
function arrow(i, text, to, label,    x, end, left, out, n, from) {
    new_line()
    x = say(at[i] + 2, text, to > i ? room(i) - 8 : room(i)) + (text != "")
    end = at[to] - 1
    left = to < i
    if (left) { end = at[i] - 1; x = at[to] + 1 }
    for (n = x; n <= end; n++) cell[n] = "─"
    cell[left ? x : end] = left ? "◀" : "▶"
    n = split_text(label, out)
    if (n > end - x - 4) n = end - x - 4
    n = n > 0 ? n + 2 : 0
    from = x + int((end - x - n + 2) / 2) # the label, in the middle of the line
    draw(sprintf("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"16\" fill=\"#fff\"/>", 8 * from + 16, DY * lines - 8, 8 * n))
    draw(sprintf("<path class=\"arrow\" d=\"M%d %dH%dM%d %dH%d\"/>", 8 * (left ? end : x) + 20, DY * lines,
                 8 * (left ? from + n : from) + 16, 8 * (left ? from : from + n) + 16, DY * lines, 8 * (left ? x : end) + 18))
    if (n) say(from, " " label " ", n, " class=\"label\"")
    busy = left ? i : to - 1
}

$2 == "column" { number[$3] = ++columns; title[columns] = $4; life[columns] = ""; next }
columns && !placed {
    placed = 1
    step = int(width / columns)
    step = step > 46 ? 46 : step < least ? least : step
    if (width < columns * step) width = columns * step
    for (i = 1; i <= columns; i++) { at[i] = (i - 1) * step; say(at[i], title[i], step - 1, " font-weight=\"bold\"") }
    busy = columns
}
{ i = number[$3] }
$2 != "never" { life[i] = $2 == "block" ? "░" : "│" }
$2 == "row" { place(i, $4, 1) }
$2 == "block" { place(i, $4 " blocks") }
$2 == "arrow" {
    if (life[number[$5]] == "") life[number[$5]] = "│"
    arrow(i, $4, number[$5], $6)
}
$2 ~ /row|arrow/ && $4 ~ /^(exits with|is ended by|TODO STEP)/ { dead[i] = 1 }
dead[i] {
    for (n = 1; n <= columns; n++)
        if (n == i || index(title[n], title[i] ", thread") == 1) life[n] = ""
}
$2 == "never" {
    if (!unanswered++) {
        for (n = 1; n <= columns; n++) life[n] = ""
        new_line()
        new_line()
        say(0, "Never answered:", width, " font-weight=\"bold\"")
    }
    new_line()
    say(2, title[i] ": " $4, width)
}
END {
    if (!svg && !columns) print "no process exchanged anything"
    end_line()
    if (!svg) exit
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"monospace\" font-size=\"13\"" \
          " width=\"" 8 * width + 40 "\" height=\"" DY * lines + 40 "\">"
    print "<style>path{fill:none;stroke:#888}text{white-space:pre}.blocks{stroke:#e8a33d;stroke-width:8}" \
          ".arrow{stroke:#1f5fbf;marker-end:url(#head)}.label,#head path{fill:#1f5fbf}</style>"
    print "<defs><marker id=\"head\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\">" \
          "<path d=\"M0 0L8 4L0 8z\" stroke=\"none\"/></marker></defs>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<g transform=\"translate(0 20)\">" lives drawn "\n</g>\n</svg>"
}
