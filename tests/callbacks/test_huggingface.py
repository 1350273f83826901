import logging
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import imprint
from imprint.errors import InvalidValueError, MissingFileError

pytest.importorskip("transformers", reason="the extra huggingface is not installed")
pytest.importorskip("accelerate", reason="the Trainer of transformers needs accelerate")

from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from imprint.callbacks.huggingface import STATE_FILE, PlannedDataset, SkipCallback, SkipTrainer

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
logging.getLogger("transformers").setLevel(logging.ERROR)


def data(n=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    pixels = torch.rand(n, 1, 8, 8, generator=generator)
    return [{"pixels": pixels[row], "labels": int(labels[row])} for row in range(n)]


class Network(nn.Module):
    """A network that gives its own loss where it is given labels, as those of transformers do."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.head = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(144, 3)

    def forward(self, pixels, labels=None):
        logits = self.head(self.relu(self.conv(pixels)).flatten(1))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return {"logits": logits} if loss is None else {"loss": loss, "logits": logits}


class TakesLossArguments(Network):
    """One that the Trainer tells how many labels a step has in all."""

    def forward(self, pixels, labels=None, **kwargs):
        return super().forward(pixels, labels)


def gate_of(model, **arguments):
    return imprint.SkipGate(model, **{"layer": "relu", "num_classes": 3, "keep": 0.5, **arguments})


def plan_of(n=48, **arguments):
    return imprint.SkipPlan(n, **{"keep": 0.5, "epochs": 4, "dense_start": 0, **arguments})


def arguments_of(folder, **arguments):
    quiet = {
        "output_dir": str(folder),
        "num_train_epochs": 4,
        "per_device_train_batch_size": 8,
        "learning_rate": 0.1,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "logging_strategy": "no",
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(**{**quiet, **arguments})


def fit(folder, model, dataset, skip=None, *, trainer=SkipTrainer, resume=None, **arguments):
    callbacks = [] if skip is None else [skip]
    planned = skip is not None and skip.plan is not None
    one = trainer(
        model,
        arguments_of(folder, **arguments),
        train_dataset=skip.planned(dataset) if planned else dataset,
        eval_dataset=data(8),
        callbacks=callbacks,
    )
    one.train(resume_from_checkpoint=resume)
    return one


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


class Recorder:
    """Keeps the batches that a trainer's network was given, and the gradients of each step."""

    def __init__(self, model):
        self.batches, self.gradients = [], []
        self.model = model
        model.register_forward_pre_hook(
            lambda _m, _a, given: self.batches.append(given["pixels"].clone()), with_kwargs=True
        )

    def __call__(self, optimizer, args, kwargs):
        self.gradients.append([p.grad.clone() for p in self.model.parameters()])


@pytest.mark.parametrize("kind", [Network, TakesLossArguments])
def test_at_keep_one_training_is_as_in_a_trainer_without_a_callback(tmp_path, kind):
    models = kind(), kind()
    fit(tmp_path, models[0], data(), SkipCallback(gate_of(models[0], keep=1)))

    class Plain(Trainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            logits = model(inputs["pixels"])["logits"]
            return F.cross_entropy(logits, inputs["labels"], reduction="none").mean()

    fit(tmp_path, models[1], data(), trainer=Plain)
    assert_same(models[0].state_dict(), models[1].state_dict())
    plain = kind()
    fit(tmp_path, plain, data(), trainer=SkipTrainer)  # without the callback: the network's loss
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, models[0].state_dict()[name])
    assert not torch.equal(plain.head.weight, kind().head.weight)


def test_a_gate_does_in_a_trainer_what_it_does_in_a_loop(tmp_path):
    model, other = Network(), Network()
    skip, gate = SkipCallback(gate_of(model)), gate_of(other)
    record = Recorder(model)
    fit(tmp_path, model, data(), skip)
    batches = [batch for batch in record.batches if len(batch) == 8]  # without the proof's
    label_of = {row["pixels"].sum().item(): row["labels"] for row in data()}
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for pixels in batches:
        labels = torch.tensor([label_of[image.sum().item()] for image in pixels])
        with gate(labels):
            logits = other(pixels)["logits"]
        optimizer.zero_grad()
        F.cross_entropy(logits, gate.labels, reduction="none").mean().backward()
        optimizer.step()
    assert len(batches) == 24
    assert_same(model.state_dict(), other.state_dict())
    assert_same(skip.gate.state_dict(), gate.state_dict())
    assert (skip.seen, skip.kept) == (48, 24)


def test_a_plan_loads_its_share_and_knows_each_rows_loss(tmp_path):
    model, plan = Network(), plan_of(45)
    record = Recorder(model)
    skip = SkipCallback(plan=plan)
    done = fit(tmp_path, model, data(45), skip)
    kept = plan_of(45).count(0)
    assert sum(len(batch) for batch in record.batches) == 4 * kept
    assert done.state.global_step == 4 * -(-kept // 8)
    assert plan.epoch == 4
    twin, losses = plan_of(45), {}
    place_of = {row["pixels"].sum().item(): place for place, row in enumerate(data(45))}
    other = Network()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    batches = iter(record.batches)
    for _ in range(4):
        expected = sorted(twin)
        loaded = []
        while len(loaded) < kept:
            pixels = next(batches)
            index = torch.tensor([place_of[image.sum().item()] for image in pixels])
            labels = torch.tensor([data(45)[place]["labels"] for place in index])
            losses = F.cross_entropy(other(pixels)["logits"], labels, reduction="none")
            twin.record(index, losses)
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            loaded += index.tolist()
        assert sorted(loaded) == expected
    assert_same(plan.state_dict(), twin.state_dict())
    assert_same(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_that_live_on_see_each_epochs_choice(tmp_path, workers):
    model, plan = Network(), plan_of()
    record = Recorder(model)
    living = {"dataloader_num_workers": workers, "dataloader_persistent_workers": workers > 0}
    fit(tmp_path, model, data(), SkipCallback(plan=plan), num_train_epochs=2, **living)
    twin = plan_of()
    first = set(twin)  # its losses are not known yet: the second epoch takes the rest
    place_of = {row["pixels"].sum().item(): place for place, row in enumerate(data())}
    loaded = [place_of[image.sum().item()] for batch in record.batches for image in batch]
    assert set(loaded[:24]) == first
    assert set(loaded[24:]) == set(range(48)) - first


@pytest.mark.parametrize("step", [6, 7])  # at an epoch's end, and amid one
@pytest.mark.parametrize("gated", [False, True])
def test_a_resumed_training_is_as_if_never_stopped(tmp_path, step, gated):
    def whole(resume=None):
        model = Network()
        skip = SkipCallback(gate_of(model) if gated else None, plan=plan_of())
        fit(tmp_path, model, data(), skip, resume=resume, save_strategy="steps", save_steps=1)
        return model.state_dict(), skip.state_dict()

    model, state = whole()
    again, state_again = whole(str(tmp_path / f"checkpoint-{step}"))
    assert_same(model, again)
    assert_same(state, state_again)


def test_a_checkpoint_from_elsewhere_is_loaded_by_hand(tmp_path):
    def skip_of(model):
        return SkipCallback(gate_of(model))

    model = Network()
    skip = skip_of(model)
    saving = {"save_strategy": "steps", "save_steps": 6}
    fit(tmp_path / "a", model, data(), skip, **saving)
    state = skip.state_dict()
    folder = tmp_path / "a" / "checkpoint-12"
    other = Network()
    with pytest.raises(MissingFileError, match=STATE_FILE):
        fit(tmp_path / "b", other, data(), skip_of(other), resume=str(folder))
    other = Network()
    skip = skip_of(other)
    skip.load(folder)
    fit(tmp_path / "b", other, data(), skip, resume=str(folder))
    assert_same(skip.state_dict(), state)
    assert_same(other.state_dict(), model.state_dict())


@pytest.mark.parametrize("kind", [Network, TakesLossArguments])
@pytest.mark.parametrize("keep", [0.5, 1])
def test_accumulated_gradients_are_those_of_the_joint_mean(tmp_path, kind, keep):
    model, other = kind(), kind()
    record = Recorder(model)
    skip, gate = SkipCallback(gate_of(model, keep=keep)), gate_of(other, keep=keep)

    class Watching(SkipTrainer):
        def create_optimizer(self, *args):
            optimizer = super().create_optimizer(*args)
            optimizer.register_step_pre_hook(record)
            return optimizer

    steps = {"gradient_accumulation_steps": 3, "max_steps": 1}
    n = 20 if kind is TakesLossArguments else 24  # the last of 8 + 8 + 4 counts for less there
    fit(tmp_path, model, data(n), skip, trainer=Watching, **steps)
    label_of = {row["pixels"].sum().item(): row["labels"] for row in data(n)}
    kept = []
    for pixels in [batch for batch in record.batches if len(batch) > 2]:
        labels = torch.tensor([label_of[image.sum().item()] for image in pixels])
        with gate(labels), torch.no_grad():
            other(pixels)
        kept.append((pixels[gate.index], gate.labels))
    pixels, labels = (torch.cat(parts) for parts in zip(*kept, strict=True))
    assert len(labels) == n * keep
    other(pixels, labels)["loss"].backward()
    for one, two in zip(record.gradients[0], other.parameters(), strict=True):
        torch.testing.assert_close(one, two.grad)


def test_a_network_of_transformers_trains_and_is_evaluated_whole(tmp_path):
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = ViTConfig(
        **size, intermediate_size=32, image_size=8, patch_size=4, num_channels=1, num_labels=3
    )
    model = ViTForImageClassification(config)
    dataset = [{"pixel_values": row["pixels"], "labels": row["labels"]} for row in data()]
    skip = SkipCallback(gate_of(model, layer="vit.embeddings"), plan=plan_of())
    trainer = SkipTrainer(
        model,
        arguments_of(tmp_path, bf16=True),
        train_dataset=skip.planned(dataset),
        eval_dataset=dataset,
        callbacks=[skip],
    )
    trainer.train()
    assert (skip.seen, skip.kept) == (24, 12)
    predictions = trainer.predict(dataset)
    assert predictions.predictions.shape == (48, 3)
    assert predictions.metrics["test_loss"] > 0


def test_a_data_set_that_follows_a_plan_names_each_samples_place():
    plan = plan_of(10)
    planned = PlannedDataset([{"x": 2 * place} for place in range(10)], plan)
    planned.draw()
    assert len(planned) == 5
    assert plan.epoch == 0
    assert all(planned[i]["x"] == 2 * planned[i]["index"] for i in range(5))
    assert {planned[i]["index"] for i in range(5)} == set(plan_of(10))
    planned.draw()
    assert plan.epoch == 1


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ({"dense_start": 0.3}, {}, r"epochs of one length \(dense_start=0\), got 24, 48 samples"),
        ({"cover": 0.9}, {}, "plan: expected a keep ratio"),
        ({}, {"remove_unused_columns": True}, "remove_unused_columns: expected False"),
        ({}, {"label_smoothing_factor": 0.1}, r"expected the loss as SkipCallback\(losses=…\)"),
        ({}, {"trainer": Trainer}, "that of a SkipTrainer; nothing would be skipped|index"),
    ],
)
def test_misuse_is_refused_before_or_at_the_first_step(tmp_path, arguments, settings, message):
    model = TakesLossArguments()
    model.config = type("Config", (), {"problem_type": None})()
    skip = SkipCallback(plan=plan_of(**arguments))
    with pytest.raises(InvalidValueError, match=message):
        fit(tmp_path, model, data(), skip, **settings)


def test_misuse_is_refused_at_construction():
    model = Network()
    with pytest.raises(InvalidValueError, match="learns within the step"):
        SkipCallback(gate_of(model, rule="paper"))
    with pytest.raises(InvalidValueError, match="plan: expected one"):
        SkipCallback(gate_of(model)).planned(data())
    with pytest.raises(InvalidValueError, match=f"dataset: expected 10 samples, got {len(data())}"):
        SkipCallback(plan=imprint.SkipPlan(10, epochs=2)).planned(data())


def test_a_batch_without_labels_is_refused(tmp_path):
    model = Network()
    dataset = [{"pixels": row["pixels"]} for row in data()]
    with pytest.raises(InvalidValueError, match="inputs: expected `labels`"):
        fit(tmp_path, model, dataset, SkipCallback(gate_of(model)))


def test_without_transformers_the_error_names_the_extra():
    code = "import sys; sys.modules['transformers'] = None; import imprint.callbacks.huggingface"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MissingExtraError" in done.stderr
    assert "install imprint[huggingface]" in done.stderr


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning",  # the compiler's own
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning",
)
def test_a_network_that_the_trainer_compiles_is_gated_alike(tmp_path):
    models = Network(), Network()
    compiling = {"torch_compile": True, "torch_compile_backend": "eager"}
    for model, arguments in zip(models, ({}, compiling), strict=True):
        torch.compiler.reset()
        fit(tmp_path, model, data(), SkipCallback(gate_of(model)), **arguments)
    assert_same(models[0].state_dict(), models[1].state_dict())
    torch.compiler.reset()
