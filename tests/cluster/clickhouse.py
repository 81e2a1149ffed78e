"""ClickHouse's own engine, by chdb, behind the part of its HTTP interface that its Python driver needs.

python clickhouse.py PORT FOLDER
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session

_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*$")


def serve(port: int, folder: str) -> None:
    """Answer queries until the process is stopped."""
    session = Session(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            text = "\n".join([*asked.get("query", []), body]).strip()
            stated = _FORMAT.search(text)
            kind = stated[1] if stated else asked.get("default_format", ["TabSeparated"])[0]
            try:
                code, told = 200, session.query(_FORMAT.sub("", text), kind).bytes() if text else b"Ok.\n"
            except RuntimeError as error:
                code, told = 500, str(error).encode()
            self.send_response(code)
            if code != 200:
                self.send_header("X-ClickHouse-Exception-Code", "1")
            self.send_header("X-ClickHouse-Timezone", "UTC")
            self.send_header("Content-Length", str(len(told or b"")))
            self.end_headers()
            self.wfile.write(told or b"")

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            pass

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
