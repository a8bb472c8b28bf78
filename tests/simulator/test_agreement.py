"""`validate` and the simulated API know the same rules: what the one passes without a word, the other takes."""

import json
from itertools import product

import anthropic
import pytest

from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.requests import betas_of
from yamlgen.claude.structured import StructuredOutput
from yamlgen.model_capabilities import DATED, MODELS, OFF, SAMPLING, betas_needed, of
from yamlgen.pipeline.parsed_file import read
from yamlgen.planning.compiler import compile_pipeline
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.catalogue import check_model
from yamlgen.simulator.request_checks import check_message
from yamlgen.value_objects import Message, Prompt

GATEWAY = "https://gateway.example.com"
"""An address of whose models nothing is said but what the table says: a retirement is a warning for each setting."""

CLIENT = anthropic.AsyncAnthropic(api_key="k")
SENDER = ErrorContext("", GATEWAY, "ANTHROPIC_API_KEY", "k")
TOP = "version: 1\ninput: {rows: [{a: 1}]}\noutput: {path: o.jsonl}\n"
NEW, OLD = "2026-10-21", "2023-06-01"
SHOWN = {"type": "adaptive", "display": "summarized"}
BUDGET = {"budget_tokens": 1024, "display": "omitted"}
THINKING = [None, "adaptive", "disabled", "between_tools", {"budget_tokens": 1024}, SHOWN, BUDGET]
EFFORTS = [None, "low", "medium", "high", "xhigh", "max"]
TEXT = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
SCHEMAS = [
    TEXT,
    {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2},
    {"type": "object"},
    {"anyOf": [TEXT, {"type": "null"}]},
    {"type": "object", "properties": {"a b": {"enum": ["x", 1]}}},
    {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"of": {"$ref": "#/$defs/tree"}}}}},
    {"type": "object", "title": "Würfel: 1?", "properties": {"n": {"type": "number", "multipleOf": 0.5}}},
]
BEGUN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Dear"}]


def unlike():
    """The models, one of each that take the same settings."""
    found = {}
    for model, able in MODELS.items():
        taken = able.thinking, able.efforts, able.most_effort_off, able.forced_tools, able.prefill, able.sampling
        found.setdefault((*taken, able.thinks, able.native_output, able.max_output_tokens), model)
    return found.values()


def steps():
    """The steps that are tried, each a combination of settings."""
    for thinking, effort in product(THINKING, EFFORTS):
        yield {"prompt": "Hi", "thinking": thinking, "effort": effort}
    shapes = [*product([None], SCHEMAS), *product(THINKING[1:5], SCHEMAS[:3:2])]
    for (thinking, schema), mode in product(shapes, ("auto", "tools", "json")):
        yield {"prompt": "Hi", "thinking": thinking, "output": {"schema": schema, "mode": mode}}
    for most in (1, 4096, 4097, 8192, 64_000, 64_001, 128_000, 128_001):
        yield {"prompt": "Hi", "max_tokens": most}
    for thinking, mode in product(THINKING[:5], (None, "auto", "tools", "json")):
        output = {"output": {"schema": TEXT, "mode": mode}} if mode else {}
        yield {"messages": BEGUN, "thinking": thinking, **output}


def sampled():
    """Steps with settings of sampling, which the older version of the API takes of older models."""
    for thinking, temperature, top_p, top_k in product(THINKING[:5], (None, 0.5, 1), (None, 0.5, 0.97), (None, 5)):
        yield {"prompt": "Hi", "thinking": thinking, "temperature": temperature, "top_p": top_p, "top_k": top_k}


def settings_of(able):
    """Each setting of the table of models by itself, on both sides of its bound."""
    tool = {"output": {"schema": TEXT, "mode": "tools"}}
    begun = [{"thinking": thinking} for thinking in THINKING[1:5]] + [{"effort": effort} for effort in EFFORTS[1:]]
    begun += [{"thinking": kind, "effort": effort} for kind in OFF for effort in EFFORTS[1:]]
    begun += [{"speed": "fast"}, {"speed": "standard"}, {"inference_geo": "us"}, {"inference_geo": "mars"}, tool]
    begun += [{"service_tier": "auto"}, {"service_tier": "standard_only"}]
    yield from ({"prompt": "Hi", **each} for each in begun)
    for most in (able.max_output_tokens, able.max_output_tokens + 1, 300_000, 300_001):
        yield from ({"prompt": "Hi", "max_tokens": most, "batch": batch} for batch in (False, True))
    yield {"messages": BEGUN}
    yield {"messages": [BEGUN[0], {"role": "system", "content": "Be brief."}]}


def request(step):
    """The body of a step's request."""
    settings = step.variants[0].settings
    structured = (
        None if step.schema is None else StructuredOutput(step.name, step.schema, settings, step.variants[0].mode)
    )
    model = ClaudeModel(CLIENT, settings, SENDER, structured=structured)
    return model.request(Prompt(step.system, tuple(Message(turn.role, turn.content) for turn in step.messages)))


def problem_of(step, version):
    """Why the simulator refuses the request of a step; `None` if it takes it."""
    body, settings = request(step), step.variants[0].settings
    betas = frozenset((*betas_of(settings), *(betas_needed(settings.id, settings.answer_limit) if step.batch else ())))
    try:
        check_message(body, version, betas, batched=bool(step.batch))
    except SimulatedAPIError as problem:
        return str(problem)
    return None


def outcomes(folder, model, version, tried):
    """Each step, what `validate` says of it, and what the simulator refuses of its request."""
    lines = [json.dumps({"id": model, **{key: value for key, value in step.items() if value}}) for step in tried]
    steps = "".join(f"  s{number}: {line}\n" for number, line in enumerate(lines))
    runtime = json.dumps({"base_url": GATEWAY, "api_version": version})
    path = folder / "p.yaml"
    top = f"{TOP}runtime: {runtime}\nsteps:\n"
    path.write_text(top + steps, encoding="utf-8")
    draft, _ = read(path, path.name)
    plan, diagnostics = compile_pipeline(draft, None, None).bound({}, complete=False)
    assert plan is not None, diagnostics
    told = {diagnostic.mark.line - top.count("\n") - 1: diagnostic.message for diagnostic in diagnostics}
    return [(lines[number], told.get(number), problem_of(step, version)) for number, step in enumerate(plan.generating)]


@pytest.mark.parametrize("model", [*MODELS, *DATED])
def test_validate_warns_where_the_simulator_refuses(model, tmp_path):
    """Each setting of each model of the table, by itself and at its bounds, also in batches."""
    found = outcomes(tmp_path, model, NEW, [*settings_of(of(model))])
    found += outcomes(tmp_path, model, OLD, [{"prompt": "Hi", name: 1} for name in SAMPLING])
    assert [(line, told, problem) for line, told, problem in found if bool(told) != bool(problem)] == []


@pytest.mark.parametrize("model", [*unlike(), DATED[0], "my-fine-tune"])
def test_what_validate_passes_the_simulator_takes(model, tmp_path):
    """Over all settings of all models: each request that the simulator refuses was warned of, and no other one."""
    found = [*outcomes(tmp_path, model, NEW, [*steps()])]
    if of(model).sampling is not False:
        found += outcomes(tmp_path, model, OLD, [*sampled()])
    assert [(line, told, problem) for line, told, problem in found if bool(told) != bool(problem)] == []


@pytest.mark.parametrize(
    "model",
    [
        "claude-haiku-5-5",
        "claude-opus-4-1",
        "claude-3-haiku-20240307",
        "claude-sonnet-4-20250514",
        "claude-haiku-5-5-20261007",
        "claude-sonnet-5-5-latest",
        "claude-haiku-55",
        "claude-fable-6",
        "claude-haiku-4-5@20251001",
        "claude-haiku-5-5:batch",
        "claude-house-blend",
        "us.anthropic.claude-haiku-5-5",
        "anthropic/claude-haiku-5-5",
        "claude-next/v2",
        "my-fine-tune",
    ],
)
def test_an_id_that_the_api_lacks(model, tmp_path):
    """An id that the simulated API does not know, or no longer, is warned of, and no other one."""
    path = tmp_path / "p.yaml"
    path.write_text(f"{TOP}steps:\n  s: {{id: '{model}', prompt: Hi}}\n", encoding="utf-8")
    told = compile_pipeline(read(path, path.name)[0], None, None).bound({}, complete=False)[1]
    try:
        check_model(model)
    except SimulatedAPIError:
        assert [diagnostic.severity for diagnostic in told] == ["warning"]
    else:
        assert told == ()


@pytest.mark.parametrize("model", ["claude-house-blend", "claude-sonnet-4-5", "claude-2.1"])
def test_a_gateway_of_the_environment_has_its_own_models(model, tmp_path, monkeypatch):
    """Where requests go elsewhere, nothing is said of what Anthropic's own address has."""
    path = tmp_path / "p.yaml"
    path.write_text(f"{TOP}steps:\n  s: {{id: '{model}', prompt: Hi}}\n", encoding="utf-8")
    draft = read(path, path.name)[0]
    assert len(compile_pipeline(draft, None, None).bound({}, complete=False)[1]) == 1
    monkeypatch.setenv("ANTHROPIC_BASE_URL", GATEWAY)
    assert compile_pipeline(draft, None, None).bound({}, complete=False)[1] == ()
