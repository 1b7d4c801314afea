"""axe-core, which looks for what keeps people from using a page: contrast, names, roles, order, focus.

python -m tests.support.axe       installs it; `make test` does so before the tests

The script comes in a package of Python, of which nothing else is installed or run: no browser and no driver.
"""

from __future__ import annotations

from pathlib import Path

from selenium.webdriver import Chrome

from benchmarks.environments import environment

_RUN = "const done = arguments[0]; axe.run().then(found => done(found.violations), error => done([String(error)]))"


def script() -> str:
    """The whole of axe-core."""
    folder = environment("axe").parent
    (found,) = folder.glob("lib/python*/site-packages/axe_playwright_python/axe.min.js")
    return Path(found).read_text()


def violations(browser: Chrome) -> list[str]:
    """What axe-core finds on the page that is open: rule, help and the elements that break it."""
    browser.execute_script(script())
    found = browser.execute_async_script(_RUN)
    return [
        one if isinstance(one, str) else f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}"
        for one in found
    ]


if __name__ == "__main__":
    environment("axe")
