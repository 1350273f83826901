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
