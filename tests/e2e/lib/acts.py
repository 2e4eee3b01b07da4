"""What a fake provider can do with a request. An act is an async function of the exchange (fake.Exchange); each good or bad
habit of a provider that the gateway must bear has one here, and raw() is for the rest."""
import asyncio
import json


class Reply:
    """What the model says: text, tool calls [(name, arguments dict)], usage and how it is cut into events; `dialect`: how a server
    that is compatible with a vendor spells its calls (openai.DIALECTS)."""

    def __init__(self, text="", tools=(), usage=None, finish=None, pieces=None, thinking=None, refusal=None,
                 sequence=None, dialect=None):
        self.dialect = dialect
        self.text, self.tools, self.usage, self.finish, self.thinking = text, list(tools), usage or {}, finish, thinking
        self.refusal, self.sequence = refusal, sequence
        self.pieces = pieces if pieces is not None else [text[at:at + 6] for at in range(0, len(text), 6)]


def say(text="Hello there.", gap=0.0, gate=None, **how):
    """A good answer, streamed when asked so; `gap` seconds between events; `gate` (threading.Event) holds the second half."""
    reply = Reply(text, **how)

    async def act(x):
        if not x.wants_stream:
            if gate:
                await x.wait_for(gate)
            return await x.answer_json(200, x.vendor.whole(x.json, reply))
        events = x.vendor.events(x.json, reply)
        await x.stream_head()
        for at, event in enumerate(events):
            if gate and at == len(events) // 2:
                await x.wait_for(gate)
            await x.chunk(event)
            if gap:
                await asyncio.sleep(gap)
        await x.end()
    return act


def status(code, headers=None, body=None, message="The fake was told to fail."):
    """An error of the vendor's own shape (or the given body)."""
    async def act(x):
        await x.answer_json(code, body if body is not None else x.vendor.error(code, message), headers)
    return act


def rate_limited(retry_after="1"):
    return status(429, {"retry-after": retry_after}, message="Rate limit reached.")


def hang():
    """Takes the request and never says a word."""
    async def act(x):
        await x.until_gone()
    return act


def hang_after(events):
    """The first events, then silence."""
    async def act(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, Reply("Hello there, and so on."))[:events]:
            await x.chunk(event)
        await x.until_gone()
    return act


def close():
    async def act(x):
        x.close()
    return act


def reset():
    async def act(x):
        x.reset()
    return act


def cut(events, how="close"):
    """The first events, then the connection breaks: "close" without the last chunk, or "reset"."""
    async def act(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, Reply("Hello there, and so on."))[:events]:
            await x.chunk(event)
        if how == "reset":
            x.reset()
        else:
            x.close()
    return act


def clean_end(events):
    """The first events, then a clean end of the transfer without the format's last event: a cut all the same."""
    async def act(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, Reply("Hello there, and so on."))[:events]:
            await x.chunk(event)
        await x.end()
    return act


def error_event(events, code=529, message="Overloaded"):
    """The first events, then the vendor's error event and a clean end."""
    async def act(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, Reply("Hello there, and so on."))[:events]:
            await x.chunk(event)
        await x.chunk(x.vendor.error_event(code, message))
        await x.end()
    return act


def garbage():
    """Bytes that are not HTTP."""
    return raw(b"\x16\x03\x01 this is not HTTP at all\r\n\r\n", "close")


def garbage_event(events=2):
    """A stream with an event that is not JSON, after which it goes on as if nothing was."""
    async def act(x):
        await x.stream_head()
        good = x.vendor.events(x.json, Reply("Hello there, and so on."))
        for event in good[:events] + [b"data: {\"broken\": \n\n"] + good[events:]:
            await x.chunk(event)
        await x.end()
    return act


def garbage_body():
    """200 with a body that is not JSON, well framed."""
    async def act(x):
        await x.answer_bytes(200, b"<html>It works!</html>", "text/html")
    return act


def cut_json(keep=40):
    """200 whose JSON stops in the middle, with a Content-Length that agrees: only a parser notices."""
    async def act(x):
        body = json.dumps(x.vendor.whole(x.json, Reply("Hello there."))).encode()
        await x.answer_bytes(200, body[:keep])
    return act


def short_body(missing=20):
    """200 that promises more bytes than it sends before closing."""
    async def act(x):
        body = json.dumps(x.vendor.whole(x.json, Reply("Hello there."))).encode()
        await x.send(x.head_bytes(200, {"content-type": "application/json", "content-length": str(len(body))}))
        await x.send(body[:-missing])
        x.close()
    return act


def endless_head():
    """A header section without an end."""
    async def act(x):
        await x.send(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while await x.send(b"x-filler-%d: %s\r\n" % (number, b"a" * 1000)):
            number += 1
    return act


def endless_event(piece=65536):
    """One SSE line without an end."""
    async def act(x):
        await x.stream_head()
        await x.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"')
        while await x.chunk(b"a" * piece):
            pass
    return act


def trickle(interval=1.0):
    """A good answer, streamed when asked so, one byte at a time."""
    async def act(x):
        if x.wants_stream:
            body = b"".join(x.vendor.events(x.json, Reply("Hello there.")))
            await x.stream_head()
        else:
            body = json.dumps(x.vendor.whole(x.json, Reply("Hello there."))).encode()
            await x.send(x.head_bytes(200, {"content-type": "application/json", "transfer-encoding": "chunked"}))
        for at in range(len(body)):
            if not await x.chunk(body[at:at + 1]):
                return
            await asyncio.sleep(interval)
        await x.end()
    return act


def flood(total, piece=16384):
    """A good stream of `total` bytes of text, as fast as the other side takes it. x.fake.flooded counts what was taken."""
    async def act(x):
        x.fake.flooded = 0
        count = max(1, total // piece)
        await x.stream_head()
        for event in x.vendor.events(x.json, Reply("a" * piece * count, pieces=["a" * piece] * count)):
            if not await x.chunk(event):
                return
            x.fake.flooded += len(event)
        await x.end()
    return act


def redirect(where):
    async def act(x):
        await x.answer_bytes(307, b"", headers={"location": where})
    return act


def raw(*steps):
    """Bytes to send as they are, numbers of seconds to wait, "close", "reset", "hang" or a threading.Event to wait for."""
    async def act(x):
        for step in steps:
            if isinstance(step, bytes):
                await x.send(step)
            elif isinstance(step, (int, float)):
                await asyncio.sleep(step)
            elif step == "close":
                return x.close()
            elif step == "reset":
                return x.reset()
            elif step == "hang":
                return await x.until_gone()
            else:
                await x.wait_for(step)
    return act


def raw_json(body):
    async def act(x):
        await x.answer_json(200, body)
    return act
