import torch
from torch import nn

from imprint.benchmarking.exit_speed import MethodExit
from imprint.early_exit import early_exits
from imprint.early_exit.published import ClassMeans


def test_exits_of_a_method_give_its_answers():
    model = nn.Sequential(nn.Identity(), nn.Linear(3, 2)).eval()
    maps, labels = torch.rand(20, 3), torch.arange(20) % 2
    method = ClassMeans(2)
    method.learn(maps, labels)
    known, sureness = method.answer(maps)
    threshold = float(sureness.median())
    routes = []
    with (
        torch.no_grad(),
        early_exits(model, [MethodExit("0", (3,), method, 2, threshold)], routes.append),
    ):
        early = model(maps)
    sure = sureness >= threshold
    assert (routes[0].taken == 0).equal(sure)
    assert early[sure].argmax(1).equal(known[sure])
    torch.testing.assert_close(early[~sure], model(maps)[~sure].detach())
