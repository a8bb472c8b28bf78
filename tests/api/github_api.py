"""A server on loopback that answers as GitHub's REST API does about the comments of an issue."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "owner/name"
NUMBER = 7
AUTHORIZATION = "Bearer secret-token"


class GitHubComments:
    """The comments of pull request 7, oldest first, and the requests that were made.

    Attributes:
        read_only: whether the token may not write.
        fails_with: the status of every answer; `None` for ordinary answers.
    """

    def __init__(self):
        self.comments = []
        self.requests = []
        self.read_only = False
        self.fails_with = None

    def add(self, body, kind="Bot", association="NONE"):
        """Add a comment, and return it."""
        number = 1000 + len(self.comments)
        self.comments.append({"id": number, "body": body, "user": {"type": kind}, "author_association": association})
        return self.comments[-1]

    def answer(self, method, target, credentials, sent):
        """Return the status and the value of the answer to a request."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.requests.append((method, path))
        issues = f"/repos/{REPOSITORY}/issues"
        if self.fails_with:
            return self.fails_with, {"message": "Server Error"}
        if credentials != AUTHORIZATION:
            return 401, {"message": "Bad credentials"}
        if method == "GET" and path == f"{issues}/{NUMBER}/comments":
            size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
            return 200, self.comments[(page - 1) * size : page * size]
        if self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        if len(sent["body"]) > 65536:
            return 422, {"message": "Validation Failed"}
        if method == "POST" and path == f"{issues}/{NUMBER}/comments":
            return 201, self.add(sent["body"])
        found = re.fullmatch(rf"{issues}/comments/(\d+)", path)
        comment = next((each for each in self.comments if found and each["id"] == int(found[1])), None)
        if method != "PATCH" or comment is None:
            return 404, {"message": "Not Found"}
        comment["body"] = sent["body"]
        return 200, comment

    @contextmanager
    def serving(self):
        """Serve, and yield the address."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def reply(self):
                size = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(size) or b"null")
                status, value = api.answer(self.command, self.path, self.headers.get("Authorization"), sent)
                raw = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = reply  # noqa: N815 - names of the library

            def log_message(self, *_):
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
