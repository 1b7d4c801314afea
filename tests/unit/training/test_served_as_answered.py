"""Served means answered as the estimator answers: for what the signature lets in, not for the holdout alone.

Where the estimator raises, the server refuses in words. Every case asks through JSON, as users do.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from viridian.serving.errors import BadInput, Rejection
from viridian.serving.execution import model as serving
from viridian.training.holdout import holdout_of
from viridian.training.log_call import together
from viridian.training.packing import Packed, pack
from viridian.training.scores import predict

CHANCE = np.random.default_rng(5)
ROWS = 120
SHOPS = np.array([100_000_000, 100_000_100, 100_000_200])
FRAME = pd.DataFrame(
    {
        "x": CHANCE.normal(size=ROWS).round(2),
        "income": CHANCE.lognormal(10, 1, ROWS).round(2),
        "visits": CHANCE.integers(0, 9, ROWS),
        "shop": SHOPS[np.arange(ROWS) % 3],
        "k": np.array(["a", "b", "c"], dtype=object)[np.arange(ROWS) % 3],
    }
)
TARGET = ((FRAME["x"] + 0.3 * FRAME["visits"] + (FRAME["k"] == "b")) > 1.4).astype(int).to_numpy()
SPENT = (20 * FRAME["x"] + FRAME["visits"] + 10 * (FRAME["k"] == "b")).to_numpy()
GAPS = FRAME.assign(x=FRAME["x"].mask(CHANCE.random(ROWS) < 0.15))


def encoded(encoder: Any, *columns: str) -> ColumnTransformer:
    return ColumnTransformer([("w", encoder, list(columns))], remainder="passthrough")


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(8, random_state=1)


def packed(
    directory: Path,
    estimator: Any,
    learnt: tuple[Any, Any],
    held: tuple[Any, Any] | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Packed, serving.LoadedModel]:
    """The fitted estimator as the server has it; a third of the rows is held out where nothing else is."""
    features, target = learnt
    if held is None:
        held, learnt = (features[80:], target[80:]), (features[:80], target[:80])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(*learnt)
    holdout, known = together(holdout_of(*held, names=names), learnt, names)
    one = pack(directory / "bundle", estimator, holdout, predict(estimator, held[0]), lambda _: None, known.rows)
    return one, serving.load(one.directory, "m", "1", 1)


def asked(served: serving.LoadedModel, rows: pd.DataFrame) -> list[Any]:
    records = [
        {name: None if value is None or value != value else value for name, value in row.items()}
        for row in rows.astype(object).to_dict("records")
    ]
    told = json.loads(served.invoke(json.dumps({"dataframe_records": records}).encode(), ""))["predictions"]
    assert isinstance(told, list)
    return told


def answered(served: serving.LoadedModel, rows: pd.DataFrame) -> list[Any] | None:
    """None where the server says that a number is too large."""
    try:
        return asked(served, rows)
    except BadInput as refused:
        if refused.reason is Rejection.OUT_OF_RANGE:
            return None
        raise


def agrees(served: serving.LoadedModel, estimator: Any, rows: pd.DataFrame) -> None:
    """Row by row: the estimator's answer, or a refusal where it has none."""
    for place in range(len(rows)):
        row = rows.iloc[place : place + 1]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = estimator.predict(row)
        except Exception:
            with pytest.raises(BadInput):
                asked(served, row)
            continue
        found = answered(served, row)
        if found is None:
            # Far beyond everything known, a graph may refuse what nobody has shown it to answer rightly.
            assert row.select_dtypes("number").abs().to_numpy(float).max() > 1e6, row.to_dict()
            continue
        if expected.dtype.kind == "f":
            assert found == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-3 * np.ptp(SPENT)), row.to_dict()
        else:
            assert [str(value) for value in found] == [str(value) for value in expected.tolist()], row.to_dict()


def with_values(frame: pd.DataFrame, column: str, values: Sequence[Any]) -> pd.DataFrame:
    rows = frame.iloc[: len(values)].reset_index(drop=True).copy()
    rows[column] = pd.Series(list(values), dtype=object if isinstance(values[0], str) else None)
    return rows


class TestWhatRealUseFound:
    def test_a_gap_is_answered_as_in_training(self, tmp_path: Path) -> None:
        x = np.concatenate([np.linspace(0, 1, 40), np.full(10, np.nan)])
        frame, target = pd.DataFrame({"x": x}), np.where(np.isnan(x), 0, x > 0.5).astype(int)
        tree = DecisionTreeClassifier(max_depth=1)
        one, served = packed(tmp_path, tree, (frame, target), (frame[:40], target[:40]))
        assert asked(served, pd.DataFrame({"x": [np.nan, 0.9, 0.1]})) == [0, 1, 0]
        assert one.payload == "onnx", one.reason

    def test_a_tree_whose_thresholds_are_infinite(self, tmp_path: Path) -> None:
        gap = np.nan
        frame = pd.DataFrame({"a": [1, 2, 3, 4, gap, gap, 8, 9, 8, 9, 8, 9], "b": [5.0, 6] * 5 + [gap, gap]})
        target = np.array([1] * 6 + [0] * 4 + [1, 1])
        tree = DecisionTreeClassifier()
        one, served = packed(tmp_path, tree, (frame, target), (frame, target))
        assert asked(served, frame) == tree.predict(frame).tolist()
        assert one.payload == "onnx", one.reason

    @pytest.mark.parametrize(
        "encoder",
        [
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
            OrdinalEncoder(),
            OneHotEncoder(),
            OneHotEncoder(handle_unknown="ignore"),
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30),
            TargetEncoder(random_state=1),
        ],
        ids=["ordinal-nan", "ordinal-error", "one-hot-error", "one-hot-ignore", "infrequent", "target"],
    )
    def test_an_unknown_category(self, tmp_path: Path, encoder: Any) -> None:
        pipeline = make_pipeline(encoded(encoder, "k"), forest())
        _, served = packed(tmp_path, pipeline, (FRAME[["k"]], TARGET))
        agrees(
            served,
            pipeline,
            pd.DataFrame({"k": ["a", "c", "zz", "", " a", "a ", "á", "a\u0301", "ß", "İ", "🙂", "x" * 3000]}),
        )

    @pytest.mark.parametrize(
        "encoder",
        [
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            OneHotEncoder(handle_unknown="ignore"),
            OneHotEncoder(),
            TargetEncoder(random_state=1),
        ],
        ids=["ordinal", "one-hot", "one-hot-error", "target"],
    )
    def test_a_whole_number_that_32_bits_take_for_a_known_one(self, tmp_path: Path, encoder: Any) -> None:
        target = (FRAME["shop"] == SHOPS[0]).astype(int).to_numpy()
        pipeline = make_pipeline(encoded(encoder, "shop"), forest())
        _, served = packed(tmp_path, pipeline, (FRAME[["shop"]], target))
        agrees(served, pipeline, pd.DataFrame({"shop": [100000000, 100000003, 100000001, 99999999, 0, -1, 2**53 - 1]}))

    @pytest.mark.parametrize("vectorizer", [CountVectorizer(lowercase=False), TfidfVectorizer(lowercase=False)])
    def test_words_beyond_ascii(self, tmp_path: Path, vectorizer: Any) -> None:
        texts = pd.DataFrame({"t": ["größer gut", "mies gut"] * 20})
        held = pd.DataFrame({"t": ["gut", "mies gut"] * 4})
        target = np.array([1, 0] * 20)
        pipeline = make_pipeline(ColumnTransformer([("t", vectorizer, "t")]), LogisticRegression())
        _, served = packed(tmp_path, pipeline, (texts, target), (held, target[:8]))
        agrees(served, pipeline, pd.DataFrame({"t": ["größer gut", "mies", "groesser", "gut-mies", "gut\nmies", ""]}))

    def test_numbers_of_more_than_53_bits_are_refused_by_name(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"id": CHANCE.integers(2**60, 2**61, ROWS), "x": FRAME["x"]})
        with pytest.raises(TypeError, match="column 'id' holds whole numbers of more than 53 bits"):
            packed(tmp_path, LogisticRegression(), (frame, TARGET))


NUMBERS = [0.0, -0.0, -1.0, 0.30000000000000004, 1e-300, 2.0**24 + 1, 2.0**53, 1e10, -1e15, 1e30, 1e39, -1e300]
SIBLINGS: dict[str, tuple[Any, pd.DataFrame, Any]] = {
    "gaps, forest": (forest(), GAPS[["x", "income"]], TARGET),
    "gaps, indicator": (
        make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression(max_iter=2000)),
        GAPS[["x", "visits"]],
        TARGET,
    ),
    "zero is a gap": (
        make_pipeline(SimpleImputer(missing_values=0), LogisticRegression(max_iter=2000)),
        FRAME[["x", "visits"]],
        TARGET,
    ),
    "boosted categories": (
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[1]),
        FRAME[["x", "visits"]],
        TARGET,
    ),
    "scaled forest": (make_pipeline(StandardScaler(), forest()), FRAME[["x", "income"]], TARGET),
    "scaled large numbers": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        FRAME[["x"]].assign(when=1.7e9 + FRAME["visits"]),
        TARGET,
    ),
    "bins": (
        make_pipeline(KBinsDiscretizer(3, encode="ordinal", strategy="uniform"), LogisticRegression()),
        FRAME[["x", "income"]],
        TARGET,
    ),
    "neighbours": (make_pipeline(StandardScaler(), KNeighborsClassifier()), FRAME[["x", "income"]], TARGET),
    "many classes": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        FRAME[["x", "visits"]],
        np.array(["no", "some", "much"], dtype=object)[np.digitize(SPENT, [0, 10])],
    ),
    "a regressor of numbers": (Ridge(), FRAME[["x", "visits"]], SPENT),
    "a forest of numbers": (RandomForestRegressor(8, random_state=1), FRAME[["x", "visits"]], SPENT),
    "floats of 32 bits": (
        make_pipeline(encoded(OneHotEncoder(handle_unknown="ignore"), "x"), LogisticRegression()),
        FRAME[["x", "visits"]].assign(x=(FRAME["visits"] / 10).astype("float32")),
        TARGET,
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, in scikit-learn
@pytest.mark.parametrize("name", SIBLINGS)
def test_numbers_between_beside_and_far_from_the_known(tmp_path: Path, name: str) -> None:
    estimator, frame, target = SIBLINGS[name]
    _, served = packed(tmp_path, estimator, (frame, target))
    column = str(frame.columns[0])
    kind = frame[column].dtype
    between = np.sort(frame[column].dropna().unique())
    halves = (between[1:] + (between[:-1] - between[1:]) / 2)[:20].astype(float).tolist()
    gaps = [None] * 5 if frame[column].isna().any() else []
    values: list[Any] = [*NUMBERS, *halves, *frame[column].dropna()[:20].astype(float).tolist(), *gaps]
    rows = pd.concat([frame.iloc[:1]] * len(values), ignore_index=True)
    with np.errstate(all="ignore"):
        rows[column] = np.array([np.nan if value is None else value for value in values]).astype(kind)
    agrees(served, estimator, rows)


COMMON: dict[str, tuple[Any, list[str], Any]] = {
    "logistic regression": (LogisticRegression(max_iter=2000), ["x", "visits"], TARGET),
    "scaled logistic regression": (make_pipeline(StandardScaler(), LogisticRegression()), ["x", "income"], TARGET),
    "forest": (forest(), ["x", "income", "visits"], TARGET),
    "forest of numbers": (RandomForestRegressor(8, random_state=1), ["x", "income"], SPENT),
    "forest with gaps": (forest(), ["x with gaps", "income"], TARGET),
    "scaled forest of numbers": (
        make_pipeline(StandardScaler(), RandomForestRegressor(8, random_state=1)),
        ["x", "income"],
        SPENT,
    ),
    "boosted trees": (GradientBoostingClassifier(n_estimators=5), ["x", "income"], TARGET),
    "scaled forest": (make_pipeline(StandardScaler(), forest()), ["x", "income"], TARGET),
    "ridge": (make_pipeline(StandardScaler(), Ridge()), ["x", "income"], SPENT),
    "neighbours": (make_pipeline(StandardScaler(), KNeighborsClassifier()), ["x", "income"], TARGET),
    "support vectors": (make_pipeline(StandardScaler(), SVC(probability=False)), ["x"], TARGET),
    "categories, ignored where unknown": (
        make_pipeline(encoded(OneHotEncoder(handle_unknown="ignore"), "k"), LogisticRegression()),
        ["k", "x"],
        TARGET,
    ),
    "categories, an error where unknown": (
        make_pipeline(encoded(OneHotEncoder(), "k"), LogisticRegression()),
        ["k", "x"],
        TARGET,
    ),
    "categories by number": (
        make_pipeline(encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), "k"), forest()),
        ["k", "x"],
        TARGET,
    ),
}
NO_PROBABILITIES = {"support vectors"}


@pytest.mark.parametrize("name", COMMON)
def test_common_pipelines_stay_onnx(tmp_path: Path, name: str) -> None:
    estimator, columns, target = COMMON[name]
    one, _ = packed(tmp_path, estimator, (FRAME.assign(**{"x with gaps": GAPS["x"]})[columns], target))
    assert one.payload == ("skops" if name in NO_PROBABILITIES else "onnx"), one.reason


class Homemade(LogisticRegression):  # type: ignore[misc]
    """No list of trusted types has it; the script has registered a converter."""


def test_a_converter_that_the_script_has_registered_is_used(tmp_path: Path) -> None:
    known = get_converter("SklearnLinearClassifier")
    shapes = get_shape_calculator("SklearnLinearClassifier")

    def convert(scope: Any, operator: Any, container: Any) -> None:
        known(scope, operator, container)

    options = {"zipmap": [True, False], "nocl": [True, False], "raw_scores": [True, False]}
    update_registered_converter(Homemade, "Homemade", shapes, convert, options=options)
    one, _ = packed(tmp_path, Homemade(), (FRAME[["x", "visits"]], TARGET))
    assert one.payload == "onnx"


class TestWhatIsKnownOfTheRefused:
    def test_a_category_is_refused_by_column_and_never_quoted(self, tmp_path: Path) -> None:
        pipeline = make_pipeline(encoded(OneHotEncoder(), "k"), LogisticRegression())
        one, served = packed(tmp_path, pipeline, (FRAME[["k", "x"]], TARGET))
        with pytest.raises(BadInput) as refused:
            asked(served, pd.DataFrame({"k": ["a", "secret"], "x": [1.0, 1.0]}))
        assert (refused.value.reason, refused.value.field) == (Rejection.UNKNOWN_VALUE, "k")
        assert "row 1" in refused.value.message
        assert "secret" not in refused.value.message
        assert one.payload == "onnx"

    def test_categories_that_the_encoder_lists_are_known_though_no_row_has_them(self, tmp_path: Path) -> None:
        pipeline = make_pipeline(
            encoded(OneHotEncoder(categories=[["a", "b", "c", "rare"]]), "k"), LogisticRegression()
        )
        _, served = packed(tmp_path, pipeline, (FRAME[["k", "x"]], TARGET))
        agrees(served, pipeline, pd.DataFrame({"k": ["rare", "a", "other"], "x": [1.0, 1.0, 1.0]}))

    def test_too_many_categories_to_list_are_refused_by_the_estimator(self, tmp_path: Path) -> None:
        names = [f"name {number}" for number in range(1100)]
        frame = pd.DataFrame({"k": names + names})
        target = np.tile([0, 1], 1100)
        pipeline = make_pipeline(encoded(OneHotEncoder(), "k"), LogisticRegression())
        one, served = packed(tmp_path, pipeline, (frame, target), (frame[:80], target[:80]))
        with pytest.raises(BadInput, match="a category that the model does not know") as refused:
            asked(served, pd.DataFrame({"k": ["secret"]}))
        assert refused.value.reason is Rejection.UNKNOWN_VALUE
        assert one.payload == "skops"

    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_a_number_too_large_for_the_estimator(self, tmp_path: Path) -> None:
        boosted = make_pipeline(SimpleImputer(missing_values=0), forest())
        one, served = packed(tmp_path, boosted, (FRAME[["x", "visits"]], TARGET))
        with pytest.raises(BadInput, match="too large") as refused:
            asked(served, pd.DataFrame({"x": [1e39], "visits": [1]}))
        assert (one.payload, refused.value.reason) == ("skops", Rejection.OUT_OF_RANGE)

    def test_the_reason_names_column_and_kind_and_no_value(self, tmp_path: Path) -> None:
        target = (FRAME["shop"] == SHOPS[0]).astype(int).to_numpy()
        pipeline = make_pipeline(encoded(TargetEncoder(random_state=1), "shop"), forest())
        one, _ = packed(tmp_path, pipeline, (FRAME[["shop"]], target))
        assert re.fullmatch(
            r"not as ONNX: a (whole )?number [a-z ]+ in 'shop': a probability differs by [\d.]+", one.reason
        )
        described = yaml.safe_load((one.directory / "MLmodel").read_text())
        assert described["metadata"]["viridian"]["reason"] == one.reason

    def test_what_a_converter_says_is_cut_where_it_quotes(self, tmp_path: Path) -> None:
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30)
        pipeline = make_pipeline(encoded(encoder, "k"), LogisticRegression())
        one, _ = packed(tmp_path, pipeline, (FRAME[["k", "x"]], TARGET))
        assert one.reason == "not as ONNX: NotImplementedError: Infrequent categories are not implemented"
