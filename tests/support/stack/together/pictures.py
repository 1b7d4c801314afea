"""Pictures of the five systems for docs/stack-together.md, as a real Chromium shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from demo import stage
from demo.port_forward import port_forwarded
from localcluster.paths import REPOSITORY
from tests.support.browser import browsing
from tests.support.stack.together.airflow import DAG
from tests.support.stack.together.joint_stack import NAMESPACE, JointStack

IMAGES: Final = REPOSITORY / "docs" / "images"
SIZE: Final = (1400, 900)
SECONDS: Final = 90
ASSISTANT: Final = "[data-component-id='mlflow.assistant.chat_panel.close']"
"""A panel of MLflow that opens by itself."""


def take(stack: JointStack, run: Mapping[str, Any], folder: Path) -> None:
    """After the last scene; `run` is that of the new champion, and the newest one is that of the broken export."""
    mlflow_run = stack.mlflow_run(run)["info"]
    at_mlflow = f"{stack.mlflow}/#/experiments/{mlflow_run['experiment_id']}/runs/{mlflow_run['run_id']}"
    with browsing(folder) as browser:
        size = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        _picture(browser, f"{stack.airflow.url}/dags/{DAG}", "ask_for_a_run", "stack-airflow")
        _picture(browser, at_mlflow, "airflow.dag_run", "stack-mlflow", closed=ASSISTANT)
        report = folder / "evidently.html"
        stopped = stack.mlflow_run(stack.runs()[0])["info"]["run_id"]
        report.write_bytes(stack.artifact(stopped, "evidently.html"))
        _picture(browser, report.as_uri(), "Drift", "stack-evidently")
        _dashboard(stack, browser)


def _dashboard(stack: JointStack, browser: Chrome) -> None:
    kubectl, system = stack.kubectl, replace(stack.kubectl, namespace="viridian-system")
    system("apply", "--server-side", "--force-conflicts", "-k", str(stage.ROOT / "demo" / "dashboard" / "pages"))
    system("rollout", "status", "deployment/viridian-dashboard", "--timeout=180s")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "person"}}
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "person-edits"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": NAMESPACE}],
    }
    for part in (account, rights):
        kubectl.apply(json.dumps(part))
    with port_forwarded(system, "viridian-dashboard", 8096, "/healthz") as url:
        browser.get(url)
        browser.find_element(By.ID, "token").send_keys(kubectl("create", "token", "person").strip())
        browser.find_element(By.CSS_SELECTOR, ".sign-in button").click()
        _picture(browser, f"{url}/policies/{NAMESPACE}/churn", "churn", "stack-dashboard")


def _picture(browser: Chrome, address: str, awaited: str, name: str, closed: str = "") -> None:
    """What stands above the fold, once the awaited text does, and what is to be `closed` is."""
    browser.get(address)
    body = (By.TAG_NAME, "body")
    WebDriverWait(browser, SECONDS).until(lambda one: awaited in one.find_element(*body).text)
    if closed:
        browser.find_element(By.CSS_SELECTOR, closed).click()
        WebDriverWait(browser, SECONDS).until(lambda one: not one.find_elements(By.CSS_SELECTOR, closed))
    browser.save_screenshot(str(IMAGES / f"{name}.png"))
