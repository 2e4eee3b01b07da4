"""rows: what `make bench` measures, row by row, and which goal each has.

Used by bench/run. A row runs its targets in alternating rounds, the order reversed every other round, and returns
Results: lines of the last table, with the detail that stands above it.
"""
import sys
from dataclasses import dataclass, field

import measure
import procs
import targets as t

STREAMS = 9900
STREAMS_FEW = 100
FILES_NEEDED = 2 * STREAMS + 200  # two sockets a stream, and what a gateway has open besides
NGINX_SHARE_MAX = 0.8  # a paced load that takes more of a core from nginx is no longer paced


@dataclass
class Plan:
    """How long and how often, and against whom."""

    rounds: int
    ms: int
    warm_ms: int
    labels: list  # targets that may be used, in order


@dataclass
class Result:
    """One line of the last table. `ours`, `nginx` and `ratio` are texts; `holds` is None when it cannot be told."""

    measure: str
    ours: str
    nginx: str
    ratio: str
    goal: str
    holds: object = None
    notes: list = field(default_factory=list)


@dataclass
class CpuRow:
    """A row whose figure is processor time per unit; goals are ratios to nginx by target."""

    title: str
    options: dict
    body: str
    unit: str = "requests"
    tls: bool = False
    mock: dict = field(default_factory=dict)
    goals: dict = field(default_factory=dict)
    targets: tuple = ()  # only these; () all but ours-translated


BOTH = {"ours-process": 0.90, "ours-disk": 0.90}
TRANSLATED = ("ours-translated", "nginx")
PACED = {"chunks": 64, "gap": 10}
CPU_ROWS = {
    "1k": CpuRow("CPU per 1 KB request", {"connections": 64}, "1k", goals={"ours-process": 0.90, "ours-disk": 1.00}),
    "1k-tls": CpuRow("CPU per 1 KB request, TLS upstream", {"connections": 64}, "1k", tls=True,
                     goals={"ours-process": 0.85, "ours-disk": 0.95}),
    "100k": CpuRow("CPU per 100 KB request", {"connections": 32}, "100k", goals=BOTH),
    "chunk": CpuRow("CPU per streamed chunk, paced", {"connections": 300}, "1k-stream", "events", mock=PACED,
                    goals=BOTH),
    "1k-translated": CpuRow("CPU per 1 KB request, Chat to Messages", {"connections": 64}, "1k", goals={"ours-translated": 1.20},
                            targets=TRANSLATED),
    "100k-translated": CpuRow("CPU per 100 KB request, Chat to Messages", {"connections": 32}, "100k",
                              goals={"ours-translated": 1.30}, targets=TRANSLATED),
    "chunk-translated": CpuRow("CPU per streamed chunk, paced, Messages to Chat", {"connections": 300}, "1k-stream", "events",
                               mock=PACED, goals={"ours-translated": 1.10}, targets=TRANSLATED),
    "100k-tls": CpuRow("CPU per 100 KB request, TLS upstream", {"connections": 32}, "100k", tls=True),
    "chunk-tls": CpuRow("CPU per streamed chunk, paced, TLS upstream", {"connections": 300}, "1k-stream", "events",
                        tls=True, mock=PACED),
    "rate-5000": CpuRow("CPU per 1 KB request at 5,000/s", {"connections": 64, "rate": 5000}, "1k"),
    "rate-20000": CpuRow("CPU per 1 KB request at 20,000/s", {"connections": 64, "rate": 20000}, "1k"),
}
EXTRA = ("100k-tls", "chunk-tls", "rate-5000", "rate-20000")


def say(text):
    print(text, file=sys.stderr, flush=True)


def tell(name, turn, label, text, void=None):
    say(f"{name} round {turn} {label}: {text}" + (f" VOID: {void}" if void else ""))


def in_turn(items, rounds):
    """(round, item): every item once a round, the order reversed every other round."""
    for number in range(rounds):
        for item in items if number % 2 == 0 else reversed(items):
            yield number + 1, item


class Stage:
    """The mock and the started targets of one row; everything is stopped at the end of the `with` block."""

    def __init__(self, bench, labels, tls=False, mock=None, one_core=False):
        self.bench = bench
        self.tls = tls
        self.core = bench.gateway_core if one_core else bench.load_core
        self.mock_options = mock or {}
        self.labels = [label for label in labels if t.ALL[label].speaks_tls or not tls]
        self.targets = []
        self.mock = None

    def __enter__(self):
        try:
            self.mock = t.Mock(self.bench, self.tls, self.core, self.mock_options)
            for label in self.labels:
                target = t.ALL[label](self.bench, self.tls)
                if label == "direct":
                    target.port = self.mock.port
                self.targets.append(target)
                target.start(self.bench.gateway_core)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        for target in self.targets:
            target.stop()
        if self.mock:
            self.mock.stop()


def ratio(series, label, base="nginx"):
    ours, theirs = series.get(label), series.get(base)
    if not ours or not theirs or not ours.values or not theirs.values:
        return None
    return ours.median() / theirs.median()


def number(value, digits=2, unit=""):
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def percent(share):
    return "-" if share is None else f"{share * 100:.1f} %"


def text_of(series, label, digits=2, unit=""):
    return "-" if label not in series else series[label].text(digits) + unit


def void_notes(series):
    return [f"{label}: a round is void: {why}" for label, s in series.items() for why in s.voids]


def cpu_detail(title, series):
    lines = [f"### {title}", "",
             "| target | CPU us median (min-max) | of nginx | per s and core | achieved /s | core in use | p50 us "
             "| p99 us | after the last answer | others | void |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for label, s in series.items():
        median = s.median()
        rate = s.of("rate_seen")
        lines.append(f"| {label} | {s.text()} | {number(ratio(series, label))} | "
                     f"{number(1e6 / median if median else None, 0)} | {number(rate, 0)} | "
                     f"{number(s.of('core_share'))} | {number(s.of('p50_us'), 0)} | {number(s.of('p99_us'), 0)} | "
                     f"{percent(s.of('after_share'))} | {percent(s.of('foreign_share'))} | {len(s.voids)} |")
    return lines + [""]


def streams_for(bench, row, plan):
    """As many paced streams as nginx can serve without filling its core, starting from the row's own number."""
    count = row.options["connections"]
    if not row.mock or "nginx" not in plan.labels:
        return count
    with Stage(bench, ["nginx"], row.tls, row.mock) as stage:
        while count > 20:
            options = {**row.options, "connections": count, "ms": plan.ms, "body": str(bench.bodies[row.body])}
            share = measure.cpu(bench, stage.targets[0], options, plan.warm_ms)["core_share"]
            if share < NGINX_SHARE_MAX:
                break
            count //= 2
    return count


def run_cpu(bench, name, plan):
    row = CPU_ROWS[name]
    count = streams_for(bench, row, plan)
    options = {**row.options, "connections": count, "ms": plan.ms, "body": str(bench.bodies[row.body])}
    labels = [label for label in plan.labels if (label in row.targets if row.targets else label not in ("direct", "ours-translated"))]
    with Stage(bench, labels, row.tls, row.mock) as stage:
        series = {target.label: measure.Series() for target in stage.targets}
        for turn, target in in_turn(stage.targets, plan.rounds):
            seen = measure.cpu(bench, target, options, plan.warm_ms)
            value = measure.per_unit_us(seen, row.unit) if not seen["void"] else None
            if value:
                seen["rate_seen"] = seen[row.unit] / seen["seconds"]
                seen["after_share"] = seen["cpu_after_ns"] / seen["cpu_ns"]
            series[target.label].add(value, seen, seen["void"])
            tell(name, turn, target.label, f"{number(value)} us", seen["void"])
    title = row.title + (f" ({count} streams)" if row.mock else "")
    return [cpu_result(row, title, label, series) for label in row.goals], cpu_detail(title, series), series


def cpu_result(row, title, label, series):
    goal = row.goals[label]
    r = ratio(series, label)
    return Result(f"{title}, {label.removeprefix('ours-')}", text_of(series, label, unit=" us"),
                  text_of(series, "nginx", unit=" us"), number(r), f"<= {goal:.2f} x",
                  None if r is None else r <= goal, void_notes(series))


def default_labels(plan):
    """Rows without a word about safety use the product's default, `disk`."""
    return [label for label in plan.labels if label in ("ours-disk", "nginx")]


def run_memory(bench, name, plan):
    tls = name == "memory-tls"
    goal = 36 if tls else 4
    series = {label: measure.Series() for label in default_labels(plan)}
    for turn, label in in_turn(list(series), plan.rounds):
        # Freshly started each time: what an allocator keeps from the last round would count as "few streams".
        with Stage(bench, [label], tls, {"hold": True}) as stage:
            few, void_few = measure.memory_kb(bench, stage.targets[0], STREAMS_FEW)
            many, void_many = measure.memory_kb(bench, stage.targets[0], STREAMS)
        value = (many - few) / (STREAMS - STREAMS_FEW)
        series[label].add(value, {"few_kb": few, "many_kb": many}, void_few or void_many)
        tell(name, turn, label, f"{value:.2f} KB a stream", void_few or void_many)
    ours = series["ours-disk"].median() if "ours-disk" in series else None
    title = "memory per open stream, " + ("TLS upstream" if tls else "plain upstream")
    result = Result(title, text_of(series, "ours-disk", unit=" KB"), text_of(series, "nginx", unit=" KB"),
                    number(ratio(series, "ours-disk")), f"<= {goal} KB", None if ours is None else ours <= goal,
                    void_notes(series))
    return [result], [], series


def run_crowd(bench, name, plan):
    """CPU per request while thousands of streams stand open, over the same without them."""
    options = {"connections": 64, "ms": plan.ms, "body": str(bench.bodies["1k"])}
    with Stage(bench, default_labels(plan), mock={"hold": True}) as stage:
        series = {target.label: measure.Series() for target in stage.targets}
        for turn, target in in_turn(stage.targets, plan.rounds):
            none = measure.cpu(bench, target, options, plan.warm_ms)
            with measure.Held(bench, target, STREAMS) as held:
                procs.wait_for_rest(target.pids())
                crowd = measure.cpu(bench, target, options, plan.warm_ms)
            procs.wait_for_rest(target.pids())
            void = none["void"] or crowd["void"] or held.void
            value = None if void else measure.per_unit_us(crowd, "requests") / measure.per_unit_us(none, "requests")
            series[target.label].add(value, {"none": none, "crowd": crowd}, void)
            tell(name, turn, target.label, f"{number(value)} x", void)
    ours = series["ours-disk"].median() if "ours-disk" in series else None
    title = f"CPU per request with {STREAMS:,} streams open, over none"
    result = Result(title, text_of(series, "ours-disk", unit=" x"), text_of(series, "nginx", unit=" x"), number(ours),
                    "<= 1.1 x", None if ours is None else ours <= 1.1, void_notes(series))
    return [result], [], series


LATENCY_EXTRA_US = {"ours-process": 2.0, "ours-disk": 30.0}


def run_latency(bench, name, plan):
    """Everything on one core, one request in flight: no wake-up crosses cores, so what is left is the gateway."""
    options = {"connections": 1, "ms": plan.ms, "body": str(bench.bodies["1k"])}
    syncs = measure.Series()
    labels = ["direct"] + [label for label in plan.labels if label not in ("direct", "ours-translated")]
    with Stage(bench, labels, one_core=True) as stage:
        series = {target.label: measure.Series() for target in stage.targets}
        for turn, target in in_turn(stage.targets, plan.rounds):
            if target is stage.targets[0]:
                syncs.add(measure.sync_probe(bench, bench.work))
            measure.load(bench, target, {**options, "ms": plan.warm_ms}, bench.gateway_core)
            procs.wait_for_rest(target.pids())
            seen = measure.load(bench, target, options, bench.gateway_core)
            void = measure.why_void(seen)
            series[target.label].add(seen["p50_us"], seen, void)
            tell(name, turn, target.label, f"p50 {seen['p50_us']} us", void)
    return latency_results(series, syncs), latency_detail(series, syncs), {**series, "fdatasync": syncs}


def added(series, label):
    if label not in series or not series[label].values or not series["direct"].values:
        return None
    return series[label].median() - series["direct"].median()


def latency_results(series, syncs):
    results = []
    nginx = added(series, "nginx")
    for label, extra in LATENCY_EXTRA_US.items():
        sync = syncs.median() if label == "ours-disk" else 0.0
        ours = added(series, label)
        limit = None if nginx is None else nginx + sync + extra
        goal = f"<= nginx + {extra:.0f} us" if not sync else f"<= nginx + fdatasync {sync:.0f} us + {extra:.0f} us"
        results.append(Result(
            f"added median latency, one core, one in flight, {label.removeprefix('ours-')}", number(ours, 1, " us"),
            number(nginx, 1, " us"), number(ours / nginx if ours and nginx else None),
            f"{goal} = {number(limit, 1, ' us')}", None if ours is None or limit is None else ours <= limit,
            void_notes(series)))
    return results


def latency_detail(series, syncs):
    lines = ["### latency, one core, one request in flight", "",
             "| target | p50 us median (min-max) | added | p99 us |", "|---|---|---|---|"]
    for label, s in series.items():
        lines.append(f"| {label} | {s.text(1)} | {number(added(series, label), 1)} | {number(s.of('p99_us'), 1)} |")
    return lines + [f"| one 512-byte fdatasync | {syncs.text(1)} | | |", ""]


FIRST_EXTRA_US = 50.0
FIRST = {"an answer": ("1k", {}), "a stream": ("1k-stream", {"chunks": 2, "gap": 1})}


def first_result(title, series):
    """The translated first byte may come so much later than nginx's, which passes the same answer through."""
    ours, nginx = (series[label].median() if label in series else None for label in ("ours-translated", "nginx"))
    limit = None if nginx is None else nginx + FIRST_EXTRA_US
    return Result(title, text_of(series, "ours-translated", 1, " us"), text_of(series, "nginx", 1, " us"),
                  number(ratio(series, "ours-translated")), f"<= nginx + {FIRST_EXTRA_US:.0f} us = {number(limit, 1, ' us')}",
                  None if ours is None or limit is None else ours <= limit, void_notes(series))


def run_first(bench, name, plan):
    """From the request to the first byte of its answer, everything on one core, one request in flight."""
    results, measured = [], {}
    labels = [label for label in plan.labels if label in TRANSLATED]
    for what, (body, mock) in FIRST.items():
        options = {"connections": 1, "ms": plan.ms, "body": str(bench.bodies[body])}
        with Stage(bench, labels, mock=mock, one_core=True) as stage:
            series = {target.label: measure.Series() for target in stage.targets}
            for turn, target in in_turn(stage.targets, plan.rounds):
                measure.load(bench, target, {**options, "ms": plan.warm_ms}, bench.gateway_core)
                procs.wait_for_rest(target.pids())
                seen = measure.load(bench, target, options, bench.gateway_core)
                void = measure.why_void(seen)
                series[target.label].add(seen["first_p50_us"], seen, void)
                tell(name, turn, f"{target.label}, {what}", f"first byte p50 {seen['first_p50_us']} us", void)
        results.append(first_result(f"first byte of {what}, 1 KB request, Chat to Messages, one core, one in flight", series))
        measured |= {f"{label}, {what}": s for label, s in series.items()}
    return results, [], measured


def run_start(bench, name, plan):
    """Start to first answer and idle memory, from the same starts; key and data directory are there before."""
    times = {label: measure.Series() for label in default_labels(plan)}
    memory = {label: measure.Series() for label in times}
    with Stage(bench, list(times)) as stage:
        for target in stage.targets:
            target.stop()
        for turn, target in in_turn(stage.targets, plan.rounds):
            ms, kb = measure.first_answer(bench, target)
            times[target.label].add(ms)
            memory[target.label].add(kb / 1024)
            tell(name, turn, target.label, f"{ms:.1f} ms, {kb / 1024:.1f} MB")
    rows = (("idle memory (sum of PSS)", memory, " MB", 20), ("start to first answered request", times, " ms", 50))
    results = []
    for title, series, unit, goal in rows:
        ours = series["ours-disk"].median() if "ours-disk" in series else None
        results.append(Result(title, text_of(series, "ours-disk", 1, unit), text_of(series, "nginx", 1, unit),
                              number(ratio(series, "ours-disk")), f"<= {goal}{unit}",
                              None if ours is None else ours <= goal))
    return results, [], {**{f"ms {k}": v for k, v in times.items()}, **{f"MB {k}": v for k, v in memory.items()}}


ROWS = {
    "1k": run_cpu, "1k-tls": run_cpu, "100k": run_cpu, "chunk": run_cpu,
    "1k-translated": run_cpu, "100k-translated": run_cpu, "chunk-translated": run_cpu, "memory": run_memory, "memory-tls": run_memory,
    "crowd": run_crowd, "latency": run_latency, "first-translated": run_first, "start": run_start, **{name: run_cpu for name in EXTRA},
}


def not_measured(name, why):
    """The line of a row that could not be run."""
    say(f"{name}: {why}")
    title = CPU_ROWS[name].title if name in CPU_ROWS else name
    return [Result(title, "not measured", "-", "-", "-", None, [f"{name}: {why}"])]
