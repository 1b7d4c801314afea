"""What is known of an experiment, in words."""

from __future__ import annotations

from viridian.judgement.experiment import EffectInterval
from viridian.rollout.analysis.experiment_rows import ExperimentFigures


def figures_sentence(measure: str, figures: ExperimentFigures | None) -> str:
    """The effect with its interval and rows, or why there is none."""
    if figures is None:
        return "nothing is known yet"
    if not isinstance(figures, EffectInterval):
        return figures.why
    rows = f"{figures.challenger_rows} rows of the challenger and {figures.champion_rows} of the champion"
    better = "better" if figures.effect >= 0 else "worse"
    interval = f"{figures.low:.3g} to {figures.high:.3g}"
    return f"{measure} is {better} by {abs(figures.effect):.3g} (interval of the effect: {interval}), over {rows}"
