"""The page in Chromium with scripts and network off: nothing refused, nothing asked for."""

import struct

import pytest


@pytest.fixture(scope="module")
def address(full_page, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(full_page, encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("dark", [False, True])
def test_opens_without_a_complaint(browser, address, dark):
    browser.open(address, dark=dark)
    assert browser.of("Log.entryAdded") == [] and browser.of("Runtime.consoleAPICalled") == []
    asked = {r["request"]["url"].partition(",")[0] for r in browser.of("Network.requestWillBeSent")}
    assert address in asked and asked <= {address, "data:font/woff2;base64", "data:"}
    background = browser.call(
        "CSS.getComputedStyleForNode", nodeId=browser.node("body"))["computedStyle"]
    colour = next(p["value"] for p in background if p["name"] == "background-color")
    assert colour == ("rgb(21, 24, 27)" if dark else "rgb(253, 253, 251)")


def test_formulas_are_set_in_the_embedded_font(browser, address):
    browser.open(address)
    fonts = browser.call("CSS.getPlatformFontsForNode", nodeId=browser.node(".bound > .formula mi"))
    used = fonts["fonts"]
    assert used and all(f["isCustomFont"] and f["familyName"] == "STIX Two Math" for f in used)


@pytest.mark.parametrize("width", [400, 700, 1280])
def test_only_boxes_scroll_sideways(browser, address, width):
    browser.open(address, width=width)
    assert browser.call("Page.getLayoutMetrics")["cssContentSize"]["width"] == width


def test_something_is_painted(browser, address):
    browser.open(address)
    png = browser.picture()
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (1280, 900)
    assert len(png) > 20_000


def test_prints_with_details_open(browser, address):
    def height():
        return browser.call("Page.getLayoutMetrics")["cssContentSize"]["height"]

    browser.open(address)
    closed = height()
    browser.call("Emulation.setEmulatedMedia", media="print")
    printed = height()
    browser.call("Emulation.setEmulatedMedia", media="")
    assert printed > 1.5 * closed
