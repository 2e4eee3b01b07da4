"""driver_test: the judgement of bench/run on planted figures: goals met and missed, void rounds, bodies of exact size.

Run by `meson test --suite bench`; starts no program.
"""
import json
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure  # noqa: E402
import rows  # noqa: E402
import traffic  # noqa: E402


def series(*values):
    s = measure.Series()
    for value in values:
        s.add(value)
    return s


class Judgement(unittest.TestCase):
    def result(self, ours, nginx=(10.0,)):
        row = rows.CPU_ROWS["1k"]
        return rows.cpu_result(row, row.title, "ours-process", {"ours-process": series(*ours), "nginx": series(*nginx)})

    def test_goal_is_a_ratio_of_medians(self):
        self.assertTrue(self.result((8.0, 9.0, 50.0)).holds)
        self.assertFalse(self.result((9.1, 9.2, 1.0)).holds)

    def test_without_ours_nothing_holds(self):
        self.assertIsNone(self.result(()).holds)

    def test_void_rounds_do_not_count_and_are_told(self):
        s = series(5.0)
        s.add(None, {}, "3 errors")
        self.assertEqual(s.median(), 5.0)
        self.assertEqual(rows.void_notes({"x": s}), ["x: a round is void: 3 errors"])

    def test_any_error_voids_a_measurement(self):
        fine = {"errors": 0, "non200": 0, "requests": 9, "cpu_ns": 10**9, "uncounted_ns": 10**7, "same_processes": True}
        self.assertIsNone(measure.why_void(fine))
        self.assertIsNone(measure.why_void({"errors": 0, "non200": 0, "requests": 9}))
        self.assertIn("errors", measure.why_void({**fine, "errors": 1}))
        self.assertIn("200", measure.why_void({**fine, "non200": 1}))
        self.assertIn("process", measure.why_void({**fine, "same_processes": False}))
        self.assertIn("threads", measure.why_void({**fine, "uncounted_ns": 10**9}))

    def test_latency_goals_count_from_direct(self):
        found = {"direct": series(10.0), "nginx": series(20.0),
                 "ours-process": series(22.0), "ours-disk": series(251.0)}
        process, disk = rows.latency_results(found, series(200.0))
        self.assertTrue(process.holds)
        self.assertFalse(disk.holds)

    def test_first_byte_goal_is_nginx_and_some_more(self):
        self.assertTrue(rows.first_result("x", {"ours-translated": series(99.0), "nginx": series(50.0)}).holds)
        self.assertFalse(rows.first_result("x", {"ours-translated": series(101.0), "nginx": series(50.0)}).holds)
        self.assertIsNone(rows.first_result("x", {"nginx": series(50.0)}).holds)

    def test_order_turns_every_other_round(self):
        order = [item for _, item in rows.in_turn(["a", "b"], 3)]
        self.assertEqual(order, ["a", "b", "b", "a", "a", "b"])


class Bodies(unittest.TestCase):
    def test_sizes_and_shape(self):
        for name, size in (("1k", 1004), ("1k-stream", 1004), ("100k", 102400)):
            body = traffic.BODIES[name]()
            self.assertEqual(len(body), size)
            self.assertEqual(json.loads(body).get("stream", False), name == "1k-stream")

    def test_big_body_has_escapes_and_utf8(self):
        body = traffic.BODIES["100k"]()
        self.assertIn(b'\\"', body)
        self.assertIn("🌧".encode(), body)


if __name__ == "__main__":
    unittest.main()
