"""Figure 10: adversarial images, judged by the base network and by one trained on its maps."""

from imprint.report import Chart, Look, seed_bars
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.mapped import EPSILONS, maps_cell
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import Claim, judge_gain, spread

__all__ = ["EXPERIMENT"]

RUN = ("mnist", 64)

QUESTION = (
    "The paper makes adversarial images (FGSM) on the base network, and asks the base network and"
    " the one trained on maps about them. But images made on one network fool it more than they"
    " fool any other, however that was trained. So a second base network, with other first weights"
    " and never shown a map, is asked as well: what it gains is transfer, not robustness. And each"
    " network is asked about images made on itself, as an attacker would make them; also with the"
    " log-odds for a loss, whose gradient does not vanish where a network is sure of its answer."
)

Fooled = list[dict[str, dict[str, list[float]]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: figure 9's networks on MNIST."""
    return [maps_cell(*RUN, seed) for seed in range(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 10."""
    fooled = [results[cell.name]["fooled"] for cell in _cells(seeds)]
    return Finding(
        name="figure-10",
        title="Adversarial images",
        question=QUESTION,
        answer=_answer(fooled),
        claims=[_transfer(fooled, 0), _transfer(fooled, 1), _robust(fooled)],
        tables=[_table(fooled)],
        look=Look(charts=[_chart(fooled, how) for how in ("on_base", "sure")]),
    )


_HOW = {
    "on_base": "images made on the base network",
    "on_itself": "images made on itself",
    "sure": "made on itself, log-odds",
}


def _gains(fooled: Fooled, name: str, how: str, k: int) -> list[float]:
    return [own[name][how][k] - own["base"][how][k] for own in fooled]


def _transfer(fooled: Fooled, k: int) -> Claim:
    row = printed()["figure_10"]["rows"][k]
    gain = row["maps"] - row["base"]
    return judge_gain(
        f"Epsilon {EPSILONS[k]}, images made on the base: the network trained on maps is "
        f"{'ahead' if gain > 0 else 'behind'}",
        gain,
        _gains(fooled, "each", "on_base", k),
        control=_gains(fooled, "second base", "on_base", k),
        control_name="a second base network",
    )


def _robust(fooled: Fooled) -> Claim:
    row = printed()["figure_10"]["rows"][1]
    return judge_gain(
        f"Epsilon {EPSILONS[1]}: training on maps makes more robust (each network attacked itself)",
        row["maps"] - row["base"],
        _gains(fooled, "each", "sure", 1),
        control=_gains(fooled, "blurred", "sure", 1),
        control_name="blurred images",
    )


def _answer(fooled: Fooled) -> str:
    shown = [
        f"{spread([own[name]['on_base'][1] for own in fooled], 1)} % ({name})"
        for name in ("base", "each", "second base")
    ]
    own = [
        f"{spread([own[name]['sure'][1] for own in fooled], 1)} % ({name})"
        for name in ("base", "each")
    ]
    return (
        f"At epsilon {EPSILONS[1]}, right on images made on the base network: {', '.join(shown)}. "
        f"Right on images made on themselves: {', '.join(own)}."
    )


def _table(fooled: Fooled) -> Table:
    rows = {row["epsilon"]: row for row in printed()["figure_10"]["rows"]}
    lines = []
    for k, epsilon in enumerate(EPSILONS):
        for name in fooled[0]:
            key = {"base": "base", "each": "maps"}.get(name)
            lines.append(
                [
                    f"{epsilon}",
                    name,
                    f"{rows[epsilon][key]:.2f}" if key else "",
                    *(spread([own[name][how][k] for own in fooled]) for how in _HOW),
                ]
            )
    columns = ("epsilon", "network trained on", "printed", *_HOW.values())
    caption = (
        "Accuracy in %, mean ± standard deviation over seeds. Epsilon is the largest change of a"
        " pixel, in [0, 1]."
    )
    return Table(columns, lines, caption)


def _chart(fooled: Fooled, how: str) -> Chart:
    names = list(fooled[0])
    series = {
        f"epsilon {epsilon}": [[own[name][how][k] for name in names] for own in fooled]
        for k, epsilon in enumerate(EPSILONS)
    }
    figure = seed_bars(series, names=names, x_title="trained on", y_title="accuracy (%)")
    return Chart(_HOW[how].capitalize(), figure, "Means over seeds, with one standard deviation.")


EXPERIMENT = Experiment(_cells, _finding)
