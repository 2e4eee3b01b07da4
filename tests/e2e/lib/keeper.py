"""Between the gateways and what keeps responses: everything passes, is counted by its path, and an answer can be lost on its way.

    keeper = Keeper(gateway)                       # before anything that is kept is asked for
    keeper.lose.add("/keep")                       # questions of that kind are done, and their answers lost, until it is discarded
    keeper.count("GET /follow/")                   # questions that began so
"""
import os
import socket
import threading


def _receive(sock, head=b""):
    """One whole message, or nothing at the connection's end."""
    while b"\r\n\r\n" not in head:
        more = sock.recv(65536)
        if not more:
            return b""
        head += more
    fields, body = head.split(b"\r\n\r\n", 1)
    length = [int(line.split(b":")[1]) for line in fields.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while length and len(body) < length[0]:
        more = sock.recv(1 << 20)
        if not more:
            return b""
        body += more
    return fields + b"\r\n\r\n" + body


class Keeper:
    def __init__(self, gateway):
        self.path = os.path.join(gateway.dir, "data", "run", "state.sock")
        self.real, self.seen, self.lose = self.path + ".real", [], set()
        os.rename(self.path, self.real)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def count(self, begin):
        return sum(line.startswith(begin) for line in list(self.seen))

    def _accept(self):
        while True:
            try:
                client, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as keeper:
            try:
                keeper.connect(self.real)
                while (question := _receive(client)):
                    method, target = question.split(b" ", 2)[:2]
                    self.seen.append(f"{method.decode()} {target.decode()}")
                    keeper.sendall(question)
                    answer = _receive(keeper)
                    if target.decode() in self.lose:
                        return
                    client.sendall(answer)
            except OSError:
                return

    def stop(self):
        self.sock.close()
