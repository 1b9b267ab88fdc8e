"""Draws results.json as one picture: `python plot.py build/bench/results.json build/bench/results.svg`."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

results = json.loads(Path(sys.argv[1]).read_text())
groups = [group for group in results["groups"] if group["contenders"]]
figure, rows = plt.subplots(len(groups), 1, figsize=(9, 1.2 + 1.1 * sum(len(g["contenders"]) for g in groups) / 2))
for axis, group in zip([rows] if len(groups) == 1 else rows, groups, strict=True):
    names = [contender["name"] for contender in group["contenders"]][::-1]
    rates = [contender["median"] for contender in group["contenders"]][::-1]
    colours = ["#0b6e4f" if name.startswith("Quoteway") else "#9aa5b1" for name in names]
    axis.barh(names, rates, color=colours)
    axis.set_title(group["title"], loc="left", fontsize=10)
    axis.bar_label(axis.containers[0], fmt="{:,.0f} req/s", fontsize=8, padding=3)
    axis.margins(x=0.18)
    axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(sys.argv[2])
