#!/bin/sh
# Compares the options that ingotd --help lists with its manual page. Usage: test_man.sh INGOTD PAGE
set -u
bad=0 n=0
for flag in $("$1" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p'); do
	n=$((n + 1))
	page=$(printf '%s' "$flag" | sed 's/-/\\\\-/g')
	grep -q -- "\\\\-\\\\-$page" "$2" || { echo "$2: --$flag is missing"; bad=1; }
	variable=INGOT_$(printf '%s' "$flag" | tr 'a-z-' 'A-Z_')
	case $flag in help | version) continue ;; esac
	grep -q "($variable[;)]" "$2" || { echo "$2: $variable is missing"; bad=1; }
done
[ "$n" -gt 10 ] || { echo "$1 --help lists only $n options"; bad=1; }
exit $bad
