"""The webhook by which MLflow tells the operator that a version was tagged: `python hook.py`, once.

MLFLOW_TRACKING_URI    MLflow's server
EVENTS_ADDRESS         the operator's receiver, such as https://viridian-events.viridian-system:8095
EVENTS_KEY_FILE        the key that the receiver knows for this namespace; MLflow signs with it
"""

import os
from pathlib import Path

from mlflow import MlflowClient

made = MlflowClient().create_webhook(
    name="retrain-churn",
    url=f"{os.environ['EVENTS_ADDRESS']}/v1/events/ml/churn",
    events=["model_version_tag.set"],
    secret=Path(os.environ["EVENTS_KEY_FILE"]).read_text().strip(),
)
print(f"webhook {made.webhook_id} to {made.url}")
