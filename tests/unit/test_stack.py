"""What holds for all examples of systems beside the operator, without running any of them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from docs.scripts import stack, stack_together
from localcluster.paths import REPOSITORY
from tests.support.stack import results, systems
from tests.support.stack.environment import node_versions
from tests.support.stack.programs import versions_from_modules
from tests.support.stack.results import ShownSystem
from tests.support.stack.selected import ALWAYS, NoExample, selected
from tests.support.stack.systems import (
    BESIDE_THE_BLUEPRINT,
    EXAMPLES,
    RESULTS,
    SYSTEMS,
    StackSystem,
    named,
    with_example,
)
from tests.support.stack.together import record
from tests.support.stack.together.images import stack_images
from viridian.cli.known_tools import Basis, KnownTool, ToolConnection, ToolState
from viridian.cli.manifest_rules import ManifestRules

SYSTEM = named("great-expectations")
WITH_EXAMPLE = with_example()
SHORT_LINES = 60
PAGE_LINES = 60
CODE = sorted(EXAMPLES.rglob("*.py"))
PIPELINES = tuple(map(named, ("jenkins", "gitlab-ci", "github-actions")))
ACCOUNTS = sorted({*EXAMPLES.glob("*/rbac.yaml")} - {system.folder / "rbac.yaml" for system in PIPELINES})
MANIFESTS = sorted(EXAMPLES.rglob("*.yaml"))
TOGETHER = sorted((EXAMPLES / "together").glob("*.yaml"))
PICTURES = REPOSITORY / "docs" / "images"


def test_the_page_is_what_the_results_say() -> None:
    assert stack.PAGE.read_text() == stack.page(), "run `make stack`, or `python -m docs.scripts.stack` after an edit"


def test_each_system_of_the_blueprint_has_a_row() -> None:
    assert len(SYSTEMS) - len(BESIDE_THE_BLUEPRINT) == 23
    assert len({system.slug for system in SYSTEMS}) == len(SYSTEMS)
    cells = [line.split(" | ") for line in stack.PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = {name.removeprefix("| ").removeprefix("[").partition("](")[0]: ran for name, _, _, ran, *_ in cells}
    assert rows.keys() - {"system"} == {system.name for system in SYSTEMS}
    without = {stack.NOT_YET, stack.NOBODY}
    assert [system.name for system in SYSTEMS if (rows[system.name] in without) is system.result.exists()] == []


def row(connection: ToolConnection, state: ToolState = ToolState.MAINTAINED, untried: str = "") -> KnownTool:
    return KnownTool(
        name="gx", state=state, basis=Basis.MEASURED, way_in="a stage", connection=connection, untried=untried
    )


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.slug)
def test_what_is_no_test_of_the_software_itself_says_what_did_not_run(system: StackSystem) -> None:
    if system.result.exists() and system.tool.connection is not ToolConnection.TESTED:
        assert system.tool.untried
    assert not system.tool.untried.endswith("."), "it is a part of a sentence"


@pytest.mark.parametrize(
    ("row", "ran"),
    [
        (row(ToolConnection.TESTED), "gx 1.24 on 2026-11-29"),
        (row(ToolConnection.TESTED, untried="its store"), "gx 1.24, in part on 2026-11-29"),
        (row(ToolConnection.SHAPE_TESTED, untried="its server"), "gx 1.24, interface only on 2026-11-29"),
        (row(ToolConnection.NOT_TESTED, untried="all of it"), "gx 1.24, contract only on 2026-11-29"),
    ],
)
def test_a_version_is_shown_with_what_was_run_of_it(row: KnownTool, ran: str) -> None:
    result = ShownSystem(on=date(2026, 11, 29), files="f", versions={"Python": "3.11", "gx": "1.24"}, seconds=1.0)
    assert stack.ran(row, result) == ran


def test_what_is_closed_and_has_a_reason_can_be_run_by_nobody() -> None:
    assert stack.not_run(row(ToolConnection.NOT_TESTED, ToolState.CLOSED, untried="it has ended")) == stack.NOBODY
    assert stack.not_run(row(ToolConnection.NOT_TESTED, ToolState.CLOSED)) == stack.NOT_YET
    assert stack.not_run(row(ToolConnection.NOT_TESTED, untried="it is a service")) == stack.NOT_YET


def test_no_folder_or_result_is_without_a_test() -> None:
    slugs = {system.slug for system in WITH_EXAMPLE}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == slugs | {"together"}
    assert {path.stem for path in RESULTS.iterdir()} <= slugs


@pytest.mark.parametrize("system", WITH_EXAMPLE, ids=lambda system: system.slug)
def test_an_example_is_whole(system: StackSystem) -> None:
    readme = (system.folder / "README.md").read_text()
    assert readme.count("\n") <= PAGE_LINES
    assert f"make stack SYSTEM={system.slug}" in readme
    assert results.names_of_tests(system)


@pytest.mark.parametrize("file", CODE, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_code_is_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) < SHORT_LINES


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_a_manifest_is_of_the_kinds_as_they_are(file: Path) -> None:
    documents = yaml.safe_load_all(file.read_text())
    own = [one for one in documents if str(one.get("apiVersion")).startswith("viridian.dev/")]
    for manifest in own:
        assert ManifestRules(lambda *_: True).problems(manifest) == []


@pytest.mark.parametrize("file", ACCOUNTS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_an_orchestrator_reads_and_asks_by_name_and_does_nothing_else(file: Path) -> None:
    (role,) = (part for part in yaml.safe_load_all(file.read_text()) if part["kind"] == "Role")
    for rule in role["rules"]:
        assert rule["apiGroups"] == ["viridian.dev"]
        assert rule["resourceNames"]
        assert set(rule["verbs"]) <= ({"get", "patch"} if rule["resources"] == ["retrainpolicies"] else {"get"})


@pytest.mark.parametrize("system", WITH_EXAMPLE, ids=lambda system: system.slug)
def test_a_version_that_is_claimed_is_pinned(system: StackSystem) -> None:
    result = results.read(system)
    if result and result.versions and result.files == system.digest():
        pins = system.lock.read_text()
        others = {**versions_from_modules(system), **node_versions(system)}
        assert [
            name
            for name, version in result.versions.items()
            if name != "Python" and f"{name}=={version}" not in pins and others.get(name) != version
        ] == []


def test_packages_of_npm_have_digests_and_no_address() -> None:
    locks = [system.node_lock for system in WITH_EXAMPLE if system.node_lock.exists()]
    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text())["packages"]
        for name, package in packages.items():
            assert not name or package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name


def test_pipelines_edit_models_and_nothing_else() -> None:
    documents = yaml.safe_load_all((PIPELINES[0].folder / "rbac.yaml").read_text())
    (role,) = (part for part in documents if part["kind"] == "Role")
    verbs = ["create", "get", "list", "patch", "watch"]
    assert role["rules"] == [{"apiGroups": ["viridian.dev"], "resources": ["modeldeployments"], "verbs": verbs}]


def test_pipelines_have_the_same_rights_and_roll_out_the_same_model() -> None:
    for file in ("rbac.yaml", "deploy/churn.yaml"):
        assert len({(system.folder / file).read_bytes() for system in PIPELINES}) == 1, file


# ---- five of them together


def test_the_page_of_all_together_is_what_was_recorded() -> None:
    told = record.read()
    assert told
    assert stack_together.PAGE.read_text() == stack_together.page(told), "run `python -m docs.scripts.stack_together`"
    assert [name for name in stack_together.PICTURES if not (PICTURES / f"{name}.png").is_file()] == []


def test_each_image_of_all_together_is_made_of_files_that_are_there() -> None:
    built = {name for image in stack_images() for name in (image.dockerfile, *image.inputs)}
    assert [name for name in built if not (REPOSITORY / name).exists()] == []
    asked = set(re.findall(r"viridian/(stack-[a-z]+):dev", "".join(path.read_text() for path in TOGETHER)))
    assert asked == {image.name for image in stack_images()}


# ---- which are run


@pytest.mark.parametrize(("word", "why"), [("neptune", "neptune has no example yet"), ("flow", "flow is no system")])
def test_a_name_without_an_example_is_refused_with_those_that_have_one(word: str, why: str) -> None:
    with pytest.raises(NoExample, match=f"^{why}: write changed, or one of .*great-expectations"):
        selected(word)


def test_one_or_all_are_selected_by_name() -> None:
    assert selected("great-expectations") == [SYSTEM]
    assert selected("") == WITH_EXAMPLE


def test_what_has_changed_or_failed_or_never_run_is_to_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "RESULTS", tmp_path)
    assert selected("changed") == WITH_EXAMPLE, "none has a result here"
    good = ShownSystem(on=date(2026, 11, 29), files=SYSTEM.digest(), versions={}, seconds=1.0, passed=("test_a",))
    results.write(SYSTEM, good)
    assert SYSTEM not in selected("changed")
    for other in (replace(good, files="those of before"), replace(good, failed=("test_b",))):
        results.write(SYSTEM, other)
        assert SYSTEM in selected("changed")


@pytest.mark.parametrize(
    ("slug", "module"),
    [
        ("s3", "training/resolvers/buckets.py"),  # its policy calls the resolver
        ("evidently", "training/checks/findings.py"),  # its adapter imports it
        ("feast", "api/stage.py"),
        ("gitlab-ci", "cli/wait_command.py"),
    ],
)
def test_an_example_is_due_when_what_joins_it_is_another_file(slug: str, module: str) -> None:
    assert systems.OPERATOR / module in systems.named(slug).files()


def test_those_that_always_run_are_due_beside_what_has_changed() -> None:
    assert selected("due") == [one for one in WITH_EXAMPLE if one.slug in ALWAYS or one in selected("changed")]
    assert {system.slug for system in selected("due")} >= set(ALWAYS)


# ---- what becomes a result

FILES = "the digest of before"


def report(name: str, outcome: str = "passed", when: str = "call") -> pytest.TestReport:
    node = f"tests/stack/{SYSTEM.test.name}::{name}"
    return pytest.TestReport(node, ("", 0, ""), {}, outcome, None, when, duration=1.5)  # type: ignore[arg-type]


def test_a_run_of_all_tests_is_a_result_and_one_that_fails_is_named() -> None:
    first, *others = results.names_of_tests(SYSTEM)
    found = results.of_reports(
        SYSTEM, FILES, [report(f"{first}[a]"), report(f"{first}[b]", "failed"), *map(report, others)], {}
    )
    assert found
    assert (found.failed, found.passed) == ((first,), tuple(others))
    assert found.seconds == 1.5 * (len(others) + 2)
    assert found.files == FILES


def test_tests_that_a_module_takes_over_count_and_other_classes_do_not() -> None:
    assert "test_a_good_version_is_checked_planned_applied_and_promoted" in results.names_of_tests(named("jenkins"))
    assert len(results.names_of_tests(named("dvc"))) == 4, "its class of a team has no test"


def test_a_program_that_a_test_notes_is_the_product_where_no_package_is() -> None:
    reports = [report(name) for name in results.names_of_tests(SYSTEM)]
    reports[0].user_properties.append(("git", "2.39.5"))
    alone = results.of_reports(SYSTEM, FILES, reports, {})
    beside = results.of_reports(SYSTEM, FILES, reports, {"Python": "3.11.7", "gx": "1.24"})
    assert alone
    assert beside
    assert (alone.programs, alone.product, beside.product) == ({"git": "2.39.5"}, "git 2.39.5", "gx 1.24")


def test_an_error_before_a_test_is_a_failure() -> None:
    first, *others = results.names_of_tests(SYSTEM)
    found = results.of_reports(SYSTEM, FILES, [report(first, "failed", when="setup"), *map(report, others)], {})
    assert found
    assert found.failed == (first,)


def test_a_run_of_some_tests_is_none() -> None:
    first, *others = results.names_of_tests(SYSTEM)
    assert results.of_reports(SYSTEM, FILES, [*map(report, others)], {}) is None
    assert results.of_reports(SYSTEM, FILES, [report(first, "skipped"), *map(report, others)], {}) is None
