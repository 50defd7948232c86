#!/bin/bash
# Records the trace in README.md anew, and writes it into the page:
#
#     tests/audit/record.sh
#
# It builds the programs, which must be those whose sums are published. The lines stay the same but for
# addresses, times, digests and process ids; if there are more or fewer, the page stays as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --release --locked
sums=$PWD/tests/audit/published/$(uname -m)/SHA256SUMS
(cd target/release && sha256sum --check --quiet "$sums")

target/release/conclusion ITERATIONS=2 >/dev/null &
strace -o target/trace target/release/premise ITERATIONS=2 >/dev/null 2>&1
wait $!

kernel=$(uname -r | cut -d. -f1,2) strace=$(strace --version | sed -n '1s/.*version //p')
awk -f tests/audit/fold.awk target/trace | sed 's/nodename="[^"]*"/nodename="vm"/' >target/folded
awk -v versions="Linux $kernel and strace $strace" '
    NR == FNR { folded[NR] = "    " $0; count = NR; next }
    /^The trace is from / { is_inside = 1; sub(/Linux [0-9.]+ and strace [0-9.]+/, versions) }
    /^## / { is_inside = 0 }
    is_inside && /^    / { $0 = folded[++shown] }
    { print }
    END { if (shown != count) { print shown " lines on the page, " count " now" >"/dev/stderr"; exit 1 } }
' target/folded tests/audit/README.md >target/page
cp target/page tests/audit/README.md
