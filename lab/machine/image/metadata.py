"""Hetzner's metadata service for the machines of one lab: answers each by its own address.

/machines holds a folder per server with address, hostname, instance-id and user-data.
"""
import http.server
import json
import pathlib

MACHINES = pathlib.Path("/machines")
PREFIX = "/hetzner/v1/"


def machine_at(address):
    for folder in MACHINES.iterdir():
        try:
            if (folder / "metadata.json").exists():
                metadata = json.loads((folder / "metadata.json").read_text())
                if metadata["public-ipv4"] == address:
                    return folder, metadata
        except OSError:
            continue
    return None, None


class Metadata(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        folder, metadata = machine_at(self.client_address[0])
        body = None if metadata is None else self.find(folder, metadata)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/plain")
        body = b"not found" if body is None else body
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def find(self, folder, metadata):
        path = self.path.rstrip("/")
        if path == PREFIX + "userdata":
            return (folder / "seed" / "user-data").read_bytes()
        if path == PREFIX + "metadata":
            return "".join(f"{key}: {json.dumps(value)}\n" for key, value in metadata.items()).encode()
        key = path.removeprefix(PREFIX + "metadata/")
        if key not in metadata:
            return None
        value = metadata[key]
        return (value if isinstance(value, str) else json.dumps(value)).encode()

    def log_message(self, format, *args):
        pass


http.server.ThreadingHTTPServer(("", 80), Metadata).serve_forever()
