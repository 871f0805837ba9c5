#!/usr/bin/env bash
# ingotctl from outside: arguments, exit statuses, validate, completion. usage: test_cli.sh INGOTCTL
set -u
ctl=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect STATUS PATTERN ARGUMENTS...: exit status, and a regular expression in what it prints.
expect() {
	local want=$1 pattern=$2 out status
	shift 2
	out=$("$ctl" "$@" 2>&1)
	status=$?
	if [ "$status" != "$want" ] || ! grep -qE -- "$pattern" <<<"$out"; then
		printf 'FAILED: ingotctl %s\n  status %s, wanted %s; wanted output like: %s\n%s\n' "$*" "$status" "$want" "$pattern" "$out"
		failed=1
	fi
}

expect 2 'usage: ingotctl'
expect 2 'unknown command frobnicate' frobnicate
expect 2 'usage: ingotctl explain SERVICE' explain
expect 2 'only table and json' -o xml status
expect 2 'usage: ingotctl status' status surplus
expect 0 'explain SERVICE' help
expect 0 '^ingotctl [0-9]' version
expect 0 '^ingotctl [0-9]' --version
expect 3 'is ingotd running' --run-dir="$dir/none" status
expect 3 'is ingotd running' --run-dir="$dir/none" doctor
expect 2 'usage: ingotctl doctor' doctor surplus
expect 3 'is ingotd running' --run-dir="$dir/none" restart bgpd
for shell in bash zsh fish; do
	expect 0 'restart' completion "$shell"
	expect 0 'doctor' completion "$shell"
done
expect 2 'bash, zsh and fish' completion csh
for shell in bash zsh fish; do expect 0 'crds.*apply.*print' completion "$shell"; done
bash -n <("$ctl" completion bash) || failed=1

cat > "$dir/good.yaml" <<'Y'
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: one, namespace: metallb-system}
spec: {addresses: [192.0.2.0/24]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: one, namespace: metallb-system}
Y
expect 0 '1 files, 2 objects, 0 errors' validate "$dir/good.yaml"
expect 0 '"valid": true' -o json validate "$dir"
cat > "$dir/bad.yaml" <<'Y'
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: two, namespace: metallb-system}
spec:
  addresses:
    - 192.0.2.300/24
Y
expect 1 'bad.yaml:.*IPAddressPool metallb-system/two.*invalid CIDR' validate "$dir"
expect 1 'bad.yaml' -o json validate "$dir/bad.yaml"
printf 'kind: [\n' > "$dir/broken.yaml"
expect 1 'broken.yaml:[0-9]+' validate "$dir/broken.yaml"
expect 1 'No such file' validate "$dir/missing.yaml"
cp "$dir/good.yaml" "$dir/twice.yaml"
expect 1 'second time' validate "$dir/good.yaml" "$dir/twice.yaml"
exit "$failed"
