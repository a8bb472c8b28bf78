"""`yamlgen lsp` on the command line; tests/language_server drives it by its protocol."""

import sys


def test_without_its_packages_it_says_how_to_install_them(call, monkeypatch):
    """The extra that is missing is named, with the command that installs it."""
    monkeypatch.delitem(sys.modules, "yamlgen.language_server.editor_session", raising=False)
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    told = call("lsp")
    assert told.code == 3
    assert told.out == ""
    assert "error[YG327]: `yamlgen lsp` needs the package lsprotocol, which is not installed" in told.err
    assert "pip install 'yamlgen[lsp]'" in told.err


def test_its_help_says_what_it_needs(call):
    """Editors start it; the help names the extra and the page that tells how."""
    told = call("lsp", "--help")
    assert "pip install 'yamlgen[lsp]'" in told.out
    assert "yamlgen docs editors" in told.out
