"""Packages import downwards only: the order that ARCHITECTURE draws, read from the source."""

import ast
from pathlib import Path

import cliffnet

ROOT = Path(cliffnet.__file__).parent
LEVELS = (
    ("errors", "_env", "_log", "_graphs", "_extras", "_files", "_rust"),
    ("algebra",),
    ("reference",),
    ("ops",),
    ("functional",),
    ("multivector",),
    ("nn", "geometry"),
    ("models",),
    ("interop", "data", "io", "viz", "testing", "_preparation"),
    ("training",),
    ("cli",),
)
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
# the package's own face and ``python -m cliffnet``
FACES = {"__init__": 5, "__main__": 10}
TOUCH_RUST = {"algebra", "ops"}


def package_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path):
    """Yield the line and the packages of cliffnet that a file imports, function bodies included.

    Imports for type checkers alone do not count, because they never run.
    """
    tree = ast.parse(path.read_text(), str(path))
    unrun = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) in ("TYPE_CHECKING", "_TYPE_CHECKING")
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in unrun:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
            names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "cliffnet":
                yield node.lineno, rest.partition(".")[0]


def sources():
    return sorted(ROOT.rglob("*.py"))


def test_every_package_has_a_level():
    packages = {package_of(path) for path in sources()} - set(FACES)
    assert packages <= set(LEVEL)


def test_packages_import_downwards_only():
    wrong = []
    for path in sources():
        importer = package_of(path)
        for line, imported in imports(path):
            if importer == imported:
                continue
            if importer in FACES:
                fits = LEVEL.get(imported, 0) <= FACES[importer]
            else:
                # a name without a level, such as __version__, comes from the face, which stands above the core
                fits = LEVEL.get(imported, FACES["__init__"] + 0.5) < LEVEL[importer]
            if LEVEL.get(importer) == 0 and LEVEL.get(imported) == 0:
                fits = imported == "errors"  # the one thing that all others may use
            if not fits:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {imported or 'cliffnet'}")
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def test_only_algebra_and_ops_touch_native_code():
    users = {package_of(path) for path in sources() for _, imported in imports(path) if imported == "_rust"}
    assert users <= TOUCH_RUST


def test_only_layers_use_operators_that_are_not_public():
    for path in sources():
        if package_of(path) in ("models", "geometry"):
            assert "ops" not in {imported for _, imported in imports(path)}, path


def test_imports_are_found():
    found = {imported for path in sources() for _, imported in imports(path)}
    assert {"errors", "algebra", "ops", "functional", "nn", "_rust"} <= found
