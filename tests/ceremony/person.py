"""Somebody at a terminal of 80 columns and 24 lines, who reads, answers each question, and types words as heard."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pexpect

from keys import words

PASSPHRASE: Final = "correct horse battery"
COMMAND: Final = (sys.executable, "-c", "from ceremony.cli import main; raise SystemExit(main())")
PROMPTS: Final = {
    "read": r"Enter to read on\. ",
    "agree": r"\[y/N\] ",
    "word": r"  word +(\d+): ",
    "full": r"Type  (.+?)  in full, anything else to stop: ",
    "passphrase": r"Passphrase of \S+: ",
    "pin": r"PIN [^\n]*: ",
    "paper": r"Type it from your paper: ",
    "why": r"Why not\? [^\n]*: ",
    "dice": r"Roll a die [^\n]*: ",
}
"""What the tool asks, by what this file calls it."""
_NUMBERED: Final = re.compile(r"(?: |^) *(\d+) ([a-z]+)")
_PATIENCE: Final = 60


@dataclass(slots=True)
class Person:
    """``heard`` is the digest whose words another holder reads to them; ``says`` is what they answer instead of what
    anybody willing would, by prompt: one answer each time it is asked, the last one from then on.
    """

    heard: str = ""
    passphrase: str = PASSPHRASE
    pin: str = ""
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def run(
        self, folder: Path, line: str, height: int = 24, command: tuple[str, ...] = COMMAND, **environment: str
    ) -> tuple[int, str]:
        """Run a command and answer until it ends: its exit code, and all that was on the screen."""
        program, *before = command
        child = pexpect.spawn(
            program, [*before, *shlex.split(line)], cwd=str(folder), dimensions=(height, 80), timeout=_PATIENCE,
            env={**os.environ, **environment}, encoding="utf-8", echo=False,
        )  # fmt: skip
        said = ""
        while (found := child.expect([*PROMPTS.values(), pexpect.EOF])) < len(PROMPTS):
            prompt = list(PROMPTS)[found]
            said += child.before + child.after
            answer = self._answer(prompt, child.match, said)
            if answer == "\x03":
                child.sendintr()
            else:
                child.sendline(answer)
                said += answer if prompt not in ("passphrase", "pin", "paper") else ""
                said += "\n"
        said += child.before
        child.wait()  # EOF comes before its end, and close would kill it then
        child.close()
        assert child.exitstatus is not None, said
        return child.exitstatus, re.sub(r"\n\n(?=\S)", "\n\n", said.replace("\r\n", "\n"))

    def _answer(self, prompt: str, match: re.Match[str], said: str) -> str:
        self.asked.append(prompt)
        if prompt in self.says:
            mine = self.says[prompt]
            return mine[min(self.asked.count(prompt), len(mine)) - 1]
        if prompt == "word":
            return words.words(bytes.fromhex(self.heard))[int(match[1]) - 1]
        if prompt == "paper":
            shown = said[said.index("The passphrase, drawn") :]
            self.passphrase = " ".join(word for _, word in _NUMBERED.findall(shown.split("Write it")[0])[:12])
            return self.passphrase
        return {
            "read": "", "agree": "y", "full": match[1] if prompt == "full" else "", "passphrase": self.passphrase,
            "pin": self.pin, "why": "", "dice": "1234561234" * 6,
        }[prompt]  # fmt: skip
