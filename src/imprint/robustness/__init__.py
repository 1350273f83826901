"""How well a network withstands images that were made to fool it: FGSM, PGD, and noise."""

from imprint.robustness.accuracy import Attack, accuracy_over_epsilons, pixel_batches, transferred
from imprint.robustness.answers import probabilities_of, right_answers
from imprint.robustness.attacks import PGD_STEPS, fgsm, pgd, sign_noise, step_size_of
from imprint.robustness.gradients import check_attackable, input_gradients
from imprint.robustness.losses import LOSSES, Loss, cross_entropy, log_odds
from imprint.robustness.pixels import BOUNDS, check_epsilon, on_pixels, pixels_of

__all__ = [
    "BOUNDS",
    "LOSSES",
    "PGD_STEPS",
    "Attack",
    "Loss",
    "accuracy_over_epsilons",
    "check_attackable",
    "check_epsilon",
    "cross_entropy",
    "fgsm",
    "input_gradients",
    "log_odds",
    "on_pixels",
    "pgd",
    "pixel_batches",
    "pixels_of",
    "probabilities_of",
    "right_answers",
    "sign_noise",
    "step_size_of",
    "transferred",
]
