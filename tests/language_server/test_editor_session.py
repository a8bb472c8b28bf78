"""What the server does with a mistake of its own."""

import asyncio
import logging

from lsprotocol import types

from yamlgen.language_server import hover
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.editor_session import PipelineServer


def test_an_answer_that_fails_is_none_and_is_logged(tmp_path, monkeypatch, caplog):
    """Editors would open a window for an error."""
    path, server = tmp_path / "a.yamlgen.yaml", PipelineServer()
    server._opened[path.as_uri()] = TextDocument(path, "version: 1\n")
    monkeypatch.setattr(hover, "hover", lambda *_: 1 / 0)
    place = types.HoverParams(types.TextDocumentIdentifier(path.as_uri()), types.Position(0, 0))
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(asyncio.wait_for(server.hover(place), 20)) is None
    assert "no answer about" in caplog.text
