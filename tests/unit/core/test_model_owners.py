"""To which namespaces a registered model belongs: configuration first, then the administrator's tag, then the claim."""

from __future__ import annotations

import pytest

from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_NAMESPACES, RegisteredModel
from viridian.core.model_owners import MISSING, OwnerRule, Owners, Standing, former_claim_on, judge, owners_of

B_RULES = (OwnerRule("sec-b", "sec-*"), OwnerRule("sec-c", "sec-bank"))
NOBODY = Owners()

Rules = tuple[OwnerRule, ...]


@pytest.mark.parametrize(
    ("model", "owners", "rules", "namespace", "standing"),
    [
        # configuration
        ("sec-bank", NOBODY, B_RULES, "sec-b", Standing.OWN),
        ("sec-bank", NOBODY, B_RULES, "sec-c", Standing.OWN),
        ("sec-bank", NOBODY, B_RULES, "sec-a", Standing.FOREIGN),
        ("sec-other", NOBODY, B_RULES, "sec-c", Standing.FOREIGN),
        ("sec-bank", Owners(namespaces="sec-a", claim="sec-a/thief"), B_RULES, "sec-a", Standing.FOREIGN),
        ("sec-bank", Owners(namespaces="sec-a", claim="sec-a/thief"), B_RULES, "sec-b", Standing.OWN),
        ("sec-bank", MISSING, B_RULES, "sec-a", Standing.FOREIGN),
        # configuration that closes the rest
        ("free", NOBODY, (*B_RULES, OwnerRule("", "*")), "sec-a", Standing.FOREIGN),
        ("free", NOBODY, (*B_RULES, OwnerRule("", "*")), "", Standing.FOREIGN),
        ("sec-bank", NOBODY, (*B_RULES, OwnerRule("", "*")), "sec-b", Standing.OWN),
        ("team-x", NOBODY, (OwnerRule("team-*", "team-*"),), "team-7", Standing.OWN),
        # what no rule matches goes on to the tag
        ("free", Owners(namespaces="sec-b,sec-c"), B_RULES, "sec-c", Standing.OWN),
        ("free", Owners(namespaces=" sec-b , sec-c "), (), "sec-b", Standing.OWN),
        ("free", Owners(namespaces="sec-b,sec-c"), (), "sec-a", Standing.FOREIGN),
        ("free", Owners(namespaces="sec-b", claim="sec-a/thief"), (), "sec-a", Standing.FOREIGN),
        ("free", Owners(namespaces=""), (), "sec-a", Standing.FOREIGN),
        ("free", Owners(namespaces="*"), (), "sec-a", Standing.OWN),
        # the claim
        ("free", Owners(claim="sec-b/bank"), (), "sec-b", Standing.OWN),
        ("free", Owners(claim="sec-b/bank"), (), "sec-a", Standing.FOREIGN),
        ("free", Owners(claim="sec-b/bank"), (), "sec", Standing.FOREIGN),
        ("free", Owners(claim="nonsense"), (), "sec-a", Standing.FOREIGN),
        ("free", NOBODY, (), "sec-a", Standing.UNCLAIMED),
        ("free", MISSING, (), "sec-a", Standing.OWN),
        # what an earlier release noted on the version that serves
        ("free", Owners(former="sec-b/bank"), (), "sec-a", Standing.FOREIGN),
        ("free", Owners(former="sec-b/bank"), (), "sec-b", Standing.UNCLAIMED),
        ("free", Owners(claim="sec-a/new", former="sec-b/bank"), (), "sec-a", Standing.OWN),
    ],
)
def test_who_may_write(model: str, owners: Owners, rules: Rules, namespace: str, standing: Standing) -> None:
    assert judge(model, owners, namespace, rules).standing is standing


@pytest.mark.parametrize(
    ("owners", "rules", "says"),
    [
        (NOBODY, B_RULES, ("belongs to sec-b, sec-c, not to the namespace sec-a", "--registry-models sec-a=sec-bank")),
        (NOBODY, (OwnerRule("", "*"),), ("belongs to nobody", "--registry-models =*")),
        (Owners(namespaces="sec-b"), (), ("belongs to sec-b", "its tag viridian.namespaces in MLflow")),
        (Owners(claim="sec-b/bank"), (), ("ModelDeployment sec-b/bank", "viridian.namespaces to sec-b,sec-a")),
    ],
)
def test_the_message_names_the_owner_and_what_to_do(owners: Owners, rules: Rules, says: tuple[str, ...]) -> None:
    message = judge("sec-bank", owners, "sec-a", rules).message
    assert message.startswith("the registered model sec-bank belongs to ")
    assert [part for part in says if part not in message] == []


def test_the_champion_is_only_asked_where_the_model_says_nothing() -> None:
    def asked(**tags: str) -> str | None:
        named = {key.replace("_", "."): value for key, value in tags.items()}
        return former_claim_on(RegisteredModel(name="m", aliases={"champion": "3"}, tags=named))

    assert asked() == "3"
    assert asked(team="growth") == "3"
    assert asked(viridian_namespaces="") is None
    assert asked(viridian_modeldeployment="ml/churn") is None
    assert former_claim_on(RegisteredModel(name="m")) is None


def test_owners_from_what_was_read() -> None:
    tags = {TAG_NAMESPACES: "a", TAG_MODEL_DEPLOYMENT: "a/b"}
    assert owners_of(None) == MISSING
    assert owners_of(RegisteredModel(name="m", tags=tags)) == Owners(namespaces="a", claim="a/b")
    assert owners_of(RegisteredModel(name="m"), {TAG_MODEL_DEPLOYMENT: "c/d"}) == Owners(former="c/d")
