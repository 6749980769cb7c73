"""Every page of the operator's is under /admin/ or a key's own, each at one path."""

from __future__ import annotations

from pathlib import Path

from dragoman.config import load
from dragoman.gateway import Gateway
from dragoman.server.admin import routes


def test_every_module_is_there(tmp_path: Path) -> None:
    """No method at a path is answered twice, and each module has its pages."""
    found = routes(Gateway(load({"DRAGOMAN_DATA": str(tmp_path)}, tmp_path)))
    served = [(method, route.path) for route in found for method in sorted(route.methods or ())]
    assert len(served) == len(set(served))
    paths = {path for _, path in served}
    assert {"/admin/keys", "/admin/teams", "/admin/users", "/admin/audit"} <= paths
    assert all(path.startswith(("/admin/", "/v1/")) for path in paths)
