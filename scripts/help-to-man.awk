# Turns `iommusim [COMMAND] --help` into a manual page; the help text is the only source.
#
#   iommusim cat --help | awk -v name=iommusim-cat -v version=0.1.0 -f scripts/help-to-man.awk
#
# It relies on what every help text has: "Usage:", one summary line, then sections whose heads end
# in a colon at the left edge; entries are indented by two and meant to stay as they are.

function escape(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	if (text ~ /^[.']/)
		text = "\\&" text
	return text
}
function verbatim(on) {
	if (on && !raw)
		print ".nf"
	if (!on && raw)
		print ".fi"
	raw = on
}
function section(title) {
	verbatim(0)
	print ".SH " toupper(title)
	current = title
}

# The first usage line opens the page; its summary comes two lines later, so keep it until then.
/^Usage: / {
	usage[++usages] = substr($0, 8)
	next
}
usages && !summary && /^ +iommusim / {
	sub(/^ +/, "")
	usage[++usages] = $0
	next
}
!summary && /^$/ { next }
!summary {
	summary = $0
	sub(/[.,]$/, "", summary)
	printf ".TH %s 1 \"\" \"iommusim %s\" \"User Commands\"\n", toupper(escape(name)), version
	print ".SH NAME"
	printf "%s \\- %s\n", escape(name), escape(tolower(substr(summary, 1, 1)) substr(summary, 2))
	print ".SH SYNOPSIS"
	for (i = 1; i <= usages; i++)
		printf "%s%s\n", (i > 1 ? ".br\n" : ""), escape(usage[i])
	print ".SH DESCRIPTION"
	print escape($0)
	next
}
/^(Options|Commands|Examples|Exit status):/ {
	rest = $0
	sub(/^[^:]*: */, "", rest)
	sub(/:.*/, "")
	section($0)
	if (rest != "")
		print escape(rest)
	next
}
/^$/ {
	verbatim(0)
	print ".PP"
	next
}
current == "Options" && /^ +-/ {
	text = $0
	sub(/^ +/, "", text)
	at = match(text, /  +/)
	print ".TP"
	printf "\\fB%s\\fR\n", escape(at ? substr(text, 1, at - 1) : text)
	if (at)
		print escape(substr(text, at + RLENGTH))
	next
}
(current == "Commands" || current == "Exit status") && /^  [^ ]/ {
	text = substr($0, 3)
	at = match(text, / +/)
	print ".TP"
	printf "\\fB%s\\fR\n%s\n", escape(substr(text, 1, at - 1)), escape(substr(text, at + RLENGTH))
	next
}
current == "Options" {
	sub(/^ +/, "")
	print escape($0)
	next
}
/^  / {
	verbatim(1)
	print escape($0)
	next
}
{
	verbatim(0)
	print escape($0)
}
END {
	verbatim(0)
	print ".SH SEE ALSO"
	if (name == "iommusim")
		print "Each command has a page of its own: iommusim\\-COMMAND(1)."
	else
		print ".BR iommusim (1)"
}
