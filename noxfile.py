"""Every check there is, a session each: `nox` runs what a change must pass.

`nox -s bench -- NAME` measures, and `nox --list` shows the rest.

A session's environment is kept for the next run, except where it proves what a fresh one needs.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")
PACKAGES = ["core", "nn", "backend-numba"]
SOURCES = [f"packages/{package}/src" for package in PACKAGES]
DEVICES = ["numpy", "hostile", "numba"]
MAX_CORE_BYTES = 1_000_000  # installed, without bytecode: pip compiles 1.8 MB more of it


def group(*names: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, *names)


def install(session: nox.Session, *groups: str) -> None:
    """The packages as they stand in the tree, with all their extras, and the tools of `groups`."""
    packages = ["packages/core[save,einsum,testing]", "packages/nn[apps]", "packages/backend-numba"]
    editable = [word for package in packages for word in ("-e", package)]
    session.install(*editable, *group(*groups))


def install_torch(session: nox.Session) -> None:
    """By pip, whichever tool installs the rest: its configuration knows the build without CUDA."""
    session.install("pip")
    session.run_install("python", "-m", "pip", "install", "--quiet", *group("parity"))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, on the packages."""
    install(session, "types")
    session.run("mypy")


@nox.session
def rules(session: nox.Session) -> None:
    """Who imports whom, names, sizes, and what `import rushlight` loads."""
    install(session, "test")
    session.run("pytest", "tests/rules", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of behaviour; torch is the oracle of those that compare."""
    install(session, "test")
    install_torch(session)
    others = ["rules", "docs", "conformance", "parity"]
    ignored = [f"--ignore=tests/{other}" for other in others]
    session.run("pytest", "tests", *ignored, *session.posargs)


@nox.session
def parity(session: nox.Session) -> None:
    """Every public name and layer beside PyTorch's: results, types, gradients, errors."""
    install(session, "test")
    install_torch(session)
    session.run("pytest", "tests/parity", *session.posargs)


@nox.session
@nox.parametrize("device", DEVICES, ids=DEVICES)
def conformance(session: nox.Session, device: str) -> None:
    """The suite that backend authors run, on one device."""
    install(session, "test")
    session.run("pytest", "tests/conformance", "--device", device, "--device-required")


@nox.session
def native(session: nox.Session) -> None:
    """The same suite on `numba`, with native code for what has few elements too."""
    install(session, "test")
    where = {"RUSHLIGHT_NUMBA_LEAST": "0"}
    command = ["pytest", "tests/conformance", "--device", "numba", "--device-required"]
    session.run(*command, env=where)


@nox.session(reuse_venv=False)
def isolation(session: nox.Session) -> None:
    """Core alone, with its dependencies and nothing else."""
    session.install("packages/core")
    session.run("python", "-I", "tests/isolation/program.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Examples in docstrings, the code of README and docs/, and their links."""
    install(session, "docs")
    session.run("pytest", "--doctest-modules", *SOURCES, "tests/docs", *session.posargs)


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Source archives and wheels; a fresh environment imports from the wheels."""
    session.install(*group("build"))
    dist = Path(session.create_tmp()) / "dist"
    for package in PACKAGES:
        session.run_install(
            "python", "-m", "build", "--quiet", "-o", str(dist), f"packages/{package}"
        )
    session.install(*(str(wheel) for wheel in sorted(dist.glob("*.whl"))))
    session.run("python", "-I", "tests/isolation/wheel.py", str(MAX_CORE_BYTES))
    session.run("rushlight", "--help", silent=True)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Random programs, compiled and at once, on request: `nox -s fuzz -- 20000 numba 100000`.

    How many, on which device, from which seed on.
    """
    install(session, "test")
    count, device, first = (*session.posargs, *("20000", "numpy", "1000")[len(session.posargs) :])
    command = ["python", "-W", "error", "-m", "fuzz.programs"]
    where = {"PYTHONPATH": "tests"}
    session.run(*command, "--count", count, "--device", device, "--first", first, env=where)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Lines and branches that no test reaches; on request."""
    install(session, "coverage")
    install_torch(session)
    session.run("coverage", "run", "-m", "pytest", "tests", "--ignore=tests/rules")
    session.run("coverage", "report")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measurements, on request: `nox -s bench -- overhead importing`.

    `cpu` takes most of an hour, shows jax if that is installed, and is better run by hand in parts.
    """
    install(session, "test")
    install_torch(session)
    for name in session.posargs or ["importing", "overhead"]:
        session.run("python", f"bench/{name}.py")
