"""PostgreSQL has no NUL: a text with one is refused at once, not for ever asked to be sent again."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.collecting import START, Stand, batch, outcome, prediction, profile, profile_window, served

NUL = "a\0b"


async def test_in_an_outcome(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(3))))
    answer = await stand.server.outcomes(
        outcome(0, "leaves", label_definition=NUL), outcome(1, NUL), outcome(2, "leaves"), outcome(9, NUL)
    )
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (1, [0, 1, 3])
    assert "NUL" in answer["refused"][0]["problem"]


async def test_in_a_prediction(stand: Stand) -> None:
    rows = [
        prediction(0, variant=NUL),
        prediction(1, id=NUL),
        prediction(2, prediction=NUL),
        prediction(3, features={NUL: NUL}),
        prediction(4, subject=NUL),
    ]
    answer = await stand.server.predict(batch(rows))
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (2, [0, 1, 2])


@pytest.mark.parametrize("name", ["model", "version", "revision", "slot", "namespace", "deployment"])
async def test_in_what_a_server_says_about_itself(stand: Stand, name: str) -> None:
    content = msgspec.json.encode(batch([prediction(1)], served(**{name: NUL})))
    assert (await stand.server.send("POST", "/v1/predictions", content=content)).status_code == 400
    window = profile_window(0, profile((3, 1), (2, 2)), by=served(**{name: NUL}))
    assert (await stand.server.send("POST", "/v1/profiles", content=msgspec.json.encode(window))).status_code == 400


async def test_in_the_name_of_a_pod(stand: Stand) -> None:
    content = msgspec.json.encode(profile_window(0, profile((3, 1), (2, 2)), pod=NUL))
    assert (await stand.server.send("POST", "/v1/profiles", content=content)).status_code == 400


async def test_in_a_question(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    params = {"start": str(START), "end": str(START + 300), "seconds": "300", "revision": NUL}
    answer = await stand.admin.send("GET", "/v1/windows/ml/churn", params=params)
    assert (answer.status_code, answer.content) in ((200, b"[]"), (400, answer.content))
    assert (await stand.admin.send("DELETE", "/v1/subjects/a%00b?namespace=ml")).status_code == 200
    params = {"namespace": "ml", "deployment": NUL}
    assert (await stand.admin.send("GET", "/v1/reviews/next", params=params)).status_code == 400
