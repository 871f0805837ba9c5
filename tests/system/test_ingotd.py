"""ingotd as people start it: installed, without root, twice, wrongly."""
import os
import pathlib
import shutil
import subprocess

import pytest

from lab import manifests as m
from lab.net import sh, wait_for
from lab.stack import BIN, ROOT, Stack


@pytest.fixture(scope="module")
def folder(lab):
    path = lab.dir / "manifests"
    path.mkdir()
    path.chmod(0o777)
    m.write(path, "config.yaml", m.pool("one", "192.0.2.0/24"), m.bgp_advertisement("one"))
    m.write(path, "service.yaml", m.service("web"), m.endpoint_slice("web", ("10.70.1.2", "solo")))
    return path


def test_installed_tree_runs(lab, folder):
    prefix = lab.dir / "usr"
    sh("cmake", "--install", BIN.parent, "--prefix", prefix, timeout=60)
    assert (prefix / "bin/ingotd").exists() and (prefix / "libexec/ingot/bgpd").exists()
    assert (prefix / "share/man/man8/ingotd.8").exists()
    assert os.readlink(prefix / "bin/kubectl-ingot") == "ingotctl"
    s = Stack(lab.space("installed"), "solo", folder, bin_dir=prefix / "bin").start()
    s.wait_ready()
    wait_for(lambda: [x["addresses"] for x in (s.json("services") or {}).get("services", [])] == [["192.0.2.0"]], 10,
             "an address for the Service")
    s.stop()


def test_without_root_it_says_what_is_missing_and_does_the_rest(lab, folder):
    nobody = shutil.copytree(BIN, lab.dir / "bin")
    home = lab.dir / "home"
    home.mkdir()
    home.chmod(0o777)
    run = home / "run"
    shutil.rmtree(folder / ".status", ignore_errors=True)
    space = lab.space("nobody")
    log = lab.dir / "nobody.log"
    with open(log, "wb") as out:
        p = space.popen("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", nobody / "ingotd", "--role=all",
                        f"--source=dir:{folder}", "--node=solo", f"--run-dir={run}", stdout=out, stderr=out)

    def services():
        out = subprocess.run(["ip", "netns", "exec", space.name, nobody / "ingotctl", f"--run-dir={run}", "services"],
                             capture_output=True, text=True).stdout
        return "192.0.2.0" in out
    wait_for(services, 20, "an address without root", 0.1)
    text = log.read_text()
    assert "event=unprivileged" in text and "CAP_NET_RAW is missing" in text
    p.terminate()
    assert p.wait(15) == 0
    shutil.rmtree(folder / ".status", ignore_errors=True)


def test_second_ingotd_in_one_run_folder_is_refused(lab, folder):
    s = Stack(lab.space("twice"), "solo", folder).start()
    s.wait_ready()
    p = subprocess.run(["ip", "netns", "exec", s.space.name, *map(str, s.argv)], capture_output=True, text=True, timeout=20)
    assert p.returncode != 0 and str(s.run_dir) in p.stderr
    assert s.ready()
    pid = s.pid("statusd")
    s.ctl("restart", "statusd")
    s.wait_restarted("statusd", pid)
    s.stop()


@pytest.mark.parametrize("argument, word", [
    ("--role=emperor", "role"), ("--source=ftp:x", "source"), ("--metrics=nonsense", "metrics"), ("--nonsense", "nonsense"),
    ("--gossip-port=99999", "gossip-port"), ("--log-level=loud", "log-level"),
])
def test_wrong_options_are_named(argument, word):
    p = subprocess.run([BIN / "ingotd", argument, "--run-dir=/nonexistent/ingot"], capture_output=True, text=True, timeout=20)
    assert p.returncode != 0 and word in p.stderr, p.stderr


def test_every_option_and_command_is_in_the_manual():
    options = subprocess.run([BIN / "ingotd", "--help"], capture_output=True, text=True).stdout
    page = (ROOT / "docs/man/ingotd.8").read_text().replace("\\-", "-")
    for line in options.splitlines():
        if line.strip().startswith("--"):
            assert line.split()[0].split("=")[0] in page, line
    page = (ROOT / "docs/man/ingotctl.1").read_text()
    commands = subprocess.run([BIN / "ingotctl", "help"], capture_output=True, text=True).stdout
    for line in commands.splitlines():
        if line.startswith("  "):
            assert line.split()[0] in page, line


def test_manual_pages_are_well_formed():
    for page in pathlib.Path(ROOT / "docs/man").glob("*.[18]"):
        p = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert p.returncode == 0 and not p.stderr, p.stderr
