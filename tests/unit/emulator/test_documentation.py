"""docs/emulator.md names what there is, and nothing else."""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

import pytest

from sessions_app.emulator.__main__ import add_arguments
from sessions_app.emulator.faults import BENDING, KINDS, MOMENTS, Fault
from sessions_app.emulator.profiles import MODELS
from sessions_app.emulator.script import Intent, Script

TEXT = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").replace("\\|", "/").split("|")] for line in lines]


def test_every_option():
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    options = {name for action in parser._actions for name in action.option_strings}
    assert set(re.findall(r"--[a-z-]+", "".join(row[0] for row in rows(section("Start it"))))) == options


def test_every_fault_with_its_moment():
    documented = {}
    for kinds, moment, *_ in rows(section("Faults"))[1:]:
        for kind in re.findall(r"`(\w+)`", kinds):
            documented[kind] = (re.findall(r"`(\w+)`", moment)[0], moment.endswith("only"))
    assert documented == {kind: (at, kind in BENDING) for kind, (at, _) in KINDS.items()}


def test_every_moment_and_setting_of_a_fault():
    text = section("Faults")
    assert set(MOMENTS) <= set(re.findall(r"`(\w+)`", text.split("\nMoments: ")[1].split("\n\n")[0]))
    assert all(f"`{name}`" in text for name in Fault.__dataclass_fields__ if name != "kind")


def test_every_model():
    first = {name for row in rows(section("What it imitates")) for name in re.findall(r"`(gemini-[\w.-]+)`", row[0])}
    assert first | {"gemini-2.5-flash-native-audio-latest"} == set(MODELS)


def test_every_key_of_an_intent():
    text = section("The script")
    for key in set(Intent.__dataclass_fields__) | {"tool", "args", "scheduling"}:
        assert re.search(rf"\b{key} =|`{key}", text), key


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_every_example_of_a_script_can_be_used(block: str):
    data = tomllib.loads(block)
    least = {"name": "n", "phrases": "ping", "reply": "pong"}
    assert Script.from_data({"intents": [least]} | data).intents


@pytest.mark.parametrize("flag", re.findall(r"--fault ([a-z][\w,=.]*)", TEXT))
def test_every_example_of_a_fault_can_be_used(flag: str):
    assert Fault.parse(flag).kind
