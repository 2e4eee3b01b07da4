# Reads one apt source file and prints the source of Debian 12's main rewritten for Debian 13, as a deb822 stanza, nothing
# when it holds none. Called by tools/setup; -v one_line=1 for the old notation. Tested by tools/check-self.
function reset() { n = 0; types = suites = components = enabled = ""; field = "" }
function has(list, word) { return (" " list " ") ~ ("[ \t]" word "[ \t]") }
function flush_stanza(   i) {
    if (has(types, "deb") && has(suites, "bookworm") && has(components, "main") && enabled != "no") {
        print "Types: deb"
        for (i = 1; i <= n; i++) print kept[i]
        print "Suites: trixie"
        print "Components: main"
        print ""
    }
    reset()
}
function option(name,   at, rest) {
    if (!match(options, "(^|[ \t])" name "=[^] \t]+")) return ""
    rest = substr(options, RSTART, RLENGTH)
    at = index(rest, "=")
    return substr(rest, at + 1)
}
function print_line(uri) {
    print "Types: deb"
    print "URIs: " uri
    if (option("signed-by") != "") print "Signed-By: " option("signed-by")
    if (option("trusted") != "") print "Trusted: " option("trusted")
    print "Suites: trixie"
    print "Components: main"
    print ""
}
BEGIN { reset() }
one_line {
    options = ""
    line = $0
    sub(/#.*/, "", line)
    if (line !~ /^[ \t]*deb[ \t]/) next
    if (match(line, /\[[^]]*\]/)) {
        options = substr(line, RSTART + 1, RLENGTH - 2)
        line = substr(line, 1, RSTART - 1) " " substr(line, RSTART + RLENGTH)
    }
    count = split(line, word, /[ \t]+/)
    first = word[1] == "" ? 2 : 1
    if (word[first + 2] != "bookworm") next
    for (i = first + 3; i <= count; i++) if (word[i] == "main") { print_line(word[first + 1]); next }
    next
}
/^#/ { next }
/^[ \t]*$/ { flush_stanza(); next }
/^[ \t]/ { if (field == "uris" || field == "signed-by") kept[++n] = $0; else if (field == "suites") suites = suites " " $0; next }
{
    field = tolower(substr($0, 1, index($0, ":") - 1))
    value = substr($0, index($0, ":") + 1)
    if (field == "types") types = value
    else if (field == "suites") suites = value
    else if (field == "components") components = value
    else if (field == "enabled") { gsub(/[ \t]/, "", value); enabled = tolower(value) }
    else if (field == "uris" || field == "signed-by" || field == "trusted" || field == "architectures") kept[++n] = $0
}
END { if (!one_line) flush_stanza() }
