"""Fixtures of the tests against a real control plane. They need root and the programs that tests/kube/build makes."""
import contextlib
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab.kube import MIDDLE, missing  # noqa: E402
from lab.kubehouse import KubeHouse  # noqa: E402
from lab.net import Lab  # noqa: E402

LABS = []  # those that are up


def pytest_collection_modifyitems(items):
    """Without the means, one line says so."""
    reason = None
    if os.geteuid() != 0:
        reason = "needs root: makes network namespaces"
    elif missing():
        if shutil.which("go"):
            raise pytest.UsageError(f"not built yet: {', '.join('@'.join(p) for p in missing())}; run tests/kube/build")
        reason = "there is no Go here to build kube-apiserver with"
    if reason and items:
        items[:] = items[:1]
        items[0].add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """The last lines of every log, beside what failed."""
    report = (yield).get_result()
    if report.failed:
        for lab in LABS:
            for log in sorted(lab.dir.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-60:]
                report.sections.append((log.name, "\n".join(line[:400] for line in lines)))


def reports(lab):
    """What sanitizers had to say, when the programs were built with them."""
    return [f"{log.name}: {line}" for log in lab.dir.glob("*.log") for line in log.read_text(errors="replace").splitlines()
            if "Sanitizer" in line or "runtime error:" in line]


@contextlib.contextmanager
def made_lab():
    with Lab() as made:
        LABS.append(made)
        try:
            yield made
            assert not reports(made)
        finally:
            LABS.remove(made)


@pytest.fixture(scope="session")
def new_lab():
    """For tests that make their own lab: `with new_lab() as lab`."""
    return made_lab


@pytest.fixture(scope="module")
def version():
    """Of the API server."""
    return MIDDLE


@pytest.fixture(scope="module")
def lab(version):
    with made_lab() as made:
        yield made


@pytest.fixture(scope="module")
def options():
    """More options for ingotd."""
    return ()


@pytest.fixture(scope="module")
def house(lab, version, options):
    """A control plane, three nodes, one controller, two routers, everything running; shared by the tests of one file."""
    h = KubeHouse(lab, version, options=options)
    h.install()
    h.base_manifests()
    h.endpoints()
    h.routers()
    h.pods()
    h.start()
    return h
