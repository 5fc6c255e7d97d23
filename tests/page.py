"""Looks at pages of an audit in Chromium, as somebody would who uses them.

page.py PAGES SCRATCH: PAGES holds many.html and hostile.html, made by tests/program/audit_page.rs.
Speaks the protocol of WebDriver (https://www.w3.org/TR/webdriver2/) to chromedriver.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB, SPACE = "\ue007", "\ue004", " "

# How chromedriver is told, and what a browser says that was let down.
STARTED = "was started successfully"


class Browser:
    """A browser with an empty profile. It is ended with the driver that it belongs to."""

    def __init__(self, scratch, *arguments, javascript=True):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        line = next(it for it in self.driver.stdout if STARTED in it)
        port = line.rstrip(".\n ").rsplit(" ", 1)[1]
        self.at = f"http://127.0.0.1:{port}/session"
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
            "--disable-background-networking --disable-component-update --disable-sync"
        ).split()
        profile = pathlib.Path(scratch, f"profile-{os.urandom(4).hex()}")
        options = {
            "args": [*flags, f"--user-data-dir={profile}", *arguments],
            "perfLoggingPrefs": {"enableNetwork": True, "enablePage": False},
        }
        if not javascript:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self.call("", {"capabilities": {"alwaysMatch": wanted}})
        self.at += "/" + answer["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.driver.pid, signal.SIGTERM)
        self.driver.wait()

    def call(self, command, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.at + command, data=data, method=method)
        # Whatever proxy the machine has is not asked about loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{command}: {error.read().decode()[:500]}") from error

    def open(self, page):
        self.call("/url", {"url": pathlib.Path(page).resolve().as_uri()})

    def run(self, script, *arguments):
        return self.call("/execute/sync", {"script": script, "args": arguments})

    def find(self, selector):
        return self.call("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call(f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call(f"/element/{self.find(selector)}/value", {"text": text})

    def keys(self, *keys):
        presses = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("/actions", {"actions": [{"type": "key", "id": "keys", "actions": presses}]})

    def log(self, kind):
        return self.call("/se/log", {"type": kind})

    def console(self):
        """What the console says of our pages."""
        messages = [it["message"] for it in self.log("browser")]
        return [it for it in messages if not it.startswith("chrome")]

    def requested(self):
        """Every address that our pages asked for. The browser's own first page asks for many."""
        events = [json.loads(it["message"])["message"] for it in self.log("performance")]
        asked = [it["params"] for it in events if it["method"] == "Network.requestWillBeSent"]
        ours = [it for it in asked if it["documentURL"].startswith("file:")]
        return [it["request"]["url"] for it in ours if it["request"]["url"] != it["documentURL"]]

    def shown(self):
        """The packages of the rows that can be seen, in their order."""
        return self.run(
            "return [...document.querySelectorAll('#packages tbody tr')]"
            ".filter(it => it.offsetParent !== null && it.getClientRects().length)"
            ".map(it => it.querySelector('th').textContent)"
        )


def until(what, true):
    """Waits for what the browser does in its own time."""
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def expect(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: {found!r:.500} instead of {expected!r:.500}")


def quiet(browser, what):
    """No error, nothing that the page's policy had to stop, and nothing asked of anybody."""
    expect(f"{what}: the console", browser.console(), [])
    expect(f"{what}: requests", browser.requested(), [])


def searches_filters_and_sorts(browser, pages):
    browser.open(pages / "many.html")
    status = lambda: browser.run("return document.getElementById('shown').textContent")
    expect("at first", status(), "2000 of 2000 shown")
    worst = ["conflict", "unknown", "debt", "excepted", "package-7", "package-0"]
    expect("the worst stand first", browser.shown()[:6], worst)

    for text, names in [
        ("package-199", ["package-199"] + [f"package-{n}" for n in range(1990, 1996)]),
        ("PACKAGE-1990 1.1990", ["package-1990"]),
        ("source-2 alpha package-9", ["package-9"]),
        ("no such thing", []),
    ]:
        browser.run("document.getElementById('find').value = ''")
        browser.type("#find", text)
        # source-2 begins other sources' names as well.
        found = [it for it in browser.shown() if it in names or text != "source-2 alpha package-9"]
        expect(f"search for {text}", found, names)
    expect("nothing found", browser.run("return document.getElementById('none').hidden"), False)
    browser.click("button[type=reset]")
    until("all are shown again", lambda: status() == "2000 of 2000 shown")

    browser.click("[value=confirmed]")
    expect("without confirmed ones", browser.shown(), worst[:4])
    browser.click("[value=debt]")
    expect("without debt", status(), "3 of 2000 shown")
    browser.click("button[type=reset]")
    until("all are shown again", lambda: status() == "2000 of 2000 shown")

    choose = lambda it: browser.click(f"#rebuilder option[value='{it}']")
    choose("+alpha")
    expect("confirmed by alpha", status(), "1331 of 2000 shown")
    choose("-alpha")
    expect("not confirmed by alpha", status(), "669 of 2000 shown")
    choose("!")
    expect("alarms", browser.shown(), ["conflict", "package-7"])
    browser.click("button[type=reset]")
    until("all are shown again", lambda: status() == "2000 of 2000 shown")

    order = lambda: browser.run("return document.querySelector('[data-key=package]').ariaSort")
    browser.click("[data-key=package] button")
    expect("by name", browser.shown()[3:6], ["package-0", "package-1", "package-2"])
    expect("by name, told", order(), "ascending")
    browser.click("[data-key=package] button")
    expect("by name, downwards", browser.shown()[:2], ["unknown", "package-1995"])
    expect("downwards, told", order(), "descending")
    browser.click("[data-key=state] button")
    expect("by state", browser.shown()[:6], worst)


def opens_a_row_by_mouse_and_by_key(browser):
    row = "#packages tbody tr:nth-child(6)"
    text = lambda: browser.run(f"return document.querySelector('{row} details').innerText")
    expect("closed", "Attestation" in text(), False)
    browser.click(f"{row} summary")
    for word in ["Answer of each rebuilder", "gamma", "Attestation", "computed when the file was accepted"]:
        expect(f"{word} in the evidence", word in text(), True)
    browser.click(f"{row} summary")
    browser.run("document.querySelector('button[type=reset]').focus()")
    # Through the four headings to the first row.
    browser.keys(*[TAB] * 5, ENTER)
    first = browser.run("return document.querySelector('#packages details').open")
    expect("opened with keys", first, True)


def is_accessible(browser):
    """Whatever can be operated has a name, and the table is one."""
    nameless = browser.run(
        "return [...document.querySelectorAll('input, select, button')]"
        ".filter(it => !(it.labels?.length || it.textContent.trim())).map(it => it.outerHTML)"
    )
    expect("without a label", nameless, [])
    rows = browser.run("return document.querySelectorAll('tbody th[scope=row]').length")
    expect("headings of rows", rows, 2000)
    colours = browser.run(CONTRASTS)
    expect("text that is hard to read", colours, [])


# WCAG 2, contrast ratio of at least 4.5 of the text that each kind of element has.
CONTRASTS = """
  const numbers = (it) => it.match(/[0-9.]+/g).map(Number);
  const light = (it) => {
    const [r, g, b] = numbers(it).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (it) => {
    for (; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const kinds = '.lead, .alarm, dt, dd, .means, label, legend, caption, thead button, td, tbody th, .state span, summary, small, code, footer p';
  const rows = [...document.querySelectorAll('tbody tr')].slice(0, 8);
  const all = [...document.querySelectorAll('header *, #controls *, thead *, caption, footer *'), ...rows.flatMap((it) => [...it.querySelectorAll('*')])];
  const bad = all.filter((it) => it.matches(kinds)).filter((it) => {
    const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((a, b) => b - a);
    return (a + 0.05) / (b + 0.05) < 4.5;
  });
  return [...new Set(bad.map((it) => `${it.tagName}.${it.className} ${getComputedStyle(it).color} on ${behind(it)}`))];
"""


def fits_a_narrow_window(browser):
    browser.call("/window/rect", {"width": 500, "height": 800})
    wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
    expect("wider than the window by", max(wide, 0), 0)


def hostile_text_stays_text(browser, pages):
    browser.open(pages / "hostile.html")
    for closed in browser.run("return [...document.querySelectorAll('details')].map((_, n) => n)"):
        browser.run("document.querySelectorAll('details')[arguments[0]].open = true", closed)
    expect("the body", browser.run("return document.body.id"), "")
    for what, selector in [("scripts", "script"), ("styles", "style"), ("titles", "title")]:
        count = browser.run(f"return document.querySelectorAll('{selector}').length")
        expect(what, count, 1)
    expect("pictures", browser.run("return document.querySelectorAll('img, iframe, b b').length"), 0)
    links = browser.run("return [...document.links].map(it => [it.protocol, it.rel])")
    expect("links", links, [["https:", "noreferrer noopener"]] * 2)
    said = browser.run("return document.querySelector('h1').textContent")
    expect("it is shown as it is", "<script>document.body.id='evil'</script>" in said, True)
    # The policy of the page, which stops what would get past that.
    browser.run(
        "const it = document.createElement('div'); it.innerHTML = arguments[0]; document.body.append(it)",
        "<img src=x onerror=\"document.body.id='evil'\"><p style='color: red'>",
    )
    until("the policy of the page stops it", lambda: len(browser.console()) > 0)
    expect("the body, after an injection", browser.run("return document.body.id"), "")


def works_without_javascript(browser, pages):
    browser.open(pages / "many.html")
    expect("all rows", len(browser.shown()), 2000)
    hidden = browser.run("return document.getElementById('controls').offsetParent === null")
    expect("controls that would do nothing", hidden, True)
    browser.click("#packages tbody tr:nth-child(6) summary")
    opened = browser.run("return document.querySelector('#packages tbody tr:nth-child(6) details').open")
    expect("a row opens", opened, True)


def main():
    pages, scratch = pathlib.Path(sys.argv[1]), sys.argv[2]
    with Browser(scratch, "--window-size=1280,900") as browser:
        searches_filters_and_sorts(browser, pages)
        opens_a_row_by_mouse_and_by_key(browser)
        is_accessible(browser)
        fits_a_narrow_window(browser)
        quiet(browser, "many.html")
        hostile_text_stays_text(browser, pages)
    with Browser(scratch, "--blink-settings=preferredColorScheme=0") as browser:
        browser.open(pages / "many.html")
        dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches")
        expect("dark", dark, True)
        is_accessible(browser)
        browser.open(pages / "hostile.html")
        quiet(browser, "hostile.html")
    with Browser(scratch, javascript=False) as browser:
        works_without_javascript(browser, pages)
    print("page: searched, filtered, sorted, opened, in light and dark, with and without JavaScript")


main()
