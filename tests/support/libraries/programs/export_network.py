"""A small network that PyTorch trains and exports to ONNX, with PyTorch's own answers beside it.

    python3 export_network.py FOLDER       writes FOLDER/network.onnx and FOLDER/report.json

It runs in Debian's Python, which has PyTorch; what is in the folder needs none of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

ROWS, LEARNT, WIDTH = 700, 500, 3
SHIFT, SPREAD = torch.tensor([45.0, 50.0, 12.0]), torch.tensor([15.0, 20.0, 6.0])


class Served(torch.nn.Module):  # type: ignore[misc]
    """What docs/model-kinds.md puts around a network: scaling before it, the label and its odds behind it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        odds = torch.softmax(self.network((rows - SHIFT) / SPREAD), dim=1)
        return odds.argmax(dim=1), odds


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(7)
    scaled = torch.randn(ROWS, WIDTH)
    rows = (scaled * SPREAD + SHIFT).round(decimals=2)
    classes = ((scaled[:, 0] * scaled[:, 1] > 0) ^ (scaled[:, 2] > 1)).long()
    network = torch.nn.Sequential(torch.nn.Linear(WIDTH, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    served = Served(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        learnt = network((rows[:LEARNT] - SHIFT) / SPREAD)
        torch.nn.functional.cross_entropy(learnt, classes[:LEARNT]).backward()
        optimizer.step()
    names = {"input_names": ["rows"], "output_names": ["label", "odds"], "dynamic_axes": {"rows": {0: "n"}}}
    torch.onnx.export(served.eval(), (rows[:2],), str(folder / "network.onnx"), opset_version=17, **names)
    report = {
        "torch": torch.__version__,
        "rows": rows.tolist(),
        "classes": classes.tolist(),
        "answers": served(rows)[0].tolist(),
    }
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
