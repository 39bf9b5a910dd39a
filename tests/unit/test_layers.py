"""The shape of the source: who imports whom, by docs/architecture.md; how long files are; what a worker loads."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from jobs.wire import keys

ROOT = Path(__file__).resolve().parents[2]
#: Django's own folders: commands and template tags are on top of everything, migrations are generated.
UNLAYERED = {"management", "migrations", "templates", "templatetags", "static"}
#: Imports against the direction, each with its reason.
EXCEPTIONS = {("jobs/core/registry.py", "kinds"): "finds the kinds, as it finds those of every other app"}
LONGEST = 400


def folders() -> set[str]:
    return {path.parent.name for path in (ROOT / "jobs").glob("*/__init__.py")} - UNLAYERED


def allowed() -> dict[str, set[str]]:
    """{folder: folders that it may import}, from the table in docs/architecture.md."""
    table = {}
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        if row := re.fullmatch(r"\| `jobs/(\w+)` \|.*\|([^|]*)\|", line):
            named = set(re.findall(r"\w+", row[2])) & folders()
            table[row[1]] = folders() - named if row[2].strip().startswith("all but") else named
    return table


def normal(name: str) -> str:
    """A distribution's name without version, extras and marker, as PyPI compares them."""
    return re.split(r"[=\[ ;<>]", name)[0].lower().replace("_", "-")


def third_parties() -> dict[str, str]:
    """{top-level module: a file that imports it}, of everything that is neither Python's nor ours."""
    found = {}
    for path in [*(ROOT / "jobs").rglob("*.py"), *(ROOT / "jobsite").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {module.split(".")[0]: str(path.relative_to(ROOT)) for module in modules}
    ours = sys.stdlib_module_names | {"jobs", "jobsite"}
    return {module: path for module, path in found.items() if module not in ours}


def imported(path: Path) -> set[str]:
    """The folders of `jobs` that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {parts[1] for name in names if (parts := name.split("."))[0] == "jobs" and len(parts) > 1}
    return found & folders()


def test_every_folder_is_in_the_table():
    assert set(allowed()) == folders()


@pytest.mark.parametrize("folder", sorted(folders()))
def test_imports_point_one_way(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports jobs.{other}"
        for path in sorted((ROOT / "jobs" / folder).rglob("*.py"))
        for other in sorted(imported(path) - allowed()[folder] - {folder})
        if (str(path.relative_to(ROOT)), other) not in EXCEPTIONS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_sees_imports_of_every_form(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("import jobs.models\ndef f():\n    from jobs import keeper\n    from jobs.web.live import sse\n")
    assert imported(module) == {"models", "keeper", "web"}


def test_what_is_imported_is_declared_and_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(name) for name in project["dependencies"]}
    distributions = packages_distributions()
    optional = {"gevent"}  # IO_POOL=gevent; docs/pools.md says to install it
    missing = {
        module: path
        for module, path in third_parties().items()
        if module not in optional and not {normal(name) for name in distributions.get(module, [])} & declared
    }
    assert not missing
    decisions = (ROOT / "docs" / "decisions.md").read_text().lower()
    everything = declared | {normal(name) for name in project["optional-dependencies"]["dev"]}
    assert not {name for name in everything if name not in decisions and name.split("-")[0] not in decisions}


def test_importing_the_worker_loads_no_models():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "jobs" / "worker").rglob("*.py"))
    ]
    script = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(sorted(name for name in sys.modules if name.startswith('jobs.models')))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_no_file_is_too_long():
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    paths = [
        path
        for path in tracked
        if Path(path).suffix in {".py", ".lua", ".js", ".css", ".html", ".md"}
        and not re.search(r"vendor|/migrations/", path)
        and (ROOT / path).exists()
    ]
    assert len(paths) > 100
    long = {path: count for path in paths if (count := len((ROOT / path).read_text().splitlines())) > LONGEST}
    assert not long


def test_everything_in_redis_is_told():
    told, others = (ROOT / "docs" / "architecture.md").read_text(), {"GROUP", "COMPLETE", "STEPS"}
    names = {
        value for name, value in vars(keys).items() if isinstance(value, str) and name.isupper() and name not in others
    }
    assert len(names) > 10
    assert not {name for name in names if f"`{name}`" not in told}
