"""Loops of training, beside PyTorch: see kit."""

import math

from programs.kit import beside_pytorch, reading_values


@reading_values
def test_adversarial_step(k):
    t, nn, F, optim = k.t, k.nn, k.F, k.optim
    generator = k.known(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)))
    critic = k.known(
        nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1))
    )
    learn_g = optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    learn_c = optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.999))
    said = []
    for _ in range(3):
        real, noise = k.normal(6, 3), k.normal(6, 2)
        fake = generator(noise)
        learn_c.zero_grad()
        yes, no = critic(real), critic(fake.detach())
        loss_c = F.binary_cross_entropy_with_logits(yes, t.ones_like(yes))
        loss_c = loss_c + F.binary_cross_entropy_with_logits(no, t.zeros_like(no))
        loss_c.backward()
        learn_c.step()
        learn_g.zero_grad()
        loss_g = F.softplus(-critic(fake)).mean()
        loss_g.backward()
        learn_g.step()
        said += [loss_c.item(), loss_g.item()]
    return said, list(generator.parameters())


@beside_pytorch
def test_gradient_accumulation(k):
    nn, F, optim = k.nn, k.F, k.optim
    model = k.known(nn.Linear(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for i in range(6):
        loss = F.mse_loss(model(k.normal(4, 3)), k.normal(4, 2)) / 3
        loss.backward()
        if (i + 1) % 3 == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    return list(model.parameters()), [p.grad for p in model.parameters()]


@beside_pytorch
def test_frozen_layers(k):
    nn, optim = k.nn, k.optim
    model = k.known(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)))
    for p in model[:2].parameters():
        p.requires_grad = False
    model[1].eval()
    optimizer = optim.AdamW(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(k.normal(5, 3)).pow(2).mean().backward()
        optimizer.step()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trained, model.state_dict(), [p.grad is None for p in model.parameters()]


@beside_pytorch
def test_average_of_parameters(k):
    import copy

    t, nn, optim = k.t, k.nn, k.optim
    model = k.known(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    average = copy.deepcopy(model)
    for p in average.parameters():
        p.requires_grad_(False)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(4):
        optimizer.zero_grad()
        model(k.normal(8, 3)).square().mean().backward()
        optimizer.step()
        with t.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.mul_(0.9).add_(fast, alpha=0.1)
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.data.lerp_(fast.data, 0.01)
    return average.state_dict(), model.state_dict()


@beside_pytorch
def test_cosine_rate_by_hand(k):
    nn, optim = k.nn, k.optim
    model = k.known(nn.Linear(2, 1))
    optimizer = optim.Adam(model.parameters(), lr=1.0)
    for step in range(6):
        lr = 0.01 + 0.5 * (0.1 - 0.01) * (1 + math.cos(math.pi * step / 6))
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        model(k.normal(4, 2)).abs().mean().backward()
        optimizer.step()
    return list(model.parameters()), optimizer.param_groups[0]["lr"]


@beside_pytorch
def test_hooks_and_scales(k):
    t, nn = k.t, k.nn
    model = k.known(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    seen = {}
    handle = model[1].register_forward_hook(lambda m, i, o: seen.__setitem__("relu", o.detach()))
    model[0].weight.register_hook(lambda g: g * 2)
    x = k.normal(5, 3)
    h = model[0](x)
    h.retain_grad()
    model[2](model[1](h)).sum().backward()
    handle.remove()
    model(x)
    total = t.sqrt(sum(p.grad.norm() ** 2 for p in model.parameters()))
    return seen["relu"], h.grad, [p.grad for p in model.parameters()], total


@beside_pytorch
def test_truncated_backpropagation(k):
    t, nn, F = k.t, k.nn, k.F
    step, head = k.known(nn.Linear(5, 3)), k.known(nn.Linear(3, 2))
    h, losses = t.zeros(4, 3, dtype=t.float64), []
    for i, x in enumerate(k.normal(6, 4, 2)):
        h = t.tanh(step(t.cat([x, h], dim=-1)))
        losses.append(F.mse_loss(head(h), x))
        if i % 3 == 2:
            t.stack(losses).mean().backward()
            losses = []
            h.detach_()
            assert h.is_leaf
    return h, step.weight.grad, head.bias.grad
