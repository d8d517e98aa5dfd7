"""What the widget costs a shop's page: bytes and main-thread time of the demo page without it, with it, with the chat opened, and
with the first touch, which fetches the rest.

`python -m benchmarks.widget_page http://localhost:8000 [--runs 7] [--json]`, against a running demo. Medians of the runs; time is
Chromium's own count (TaskDuration) with the processor slowed down four times, as on a middling phone. The chat's frame shares
the page's process here, as on phones with little memory, so that its work is counted too; elsewhere it has one of its own and
holds nothing up.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tools"))
from browser import find

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-site-isolation-trials"]
# What long tasks hold up beyond 50 ms each: total blocking time, as Lighthouse counts it.
BLOCKING = """window.blocking = 0; new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.blocking += Math.max(0, duration - 50);
}).observe({ type: "longtask", buffered: true })"""
SLOWER = 4
SETTLED_MS = 2500


def measure(
    browser: Browser, url: str, *, widget: bool, opened: bool = False, touched: bool = False
) -> dict[str, float]:
    """One visit: gzip bytes of what came from the chat's origin, and milliseconds of the main thread: all, in scripts, blocking."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(BLOCKING)
    chat = url.replace("localhost", "127.0.0.1")
    bodies: list[bytes] = []

    def came(response: Response) -> None:
        if response.url.startswith(chat) and response.ok and response.request.method == "GET":
            bodies.append(response.body())

    page.on("response", came)
    if not widget:
        page.route("**/widget.js", lambda route: route.abort())
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable")
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(url)
    page.wait_for_timeout(SETTLED_MS)
    if opened:
        page.locator("staywell-chat .launch").click()
        frame = page.frame_locator("staywell-chat iframe")
        frame.locator(".replies button").first.wait_for()
        page.wait_for_timeout(SETTLED_MS)
        if touched:
            frame.locator("main").hover()
            frame.locator(".footer select").wait_for()
            page.wait_for_timeout(SETTLED_MS)
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    blocking = page.evaluate("window.blocking")
    context.close()
    return {
        "bytes_gzip": sum(len(gzip.compress(body, 9)) for body in bodies),
        "requests": len(bodies),
        "main_thread_ms": 1000 * metrics["TaskDuration"],
        "script_ms": 1000 * metrics["ScriptDuration"],
        "blocking_ms": blocking,
    }


def main() -> None:
    """Measures the four kinds of visit in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="the demo, under its localhost name")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    path = find()
    if path is None:
        sys.exit("no Chromium: run tests/tools/browser.py")
    kinds = {
        "without": {"widget": False},
        "with": {"widget": True},
        "opened": {"widget": True, "opened": True},
        "touched": {"widget": True, "opened": True, "touched": True},
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for _ in range(options.runs):
            for name, kind in kinds.items():
                results[name].append(measure(browser, options.url.rstrip("/"), **kind))
        browser.close()
    found = {
        name: {key: round(median(run[key] for run in runs), 1) for key in runs[0]} for name, runs in results.items()
    }
    if options.json:
        print(json.dumps({"runs": options.runs, **found}))
        return
    for name, figures in found.items():
        print(f"{name:>8}: " + ", ".join(f"{value:g} {key}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
