"""Manifests as kubectl takes them, and a folder to put them in."""
import json
import os
import pathlib


def write(folder, name, *objects):
    """Write objects as one manifest, the way a careful editor does: a temporary name, then rename."""
    path = pathlib.Path(folder) / name
    temp = path.with_name(f".{name}.new")
    temp.write_text("---\n".join(json.dumps(o, indent=1) + "\n" for o in objects))
    temp.chmod(0o644)
    os.replace(temp, path)


def metallb(kind, name, spec, version="v1beta1", labels=None):
    return {"apiVersion": f"metallb.io/{version}", "kind": kind,
            "metadata": {"name": name, "namespace": "metallb-system", "labels": labels or {}}, "spec": spec}


def pool(name, *addresses, **spec):
    return metallb("IPAddressPool", name, {"addresses": list(addresses), **spec})


def l2_advertisement(name, *pools, **spec):
    return metallb("L2Advertisement", name, {"ipAddressPools": list(pools), **spec})


def bgp_advertisement(name, *pools, **spec):
    return metallb("BGPAdvertisement", name, {"ipAddressPools": list(pools), **spec})


def bgp_peer(name, address, my_asn, peer_asn, **spec):
    return metallb("BGPPeer", name, {"myASN": my_asn, "peerASN": peer_asn, "peerAddress": address, **spec}, "v1beta2")


def node(name, *addresses, labels=None):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels or {}},
            "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses]}}


def service(name, namespace="default", family="IPv4", annotations=None, labels=None, port=80, **spec):
    cluster = {"IPv4": ["10.96.0.10"], "IPv6": ["fd00:96::10"], "dual": ["10.96.0.10", "fd00:96::10"]}[family]
    families = {"IPv4": ["IPv4"], "IPv6": ["IPv6"], "dual": ["IPv4", "IPv6"]}[family]
    policy = {"dual": "RequireDualStack"}.get(family, "SingleStack")
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}, "labels": labels or {}},
            "spec": {"type": "LoadBalancer", "clusterIP": cluster[0], "clusterIPs": cluster, "ipFamilies": families,
                     "ipFamilyPolicy": policy, "selector": {"app": name},
                     "ports": [{"port": port, "protocol": "TCP", "targetPort": 8080}], **spec}}


def endpoint_slice(service_name, *endpoints, namespace="default", family="IPv4", suffix="1"):
    """endpoints are (address, node) or (address, node, ready)."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{service_name}-{suffix}", "namespace": namespace,
                         "labels": {"kubernetes.io/service-name": service_name}},
            "addressType": family,
            "endpoints": [{"addresses": [e[0]], "nodeName": e[1], "conditions": {"ready": e[2] if len(e) > 2 else True}}
                          for e in endpoints],
            "ports": [{"port": 8080, "protocol": "TCP"}]}
