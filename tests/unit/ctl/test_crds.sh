#!/usr/bin/env bash
# ingotctl crds against a stand-in for an API server: what it prints, applies, and says when it cannot. usage: test_crds.sh INGOTCTL
set -u
ctl=$1
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}"; rm -rf "$dir"' EXIT
failed=0
unset KUBECONFIG KUBERNETES_SERVICE_HOST HTTPS_PROXY HTTP_PROXY http_proxy ALL_PROXY all_proxy
export HOME=$dir

# start MODE: a server, and a kubeconfig DIR/MODE for it.
start() {
	coproc "$here/fake_apiserver.py" "$1" 2>/dev/null
	pids+=("$COPROC_PID")
	read -r port <&"${COPROC[0]}"
	config "$1" "$port"
}
config() {
	cat > "$dir/$1" <<Y
current-context: none
contexts: [{name: c, context: {cluster: k}}]
clusters: [{name: k, cluster: {server: 'http://127.0.0.1:$2'}}]
Y
}
# expect STATUS COUNT PATTERN ARGUMENTS...: exit status, and how many lines are like the pattern.
expect() {
	local want=$1 count=$2 pattern=$3 out status
	shift 3
	out=$("$ctl" "$@" 2>&1)
	status=$?
	if [ "$status" != "$want" ] || [ "$(grep -cE -- "$pattern" <<<"$out")" != "$count" ]; then
		printf 'FAILED: ingotctl %s\n  status %s, wanted %s and %s lines like: %s\n%s\n' "$*" "$status" "$want" "$count" "$pattern" "$out"
		failed=1
	fi
}
files=("$here"/../../../charts/ingot/crds/*.yaml)
n=${#files[@]}

expect 0 "$n" '^kind: CustomResourceDefinition$' crds print
cmp -s <("$ctl" crds print) <(first=1; for f in "${files[@]}"; do [ "$first" ] || echo ---; first=; cat "$f"; done) ||
	{ echo 'FAILED: what is printed is not what lies in charts/ingot/crds'; failed=1; }
start good 2>/dev/null
expect 0 $((n - 1)) '^[a-z0-9]+\.metallb\.io created$' crds apply --kubeconfig="$dir/good" --context=c
expect 0 "$n" '^[a-z0-9]+\.metallb\.io unchanged$' --context c --kubeconfig "$dir/good" crds apply
start old 2>/dev/null
expect 1 1 'before 1.16.*manifests/crds-v1beta1.yaml' crds apply --kubeconfig="$dir/old" --context=c
[ -e "$here/../../../manifests/crds-v1beta1.yaml" ] || { echo 'FAILED: no such manifest'; failed=1; }
start forbidden 2>/dev/null
expect 1 "$n" 'answers 403: .* is forbidden: User cannot get' crds apply --kubeconfig="$dir/forbidden" --context=c
config nobody 1
expect 3 1 'http://127.0.0.1:1: ' crds apply --kubeconfig="$dir/nobody" --context=c
expect 1 1 'context "none": not in this file' crds apply --kubeconfig="$dir/good"
expect 1 1 'not in a Pod' crds apply
export KUBECONFIG="$dir/missing:$dir/good"
expect 1 1 'missing: No such file' crds apply
mkdir "$dir/.kube" && cp "$dir/good" "$dir/.kube/config"
KUBECONFIG='' expect 0 "$n" 'unchanged$' crds apply --context=c
expect 2 1 'apply and print are known' crds remove
exit "$failed"
