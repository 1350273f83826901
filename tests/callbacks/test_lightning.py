import lightning as L
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import imprint
from imprint.callbacks.lightning import SkipCallback
from imprint.errors import InvalidValueError

pytestmark = pytest.mark.filterwarnings(
    "ignore::lightning.fabric.utilities.warnings.PossibleUserWarning",  # advice
    "ignore:Checkpoint directory .* exists and is not empty:UserWarning",
    "ignore:.*LeafSpec:FutureWarning",  # Lightning's own, with a newer PyTorch
)


def data(n=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    return TensorDataset(torch.rand(n, 1, 8, 8, generator=generator), labels)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def gate_of(model, **arguments):
    return imprint.SkipGate(model, **{"layer": "1", "num_classes": 3, "keep": 0.5, **arguments})


def plan_of(n=48, **arguments):
    return imprint.SkipPlan(n, **{"keep": 0.5, "epochs": 4, **arguments})


class Classifier(L.LightningModule):
    def __init__(self, model, skip, *, planned=False):
        super().__init__()
        self.model, self.skip, self.planned = model, skip, planned
        self.validations = 0

    def training_step(self, batch, batch_idx):
        index, (images, labels) = batch if self.planned else (None, batch)
        if self.skip is None:
            return F.cross_entropy(self.model(images), labels, reduction="none").mean()
        with self.skip(labels):
            logits = self.model(images)
        return self.skip.mean(F.cross_entropy(logits, self.skip.labels, reduction="none"), index)

    def validation_step(self, batch, batch_idx):
        assert len(self.model(batch[0])) == len(batch[0])

    def on_validation_epoch_end(self):
        self.validations += not self.trainer.sanity_checking

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def trainer_of(folder, *callbacks, **arguments):
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": False,
        "accelerator": "cpu",
        "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
        "default_root_dir": folder,
        "max_epochs": 4,
    }
    return L.Trainer(callbacks=list(callbacks), **{**quiet, **arguments})


def loader_of(dataset, plan=None, **arguments):
    if plan is None:
        return DataLoader(dataset, batch_size=8, **arguments)
    return DataLoader(imprint.indexed(dataset), sampler=plan, batch_size=8, **arguments)


def own_loop(model, dataset, gate=None, plan=None, epochs=4, **arguments):
    """The oracle: the loop as the documentation has it, without any framework."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(epochs):
        for batch in loader_of(dataset, plan, **arguments):
            index, (images, labels) = (None, batch) if plan is None else batch
            if gate is None:
                logits = model(images)
            else:
                with gate(labels):
                    logits = model(images)
                labels = gate.labels
            losses = F.cross_entropy(logits, labels, reduction="none")
            if plan is not None:
                plan.record(index, losses if gate is None else gate.spread(losses))
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
    return model


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def test_at_keep_one_training_is_as_without_a_callback(tmp_path):
    models = network(), network()
    skip = SkipCallback(gate_of(models[0], keep=1))
    trainer_of(tmp_path, skip).fit(Classifier(models[0], skip), loader_of(data()))
    trainer_of(tmp_path).fit(Classifier(models[1], None), loader_of(data()))
    assert_same(models[0].state_dict(), models[1].state_dict())
    assert not torch.equal(models[0][0].weight, network()[0].weight)


def test_a_gate_does_in_a_trainer_what_it_does_in_a_loop(tmp_path):
    models = network(), network()
    skip, gate = SkipCallback(gate_of(models[0])), gate_of(models[1])
    trainer_of(tmp_path, skip).fit(Classifier(models[0], skip), loader_of(data(), drop_last=True))
    own_loop(models[1], data(), gate, drop_last=True)
    assert_same(models[0].state_dict(), models[1].state_dict())
    assert_same(skip.gate.state_dict(), gate.state_dict())
    assert (skip.seen, skip.kept) == (48, 24)  # of the last epoch


@pytest.mark.parametrize("n", [48, 45])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_plan_does_in_a_trainer_what_it_does_in_a_loop(tmp_path, n, gated, workers):
    if workers and (gated or n == 48):
        pytest.skip("workers are slow to start; once is enough")
    models, plans = (network(), network()), (plan_of(n), plan_of(n))
    gates = [gate_of(model) if gated else None for model in models]
    skip = SkipCallback(gates[0], plan=plans[0])
    module = Classifier(models[0], skip, planned=True)
    trainer = trainer_of(tmp_path, skip, reload_dataloaders_every_n_epochs=1)
    trainer.fit(module, loader_of(data(n), plans[0], num_workers=workers), loader_of(data(8)))
    own_loop(models[1], data(n), gates[1], plans[1])
    assert_same(models[0].state_dict(), models[1].state_dict())
    assert_same(plans[0].state_dict(), plans[1].state_dict())
    assert plans[0].epoch == 4
    assert module.validations == 4  # also after epochs that are shorter than the first
    assert trainer.global_step == sum(-(-plans[0].count(epoch) // 8) for epoch in range(4))


@pytest.mark.parametrize("gated", [False, True])
def test_a_resumed_training_is_as_if_never_stopped(tmp_path, gated):
    def whole(ckpt_path=None):
        model, plan = network(), plan_of()
        skip = SkipCallback(gate_of(model) if gated else None, plan=plan)
        saver = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
        trainer = trainer_of(tmp_path, saver, skip, reload_dataloaders_every_n_epochs=1)
        module = Classifier(model, skip, planned=True)
        trainer.fit(module, loader_of(data(), plan), ckpt_path=ckpt_path)
        return model.state_dict(), skip.state_dict()

    model, state = whole()
    again, state_again = whole(tmp_path / "epoch=1.ckpt")
    assert_same(model, again)
    assert_same(state, state_again)


def test_a_checkpoint_opens_without_pickled_code(tmp_path):
    model = network()
    skip = SkipCallback(gate_of(model), plan=plan_of())
    trainer = trainer_of(tmp_path, skip, max_epochs=1, reload_dataloaders_every_n_epochs=1)
    trainer.fit(Classifier(model, skip, planned=True), loader_of(data(), skip.plan))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    state = torch.load(tmp_path / "a.ckpt", weights_only=True)["callbacks"]
    assert_same(state["SkipCallback"], skip.state_dict())


def test_accumulated_gradients_are_those_of_the_joint_mean(tmp_path):
    model, other = network(), network()
    skip, gate = SkipCallback(gate_of(model)), gate_of(other)
    seen = []

    class Look(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            seen.append([parameter.grad.clone() for parameter in pl_module.parameters()])

    trainer = trainer_of(tmp_path, skip, Look(), accumulate_grad_batches=3, max_steps=1)
    trainer.fit(Classifier(model, skip), loader_of(data()))
    kept = []
    for images, labels in [*loader_of(data())][:3]:
        with gate(labels), torch.no_grad():
            other(images)
        kept.append((images[gate.index], gate.labels))
    images, labels = (torch.cat(parts) for parts in zip(*kept, strict=True))
    F.cross_entropy(other(images), labels).backward()
    for one, two in zip(seen[0], other.parameters(), strict=True):
        torch.testing.assert_close(one, two.grad)


def test_several_optimizers_in_manual_optimisation(tmp_path):
    class Two(Classifier):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()

        def configure_optimizers(self):
            return [
                torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9)
                for part in (self.model[:1], self.model[1:])
            ]

    model = network()
    skip = SkipCallback(gate_of(model))
    trainer_of(tmp_path, skip).fit(Two(model, skip), loader_of(data()))
    other = network()
    own_loop(other, data(), gate_of(other))
    assert_same(model.state_dict(), other.state_dict())


def test_mixed_precision_and_a_module_that_brings_its_callback(tmp_path):
    class Own(Classifier):
        def configure_callbacks(self):
            return [self.skip]

    model = network()
    skip = SkipCallback(gate_of(model))
    trainer_of(tmp_path, precision="bf16-mixed").fit(Own(model, skip), loader_of(data()))
    assert skip.kept == 24
    assert skip.gate.memory.prototypes.isfinite().all()


def test_misuse_is_refused_before_or_at_the_first_batch(tmp_path):
    model, plan = network(), plan_of()
    skip = SkipCallback(plan=plan)
    module = Classifier(model, skip, planned=True)
    with pytest.raises(InvalidValueError, match="reload_dataloaders_every_n_epochs: expected 1"):
        trainer_of(tmp_path, skip).fit(module, loader_of(data(), plan))
    skip = SkipCallback(gate_of(model))
    with pytest.raises(InvalidValueError, match="training step: expected `with skip"):
        trainer_of(tmp_path, skip).fit(Classifier(model, None), loader_of(data()))
