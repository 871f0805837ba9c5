#!/bin/bash
# ARP answers of l2d against those of the kernel on the same veth pair, in network namespaces of its own. Needs root.
# Usage: tests/bench/arpbench.sh [BUILD_FOLDER]   (default build/release); RUNS=3 SECONDS_EACH=3
set -u
build=${1:-build/release} runs=${RUNS:-3} each=${SECONDS_EACH:-3}
client=igb$$-c node=igb$$-n dir=$(mktemp -d /tmp/arpbench.XXXXXX) pids=()

finish() {
	exec 9>&-
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
	wait 2>/dev/null
	ip netns del "$client" 2>/dev/null
	ip netns del "$node" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

ip netns add "$client" && ip netns add "$node" || exit 1
ip link add eth0 netns "$client" type veth peer name eth0 netns "$node" || exit 1
ip -n "$client" addr add 10.9.0.1/24 dev eth0
ip -n "$node" addr add 10.9.0.2/24 dev eth0
ip -n "$client" link set eth0 up
ip -n "$node" link set eth0 up

chmod 755 "$dir"
mkfifo "$dir/in"
export INGOT_STANDALONE=1 INGOT_RUN_DIR=$dir/run INGOT_NODE=bench INGOT_LOG_LEVEL=warn
ip netns exec "$node" "$build/tests/l2owner" <"$dir/in" &
pids+=($!)
exec 9>"$dir/in"
echo "own 10.9.0.100 1" >&9
echo synced >&9

bench() {
	local label=$1
	shift
	echo "$label $(ip netns exec "$client" "$@")"
}
answers() { ip netns exec "$client" "$build/tests/arpbench" latency eth0 10.9.0.1 "$1" 3 | grep -q 'answered=3'; }

start_l2d() {
	ip netns exec "$node" "$@" "$build/bin/l2d" &
	l2d=$!
	pids+=("$l2d")
	for _ in $(seq 50); do
		answers 10.9.0.100 && return
	done
	echo "l2d does not answer" >&2
	exit 1
}

start_l2d
for _ in $(seq "$runs"); do
	bench "latency kernel" "$build/tests/arpbench" latency eth0 10.9.0.1 10.9.0.2 20000
	bench "latency l2d   " "$build/tests/arpbench" latency eth0 10.9.0.1 10.9.0.100 20000
	bench "flood   kernel" "$build/tests/arpbench" flood eth0 10.9.0.1 10.9.0.2 "$each"
	bench "flood   l2d   " "$build/tests/arpbench" flood eth0 10.9.0.1 10.9.0.100 "$each"
done | tee "$dir/out"
kill "$l2d"
wait "$l2d"
start_l2d taskset -c 0
for _ in $(seq "$runs"); do
	bench "latency l2d, one CPU   " taskset -c 0 "$build/tests/arpbench" latency eth0 10.9.0.1 10.9.0.100 20000
	bench "latency kernel, one CPU" taskset -c 0 "$build/tests/arpbench" latency eth0 10.9.0.1 10.9.0.2 20000
done

# median of the answers per second of each, and their ratio
rate() { sed -n "s/^flood *$1 .*answers_per_s=\([0-9]*\).*/\1/p" "$dir/out" | sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
k=$(rate kernel) l=$(rate l2d)
echo "median answers/s: kernel $k, l2d $l, ratio $(awk "BEGIN {printf \"%.3f\", $l/$k}")"
