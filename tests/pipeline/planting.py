"""A mistake, and how it is planted into a text."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A mistake, planted: what stands in place of a part of a text, and the words that a message about it may name.

    One that is not sure may as well be meant: it need not be told, but never more than once.
    """

    kind: str
    source: str
    start: int
    end: int
    new: str
    words: tuple[str, ...]
    is_sure: bool = True

    @property
    def text(self) -> str:
        """The text with the mistake in it."""
        return self.source[: self.start] + self.new + self.source[self.end :]

    @property
    def line(self) -> int:
        """The line in which it begins."""
        return self.source.count("\n", 0, self.start) + 1

    def __str__(self) -> str:
        return f"{self.kind} in line {self.line}: {' -> '.join(self.words)}"


@dataclass(frozen=True)
class Ground:
    """A right text, and the chance by which mistakes are chosen: the same ones every time."""

    text: str
    rng: random.Random

    def put(self, kind: str, start: int, end: int, new: str, *words: str, sure: bool = True) -> Mistake:
        """The mistake that stands where a part of the text is replaced."""
        return Mistake(kind, self.text, start, end, new, words, sure)

    def typos(self, word: str) -> list[tuple[str, str]]:
        """Slips of a finger in a word: a letter dropped, doubled, swapped with the next, replaced."""
        if len(word) < 3 or not word.isascii():
            return []
        at = self.rng.randrange(1, len(word) - 1)
        other = self.rng.choice("abdeghikmoprstuz".replace(word[at], ""))
        made = {
            "drop": word[:at] + word[at + 1 :],
            "double": word[:at] + word[at] + word[at:],
            "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            "replace": word[:at] + other + word[at + 1 :],
        }
        return [(how, new) for how, new in made.items() if new != word]
