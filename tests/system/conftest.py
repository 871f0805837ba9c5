"""Fixtures of the system tests. They need root: they make network namespaces."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab.house import House  # noqa: E402
from lab.net import Lab  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: makes network namespaces"))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        item.session.lab_failed = True


@pytest.fixture(scope="module")
def lab(request):
    with Lab() as made:
        yield made
        if getattr(request.session, "lab_failed", False):
            for log in sorted(made.dir.glob("*.log")):
                print(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-80:]))


@pytest.fixture(scope="module")
def house(lab):
    """Three nodes, two routers, everything running; shared by the tests of one file."""
    h = House(lab)
    h.endpoints()
    h.base_manifests()
    h.routers()
    h.start()
    return h
