#!/bin/sh
# Keys and certificates for the tests, in the current folder: two authorities (ca, foreign), and server certificates
# that are good, of the foreign authority, out of date, or for another name; one for a client.
set -eu
exec 2>openssl.log
key() { openssl ecparam -genkey -name prime256v1 -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
authority() {
	key "$1"
	openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.pem" \
		-addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign
}
# leaf NAME AUTHORITY SUBJECT-ALTERNATIVE-NAMES START END
leaf() {
	key "$1"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	printf 'subjectAltName=%s\nkeyUsage=critical,digitalSignature\n' "$3" > "$1.ext"
	rm -rf db && mkdir db && : > db/index && echo 01 > db/serial
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=db/index\nserial=db/serial\nnew_certs_dir=db\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > db/conf
	openssl ca -batch -config db/conf -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" -extfile "$1.ext" \
		-startdate "$4" -enddate "$5" -notext -out "$1.pem"
}
long_ago=20200101000000Z past=20200201000000Z future=20490101000000Z here=IP:127.0.0.1,IP:::1,DNS:localhost
authority ca
authority foreign
leaf server ca "$here" "$long_ago" "$future"
leaf other foreign "$here" "$long_ago" "$future"
leaf expired ca "$here" "$long_ago" "$past"
leaf named ca DNS:api.cluster.example "$long_ago" "$future"
leaf client ca DNS:client "$long_ago" "$future"
for file in ca.pem client.pem client.key; do base64 -w0 "$file" > "$file.b64"; done
