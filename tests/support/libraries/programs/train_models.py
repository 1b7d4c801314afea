"""Small models of other libraries, each packed as `training.log` packs it, with the library's own answers beside it.

    python train_models.py FOLDER       writes FOLDER/<case>/… and FOLDER/report.json

It runs in an environment that has these libraries; what is in the folder needs none of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from viridian.training.boosting_libraries import as_estimator
from viridian.training.holdout import holdout_of
from viridian.training.log_call import names_in, together
from viridian.training.packing import pack
from viridian.training.scores import predict
from viridian.training.stage_exit import CandidateFailed

ROWS, LEARNT = 700, 500
CITIES = ["Bern", "Lima", "Osaka", "Oslo", "Sao Paulo"]
ABROAD = ["Köln", "Łódź", "São Paulo", "大阪", "Oslo"]
CASES: dict[str, Callable[[], Any]] = {}


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    """A model under test, by the name of the function that fits it."""
    CASES[function.__name__] = function
    return function


def table() -> pd.DataFrame:
    """Two measures with gaps, a whole number, a flag, and columns of categories: names and codes."""
    chance = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": chance.normal(45, 15, ROWS).round(1),
            "balance": chance.lognormal(7, 2, ROWS),
            "visits": chance.integers(0, 40, ROWS),
            "member": chance.random(ROWS) < 0.4,
            "city": pd.Categorical(chance.choice(CITIES, ROWS), categories=CITIES),
            "tariff": pd.Categorical(chance.choice([3, 7, 30, 64], ROWS), categories=[3, 7, 30, 64]),
        }
    )
    for name in ("age", "balance", "city"):
        frame.loc[chance.random(ROWS) < 0.1, name] = np.nan
    return frame


FRAME = table()
NUMBERS = FRAME[["age", "balance", "visits", "member"]]
PLAIN = FRAME.astype({"city": object, "tariff": "int64"}).fillna({"city": "Oslo"})
YES = np.asarray(
    (FRAME["age"].fillna(20) > 40) ^ FRAME["city"].isin(["Bern", "Osaka"]) ^ FRAME["tariff"].isin([7, 64]), dtype=int
)
GRADE = YES + np.asarray(FRAME["visits"] > 20, dtype=int)
WORD = np.array(["no", "maybe", "größer"])[GRADE]
AMOUNT = np.asarray(NUMBERS["visits"] + 30 * YES + NUMBERS["age"].fillna(0) / 7 + 1.0)
PROCESSOR = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "balance", "visits"]),
        ("names", OneHotEncoder(handle_unknown="ignore"), ["city", "tariff"]),
    ]
)


def matrix() -> np.ndarray:
    return NUMBERS.to_numpy(dtype=np.float64)


def fitted(model: Any, features: Any, target: Any, **options: Any) -> tuple[Any, Any, Any]:
    return model.fit(features[:LEARNT], target[:LEARNT], **options), features, target


# ---- XGBoost

FEW = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}


@case
def xgboost_categories_of_names_and_codes() -> Any:
    return fitted(xgboost.XGBClassifier(enable_categorical=True, max_cat_to_onehot=2, **FEW), FRAME, YES)


@case
def xgboost_three_classes_that_stopped_early() -> Any:
    model = xgboost.XGBClassifier(early_stopping_rounds=2, learning_rate=1.0, **{**FEW, "n_estimators": 60})
    found = fitted(model, NUMBERS, GRADE, eval_set=[(NUMBERS[LEARNT:], GRADE[LEARNT:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return found


@case
def xgboost_matrix_with_dropped_trees() -> Any:
    return fitted(xgboost.XGBRegressor(booster="dart", rate_drop=0.3, gamma=1.0, **FEW), matrix(), AMOUNT)


@case
def xgboost_counts_in_a_forest() -> Any:
    model = xgboost.XGBRFRegressor(objective="count:poisson", base_score=0.7, **FEW)
    return fitted(model, NUMBERS, NUMBERS["visits"].to_numpy())


@case
def xgboost_behind_a_column_transformer() -> Any:
    return fitted(make_pipeline(PROCESSOR, xgboost.XGBClassifier(**FEW)), PLAIN, YES)


@case
def xgboost_booster() -> Any:
    learnt = xgboost.DMatrix(FRAME[:LEARNT], YES[:LEARNT], enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, learnt, 8)
    asked = xgboost.DMatrix(FRAME[LEARNT:], enable_categorical=True)
    answered = as_estimator(booster)
    np.testing.assert_array_equal(answered.predict_proba(FRAME[LEARNT:])[:, 1], booster.predict(asked))
    return answered, FRAME, YES


@case
def xgboost_gaps_by_a_number() -> Any:
    return fitted(xgboost.XGBClassifier(missing=-999.0, **FEW), NUMBERS.fillna(-999.0), YES)


@case
def xgboost_names_beyond_ascii() -> Any:
    frame = FRAME.assign(city=FRAME["city"].cat.rename_categories(ABROAD))
    return fitted(xgboost.XGBClassifier(enable_categorical=True, **FEW), frame, YES)


@case
def xgboost_linear() -> Any:
    return fitted(xgboost.XGBRegressor(booster="gblinear", n_jobs=1), NUMBERS.fillna(0.0), AMOUNT)


@case
def xgboost_hinge() -> Any:
    return fitted(xgboost.XGBClassifier(objective="binary:hinge", **FEW), NUMBERS, YES)


# ---- LightGBM

SMALL = {"n_estimators": 12, "num_leaves": 12, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


@case
def lightgbm_categories_of_names_and_codes() -> Any:
    frame = FRAME.assign(city=FRAME["city"].cat.rename_categories(ABROAD))
    return fitted(
        lightgbm.LGBMClassifier(min_data_per_group=5, cat_smooth=1.0, max_cat_to_onehot=1, **SMALL), frame, YES
    )


@case
def lightgbm_three_classes_that_stopped_early() -> Any:
    model = lightgbm.LGBMClassifier(early_stopping_round=2, **{**SMALL, "n_estimators": 60, "learning_rate": 1.0})
    grade = GRADE.astype(np.float64)
    found = fitted(model, NUMBERS, grade, eval_X=(NUMBERS[LEARNT:],), eval_y=(grade[LEARNT:],))
    assert 0 < model.best_iteration_ < 60
    return found


@case
def lightgbm_codes_in_a_matrix() -> Any:
    codes = np.column_stack([FRAME["visits"], PLAIN["tariff"]])
    target = codes[:, 0] + 20 * np.isin(codes[:, 1], [7, 64])
    return fitted(
        lightgbm.LGBMRegressor(objective="poisson", min_data_per_group=5, **SMALL),
        codes,
        target,
        categorical_feature=[1],
    )


@case
def lightgbm_codes_among_fractions_and_flags_as_labels() -> Any:
    """Codes are whole numbers in a matrix of fractions: LightGBM cuts off what a request has behind the point."""
    signs = np.array(FRAME["visits"] % 3 - 1.0)
    target = YES.astype(bool) ^ (signs < 0)
    signs[LEARNT::3] = -np.float32(1e-35)  # which it takes for zero
    codes = np.column_stack([FRAME["age"], PLAIN["tariff"], FRAME["visits"] * 1000.0, signs])
    options = {"min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 1, **SMALL}
    return fitted(lightgbm.LGBMClassifier(**options), codes, target, categorical_feature=[1, 2])


@case
def lightgbm_forest() -> Any:
    model = lightgbm.LGBMRegressor(boosting_type="rf", subsample=0.7, subsample_freq=1, **SMALL)
    return fitted(model, matrix(), AMOUNT)


@case
def lightgbm_behind_a_column_transformer() -> Any:
    return fitted(make_pipeline(PROCESSOR, lightgbm.LGBMClassifier(**SMALL)), PLAIN, WORD)


@case
def lightgbm_calibrated() -> Any:
    return fitted(CalibratedClassifierCV(lightgbm.LGBMClassifier(**SMALL), cv=2), NUMBERS, YES)


@case
def lightgbm_zero_as_a_gap() -> Any:
    return fitted(lightgbm.LGBMClassifier(zero_as_missing=True, **SMALL), NUMBERS, YES)


@case
def lightgbm_linear_leaves() -> Any:
    return fitted(lightgbm.LGBMRegressor(linear_tree=True, **SMALL), NUMBERS, AMOUNT)


# ---- CatBoost

QUIET = {"iterations": 12, "depth": 4, "thread_count": 1, "verbose": False, "allow_writing_files": False}


@case
def catboost_two_classes_with_gaps() -> Any:
    return fitted(catboost.CatBoostClassifier(**QUIET), NUMBERS, YES)


@case
def catboost_gaps_above_all_numbers() -> Any:
    return fitted(catboost.CatBoostRegressor(nan_mode="Max", loss_function="Poisson", **QUIET), matrix(), AMOUNT)


@case
def catboost_words_in_trees_of_any_shape() -> Any:
    return fitted(catboost.CatBoostClassifier(grow_policy="Lossguide", **QUIET), NUMBERS, WORD)


@case
def catboost_behind_a_column_transformer() -> Any:
    return fitted(make_pipeline(PROCESSOR, catboost.CatBoostRegressor(**QUIET)), PLAIN, AMOUNT)


@case
def catboost_categories() -> Any:
    return fitted(catboost.CatBoostClassifier(cat_features=["city", "tariff"], **QUIET), PLAIN, YES)


def outcome(folder: Path, model: Any, features: Any, target: Any) -> dict[str, Any]:
    """The bundle and what the library answers to the rows that it has not seen, or why there is none."""
    learnt, rest = features[:LEARNT], features[LEARNT:]
    names = names_in(model)
    holdout, seen = together(holdout_of(rest, target[LEARNT:], names), (learnt, target[:LEARNT]), names)
    expected = predict(model, rest)
    try:
        packed = pack(folder, model, holdout, expected, lambda _: None, seen.rows)
    except CandidateFailed as error:
        return {"refused": error.reason}
    return {"directory": str(packed.directory), "payload": packed.payload, **answered(holdout, expected)}


def answered(holdout: Any, expected: Any) -> dict[str, Any]:
    """Rows as a request has them, and what the library answers to them."""
    frame = pd.DataFrame({name: holdout.rows.values[name] for name in holdout.rows.names}).astype(object)
    return {
        "rows": {"columns": list(frame.columns), "data": frame.where(frame.notna(), None).to_numpy().tolist()},
        "values": expected.values.tolist(),
        "probabilities": None if expected.probabilities is None else expected.probabilities.tolist(),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    chosen = sys.argv[2:] or list(CASES)
    report = {name: outcome(folder / name, *CASES[name]()) for name in chosen}
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
