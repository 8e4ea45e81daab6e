"""What is wrong with a code block of the documentation that is no shell command."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from controller.agents.definitions import InvalidDefinition, read_definition
from controller.observe.prices import InvalidPricesError, read_prices
from controller.settings.bots import PASSED_ON, TRACES
from controller.settings.settings import Settings
from controller.settings.variables import variables_of
from podline.contract import environment
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE
from podline_cli.target import KEY_VARIABLE, URL_VARIABLE
from testing.documents.markdown import ROOT, Block
from testing.web.generated import description

_OURS: Final = ("bot", "controller", "pipecat", "podline", "sandbox")
_VARIABLE: Final = re.compile(r"\bPODLINE_[A-Z_]*[A-Z]\b")
_ELISION: Final = re.compile(r",?\s*…\s*(?=[}\]])")


def problems(block: Block) -> list[str]:
    """Explain what is wrong with a block, or return an empty list."""
    check = CHECKS.get(block.language)
    if check is None:
        known = ", ".join(sorted(filter(None, CHECKS)))
        return [f"`{block.language}` is no language that is checked: use one of {known}."]
    unknown = sorted(set(_VARIABLE.findall(block.text)) - variables())
    return [*check(block), *(f"Nothing reads {name}." for name in unknown)]


@cache
def variables() -> set[str]:
    """Every variable that a controller, a bot, a script or the command line reads."""
    settings = {variable.name for group in Settings.groups() for variable in variables_of(group)}
    passed_on = {variable.name for variable in (*PASSED_ON, *TRACES)}
    of_bots = {value for value in vars(environment).values() if isinstance(value, str)}
    scripts = [path for path in (ROOT / "scripts").rglob("*") if path.suffix in {"", ".py", ".sh"}]
    sources = [path.read_text(encoding="utf-8") for path in scripts if path.is_file()]
    of_scripts = {name for source in sources for name in _VARIABLE.findall(source)}
    return settings | passed_on | of_bots | of_scripts | {URL_VARIABLE, KEY_VARIABLE}


def read_json(text: str) -> Any:
    """Parse JSON in which `…` stands for what is left out."""
    return json.loads(_ELISION.sub("", text))


def _json(block: Block) -> Iterator[str]:
    try:
        value = read_json(block.text)
    except ValueError as error:
        yield f"It is no JSON: {error}."
        return
    fields = _fields_of_the_api()
    objects = value if isinstance(value, list) else [value]
    for item in objects:
        if isinstance(item, dict) and not any(item.keys() <= known for known in fields):
            yield f"The API has no object with all of {', '.join(item)}."


@cache
def _fields_of_the_api() -> list[set[str]]:
    """Names of the fields of each object of the API, and of the files that are JSON."""
    schemas = description()["components"]["schemas"].values()
    key = {"name", "sha256", "scopes", "agents"}
    webhook = {"url", "events", "secret"}
    return [set(schema.get("properties", {})) for schema in schemas] + [key, webhook]


def _toml(block: Block) -> Iterator[str]:
    try:
        tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        yield f"It is no TOML: {error}."
        return
    refused: list[str] = []
    for file in (PODLINE_FILE, DEPLOY_FILE):
        try:
            read_definition("shop", {file: block.text.encode()})
        except InvalidDefinition as error:
            refused.append(str(error))
        else:
            return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "prices.toml")
        path.write_text(block.text, encoding="utf-8")
        try:
            read_prices(path)
        except InvalidPricesError as error:
            yield f"No file of ours may say this. {' '.join(refused)} As a price file: {error}"


def _yaml(block: Block) -> Iterator[str]:
    try:
        documents = list(yaml.safe_load_all(textwrap.dedent(block.text)))
    except yaml.YAMLError as error:
        yield f"It is no YAML: {error}."
        return
    for document in documents:
        if isinstance(document, dict) and "kind" in document and "apiVersion" not in document:
            yield "It has a kind and no apiVersion."


def _python(block: Block) -> Iterator[str]:
    try:
        tree = ast.parse(block.text)
    except SyntaxError as error:
        yield f"It is no Python: {error}."
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            wanted = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            wanted = [(alias.name, "__name__") for alias in node.names]
        else:
            continue
        for module, name in wanted:
            if module.split(".")[0] in _OURS and not _has(module, name):
                yield f"{module} can't be imported, or has no {name}."


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return False


def _javascript(block: Block) -> Iterator[str]:
    node = shutil.which("node")
    if node is None:
        return
    checked = subprocess.run(  # noqa: S603 - only reads it
        [node, "--check", "--input-type=module", "-"],
        input=block.text,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        yield f"Node can't read it: {checked.stderr}"


def _anything(_: Block) -> Iterator[str]:
    return iter(())


def _shell(block: Block) -> Iterator[str]:
    bash = shutil.which("bash") or "bash"
    checked = subprocess.run(  # noqa: S603 - only reads it
        [bash, "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    if checked.returncode:
        yield f"Bash can't read it: {checked.stderr}"


CHECKS: Final[MappingProxyType[str, Callable[[Block], Iterator[str]]]] = MappingProxyType(
    {
        "": _anything,
        "diff": _anything,
        "dockerfile": _anything,
        "ini": _anything,
        "js": _javascript,
        "json": _json,
        "promql": _anything,
        "python": _python,
        "sh": _shell,
        "text": _anything,
        "toml": _toml,
        "yaml": _yaml,
    }
)
