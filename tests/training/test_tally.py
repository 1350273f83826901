import torch
from torch import nn

from imprint.skipping import SkipGate
from imprint.training.tally import SkipTally


def test_counts_agree_with_a_loop():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 3))
    gate = SkipGate(model, layer="1", num_classes=3, rule="cosine", keep=0.5)
    labels = torch.arange(30) % 3
    tally = SkipTally(labels, 3)
    skips, hits = [0] * 30, [0] * 3
    for epoch in range(3):
        tally.begin_epoch(epoch)
        skipped, hits = [0] * 3, [0] * 3
        for index in torch.randperm(30, generator=torch.Generator().manual_seed(epoch)).split(10):
            with gate(labels[index]):
                model(torch.rand(10, 1, 2, 2, generator=torch.Generator().manual_seed(epoch)))
            tally.record(index, labels[index], gate)
            for place, sample in enumerate(index.tolist()):
                hits[labels[sample]] += int(gate.match.hit[place])
                if place not in gate.index.tolist():
                    skips[sample] += 1
                    skipped[labels[sample]] += 1
        tally.end_epoch(gate)
        assert tally.skipped.tolist() == skipped
        assert tally.hits.tolist() == hits
    most, counts = tally.most_skipped()
    for k in range(3):
        members = [i for i in range(30) if i % 3 == k]
        best = sorted((skips[i] for i in members if skips[i]), reverse=True)[:8]
        assert counts[k] == best == [skips[i] for i in most[k]]
        assert all(skips[i] == 0 and i % 3 == k for i in tally.never_skipped()[k])
    similarity = tally.similarity()
    assert (similarity["early"]["epoch"], similarity["late"]["epoch"]) == (1, 3)
    other = SkipTally(labels, 3)
    other.load_state_dict(tally.state_dict())
    assert other.most_skipped() == (most, counts)
    assert other.similarity() == similarity


def test_without_an_epoch_there_is_no_similarity():
    assert SkipTally(torch.tensor([0, 1]), 2).similarity() is None


def test_a_class_not_yet_seen_has_no_similarity_of_zero():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    gate = SkipGate(model, layer="1", num_classes=2, rule="cosine", keep=1.0)
    tally = SkipTally(torch.arange(40) % 2, 2)
    for index in torch.arange(40).split(10):  # the first batch meets an empty memory
        with gate(index % 2):
            model(torch.rand(10, 1, 2, 2, generator=torch.Generator().manual_seed(0)))
        tally.record(index, index % 2, gate)
    tally.end_epoch(gate)
    assert all(spread["low"] > 0.5 for spread in tally.similarity()["early"]["classes"])


def test_what_a_plan_does_not_load_is_skipped():
    tally = SkipTally(torch.tensor([0, 1, 1, 0]), 2)
    for _ in range(2):
        tally.begin_epoch(0, torch.tensor([True, False, False, True]))
    assert tally.skipped.tolist() == [0, 2]
    assert tally.most_skipped() == ([[], [1, 2]], [[], [2, 2]])
    assert tally.never_skipped() == [[0, 3], []]
