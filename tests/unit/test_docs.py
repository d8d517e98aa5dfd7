"""The docs cannot lie about settings, commands, HTTP calls and files: these tests read both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from assistant.cli import app
from assistant.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


def rows_of_settings() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "—" if default in (None, []) else f"`{default.as_posix() if isinstance(default, Path) else default}`"
        yield f"| `STAYWELL_{name.upper()}` | {shown} | {field.description} |"


def test_every_setting_stands_in_the_docs_as_it_is() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if line.startswith("| `STAYWELL_")]
    assert found == list(rows_of_settings())


def commands(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from commands(child, f"{path} {name}")


def test_every_command_stands_in_the_docs_and_no_other() -> None:
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(staywell [a-z -]+)` \|", text, flags=re.MULTILINE))
    assert described == set(commands(typer.main.get_command(app), "staywell"))


def test_every_http_call_stands_in_the_docs() -> None:
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8")
    missing = []
    for source in ROOT.glob("assistant/**/*.py"):
        code = source.read_text(encoding="utf-8")
        prefix = next(iter(re.findall(r'APIRouter\(prefix="([^"]+)"', code)), "")
        for method, path in re.findall(r'@router\.(get|post|put|delete|patch)\("([^"]+)"', code):
            whole = prefix + path
            if whole.startswith("/api/") and re.sub(r"\{\w+\}", "{conv}", whole) not in text and whole not in text:
                missing.append(f"{method.upper()} {whole}")
    assert not missing


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_file_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:assistant|risk|retrieval|tests|benchmarks|web|docs)/[\w./-]+\.(?:py|ts|tsx|md|json|jsonl|toml))`", text
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
