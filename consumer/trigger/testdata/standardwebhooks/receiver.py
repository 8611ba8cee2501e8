"""Receives webhooks and verifies them with the PyPI package standardwebhooks.

The arguments are secrets. A request to /0 is verified with the first, one to /1 with the second, and so on. The first line
of the output is the port, and each request adds a line: "accepted" and the id and the value of the body, or "refused" and
the library's reason. It ends with its input.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            value = Webhook(sys.argv[1 + int(self.path[1:])]).verify(body, dict(self.headers))
            status, line = 204, ["accepted", self.headers["webhook-id"], value]
        except WebhookVerificationError as e:
            status, line = 401, ["refused", str(e)]
        except Exception as e:
            status, line = 500, ["failed", repr(e)]
        print(json.dumps(line), flush=True)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
