"""What a model thought before it answered: how it is requested, and what an answer shows of it."""

from __future__ import annotations

from collections.abc import Mapping

from yamlgen import model_capabilities
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.value_objects import JSON


def thinking_shown(settings: Settings) -> Settings:
    """Return settings with which answers show the thinking; unchanged for a model that shows it by default."""
    able, thinking = model_capabilities.of(settings.id or ""), settings.thinking
    kind = settings.thinking_type or ("adaptive" if able.thinks else None)
    is_set = isinstance(thinking, Thinking) and thinking.display is not None
    if kind is None or kind in model_capabilities.OFF or is_set or able.shows_thinking:
        return settings
    budget = thinking.budget_tokens if isinstance(thinking, Thinking) else None
    given = {"type": kind, "display": "summarized", **({} if budget is None else {"budget_tokens": budget})}
    return settings.model_copy(update={"thinking": Thinking.model_validate(given)})


def thinking_in(response: Mapping[str, JSON]) -> str | None:
    """Return what the model thought, as far as a response shows it; `None` if it shows nothing."""
    content = response.get("content")
    blocks = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    texts = [str(each.get("thinking") or "") for each in blocks if each.get("type") == "thinking"]
    return "\n\n".join(filter(str.strip, texts)) or None
