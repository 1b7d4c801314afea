"""What a team asks of a candidate beyond its metrics. Training has left its answers in the volume."""

import csv
import os
from pathlib import Path

import pytest

ANSWERS = Path(os.environ["VIRIDIAN_IN_DIR"]) / "training" / "answers.csv"


@pytest.fixture(scope="module")
def answers():
    """Customer to the probability that they leave."""
    with ANSWERS.open() as rows:
        return {row["customer"]: float(row["leaves"]) for row in csv.DictReader(rows)}


def test_answers_are_probabilities(answers):
    assert all(0 <= leaves <= 1 for leaves in answers.values())


def test_more_complaints_do_not_make_a_customer_stay(answers):
    assert answers["no-complaint"] <= answers["one-complaint"] <= answers["five-complaints"]


@pytest.mark.parametrize("country", ["de", "fr"])
def test_the_country_alone_changes_little(answers, country):
    assert answers[f"usual-{country}"] == pytest.approx(answers["usual"], abs=0.1)
