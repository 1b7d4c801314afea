"""Training on rows of a Git repository. The commit and the hash of the rows stand on the model version afterwards."""

import tempfile
from pathlib import Path

import pandas as pd
from git_rows import rows_of_the_run
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from viridian import training

with tempfile.TemporaryDirectory() as folder:
    rows = pd.read_csv(rows_of_the_run(Path(folder)))
X, y = rows.drop(columns="leaves"), rows["leaves"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=7)
model = LogisticRegression().fit(X_train, y_train)
training.log(model, holdout=(X_test, y_test), training=(X_train, y_train), params={"rows": len(rows)})
