"""Configuration: every flag, its variable, and a sentence for what is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from viridian.api.resources import ApiResource
from viridian.controller import own_names, service_flags
from viridian.controller.config import OperatorConfig, argument_parser, parse
from viridian.core import selectors
from viridian.core.model_owners import OwnerRule
from viridian.core.templates import TemplateRules, Templates

FLAGS = [
    option
    for action in argument_parser({})._actions
    for option in action.option_strings
    if option.startswith("--") and option not in ("--help", "--version")
]

MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def test_without_anything_it_serves_all_namespaces() -> None:
    config = parse([], {})
    assert config.namespaces == ()
    assert config.mlflow_uri is None
    assert config == OperatorConfig(
        server_image=config.server_image, trainer_image=config.trainer_image, metrics_from=(MONITORING,)
    )
    assert config.network_policies


def test_every_flag() -> None:
    arguments = (
        "--namespace ml --namespace ads --server-image a/server:1 --trainer-image a/trainer:1 "
        "--spot-nodes example.com/spot=yes --stage-resource ray.io/v1/rayjobs=RayJob --image-pull-secret login "
        "--mlflow-uri https://mlflow:5000 --registry-models ml=churn-* --registry-models =* "
        "--mlflow-credentials ml=/c/ml --signature-keys *=/k/p.pem --kubeconfig /k "
        "--collector-url https://collector:8090 --collector-token-file /t "
        "--prometheus-url https://prometheus/{namespace} --prometheus-token-file /p "
        "--event-sink-url https://sink/ --event-sink-token-file /s "
        "--selector team=ads --lease ads --lease-duration 15s --identity pod-1 "
        "--gateway-api on --pod-user 1000 --ca-bundle corporate/ca.crt "
        '--network-policies off --require-tls on --own-namespace vs --metrics-from [{"podSelector":{}}] '
        "--orders-secret viridian-system/orders --templates resources-only --stage-image a/* --stage-image b:1 "
        "--workers 8 --resync 5m --health-port 1 --metrics-port 2 --log-level DEBUG --log-format text "
        "--events-port 3 --events-keys ml=/e/ml --events-tokens off --events-rate 7 --events-tls /e/tls"
    )
    assert parse(arguments.split(), {}) == OperatorConfig(
        namespaces=("ml", "ads"),
        server_image="a/server:1",
        trainer_image="a/trainer:1",
        spot_nodes=("example.com/spot=yes",),
        stage_resources=(ApiResource("ray.io/v1", "RayJob", "rayjobs"),),
        image_pull_secrets=("login",),
        mlflow_uri="https://mlflow:5000",
        mlflow_credentials=(("ml", "/c/ml"),),
        signature_keys=(("*", "/k/p.pem"),),
        registry_models=(OwnerRule("ml", "churn-*"), OwnerRule("", "*")),
        collector_url="https://collector:8090",
        collector_token_file="/t",
        prometheus_url="https://prometheus/{namespace}",
        prometheus_token_file="/p",
        event_sink_url="https://sink/",
        event_sink_token_file="/s",
        gateway_api=True,
        pod_user=1000,
        ca_bundle=("corporate", "ca.crt"),
        network_policies=False,
        require_tls=True,
        own_namespace="vs",
        selector=selectors.parse("team=ads"),
        lease="ads",
        lease_seconds=15,
        identity="pod-1",
        metrics_from=({"podSelector": {}},),
        orders_secret="viridian-system/orders",
        templates=TemplateRules(Templates.RESOURCES_ONLY, ("a/*", "b:1")),
        kubeconfig="/k",
        workers=8,
        resync=timedelta(minutes=5),
        health_port=1,
        metrics_port=2,
        log_level="debug",
        log_format="text",
        events_port=3,
        events_keys=(("ml", "/e/ml"),),
        events_tokens=False,
        events_rate=7,
        events_tls=Path("/e/tls"),
    )


def test_every_variable() -> None:
    environment = {
        "VIRIDIAN_NAMESPACE": "ml, ads,ml",
        "VIRIDIAN_SERVER_IMAGE": "a/server:1",
        "VIRIDIAN_TRAINER_IMAGE": "a/trainer:1",
        "VIRIDIAN_SPOT_NODES": "example.com/spot=yes",
        "VIRIDIAN_STAGE_RESOURCE": "ray.io/v1/rayjobs=RayJob",
        "VIRIDIAN_IMAGE_PULL_SECRET": "login,",
        "VIRIDIAN_MLFLOW_URI": "https://mlflow:5000",
        "VIRIDIAN_MLFLOW_CREDENTIALS": "ml=/c/ml",
        "VIRIDIAN_SIGNATURE_KEYS": "*=/k/p.pem",
        "VIRIDIAN_REGISTRY_MODELS": "ml=churn-*, =*",
        "VIRIDIAN_COLLECTOR_URL": "https://collector:8090",
        "VIRIDIAN_COLLECTOR_TOKEN_FILE": "/t",
        "VIRIDIAN_PROMETHEUS_URL": "https://prometheus/{namespace}",
        "VIRIDIAN_PROMETHEUS_TOKEN_FILE": "/p",
        "VIRIDIAN_EVENT_SINK_URL": "https://sink/",
        "VIRIDIAN_EVENT_SINK_TOKEN_FILE": "/s",
        "VIRIDIAN_GATEWAY_API": "on",
        "VIRIDIAN_POD_USER": "1000",
        "VIRIDIAN_CA_BUNDLE": "corporate/ca.crt",
        "VIRIDIAN_NETWORK_POLICIES": "off",
        "VIRIDIAN_REQUIRE_TLS": "on",
        "VIRIDIAN_OWN_NAMESPACE": "vs",
        "VIRIDIAN_SELECTOR": "team=ads",
        "VIRIDIAN_LEASE": "ads",
        "VIRIDIAN_LEASE_DURATION": "15s",
        "VIRIDIAN_IDENTITY": "pod-1",
        "VIRIDIAN_METRICS_FROM": '[{"podSelector":{}}]',
        "VIRIDIAN_ORDERS_SECRET": "viridian-system/orders",
        "VIRIDIAN_TEMPLATES": "resources-only",
        "VIRIDIAN_STAGE_IMAGE": "a/*,b:1",
        "VIRIDIAN_KUBECONFIG": "/k",
        "VIRIDIAN_WORKERS": "8",
        "VIRIDIAN_RESYNC": "5m",
        "VIRIDIAN_HEALTH_PORT": "1",
        "VIRIDIAN_METRICS_PORT": "2",
        "VIRIDIAN_LOG_LEVEL": "debug",
        "VIRIDIAN_LOG_FORMAT": "text",
        "VIRIDIAN_EVENTS_PORT": "3",
        "VIRIDIAN_EVENTS_KEYS": "ml=/e/ml",
        "VIRIDIAN_EVENTS_TOKENS": "off",
        "VIRIDIAN_EVENTS_RATE": "7",
        "VIRIDIAN_EVENTS_TLS": "/e/tls",
    }
    assert {f"VIRIDIAN_{flag[2:].replace('-', '_').upper()}" for flag in FLAGS} == set(environment)
    assert parse([], environment) == OperatorConfig(
        namespaces=("ml", "ads"),
        server_image="a/server:1",
        trainer_image="a/trainer:1",
        spot_nodes=("example.com/spot=yes",),
        stage_resources=(ApiResource("ray.io/v1", "RayJob", "rayjobs"),),
        image_pull_secrets=("login",),
        mlflow_uri="https://mlflow:5000",
        mlflow_credentials=(("ml", "/c/ml"),),
        signature_keys=(("*", "/k/p.pem"),),
        registry_models=(OwnerRule("ml", "churn-*"), OwnerRule("", "*")),
        collector_url="https://collector:8090",
        collector_token_file="/t",
        prometheus_url="https://prometheus/{namespace}",
        prometheus_token_file="/p",
        event_sink_url="https://sink/",
        event_sink_token_file="/s",
        gateway_api=True,
        pod_user=1000,
        ca_bundle=("corporate", "ca.crt"),
        network_policies=False,
        require_tls=True,
        own_namespace="vs",
        selector=selectors.parse("team=ads"),
        lease="ads",
        lease_seconds=15,
        identity="pod-1",
        metrics_from=({"podSelector": {}},),
        orders_secret="viridian-system/orders",
        templates=TemplateRules(Templates.RESOURCES_ONLY, ("a/*", "b:1")),
        kubeconfig="/k",
        workers=8,
        resync=timedelta(minutes=5),
        health_port=1,
        metrics_port=2,
        log_level="debug",
        log_format="text",
        events_port=3,
        events_keys=(("ml", "/e/ml"),),
        events_tokens=False,
        events_rate=7,
        events_tls=Path("/e/tls"),
    )


def test_a_flag_wins_over_its_variable_and_an_empty_variable_says_nothing() -> None:
    environment = {"VIRIDIAN_WORKERS": "8", "VIRIDIAN_NAMESPACE": "ml", "MLFLOW_TRACKING_URI": ""}
    config = parse(["--workers", "2", "--namespace", "ads"], environment)
    assert (config.workers, config.namespaces, config.mlflow_uri) == (2, ("ads",), None)


def test_the_secret_of_orders_is_the_operators_own_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse([], {}).orders_secret is None, "outside of a cluster there is none"
    monkeypatch.setattr(service_flags, "own_orders_secret", lambda: "viridian-system/viridian-orders")
    assert parse([], {}).orders_secret == "viridian-system/viridian-orders"
    assert parse(["--orders-secret", "none"], {}).orders_secret is None
    for wrong in ("orders", "a/b/c", "/b", "A/b", "a/"):
        with pytest.raises(SystemExit):
            parse(["--orders-secret", wrong], {})


def test_that_there_is_no_collector_is_said_by_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_flags, "own_collector", lambda: "http://viridian-collector.viridian-system.svc:8090")
    assert parse([], {}).collector_url == "http://viridian-collector.viridian-system.svc:8090"
    assert parse([], {"VIRIDIAN_COLLECTOR_URL": ""}).collector_url == parse([], {}).collector_url
    assert parse([], {"VIRIDIAN_COLLECTOR_URL": "none"}).collector_url is None
    assert parse(["--collector-url", "none"], {}).collector_url is None
    assert parse(["--collector-url", "http://a:1"], {"VIRIDIAN_COLLECTOR_URL": "none"}).collector_url == "http://a:1"


def test_the_collector_beside_the_operator(tmp_path: Path) -> None:
    namespace = tmp_path / "namespace"
    assert own_names.own_collector(namespace) is None, "outside of a cluster"
    namespace.write_text("ml\n")
    assert own_names.own_collector(namespace) == "http://viridian-collector.ml.svc:8090"


def test_the_registry_may_be_named_as_people_name_it_for_mlflow() -> None:
    assert parse([], {"MLFLOW_TRACKING_URI": "https://mlflow"}).mlflow_uri == "https://mlflow"
    both = {"MLFLOW_TRACKING_URI": "https://other", "VIRIDIAN_MLFLOW_URI": "https://mlflow"}
    assert parse([], both).mlflow_uri == "https://mlflow"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--workers", "0"], {}, "--workers: '0' must be a whole number from 1 to 64"),
        ([], {"VIRIDIAN_WORKERS": "many"}, "--workers: 'many' must be a whole number"),
        ([], {"VIRIDIAN_METRICS_PORT": "tcp://10.96.0.7:9090"}, "--metrics-port"),
        (["--resync", "soon"], {}, "write for example 90s"),
        (["--resync", "1s"], {}, "write 10s or more"),
        (["--log-level", "loud"], {}, "'loud' must be one of debug, info, warning, error"),
        ([], {"VIRIDIAN_LOG_FORMAT": "xml"}, "'xml' must be one of json, text"),
        (["--mlflow-uri", "mlflow:5000"], {}, "must begin with http:// or https://"),
        (["--mlflow-credentials", "ml"], {}, "'ml' must be a namespace and a path, such as sec-b=/credentials/sec-b"),
        ([], {"VIRIDIAN_MLFLOW_CREDENTIALS": "ml=/a,ml=/b"}, "one namespace has two folders"),
        (["--registry-models", "churn"], {}, "--registry-models: 'churn' must be a namespace and a pattern of names"),
        (["--registry-models", "ml="], {}, "such as sec-b=sec-*"),
        ([], {"VIRIDIAN_REGISTRY_MODELS": "ml=a,b"}, "VIRIDIAN_REGISTRY_MODELS: 'b' must be a namespace and a pattern"),
        (["--collector-url", "off"], {}, "'off' must begin with http:// or https://, or be the word none"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str], environment: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, environment)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_password_in_an_address_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--mlflow-uri", "user:secret@mlflow:5000"], {})
    assert "secret" not in capsys.readouterr().err


@pytest.mark.parametrize("user", ["ml:secret@", "ml:sec@secret@", "secret@"])
@pytest.mark.parametrize("variable", ["", "MLFLOW_TRACKING_URI", "VIRIDIAN_MLFLOW_URI"])
def test_a_password_in_the_address_of_mlflow_would_show_in_every_pod(
    user: str, variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"https://{user}mlflow.ml.svc:5000/path"
    with pytest.raises(SystemExit):
        parse([] if variable else ["--mlflow-uri", address], {variable: address} if variable else {})
    said = capsys.readouterr().err
    assert "secret" not in said
    assert "MLflow at mlflow.ml.svc:5000 must hold no user and password" in said
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD from a Secret" in said


def test_help_names_each_flag_with_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for flag in FLAGS:
        assert flag in text
        assert f"VIRIDIAN_{flag[2:].replace('-', '_').upper()}" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mlflow-uri", "http://mlflow:5000", "--collector-url", "https://collector"],
        ["--mlflow-uri", "https://mlflow", "--collector-url", "http://collector:8090"],
    ],
)
def test_where_tls_is_required_an_address_without_it_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse(arguments, {"VIRIDIAN_REQUIRE_TLS": "off"}).require_tls is False
    with pytest.raises(SystemExit) as ended:
        parse([*arguments, "--require-tls", "on"], {})
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--require-tls is on" in said
    assert "name an address that begins with https://" in said


def test_where_tls_is_required_there_may_be_no_collector_and_no_registry() -> None:
    assert parse(["--require-tls", "on", "--collector-url", "none"], {}).collector_url is None


def test_operators_agree_by_a_lease_where_their_namespace_is_known() -> None:
    assert parse([], {}).lease is None
    there = parse(["--own-namespace=ml"], {})
    assert (there.lease, there.lease_seconds, there.identity) == ("viridian-operator", 4, "")
    assert parse(["--own-namespace=ml", "--lease=none"], {}).lease is None
    told = parse(["--own-namespace=ml", "--lease=ads", "--lease-duration=15s"], {"VIRIDIAN_IDENTITY": "pod-1"})
    assert (told.lease, told.lease_seconds, told.identity) == ("ads", 15, "pod-1")


@pytest.mark.parametrize("flag", ["--lease-duration=1s", "--lease-duration=2500ms", "--lease=A_b", "--selector=a in b"])
def test_what_no_lease_and_no_selector_can_be_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([flag], {})
    assert flag.partition("=")[0] in capsys.readouterr().err


def test_a_selector_chooses_what_is_served() -> None:
    assert parse([], {}).selector.matches({})
    assert not parse([], {"VIRIDIAN_SELECTOR": "team=ads"}).selector.matches({})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--events-port 70000", "must be a port from 0 to 65535, or the word none"),
        ("--events-port on", "must be a port from 0 to 65535, or the word none"),
        ("--events-keys /keys", "must be a namespace and a path"),
        ("--events-keys ml=/a --events-keys ml=/b", "--events-keys: one namespace has two folders"),
        ("--events-rate 0", "must be a whole number from 1 to 10000"),
    ],
)
def test_a_receiver_that_cannot_be(arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments.split(), {})
    assert sentence in capsys.readouterr().err


def test_ids_that_the_platform_assigns() -> None:
    assert parse(["--pod-user", "assigned"], {}).pod_user is None
    assert parse([], {}).pod_user == 65532


@pytest.mark.parametrize("user", ["0", "-1", "root", "2147483648", "", "٥"])
def test_no_pod_runs_as_root(user: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([f"--pod-user={user}"], {})
    assert "or the word assigned" in capsys.readouterr().err


def test_proxies_are_those_of_the_process() -> None:
    given = {"https_proxy": "http://p:3128", "NO_PROXY": ".svc", "HTTP_PROXY": ""}
    assert parse([], given).proxies == (("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", ".svc"))


def test_a_proxy_with_a_password_is_refused_without_showing_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([], {"HTTPS_PROXY": "http://ann:sesame@p:3128"})
    shown = capsys.readouterr().err
    assert "HTTPS_PROXY holds a user and a password" in shown
    assert "sesame" not in shown
