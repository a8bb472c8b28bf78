"""What a server says in place of an answer: how far it reaches, in its own words, under its own name."""

import pytest
from anthropic._error_classes import ERROR_CLASSES

from scripted_api import Reply, ask, ask_one, error, events, refusal, said, spoken
from yamlgen.claude.server_errors import ErrorResponse, ErrorScope
from yamlgen.errors import Code, RowError, RunStopped

FOR_GOOD = {
    "contract_spend_limit_reached": Code.SPEND_LIMIT,
    "enforced_spend_limit_reached": Code.SPEND_LIMIT,
    "linked_organization_spend_limit_reached": Code.SPEND_LIMIT,
    "linked_organization_billing_unavailable": Code.PAYMENT,
    "user_profile_billing_not_authorized": Code.PAYMENT,
    "organization_on_hold": Code.FORBIDDEN_MODEL,
    "cmek_key_disabled": Code.FORBIDDEN_MODEL,
    "workspace_policy_violation": Code.FORBIDDEN_MODEL,
    "storage_not_approved": Code.FORBIDDEN_MODEL,
}
"""Codes of refusals that no row can help."""

STATUS = {Code.SPEND_LIMIT: 429, Code.PAYMENT: 402}
"""How they come; the others as a 400."""

OTHERWISE = {
    "file_expired": ErrorScope.ROW,
    "thread_not_found": ErrorScope.ROW,
    "request_body_timeout": ErrorScope.AGAIN,
    "skill_read_blocked_undecryptable": ErrorScope.ROW,
    "thread_continue_in_flight": ErrorScope.AGAIN,
}
"""Codes that do not reach as far as their status, and end no run."""


def reach_of_status(status):
    """How far a bare status reaches."""
    return ErrorResponse(status).scope


@pytest.mark.parametrize(("status", "code"), [key for key in ERROR_CLASSES if key[1]], ids=str)
def test_every_code_of_the_sdk_reaches_as_far_as_was_decided(status, code):
    """A code of the SDK's table ends the run, or reaches as far as its status: a new one does, too."""
    found = ErrorResponse(status, code=code)
    if found.stop is not None:
        assert found.scope is ErrorScope.RUN
    else:
        assert found.scope is OTHERWISE.get(code, reach_of_status(status))


@pytest.mark.skipif(len(ERROR_CLASSES) < 150, reason="an older SDK knows fewer codes")
@pytest.mark.parametrize("code", FOR_GOOD)
def test_the_codes_of_an_account_are_codes_of_the_sdk(code):
    """None is misspelt."""
    assert code in {known for _, known in ERROR_CLASSES}


@pytest.mark.parametrize("status", sorted({status for status, code in ERROR_CLASSES if code is None}))
def test_a_status_reaches_as_far_as_ever(status):
    """Key, account and address end the run; the server's own errors are tried again; the rest costs its row."""
    expected = ErrorScope.RUN if status in (401, 402, 403, 404) else ErrorScope.ROW
    if status in (408, 409, 499) or status >= 500:
        expected = ErrorScope.AGAIN
    assert reach_of_status(status) is (ErrorScope.LIMITED if status == 429 else expected)


@pytest.mark.parametrize(("code", "kind"), FOR_GOOD.items())
@pytest.mark.parametrize("where", ["status", "inside", "stream"])
def test_a_refusal_for_good_ends_the_run_in_its_own_words(code, kind, where):
    """It is not tried again, whatever `x-should-retry` says, and no row is set aside for it."""
    status = STATUS.get(kind, 400)
    words, details = "as of today, see https://console", {"error_code": code}
    reply = refusal(status, words, {"x-should-retry": "true"}, details=details)
    if where == "inside":
        reply = Reply(error("invalid_request_error", words, details=details))
    elif where == "stream":
        reply = events(spoken("x")[0], error("invalid_request_error", words, details=details))
    outcome, server = ask_one(reply, said("no"), max_retries=3)
    assert type(outcome) is RunStopped
    assert outcome.code == kind
    assert words in outcome.message
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.", Code.PAYMENT),
        ("You have reached your specified workspace API usage limits.", Code.SPEND_LIMIT),
        ("This organization has been disabled.", Code.FORBIDDEN_MODEL),
        ('AnthropicException - {"message":"Your credit balance is too low to access the Anthropic API"}', Code.PAYMENT),
    ],
)
def test_the_old_words_of_a_refusal_for_good_end_the_run(text, kind):
    """They come as a 400 without a code, from the API or through a gateway."""
    outcome, _ = ask_one(refusal(400, text))
    assert type(outcome) is RunStopped
    assert outcome.code == kind
    assert text in outcome.message


@pytest.mark.parametrize("code", ["request_body_timeout", "thread_continue_in_flight"])
def test_a_refusal_that_passes_is_tried_again(code):
    """A body that arrived too slowly is sent again, though that is a 400, and so is one for which another must end."""
    slow = refusal(400, "not now", details={"error_code": code})
    outcome, server = ask_one(slow, said("Hi."), max_retries=1)
    assert outcome.value == "Hi."
    assert len(server.bodies) == 2


def test_a_conflict_that_stays_fails_its_row_at_once():
    """A skill that cannot be decrypted is a 409, which is tried again otherwise."""
    blocked = refusal(409, "encrypted", details={"error_code": "skill_read_blocked_undecryptable"})
    outcome, server = ask_one(blocked, said("Hi."), max_retries=1)
    assert type(outcome) is RowError
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 413, 500])
def test_an_error_names_its_request(status):
    """In its message, and by itself."""
    outcome, _ = ask_one(refusal(status, "because", {"request-id": "req_abc", "location": "/other"}))
    assert outcome.message.endswith("(request req_abc)")
    assert outcome.request_id == "req_abc"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(error("api_error", "because")),
        Reply(b"hello", kind="text/plain"),
        events(spoken("x")[0], error("overloaded_error", "because")),
        Reply(events(*spoken("x")).body, kind="text/event-stream", cut=True),
    ],
    ids=["inside of a 200", "no message", "in a stream", "a stream that breaks off"],
)
def test_an_error_inside_of_a_200_names_its_request(reply):
    """Whatever came with a response has that response's name."""
    outcome, _ = ask_one(reply, max_tokens=30_000)
    assert outcome.message.endswith("(request req_0)")


def test_a_request_id_of_the_body_is_one_too():
    """A gateway may keep it there alone."""
    outcome, _ = ask_one(refusal(400, "because", {"request-id": ""}))
    assert outcome.request_id == "req_1"


def test_no_response_has_no_name():
    """A connection that failed is about no request of the API's."""
    outcome, _ = ask_one(refusal(500, "no"), Reply(b"", cut=True), max_retries=1)
    assert "(request" not in outcome.message
    assert outcome.request_id is None


PAGE = "<!DOCTYPE html><html><head><title>502  Bad &amp; Gateway</title></head><body><p>nginx/1.2</p></body></html>"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 502])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", "application/json"])
def test_a_page_is_told_by_its_title(status, kind):
    """Of a body of HTML, by its type or by its look, the status and the title are told, and nothing else."""
    outcome, _ = ask_one(Reply(PAGE.encode(), status, kind=kind))
    assert 'an HTML page titled "502 Bad & Gateway"' in outcome.message
    assert "<" not in outcome.message
    assert "nginx" not in outcome.message


@pytest.mark.parametrize("text", [f"upstream said: {PAGE}", PAGE])
def test_a_page_inside_of_an_error_is_not_quoted_either(text):
    """A gateway may wrap the page of what stands behind it."""
    outcome, _ = ask_one(refusal(400, text))
    assert 'an HTML page titled "502 Bad & Gateway"' in outcome.message
    assert "nginx" not in outcome.message


@pytest.mark.parametrize("body", ["<p>secret</p>", "<html><body>secret", "<?xml version='1.0'?><e>secret</e>"])
def test_a_page_without_a_title_is_one_too(body):
    """What begins with a tag is not for a reader."""
    outcome, _ = ask_one(Reply(body.encode(), 400, kind="text/plain"))
    assert "an HTML page without a title" in outcome.message
    assert "secret" not in outcome.message


def test_an_envelope_that_calls_itself_a_page_is_none():
    """What can be read as JSON is no HTML, whatever a gateway calls it."""
    outcome, _ = ask_one(Reply(error("invalid_request_error", "because"), 400, kind="text/html"))
    assert "because" in outcome.message


def test_words_that_hold_a_tag_are_no_page():
    """A sentence about `<b>` is quoted."""
    outcome, _ = ask_one(refusal(400, "the tag <b> is not closed, and 1 < 2"))
    assert "the tag <b> is not closed, and 1 < 2" in outcome.message


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://api.example.com/v1/messages", "https://api.example.com/v1/messages"),
        ("https://me:canary@example.com:8443/login?token=canary#canary", "https://example.com:8443/login"),
        ("//other.example.com/v1/messages?key=canary", "http://other.example.com/v1/messages"),
    ],
)
def test_a_redirect_names_its_target(location, shown):
    """Its host and path, without what may be a secret."""
    outcome, server = ask_one(Reply(b"", 307, {"location": location}))
    assert type(outcome) is RunStopped
    assert f"{server.url} redirects to {shown} (307)" in outcome.message
    assert "canary" not in f"{outcome} {outcome.hint}"


@pytest.mark.parametrize("location", ["http://[", "http://host:port/x", ""])
def test_a_redirect_to_nowhere_is_one_too(location):
    """A target that cannot be read is not named; an older transport reads it, and says so."""
    outcome, _ = ask_one(Reply(b"", 302, {"location": location}))
    assert type(outcome) is RunStopped
    assert "redirects elsewhere" in outcome.message or "location header" in outcome.message


@pytest.mark.parametrize("where", ["status", "inside"])
@pytest.mark.parametrize(("length", "size"), [(876_543, "0.9 MB"), (21, "108 bytes"), (4_321, "4,408 bytes")])
def test_what_is_too_large_tells_its_size(where, length, size):
    """A 413 says how much was sent."""
    reply = refusal(413, "too large") if where == "status" else Reply(error("request_too_large", "too large"))
    (outcome,), _, _ = ask(reply, texts=["x" * length])
    assert type(outcome) is RowError
    assert f"the request was {size}" in outcome.message
    assert outcome.status == 413


FIELDS = [None, 7, ["x"], {"x": {"y": "z"}}, "", "\ud800"]


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("field", FIELDS, ids=str)
@pytest.mark.parametrize("name", ["type", "message", "details", "error", "request_id"])
def test_a_field_of_an_error_may_be_anything(status, field, name):
    """Where a text is expected any value may stand: it is an error all the same, and none of ours."""
    body = error("api_error", "because", details={"error_code": "x"})
    body[name] = field
    body["error"] = {**body["error"], name: field} if isinstance(body["error"], dict) else field
    outcome, _ = ask_one(Reply(body, status, {"x-should-retry": "false"}))
    assert isinstance(outcome, RowError | RunStopped), outcome
    assert outcome.code != Code.INTERNAL
