"""The tab Fool: an image that is made to fool one network, judged by that one and another."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, UPLOAD, picture_field, run_field, telling
from imprint.app.fooling import (
    ATTACKS,
    Fooled,
    Guess,
    answers_on,
    change_picture,
    check_pair,
    fool,
)
from imprint.app.networks import ONE_AT_A_TIME
from imprint.app.pictures import answer_bars, large_picture, notice
from imprint.app.sources import Sources
from imprint.app.subject import Subject, SubjectImage, check_images, image_of, numbered
from imprint.errors import InvalidValueError

__all__ = ["fool_tab"]

MOST, STEP, USUAL = 0.3, 0.005, 0.1
"""Of the slider, in pixel units."""

EPSILON = "Epsilon, the largest change of a pixel (0 … 1)"

NO_RUN = "There is no trained network here yet. Train two: imprint train mnist, with --seed 0 and 1"

NO_IMAGE = "Drop an image, or choose one of the test images."


class _Asked(NamedTuple):
    """What the fields say, in their order."""

    run: str | None
    other: str | None
    subject: Subject
    attack: str
    epsilon: float | None


def fool_tab(sources: Sources) -> Any:
    """Build the tab.

    Args:
        sources: of the app.

    Returns:
        Its two lists of runs.

    Examples:
        >>> fool_tab.__name__
        'fool_tab'
    """
    gr = gradio()
    with gr.Tab("Fool") as tab:
        with gr.Row():
            run = run_field(sources, "Network to fool", "train")
            other = run_field(sources, "Network beside it", "train")
        with gr.Row():
            dropped = picture_field("Image to start from")
            with gr.Column():
                number = gr.Number(0, label="Number of a test image", precision=0, minimum=0)
                show = gr.Button("Take this test image")
        with gr.Row():
            attack = gr.Radio(list(ATTACKS), value=ATTACKS[0], label="Attack")
            epsilon = gr.Slider(0, MOST, value=USUAL, step=STEP, label=EPSILON)
        subject, seen = gr.State(None), gr.HTML()

        def look(*given: Any) -> str:
            return telling(_fooled, sources, _Asked(*given))

        inputs = [run, other, subject, attack, epsilon]
        private = {**AS_IT_IS, "concurrency_id": ONE_AT_A_TIME}
        taken = dropped.upload(lambda path: path, dropped, subject, **private | UPLOAD)
        taken.then(look, inputs, seen, **private)
        shown = show.click(numbered, number, subject, **private)
        shown.then(look, inputs, seen, **private)
        for field in (run, other, attack):
            field.change(look, inputs, seen, **private)
        latest = {"trigger_mode": "always_last", "show_progress": "hidden"}
        epsilon.change(look, inputs, seen, **latest, **private)
        tab.select(look, inputs, seen, **private)
    return run, other


def _fooled(sources: Sources, asked: _Asked) -> str:
    """The image, what was added, what came of it, and both networks' answers."""
    if not asked.run or not asked.other:
        return notice(NO_RUN)
    runs = (asked.run, asked.other)
    one, two = (sources.networks.network(run) for run in runs)
    check_pair(one, two)
    check_images(one)
    if asked.epsilon is None:
        raise InvalidValueError(f"epsilon: expected 0 … {MOST}, got none")
    if asked.subject is None:
        return notice(NO_IMAGE)
    own = image_of(sources, asked.run, asked.subject)
    label = own.label
    if label is None:  # what it truly is, nobody says: the network's own answer then
        label = answers_on(one, own.image.float() / 255)[0].label
    made = fool(one, own.image, label, epsilon=asked.epsilon, attack=asked.attack)
    before, after = ([answers_on(own, image) for own in (one, two)] for image in made)
    pictures = f'<div class="side">{_pictures(own, made, asked.epsilon)}</div>'
    told = notice(_verdict(made, [own[0] for own in after], runs, one.class_names[label]))
    return f'{told}{pictures}<div class="side">{_bars(runs, before, after)}</div>'


def _bars(
    runs: tuple[str, str], before: Sequence[Sequence[Guess]], after: Sequence[Sequence[Guess]]
) -> str:
    """What each network says before and after, one beside the other."""
    return "".join(
        f'<div class="answered">{_answers(f"{run}, before", first)}'
        f"{_answers(f'{run}, after', last)}</div>"
        for run, first, last in zip(runs, before, after, strict=True)
    )


def _answers(title: str, guesses: Sequence[Guess]) -> str:
    return answer_bars(title, [(own.name, own.probability) for own in guesses])


def _pictures(own: SubjectImage, made: Fooled, epsilon: float) -> str:
    times = f"magnified {1 / (2 * epsilon):.1f} times" if epsilon else "nothing"
    return "".join(
        (
            large_picture(own.image, own.title),
            large_picture(change_picture(made.change, epsilon), f"What was added, {times}"),
            large_picture(_bytes(made.made), f"What came of it, epsilon {epsilon:g}"),
        )
    )


def _verdict(made: Fooled, answers: Sequence[Guess], runs: tuple[str, str], label: str) -> str:
    """Who is fooled, in a sentence."""
    changed = float(made.change.abs().max())
    said = [
        f"{run} {'still says' if own.name == label else 'is fooled: it says'} {own.name}"
        for run, own in zip(runs, answers, strict=True)
    ]
    told = "; ".join(dict.fromkeys(said))
    return f"It is {label}; no pixel changed by more than {changed:.3f}. {told}."


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round().clamp(0, 255).byte()
