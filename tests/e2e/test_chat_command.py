"""`aquifer chat` as somebody uses it: in a terminal with editing and Ctrl-C, and in a pipe; through the gateway, against the
strict fake."""
import json
import os
import subprocess
import threading

from lib import acts
from lib.fake import Fake
from lib.gateway import PROGRAM, Gateway, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test, until
from lib.terminal import Terminal

fake = Fake().start()
gateway = Gateway(config([openai_provider(fake)],
                         [route("fast", deployment("main", "gpt-4o-mini")), route("grand", deployment("main", "gpt-5.5"))])).start()
ENV = {**gateway.env, "AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key("chat"),
       "AQUIFER_MODEL": "fast"}
UP = "\x1b[A"


def chat(*words, env=None):
    return Terminal([PROGRAM, "chat", *words], env={**ENV, **(env or {})}, cwd=gateway.dir)


def piped(text, *words, status=0):
    done = subprocess.run([PROGRAM, "chat", *words], input=text, env=ENV, cwd=gateway.dir, capture_output=True, check=False,
                          timeout=60 * SLOW)
    eq(done.returncode, status, done.stderr.decode())
    return done


def said():
    """What the provider was told last."""
    return [(message["role"], message["content"]) for message in fake.last().json["messages"]]


@test("an answer streams, the conversation is told again with the next question, tokens and cost are shown")
def _():
    fake.play(acts.say("Good evening.", usage={"prompt": 1000, "completion": 100}), acts.say("Yes, of course."))
    terminal = chat("--system", "Be short.")
    terminal.wait("fast at ")
    terminal.wait("you> ")
    terminal.line("Good morning")
    terminal.wait("Good evening.")
    # 1000 × 0.15 + 100 × 0.60 dollars per million
    terminal.wait("(1000 tokens in, 100 out, $0.00021; so far $0.00021)")
    terminal.wait("you> ")
    terminal.line("Really?")
    terminal.wait("Yes, of course.")
    eq(said(), [("system", "Be short."), ("user", "Good morning"), ("assistant", "Good evening."), ("user", "Really?")])
    check(fake.last().json["stream"], "asks for a stream")
    terminal.wait("you> ")
    terminal.line("/cost")
    terminal.wait("2 answers, 1011 tokens in and 107 out, $0.00021585")
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("text is there before the answer ends, and Ctrl-C stops the answer and not the program")
def _():
    gate = threading.Event()
    fake.play(acts.say("First half and second half of it.", gate=gate), acts.say("Still here."))
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("Tell me more")
    terminal.wait("First")
    terminal.interrupt()
    terminal.wait("(stopped)")
    terminal.wait("you> ")
    check(terminal.is_running(), "the program stays")
    gate.set()
    terminal.line("And now?")
    terminal.wait("Still here.")
    eq(said()[0], ("user", "Tell me more"))
    check(said()[1][1].startswith("First"), "what came of the stopped answer is part of the conversation")
    terminal.wait("you> ")
    terminal.line("/quit")
    eq(terminal.end(), 0)


@test("Ctrl-C at the prompt drops the line and says how to leave; a second one leaves")
def _():
    before = len(fake.requests)
    terminal = chat()
    terminal.wait("you> ")
    terminal.type("never sent")
    terminal.wait("never sent")
    terminal.interrupt()
    terminal.wait("(Ctrl-C again or Ctrl-D leaves)")
    terminal.wait("you> ")
    terminal.interrupt()
    eq(terminal.end(), 0)
    eq(len(fake.requests), before, "nothing was asked")


@test("Ctrl-D that is typed while an answer comes leaves after it; Ctrl-Space does nothing to the key behind it")
def _():
    gate = threading.Event()
    fake.play(acts.say("First half and second half of it.", gate=gate))
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("Tell me more")
    terminal.wait("First")
    terminal.type("\x04")
    gate.set()
    terminal.wait("second half of it.")
    eq(terminal.end(), 0)
    terminal = chat()
    terminal.wait("you> ")
    terminal.wait_editor()
    terminal.type("a\x00\x7f\x00\x04")
    eq(terminal.end(), 0)


@test("the arrow keys bring back earlier lines, which can be edited; letters outside ASCII too")
def _():
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("Grüße, 世界")
    terminal.wait("You said: Grüße, 世界")
    terminal.wait("you> ")
    terminal.type(UP)
    terminal.wait("Grüße, 世界")
    terminal.line("!")
    terminal.wait("You said: Grüße, 世界!")
    terminal.wait("you> ")
    terminal.line("ab\x7fc\x02d")  # backspace, one to the left
    terminal.wait("You said: adc")
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("/model changes the model with all that was said; /models lists; an unknown word is told")
def _():
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("one")
    terminal.wait("You said: one")
    terminal.wait("you> ")
    terminal.line("/models")
    listed = terminal.wait("you> ")
    check("* fast" in listed and "  grand" in listed, listed)
    terminal.line("/model grand")
    terminal.wait("the model is now grand")
    terminal.wait("you> ")
    terminal.line("two")
    terminal.wait("You said: two")
    eq(fake.last().json["model"], "gpt-5.5")
    eq(len(said()), 3)
    terminal.wait("you> ")
    terminal.line("/modle grand")
    terminal.wait("there is no /modle; /help")
    terminal.wait("you> ")
    terminal.line("//not a command")
    terminal.wait("You said: /not a command")
    terminal.wait("you> ")
    terminal.line("/clear")
    terminal.wait("begins anew")
    terminal.wait("you> ")
    terminal.line("three")
    terminal.wait("You said: three")
    eq(said(), [("user", "three")])
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("an error is told and the conversation goes on without the question that failed")
def _():
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("/model nobody")
    terminal.wait("not among /models")
    terminal.wait("you> ")
    terminal.line("anyone?")
    terminal.wait("aquifer: ")
    terminal.wait("nobody")
    terminal.wait("you> ")
    terminal.line("/model fast")
    terminal.wait("you> ")
    fake.play(acts.cut(3))
    terminal.line("this one breaks")
    terminal.wait("aquifer: ")
    terminal.wait("you> ")
    terminal.line("again")
    terminal.wait("You said: again")
    eq(said(), [("user", "again")])
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("an answer cannot steer the terminal")
def _():
    fake.play(acts.say("a\x1b]0;owned\x07b\x1b[2Jc\u009bd", pieces=["a\x1b]0;owned\x07b\x1b[2Jc\u009bd"]))
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("hello")
    terminal.wait("a]0;ownedb[2Jcd")
    check("\x1b]0;" not in terminal.seen and "\x07" not in terminal.seen, "no control sequence of the answer's")
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("texts of many lines: between quotes, and lines that end in a backslash")
def _():
    terminal = chat()
    terminal.wait("you> ")
    terminal.line('"""')
    terminal.wait("... ")
    terminal.line("first")
    terminal.wait("... ")
    terminal.line("second")
    terminal.wait("... ")
    terminal.line('"""')
    terminal.wait("You said: first")
    eq(said(), [("user", "first\nsecond")])
    terminal.wait("you> ")
    terminal.line("third\\")
    terminal.wait("... ")
    terminal.line("fourth")
    terminal.wait("You said: third")
    eq(said()[-1], ("user", "third\nfourth"))
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


@test("/save writes the conversation, as text and as JSON, and never over a file")
def _():
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("keep this")
    terminal.wait("You said: keep this")
    terminal.wait("you> ")
    terminal.line("/save talk.json")
    terminal.wait("saved in talk.json")
    terminal.wait("you> ")
    terminal.line("/save talk.md")
    terminal.wait("saved in talk.md")
    terminal.wait("you> ")
    terminal.line("/save talk.md")
    terminal.wait("talk.md exists already")
    terminal.wait("you> ")
    eq(terminal.leave(), 0)
    with open(os.path.join(gateway.dir, "talk.json"), encoding="utf-8") as file:
        eq(json.load(file), {"model": "fast", "messages": [{"role": "user", "content": "keep this"},
                                                           {"role": "assistant", "content": "You said: keep this"}]})
    with open(os.path.join(gateway.dir, "talk.md"), encoding="utf-8") as file:
        eq(file.read(), "## You\n\nkeep this\n\n## Model\n\nYou said: keep this\n")


@test("in a pipe each line is a question and only answers are written; nothing needs a terminal")
def _():
    done = piped("hello\nand again\n".encode())
    eq(done.stdout.decode(), "You said: hello\nYou said: and again\n")
    eq(done.stderr, b"")
    eq(len(said()), 3)
    fake.play(acts.say("Whole."))
    eq(piped(b"hello", "--no-stream", "--model", "grand").stdout, b"Whole.\n")
    check("stream" not in fake.last().json, "asked for a whole answer")


@test("in a pipe a failed question is told on stderr and makes the exit status 1; the others are answered")
def _():
    fake.play(acts.status(400, message="No, thank you."))
    done = piped(b"bad\ngood\n", status=1)
    eq(done.stdout, b"You said: good\n")
    check(b"No, thank you." in done.stderr, done.stderr.decode())
    done = piped(b"\xff\xfe\n", status=1)
    check(b"not UTF-8" in done.stderr, done.stderr.decode())


@test("without the admin API tokens are shown, and why there is no cost")
def _():
    terminal = chat(env={"AQUIFER_ADMIN_URL": "http://127.0.0.1:1"})
    terminal.wait("you> ")
    terminal.line("hello")
    terminal.wait("You said: hello")
    terminal.wait("(11 tokens in, 7 out)")
    terminal.wait("(what it costs is not known here: ")
    terminal.wait("you> ")
    terminal.line("once more")
    terminal.wait("(11 tokens in, 7 out)")
    between = terminal.wait("you> ")
    check("not known" not in between, "told once")
    eq(terminal.leave(), 0)


@test("a stopped answer closes the upstream's connection, and its tokens are booked")
def _():
    gate = threading.Event()
    fake.play(acts.say("First half and second half of it.", gate=gate))
    rows = gateway.usage()["total"]["requests"]
    terminal = chat()
    terminal.wait("you> ")
    terminal.line("Tell me more")
    terminal.wait("First")
    terminal.interrupt()
    terminal.wait("(stopped)")
    until(lambda: gateway.usage()["total"]["requests"] == rows + 1, "the stopped answer is in the ledger")
    gate.set()
    terminal.wait("you> ")
    eq(terminal.leave(), 0)


def finish():
    gateway.stop()
    fake.stop()


run(finish)
