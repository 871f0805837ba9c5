#!/bin/bash
# The checkers themselves: what they must refuse and what they must let pass. Usage: test_checks.sh TOOLS_FOLDER
set -eu
tools=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect STATUS PATTERN COMMAND...: the command ends with this status and prints a line that holds this text.
expect() {
	local status=$1 pattern=$2 got=0 out
	shift 2
	out=$("$@" 2>&1) || got=$?
	if [[ $got -ne $status || $out != *"$pattern"* ]]; then
		echo "expected status $status and '$pattern' from: $*"
		echo "got $got: $out"
		failed=1
	fi
}

# archive NAME CODE: NAME.a with one member NAME.c.o.
archive() {
	printf '%s\n' "$2" >"$dir/$1.c"
	"${CC:-cc}" -O2 -c "$dir/$1.c" -o "$dir/$1.c.o"
	ar rcs "$dir/$1.a" "$dir/$1.c.o"
}

archive pure '#include <string.h>
#include <stdio.h>
int pure(char *to, size_t n, const char *s) { return snprintf(to, n, "%s %zu", s, strlen(s)); }'
archive reads '#include <unistd.h>
long reads(void *to) { return read(0, to, 8); }'
archive checked '#include <unistd.h>
long __read_chk(int, void *, size_t, size_t);
long checked(void *to) { return __read_chk(0, to, 8, 8); }'
archive clock '#include <time.h>
long now(void) { return (long)time(0); }'
archive speaks '#include <stdio.h>
void speaks(const char *s) { fputs(s, stderr); }'
archive must '#include <stdio.h>
void must(const char *s) { fputs(s, stderr); }'
archive bus 'int nng_close(int); int bus(void) { return nng_close(1); }'
archive owner 'int open(int v); int open(int v) { return v; }'
archive user 'int open(int v); int user(void) { return open(1); }'
ar rcs "$dir/both.a" "$dir/owner.c.o" "$dir/user.c.o"

expect 0 "" "$tools/check-purity" "$dir/pure.a"
expect 1 "reads.a(reads.c.o): read" "$tools/check-purity" "$dir/reads.a"
expect 1 "(checked.c.o): __read_chk" "$tools/check-purity" "$dir/checked.a"
expect 1 "(clock.c.o): time" "$tools/check-purity" "$dir/clock.a"
expect 1 "(speaks.c.o): stderr" "$tools/check-purity" "$dir/speaks.a"
expect 0 "" "$tools/check-purity" "$dir/must.a"
expect 1 "(bus.c.o): nng_close" "$tools/check-purity" "$dir/bus.a"
expect 1 "(user.c.o): open" "$tools/check-purity" "$dir/user.a"
expect 0 "" "$tools/check-purity" "$dir/both.a"
expect 1 "read" "$tools/check-purity" "$dir/pure.a" "$dir/reads.a"
expect 2 "cannot read" "$tools/check-purity" "$dir/absent.a"

# tree FILE LINE...: a fresh tree with one file of these lines.
tree() {
	rm -rf "$dir/tree"
	for folder in lib/base lib/model lib/run bgpd watcher supervisor; do
		mkdir -p "$dir/tree/$folder"
	done
	printf '#include <uv.h>\n' >"$dir/tree/lib/run/loop.h"
	printf '#include "lib/run/loop.h"\n' >"$dir/tree/lib/run/daemon.h"
	touch "$dir/tree/lib/base/addr.h" "$dir/tree/lib/model/config.h" "$dir/tree/watcher/list.h"
	local file=$1
	shift
	mkdir -p "$dir/tree/$(dirname "$file")"
	printf '%s\n' "$@" >"$dir/tree/$file"
}

# refuse FILE LINE TEXT: this include is a violation with this message; allow FILE LINE: it is none.
refuse() {
	tree "$1" "/* first line */" "$2"
	expect 1 "$1:2: $3" "$tools/check-layers" "$dir/tree"
}
allow() {
	tree "$1" "$2"
	expect 0 "" "$tools/check-layers" "$dir/tree"
}

refuse lib/base/x.c '#include "lib/model/config.h"' 'lib/base may not include "lib/model/config.h"'
refuse lib/base/x.c '#include "proto/bus.pb-c.h"' 'lib/base may not include "proto/bus.pb-c.h"'
refuse lib/model/x.h '  #  include "lib/run/loop.h"' 'lib/model may not include'
refuse lib/model/x.c '#include <uv.h>' 'lib/model is pure and may not include uv.h'
refuse lib/run/x.c '#include "bgpd/fsm.h"' '"bgpd/fsm.h": no such file'
refuse lib/run/x.c '#include <nng/nng.h>' 'nng/nng.h: only lib/run/bus*.c'
refuse bgpd/x.c '#include "watcher/list.h"' 'bgpd may not include "watcher/list.h"'
refuse bgpd/x.c '#include "x.h"' '"x.h": no such file from the root'
refuse bgpd/x.c '#include "bgpd/../watcher/list.h"' '"bgpd/../watcher/list.h": include by path'
refuse bgpd/x.c '#include <curl/curl.h>' 'curl/curl.h: only lib/kube/http'
refuse watcher/list.c '#include <curl/curl.h>' 'curl/curl.h: only lib/kube/http'
refuse lib/run/loop.c '#include <seccomp.h>' 'seccomp.h: only lib/run/sandbox'
refuse lib/run/loop.c '#include <linux/landlock.h>' 'linux/landlock.h: only lib/run/sandbox'
refuse supervisor/x.c '#include "proto/bus.pb-c.h"' 'the supervisor may not include proto/bus.pb-c.h'
refuse supervisor/x.c '#include "lib/run/bus.h"' 'the supervisor may not include lib/run/bus.h'
refuse supervisor/x.c '#include "lib/run/daemon.h"' 'the supervisor may not reach lib/run/daemon.h -> lib/run/loop.h -> uv.h'
allow lib/base/x.c '#include "lib/base/addr.h"'
allow lib/model/x.c '#include "proto/objects.pb-c.h"'
allow lib/run/bus_sub.c '#include <nng/nng.h>'
allow lib/run/sandbox_files.c '#include <linux/landlock.h>'
allow lib/kube/http_x.c '#include <curl/curl.h>'
allow bgpd/x.c '#include "lib/run/daemon.h"'
allow supervisor/x.c '#include "lib/base/addr.h"'
expect 1 "no sources" "$tools/check-layers" "$dir/absent"

exit "$failed"
