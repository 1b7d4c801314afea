"""Asks a model for one row after the other, and prints once a second how many answers were good.

python users.py http://churn:8080/invocations
"""

import http.client
import itertools
import json
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

from sklearn.datasets import load_breast_cancer

RATE = 20
"""Requests a second."""


def status_of(url: str, body: bytes) -> int:
    """The status of the answer; 0 where there is none."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)
    try:
        connection.request("POST", place.path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def main() -> None:
    data, statuses = load_breast_cancer(), Counter[int]()
    columns = [str(name) for name in data.feature_names]
    for number in itertools.count(1):
        row = data.data[number % len(data.data)].tolist()
        statuses[
            status_of(sys.argv[1], json.dumps({"dataframe_split": {"columns": columns, "data": [row]}}).encode())
        ] += 1
        if number % RATE == 0:
            print(dict(statuses), flush=True)
            statuses.clear()
        time.sleep(1 / RATE)


if __name__ == "__main__":
    main()
