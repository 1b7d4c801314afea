"""Status codes of the API server, as it was seen to send them, and the errors of the port."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viridian.ports.api_responses import MAX_MESSAGE, failure
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable

SUBJECT = "Deployment churn-blue"


def invalid(*causes: tuple[str, str]) -> dict[str, Any]:
    listed = [{"reason": "FieldValueInvalid", "field": field, "message": message} for field, message in causes]
    details = {"name": "churn-blue", "group": "apps", "kind": "Deployment", "causes": listed}
    return {"kind": "Status", "reason": "Invalid", "message": "… is invalid: …", "details": details, "code": 422}


def said(message: str, **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "message": message, "details": details}


TYPED = "failed to create typed patch object (ml/churn-blue; apps/v1, Kind=Deployment): "
CONVERTED = (
    "failed to convert new object (ml/churn-blue; apps/v1, Kind=Deployment) to proper version: "
    "unable to convert unstructured object to apps/v1, Kind=Deployment: "
)
TERMINATING = {"reason": "NamespaceTerminating", "message": "namespace ml is being terminated"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        pytest.param(400, said("bad continue"), ClusterRefused, "bad continue", id="bad request"),
        pytest.param(401, said("Unauthorized"), ClusterUnavailable, "401 Unauthorized", id="token expired"),
        pytest.param(403, said("cannot patch", name="a"), ClusterRefused, "cannot patch", id="not allowed"),
        pytest.param(403, said("no", name="a", causes=[TERMINATING]), ClusterConflict, "no", id="namespace leaving"),
        pytest.param(404, said('namespaces "ml" not found', name="ml"), ClusterConflict, "ml", id="namespace gone"),
        pytest.param(404, "404 page not found", ClusterRefused, "CRDs installed", id="kind unknown"),
        pytest.param(405, said("not supported"), ClusterRefused, "not supported", id="method"),
        pytest.param(409, said("has been modified"), ClusterConflict, "modified", id="conflict"),
        pytest.param(409, {"reason": "AlreadyExists", "message": "exists"}, ClusterConflict, "exists", id="exists"),
        pytest.param(413, said("limit is 3145728"), ClusterRefused, "limit", id="too large"),
        pytest.param(
            422, invalid(("spec.replicas", "too few")), ClusterRefused, "spec.replicas: too few", id="invalid"
        ),
        pytest.param(422, invalid(("metadata.uid", "immutable")), ClusterConflict, "invalid", id="another uid"),
        pytest.param(429, said("storage is initializing"), ClusterUnavailable, "initializing", id="throttled"),
        pytest.param(500, said("etcdserver: timeout"), ClusterUnavailable, "etcdserver", id="server error"),
        pytest.param(
            500, said(TYPED + ".spec.foo: field not declared in schema"), ClusterRefused, ".spec.foo", id="typo"
        ),
        pytest.param(500, said(CONVERTED + "quantities must match"), ClusterRefused, "quantities", id="quantity"),
        pytest.param(503, "upstream connect error", ClusterUnavailable, "upstream", id="proxy"),
        pytest.param(504, None, ClusterUnavailable, "no message", id="nothing said"),
    ],
)
def test_what_an_answer_means(status: int, body: Any, kind: type[ClusterError], told: str) -> None:
    error = failure(status, body, SUBJECT)
    assert type(error) is kind
    assert str(error).startswith(SUBJECT)
    assert told in str(error)


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "gate.example.com" denied the request: not on a Friday',
        "deployments.apps \"churn-blue\" is forbidden: ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied "
        "request: not on a Friday",
    ],
    ids=["webhook", "policy"],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_denial_is_one_whatever_code_it_has_chosen(status: int, message: str) -> None:
    error = failure(status, said(message, name="churn-blue"), SUBJECT)
    assert isinstance(error, ClusterRefused)
    assert str(error) == f"{SUBJECT}: {message}"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("Mon, 05 Jan 2026 12:00:00 GMT", None)])
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait(status: int, header: str | None, seconds: float | None) -> None:
    error = failure(status, said("later"), SUBJECT, retry_after=header)
    assert isinstance(error, ClusterUnavailable)
    assert error.retry_after == seconds


class TestMessages:
    """People read them in a condition: what is wrong, where, and nothing else."""

    def test_explanations_of_patterns_are_left_out(self) -> None:
        pattern = (
            'Invalid value: "no label!": a valid label must start and end with an alphanumeric character '
            "(e.g. 'MyValue', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
        text = str(failure(422, invalid(("metadata.labels", pattern)), SUBJECT))
        assert text == (
            'Deployment churn-blue: metadata.labels: Invalid value: "no label!": '
            "a valid label must start and end with an alphanumeric character"
        )

    def test_whole_structures_are_left_out(self) -> None:
        cause = ("spec.template", 'Invalid value: {"Volumes":null,"Containers":[{"Name":"x"}]}: field is immutable')
        assert str(failure(422, invalid(cause), SUBJECT)) == "Deployment churn-blue: spec.template: field is immutable"

    def test_values_are_shown_as_they_were_written(self) -> None:
        body = said(TYPED + '.env[name="A"].value: expected string, got &value.valueUnstructured{Value:1}')
        assert str(failure(500, body, SUBJECT)).endswith('.env[name="A"].value: expected string, got 1')

    def test_rules_that_were_not_checked_are_no_fault(self) -> None:
        text = str(
            failure(422, invalid(("spec.a", "bad"), ("<nil>", "some validation rules were not checked")), SUBJECT)
        )
        assert text == f"{SUBJECT}: spec.a: bad"

    def test_many_faults_are_counted(self) -> None:
        text = str(failure(422, invalid(*((f"spec.f{n}", "bad") for n in range(7))), SUBJECT))
        assert text == f"{SUBJECT}: spec.f0: bad; spec.f1: bad; spec.f2: bad; spec.f3: bad (and 3 more)"

    def test_the_same_fault_is_told_once(self) -> None:
        assert str(failure(422, invalid(("spec.a", "bad"), ("spec.a", "bad")), SUBJECT)) == f"{SUBJECT}: spec.a: bad"

    def test_there_is_a_limit(self) -> None:
        text = str(failure(422, invalid(("spec.a", "x" * 5000)), SUBJECT))
        assert len(text) <= len(SUBJECT) + 2 + MAX_MESSAGE
        assert text.endswith("…")

    def test_several_explanations_are_left_out(self) -> None:
        one = "must be short (e.g. 'a', regex used for validation is '[a-z](b)')"
        assert str(failure(422, invalid(("spec.a", f"{one}; {one}")), SUBJECT)) == (
            f"{SUBJECT}: spec.a: must be short; must be short"
        )

    def test_the_verdict_on_a_large_structure_is_shown(self) -> None:
        cause = ("spec.template", 'Invalid value: {"Env":[' + '{"Name":"X"},' * 50_000 + "]}: field is immutable")
        assert str(failure(422, invalid(cause), SUBJECT)) == f"{SUBJECT}: spec.template: field is immutable"

    def test_a_denial_with_the_longest_names_is_one(self) -> None:
        name = "n" * 253
        message = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: not on a Friday"
        body = said(f'deployments.apps "{name}" is forbidden: {message}', name=name)
        assert isinstance(failure(500, body, SUBJECT), ClusterRefused)

    @pytest.mark.parametrize("size", range(1400, 2300, 7))
    def test_an_address_shows_no_secrets_wherever_the_text_is_cut(self, size: int) -> None:
        address = "https://user:ZQPASSWORD@models.example/m?X-Signature=ZQSIGNATURE"
        for text in (
            f"{'x ' * (size // 2)}{address} is bad",
            f"{'x ' * 900}{address}{'/y' * (size // 2)} z",
            address * 90,
        ):
            shown = str(failure(422, invalid(("spec.a", f"Invalid value: {{{text}}}: bad")), SUBJECT))
            assert "ZQ" not in shown

    def test_what_a_terminal_would_obey_is_escaped(self) -> None:
        text = str(failure(422, invalid(("spec.a", 'Invalid value: "\x1b[2J\u202eb\r\n"')), SUBJECT))
        assert text == f'{SUBJECT}: spec.a: Invalid value: "\\x1b[2J\\u202eb "'


HOSTILE = ["(e.g.", " ", "Invalid value: {", "Invalid value: [}]: ", "&{", "regex used for validation is )", "\x00"]
MEGABYTE = 1_000_000


@pytest.mark.parametrize("piece", [*HOSTILE, "failed to create typed patch object (", "ValidatingAdmissionPolicy '"])
@pytest.mark.parametrize("status", [409, 422, 500])
def test_a_megabyte_of_anything_is_a_short_message(status: int, piece: str) -> None:
    """Its patterns are held to linear time by `tests/unit/test_patterns.py`; the square of this would not end."""
    text = piece * (MEGABYTE // len(piece))
    for body in (said(TYPED + text), said(text, name="x"), invalid(("spec.a", text), (text, "bad")), text):
        error = failure(status, body, SUBJECT)
        assert len(str(error)) <= len(SUBJECT) + 2 + MAX_MESSAGE
        assert str(error).isprintable()


def test_very_many_causes_are_counted() -> None:
    text = str(failure(422, invalid(*((f"spec.f{n}", "bad") for n in range(20_000))), SUBJECT))
    assert text == f"{SUBJECT}: spec.f0: bad; spec.f1: bad; spec.f2: bad; spec.f3: bad (and 19996 more)"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(HOSTILE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "details", "causes", "field", "reason", "name", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
STATUS = st.fixed_dictionaries(
    {"message": ANYTHING, "details": st.fixed_dictionaries({"causes": st.lists(ANYTHING, max_size=4)}) | ANYTHING}
)


@settings(max_examples=100)
@given(status=st.integers(300, 599), body=ANYTHING | STATUS, header=st.none() | st.text(max_size=12))
def test_whatever_is_answered_is_one_of_the_errors_of_the_port(status: int, body: Any, header: str | None) -> None:
    error = failure(status, body, SUBJECT, retry_after=header)
    assert isinstance(error, ClusterError)
    assert str(error).startswith(SUBJECT)
    assert str(error).isprintable()


@pytest.mark.parametrize("header", ["²", "9" * 400, "", "-1", "NaN", "inf"])
def test_a_time_that_is_none_is_left_alone(header: str) -> None:
    error = failure(429, said("later"), SUBJECT, retry_after=header)
    assert isinstance(error, ClusterUnavailable)
    assert error.retry_after is None
