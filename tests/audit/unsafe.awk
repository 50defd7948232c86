# Lists every `unsafe` block of the programs' source with its reason, the comment `SAFETY:` above it, and
# fails if a block has none of its own:
#
#     awk -f tests/audit/unsafe.awk src/*/*.rs

{ code = $0; sub(/^ +/, "", code) }

# A comment of one or more lines; a blank line ends what it is about.
code ~ /^\/\/ / {
    sub(/^\/\/ /, "", code)
    if (sub(/^SAFETY: /, "", code)) reason = code
    else if (reason != "") reason = reason " " code
    next
}
code == "" { reason = "" }

code ~ /(^|[^`])unsafe \{/ && code !~ /^\/\// {
    if (reason == "") { print FILENAME ":" FNR ": no reason" >"/dev/stderr"; failed = 1 }
    else print FILENAME ":" FNR ": " reason
    reason = ""
}
END { exit failed }
