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


@beside_pytorch
def test_sharpness_aware_step(k):
    t, nn, F, optim = k.t, k.nn, k.F, k.optim
    model = k.known(nn.Linear(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(3):
        x, y = k.normal(6, 3), k.integers(2, 6)
        F.cross_entropy(model(x), y).backward()
        moved = []
        with t.no_grad():
            norm = t.norm(t.stack([p.grad.norm(2) for p in model.parameters()]), 2)
            for p in model.parameters():
                e = p.grad * (0.05 / (norm + 1e-12))
                p.add_(e)
                moved.append(e)
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        with t.no_grad():
            for p, e in zip(model.parameters(), moved, strict=True):
                p.sub_(e)
        optimizer.step()
        optimizer.zero_grad()
    return list(model.parameters())


@beside_pytorch
def test_an_optimizer_by_hand(k):
    t, nn = k.t, k.nn

    class Lion(k.optim.Optimizer):
        def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1):
            super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

        @t.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                b1, b2 = group["betas"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["exp_avg"] = t.zeros_like(p)
                    m = state["exp_avg"]
                    p.data.mul_(1 - group["lr"] * group["weight_decay"])
                    update = m.clone().mul_(b1).add(p.grad, alpha=1 - b1).sign_()
                    p.add_(update, alpha=-group["lr"])
                    m.mul_(b2).add_(p.grad, alpha=1 - b2)

    model = k.known(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    optimizer = Lion(model.parameters())
    for _ in range(4):
        optimizer.zero_grad()
        model(k.normal(5, 3)).square().mean().backward()
        optimizer.step()
    return list(model.parameters()), optimizer.state_dict()["state"][0]["exp_avg"]


@reading_values
def test_clipping_and_schedules(k):
    nn, F, optim = k.nn, k.F, k.optim
    model = k.known(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    decay = [p for n, p in model.named_parameters() if not n.endswith("bias")]
    rest = [p for n, p in model.named_parameters() if n.endswith("bias")]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, (i + 1) / 3))
    norms, rates = [], []
    for _ in range(5):
        loss = F.cross_entropy(model(k.normal(6, 3) * 5), k.integers(2, 6))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.1))
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr())
    return norms, rates, list(model.parameters())


@beside_pytorch
def test_distillation(k):
    t, nn, F, optim = k.t, k.nn, k.F, k.optim
    teacher, student = k.known(nn.Linear(4, 3)).eval(), k.known(nn.Linear(4, 3))
    for p in teacher.parameters():
        p.requires_grad_(False)
    optimizer = optim.Adam(student.parameters(), lr=0.05)
    for _ in range(3):
        x, y = k.normal(6, 4), k.integers(3, 6)
        with t.no_grad():
            wanted = F.softmax(teacher(x) / 4.0, dim=-1)
        logits = student(x)
        soft = F.kl_div(F.log_softmax(logits / 4.0, dim=-1), wanted, reduction="batchmean") * 16
        loss = 0.7 * soft + 0.3 * F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss, list(student.parameters())


@beside_pytorch
def test_pruning_by_magnitude(k):
    t, nn = k.t, k.nn
    model = k.known(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)))
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    every = t.cat([w.detach().abs().flatten() for w in weights])
    limit = t.topk(every, every.numel() // 2, largest=False).values.max()
    masks = [(w.abs() > limit).to(w.dtype) for w in weights]
    with t.no_grad():
        for w, m in zip(weights, masks, strict=True):
            w.mul_(m)
    for w, m in zip(weights, masks, strict=True):
        w.register_hook(lambda g, m=m: g * m)
    model(k.normal(6, 4)).sum().backward()
    return masks, [p.grad for p in model.parameters()], list(model.parameters())


@beside_pytorch
def test_averaged_checkpoints(k):
    t, nn = k.t, k.nn
    models = [k.known(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))) for _ in range(3)]
    for model in models:
        model(k.normal(8, 2))
    states = [model.state_dict() for model in models]
    mean = {}
    for name, first in states[0].items():
        total = t.stack([state[name].double() for state in states]).mean(0)
        mean[name] = total.to(first.dtype)
    said = models[0].load_state_dict(mean)
    missing = models[1][0].load_state_dict({"weight": mean["0.weight"]}, strict=False)
    models[0].eval()
    return mean, models[0](k.normal(2, 2)), str(said), sorted(missing.missing_keys)
