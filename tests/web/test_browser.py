"""The example application in Chromium, driven by Playwright."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from .serving import Dashboard, dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

pytestmark = pytest.mark.slow

TIMEOUT = 30_000  # milliseconds; only a failing test waits this long

Open = Callable[..., "Page"]


@pytest.fixture
def site() -> Generator[Dashboard]:
    with dashboard() as running:
        running.fake.add_stack("web")
        yield running


@pytest.fixture
def context(chromium: Browser, site: Dashboard) -> Generator[Callable[..., BrowserContext]]:
    """Return a function that opens independent browser contexts. Fails if a page reports an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(**options: Any) -> BrowserContext:
        opened = chromium.new_context(base_url=site.url, **options)
        opened.set_default_timeout(TIMEOUT)
        opened.on("weberror", lambda error: errors.append(str(error.error)))
        opened.on("console", lambda message: errors.append(message.text))
        contexts.append(opened)
        return opened

    yield make
    for opened in contexts:
        opened.close()
    # Chromium also reports responses with an error status, which some tests expect.
    assert [text for text in errors if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def page(context: Callable[..., BrowserContext]) -> Page:
    return context().new_page()


def heading(page: Page, name: str | re.Pattern[str]) -> None:
    page.get_by_role("heading", name=name, level=1).wait_for()


def start_login(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Log in with Cloud 66").click()
    heading(page, "Authorize Dashboard")


def decide(page: Page, button: str = "Authorize", *, user: str = "ada@example.com") -> None:
    page.get_by_label("Log in as").select_option(user)
    page.get_by_role("button", name=button, exact=True).click()


def log_in(page: Page, *, user: str = "ada@example.com") -> None:
    start_login(page)
    decide(page, user=user)
    heading(page, "Stacks")


def stack_names(page: Page) -> list[str]:
    return page.get_by_role("heading", level=2).all_inner_texts()


def test_consent_leads_to_the_stacks(page: Page, site: Dashboard) -> None:
    site.fake.add_stack("api", environment="staging", fields={"health": 4})
    log_in(page)
    assert stack_names(page) == ["api", "web"]  # stacks with problems come first


def test_login_leads_back_to_the_requested_page(page: Page) -> None:
    page.goto("/stacks?environment=production")
    decide(page)
    heading(page, "Stacks")
    assert page.url.endswith("/stacks?environment=production")
    assert page.get_by_label("Environment").input_value() == "production"


def test_filters_need_no_button(page: Page, site: Dashboard) -> None:
    for number in range(3):
        site.fake.add_stack(f"billing-{number}", environment="staging", fields={"health": 4 if number else 3})
    log_in(page)
    page.get_by_label("Environment").select_option("staging")
    page.get_by_text("3 stacks.").wait_for()
    page.get_by_label("Search").press_sequentially("ing-2")
    page.get_by_text("1 stack.").wait_for()
    assert stack_names(page) == ["billing-2"]
    page.wait_for_url("**/stacks?search=ing-2&environment=staging")
    assert page.evaluate("document.activeElement.id") == "search"
    page.get_by_label("Search").fill("nothing like this")
    page.get_by_role("link", name="Show all stacks").click()
    page.get_by_text("4 stacks.").wait_for()
    page.get_by_role("link", name="Failed 2").click()
    page.get_by_text("2 stacks.").wait_for()
    assert stack_names(page) == ["billing-1", "billing-2"]


def test_filters_chosen_before_the_script_is_loaded(page: Page, site: Dashboard) -> None:
    """The page can be used before its script has arrived over a slow connection."""
    site.fake.add_stack("api", environment="staging")
    scripts: list[Route] = []
    page.route("**/filter.js", lambda route: scripts.append(route))  # noqa: PLW0108  Playwright reads its signature
    log_in(page)
    page.get_by_label("Environment").select_option("staging")
    page.get_by_label("Search").fill("a")
    while not scripts:
        page.wait_for_timeout(50)
    scripts[0].continue_()
    page.wait_for_url("**/stacks?search=a&environment=staging")
    assert stack_names(page) == ["api"]


def test_filters_work_without_scripts(context: Callable[..., BrowserContext], site: Dashboard) -> None:
    site.fake.add_stack("api", environment="staging")
    page = context(java_script_enabled=False).new_page()
    log_in(page)
    page.get_by_label("Environment").select_option("staging")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("1 stack.").wait_for()
    assert stack_names(page) == ["api"]


def test_many_stacks_are_shown_page_by_page(page: Page, site: Dashboard) -> None:
    for number in range(30):
        site.fake.add_stack(f"stack-{number:02}")
    log_in(page)
    assert len(stack_names(page)) == 12
    page.get_by_role("link", name="Next").click()
    page.get_by_text("Stacks 13 to 24 of 31.").wait_for()
    page.get_by_role("link", name="Next").click()
    page.get_by_text("Stacks 25 to 31 of 31.").wait_for()
    assert page.get_by_role("link", name="Next").count() == 0
    page.get_by_label("Search").fill("stack-0")
    page.get_by_text("10 stacks.").wait_for()  # the first page of the results, not the third
    page.goto("/stacks?page=99")
    page.get_by_text("Stacks 25 to 31 of 31.").wait_for()


def test_error_page_has_a_way_out(page: Page, site: Dashboard) -> None:
    log_in(page)
    site.fake.faults.throttle(operation="stacks.list", times=1)
    page.goto("/stacks?environment=production")
    heading(page, "Your hourly quota is exhausted until the next full hour")
    assert page.get_by_role("button", name="Log out").is_visible()
    page.get_by_role("link", name="Try again").click()
    heading(page, "Stacks")
    assert page.url.endswith("/stacks?environment=production")


def test_callback_is_not_in_the_history(page: Page) -> None:
    log_in(page)
    history: Any = page.context.new_cdp_session(page).send("Page.getNavigationHistory")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    urls: list[str] = [entry["url"] for entry in history["entries"]]
    assert len(urls) > 1
    assert [url for url in urls if "/callback" in url or "code=" in url] == []


def test_denial(page: Page, site: Dashboard) -> None:
    start_login(page)
    decide(page, "Deny")
    heading(page, "Access was not granted")
    assert site.fake.calls("oauth.token") == 0
    page.get_by_role("link", name="Log in with Cloud 66").click()
    heading(page, "Authorize Dashboard")


def test_wrong_state(page: Page, site: Dashboard) -> None:
    start_login(page)
    page.goto("/callback?code=planted&state=planted%3Cb%3E")
    heading(page, "This login cannot be finished")
    assert "planted" not in page.content()
    assert site.fake.calls("oauth.token") == 0
    page.goto("/stacks")
    heading(page, "Authorize Dashboard")


def test_concurrent_users(context: Callable[..., BrowserContext], site: Dashboard) -> None:
    site.fake.add_user("alan@example.com", accounts=[2])
    site.fake.add_stack("enigma", account=2)
    ada, alan = context().new_page(), context().new_page()
    start_login(ada)
    start_login(alan)
    decide(alan, user="alan@example.com")
    decide(ada)
    heading(ada, "Stacks")
    heading(alan, "Stacks")
    for _ in range(2):
        assert (stack_names(ada), stack_names(alan)) == (["web"], ["enigma"])
        ada.reload()
        alan.reload()


def test_logins_in_two_tabs(page: Page) -> None:
    other = page.context.new_page()
    start_login(page)
    start_login(other)
    decide(page)
    heading(page, "Stacks")
    decide(other)
    heading(other, "Stacks")
    page.reload()
    heading(page, "Stacks")


def test_logout_leaves_nothing_behind(page: Page) -> None:
    log_in(page)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    heading(page, "Your stacks at a glance")
    assert [cookie.get("name") for cookie in page.context.cookies() if "session" in str(cookie.get("name"))] == []
    page.go_back()  # not from the cache: the browser sends the request again
    heading(page, "Authorize Dashboard")


def start_redeployment(page: Page) -> None:
    log_in(page)
    page.get_by_role("link", name="web").click()
    page.get_by_role("button", name="Redeploy web").click()
    heading(page, "Redeploying web")


def test_redeployment_is_followed_until_it_finishes(page: Page, site: Dashboard) -> None:
    start_redeployment(page)
    site.fake.clock.advance(61)
    heading(page, "web was redeployed")
    assert page.get_by_text("Completed successfully, after 60 seconds").is_visible()
    page.get_by_role("link", name="Back to web").click()
    heading(page, re.compile(r"^web\b"))


def test_failed_redeployment(page: Page, site: Dashboard) -> None:
    site.fake.faults.action_fails(message="The image is missing")
    start_redeployment(page)
    site.fake.clock.advance(61)
    heading(page, "web was not redeployed")
    assert page.get_by_text("The image is missing").is_visible()


def test_redeployment_is_followed_without_scripts(context: Callable[..., BrowserContext], site: Dashboard) -> None:
    page = context(java_script_enabled=False).new_page()
    start_redeployment(page)
    site.fake.clock.advance(61)
    heading(page, "web was redeployed")


def test_revoked_token_while_an_action_is_followed(page: Page, site: Dashboard) -> None:
    start_redeployment(page)
    site.fake.revoke(site.fake.tokens[-1].token)
    heading(page, "Authorize Dashboard")  # without user input: the script that polls the action receives the error
    site.fake.clock.advance(61)
    decide(page)
    heading(page, "web was redeployed")


def test_revoked_token_leads_to_a_new_login(page: Page, site: Dashboard) -> None:
    log_in(page)
    site.fake.revoke(site.fake.tokens[-1].token)
    page.reload()
    heading(page, "Authorize Dashboard")
    decide(page)
    heading(page, "Stacks")


def test_token_refused_twice_leads_to_an_error_page(page: Page, site: Dashboard) -> None:
    log_in(page)
    site.fake.faults.fail(401, operation="stacks.list", times=2)
    page.reload()
    heading(page, "Authorize Dashboard")
    decide(page)
    heading(page, "Cloud 66 refuses this login")
    page.get_by_role("link", name="Log in with Cloud 66").click()
    decide(page)
    heading(page, "Stacks")


def test_missing_pages(page: Page) -> None:
    log_in(page)
    page.goto("/stacks/nothing")
    heading(page, "This resource does not exist")
    page.goto("/nothing")
    heading(page, "Not Found")


# --- accessibility -----------------------------------------------------------------------------------

CONTRAST = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = element => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim()).length;
    if (!text || element.tagName === "NOSCRIPT") continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(background(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""
UNLABELED = """
() => [...document.querySelectorAll("select, input:not([type=hidden]), button, a, progress, img")]
  .filter(e => !(e.labels?.length || e.innerText?.trim() || e.ariaLabel || e.hasAttribute("alt")))
  .map(e => e.outerHTML)
"""
WIDER = "() => document.scrollingElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(context: Callable[..., BrowserContext], site: Dashboard, scheme: str) -> None:
    for health in range(6):  # 5 is unknown to this release
        site.fake.add_stack(f"a-stack-with-a-rather-long-name-{health}", fields={"health": health})
    phone = {"width": 320, "height": 640}
    page = context(color_scheme=scheme, viewport=phone).new_page()

    def check() -> None:
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNLABELED) == []
        assert page.evaluate(WIDER) <= 0
        assert page.get_by_role("main").count() == 1
        assert page.locator("html[lang=en]").count() == 1

    page.goto("/")
    check()
    page.goto("/callback?code=c&state=s")
    check()
    log_in(page)
    check()
    page.get_by_role("link", name="web", exact=True).click()
    page.get_by_role("button", name="Redeploy web").wait_for()
    check()
    page.get_by_role("button", name="Redeploy web").click()
    heading(page, "Redeploying web")
    check()
    site.fake.clock.advance(61)
    heading(page, "web was redeployed")
    check()


def test_keyboard_navigation(page: Page) -> None:
    log_in(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "environment"
    for _ in range(3):  # the two links above the stacks come first
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "web"
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Redeploy web").focus()
    page.keyboard.press("Enter")
    heading(page, "Redeploying web")
