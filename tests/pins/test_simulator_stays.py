"""What the simulator refuses, with which sentence, and what it answers, stay as they are."""

import hashlib

from simulator_requests import LONG, mistaken_twice, mutated, of_blocks, of_models, of_tools, of_turns, of_values


def summed(answers):
    """The answers as text: each refusal under its place; of messages, and of what is tried in bulk, a digest."""
    groups = {}
    for where, name, (status, text) in answers:
        groups.setdefault(where, []).append((name, status, text))
    lines = []
    for where, group in groups.items():
        told, digested = {}, []
        for name, status, text in group:
            if status == 200 or where.startswith(("turns", "two")):
                digested.append(f"{name} {status} {text}")
            else:
                told.setdefault(f"{status} {text}", []).append(name)
        lines.append(where)
        if digested:
            digest = hashlib.sha256("\n".join(digested).encode()).hexdigest()[:12]
            lines.append(f"  {len(digested)} answers: {digest}")
        lines += [f"  {', '.join(names)}: {text}" for text, names in told.items()]
    return "\n".join(lines).replace(LONG, "x…") + "\n"


def test_every_request_is_answered_as_before(pinned):
    """One mistake at each place of a right body, two at once, and what each model, block, turn and tool may be."""
    cases = (mutated(), mistaken_twice(500), of_models(), of_blocks(), of_turns(), of_tools(), of_values())
    pinned("simulator.txt", summed(case for some in cases for case in some))
