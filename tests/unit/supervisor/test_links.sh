#!/bin/sh
# The supervisor may not link a library that parses what came from a network. Usage: test_links.sh INGOTD
set -u
libraries=$(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }')
[ -n "$libraries" ] || { echo "$1: no dynamic libraries found"; exit 1; }
for bad in nng protobuf curl gnutls ssl uv jansson yaml microhttpd mnl; do
	case $libraries in
	*lib$bad*) echo "$1: links lib$bad"; exit 1 ;;
	esac
done
