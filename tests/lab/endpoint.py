"""A real endpoint: an HTTP server that answers with its own name and the client's address. Prints a line
when it listens. usage: endpoint.py NAME PORT"""
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{sys.argv[1]} {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6  # dual stack
    request_queue_size = 256


server = Server(("::", int(sys.argv[2])), Handler)
print("listening", flush=True)
server.serve_forever()
