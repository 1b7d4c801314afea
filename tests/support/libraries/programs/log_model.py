"""One of the small models, logged as a team's own training does it.

MLFLOW_TRACKING_URI=… python log_model.py CASE FILE     writes where it is, and the library's answers
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from train_models import CASES, LEARNT, answered

from viridian import training
from viridian.training.holdout import holdout_of
from viridian.training.log_call import names_in
from viridian.training.scores import predict


def main() -> None:
    case, file = sys.argv[1:]
    model, features, target = CASES[case]()
    unseen = features[LEARNT:], target[LEARNT:]
    logged = training.log(model, unseen, training=(features[:LEARNT], target[:LEARNT]))
    found = {"uri": logged.model_uri, "run": logged.run_id, "digest": logged.digest, "payload": logged.payload}
    answers = answered(holdout_of(*unseen, names_in(model)), predict(model, unseen[0]))
    Path(file).write_text(json.dumps({**found, **answers}))


if __name__ == "__main__":
    main()
