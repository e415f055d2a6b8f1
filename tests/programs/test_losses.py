"""Losses and metrics written by hand, beside PyTorch: see kit."""

import math

import numpy as np
from programs.kit import beside_pytorch, reading_values


@beside_pytorch
def test_dice_loss(k):
    F = k.F
    logits = k.normal(2, 4, 6, 6).requires_grad_()
    target = F.one_hot(k.integers(4, 2, 6, 6), num_classes=4).permute(0, 3, 1, 2).to(logits)
    p = logits.softmax(dim=1)
    shared = (p * target).sum(dim=(2, 3))
    total = p.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    loss = 1 - ((2 * shared + 1.0) / (total + 1.0)).mean()
    loss.backward()
    return loss, logits.grad


@beside_pytorch
def test_focal_loss(k):
    t, F = k.t, k.F
    logits, target = k.normal(8, 5).requires_grad_(), k.integers(5, 8)
    ce = F.cross_entropy(logits, target, reduction="none")
    pt = t.exp(-ce)
    alpha = t.linspace(0.1, 0.9, 5, dtype=t.float64)[target]
    loss = (alpha * (1 - pt) ** 2.0 * ce).mean()
    loss.backward()
    return loss, logits.grad


@reading_values
def test_contrastive_loss(k):
    t, F = k.t, k.F
    a, b = k.normal(4, 6).requires_grad_(), k.normal(4, 6).requires_grad_()
    z = F.normalize(t.cat((a, b), 0), p=2, dim=-1)
    similar = z @ z.T / 0.5
    similar = similar.masked_fill(t.eye(8, dtype=t.bool), -9e15)
    positive = t.cat([t.arange(4, 8), t.arange(4)])
    loss = F.cross_entropy(similar, positive)
    by_hand = -similar[t.arange(8), positive] + similar.logsumexp(dim=-1)
    pair = ~t.eye(8, dtype=t.bool)
    others = similar[pair].reshape(8, 7)
    loss.backward()
    return loss, by_hand.mean(), others, a.grad, b.grad


@reading_values
def test_triplet_loss(k):
    t, F = k.t, k.F
    x, y = k.normal(8, 3).requires_grad_(), k.integers(3, 8)
    d = (x.unsqueeze(1) - x.unsqueeze(0)).pow(2).sum(-1).clamp(min=1e-12).sqrt()
    same = y.unsqueeze(0).eq(y.unsqueeze(1))
    far = t.where(same, d, t.zeros_like(d)).max(dim=1)[0]
    near = d.masked_fill(same, float("inf")).min(dim=1)[0]
    loss = F.relu(far - near + 0.3).mean()
    loss.backward()
    return loss, x.grad, same.sum().item()


@beside_pytorch
def test_style_loss(k):
    t, F = k.t, k.F
    x = k.normal(2, 3, 4, 4).requires_grad_()
    features = x.view(2, 3, 16)
    gram = t.bmm(features, features.transpose(1, 2)).div(3 * 16)
    tv = (x[:, :, 1:, :] - x[:, :, :-1, :]).abs().sum() + (x[..., 1:] - x[..., :-1]).abs().sum()
    loss = F.mse_loss(gram, t.zeros_like(gram)) + 1e-2 * tv
    loss.backward()
    return gram, loss, x.grad


@beside_pytorch
def test_label_smoothing_by_hand(k):
    t, F = k.t, k.F
    logits, target = k.normal(6, 5).requires_grad_(), k.integers(5, 6)
    logp = logits.log_softmax(dim=-1)
    with t.no_grad():
        wanted = t.zeros_like(logp)
        wanted.fill_(0.1 / 4)
        wanted.scatter_(1, target.data.unsqueeze(1), 0.9)
    loss = t.mean(t.sum(-wanted * logp, dim=-1))
    nll = -logp.gather(dim=-1, index=target.unsqueeze(1)).squeeze(1)
    (loss + 0.1 * nll.mean()).backward()
    divergence = F.kl_div(logp, wanted, reduction="batchmean")
    return loss, nll, divergence, wanted, logits.grad


@beside_pytorch
def test_mixup(k):
    t, F = k.t, k.F
    x, y = k.normal(6, 3), k.integers(4, 6)
    order = t.as_tensor([3, 1, 5, 0, 2, 4])
    mixed = 0.3 * x + (1 - 0.3) * x[order, :]
    w = k.normal(3, 4).requires_grad_()
    logits = mixed @ w
    loss = 0.3 * F.cross_entropy(logits, y) + 0.7 * F.cross_entropy(logits, y[order])
    soft = 0.3 * F.one_hot(y, 4) + 0.7 * F.one_hot(y[order], 4)
    same = F.cross_entropy(logits, soft.double())
    loss.backward()
    return loss, same, w.grad, soft


@beside_pytorch
def test_vector_quantization(k):
    t, F = k.t, k.F
    codes = k.normal(6, 3).requires_grad_()
    z = k.normal(2, 5, 3).requires_grad_()
    flat = z.reshape(-1, 3)
    d = flat.pow(2).sum(1, keepdim=True) + codes.pow(2).sum(1) - 2 * flat @ codes.t()
    index = d.argmin(1).unsqueeze(1)
    hot = t.zeros(index.shape[0], 6, dtype=t.float64).scatter_(1, index, 1)
    q = t.matmul(hot, codes).view(z.shape)
    loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(q.detach(), z)
    q = z + (q - z).detach()
    p = hot.mean(dim=0)
    perplexity = t.exp(-t.sum(p * t.log(p + 1e-10)))
    (loss + q.sum()).backward()
    return loss, perplexity, codes.grad, z.grad


@beside_pytorch
def test_learned_temperature(k):
    t, nn, F, optim = k.t, k.nn, k.F, k.optim
    image, text = k.normal(5, 4).requires_grad_(), k.normal(5, 4)
    scale = nn.Parameter(t.ones([], dtype=t.float64) * np.log(1 / 0.07))
    optimizer = optim.SGD([{"params": [image], "lr": 0.1}, {"params": scale}], lr=0.01)
    for _ in range(3):
        a = image / image.norm(dim=-1, keepdim=True)
        b = text / text.norm(dim=-1, keepdim=True)
        logits = scale.exp() * a @ b.t()
        labels = t.arange(len(logits))
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return loss, image, scale


@beside_pytorch
def test_policy_gradient(k):
    t, nn = k.t, k.nn
    policy = k.known(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2), nn.Softmax(dim=-1)))
    states, actions = k.normal(7, 4), k.integers(2, 7)
    rewards = [1.0, 0.0, 2.0, -1.0, 0.5, 0.0, 3.0]
    returns, total = [], 0.0
    for r in reversed(rewards):
        total = r + 0.99 * total
        returns.insert(0, total)
    returns = t.tensor(returns, dtype=t.float64)
    returns = (returns - returns.mean()) / (returns.std() + 1e-8)
    p = policy(states)
    logp = t.log(p.gather(1, actions.unsqueeze(-1))).squeeze()
    entropy = -(p * p.log()).sum(-1).mean()
    loss = -(logp * returns).sum() - 0.01 * entropy
    loss.backward()
    return loss, returns, [p.grad for p in policy.parameters()]


@beside_pytorch
def test_advantage_estimation(k):
    t = k.t
    rewards, values, dones = k.normal(6, 2), k.normal(7, 2), k.integers(2, 6, 2).bool()
    out = t.zeros_like(rewards)
    last = 0
    for i in reversed(range(6)):
        alive = 1.0 - dones[i].double()
        delta = rewards[i] + 0.99 * values[i + 1] * alive - values[i]
        out[i] = last = delta + 0.99 * 0.95 * alive * last
    ratio = (out - out.detach().mean(0)).exp()
    clipped = t.min(ratio * out, t.clamp(ratio, 0.8, 1.2) * out)
    return out, clipped.mean()


@beside_pytorch
def test_double_q_learning(k):
    t, nn, F = k.t, k.nn, k.F
    online, target = (k.known(nn.Linear(3, 4)) for _ in range(2))
    target.load_state_dict(online.state_dict())
    s, a, r, s2 = k.normal(5, 3), k.integers(4, 5), k.normal(5), k.normal(5, 3)
    done = t.tensor([0, 0, 1, 0, 1], dtype=t.float64)
    q = online(s).gather(1, a[:, None]).squeeze(1)
    with t.no_grad():
        best = online(s2).argmax(1, keepdim=True)
        wanted = r + 0.99 * (1 - done) * target(s2).gather(1, best).squeeze(1)
    loss = F.smooth_l1_loss(q, wanted)
    loss.backward()
    for p in online.parameters():
        p.grad.data.clamp_(-0.1, 0.1)
    return loss, [p.grad for p in online.parameters()]


@beside_pytorch
def test_sinkhorn(k):
    t = k.t
    cost = t.cdist(k.normal(5, 2), k.normal(6, 2)).requires_grad_(True)
    f, g = t.zeros(5, dtype=t.float64), t.zeros(6, dtype=t.float64)
    for _ in range(20):
        f = -0.1 * t.logsumexp((g[None, :] - cost) / 0.1 - math.log(6), dim=1)
        g = -0.1 * t.logsumexp((f[:, None] - cost) / 0.1 - math.log(5), dim=0)
    plan = t.exp((f[:, None] + g[None, :] - cost) / 0.1) / 30
    (plan * cost).sum().backward()
    return plan, cost.grad


@reading_values
def test_accuracy_and_confusion(k):
    t = k.t
    logits, y = k.normal(20, 5), k.integers(5, 20)
    _, guess = t.max(logits, 1)
    right = (guess == y).sum().item() / y.size(0)
    top = logits.topk(3, 1, True, True)[1].t()
    hits = top.eq(y.view(1, -1).expand_as(top))
    top3 = hits[:3].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / 20)
    table = t.zeros(5, 5, dtype=t.int64)
    for a, b in zip(y, guess, strict=True):
        table[a.long(), b.long()] += 1
    other = t.bincount(y * 5 + guess, minlength=25).reshape(5, 5)
    assert (table == other).all()
    precision = table.diag().double() / table.sum(0).clamp(min=1)
    classes, counts = t.unique(y, return_counts=True)
    return (
        right,
        top3,
        table,
        precision,
        table.diagonal() / table.sum(1).clamp(min=1),
        classes,
        counts,
    )


@beside_pytorch
def test_area_under_curve(k):
    t = k.t
    scores, y = k.uniform(15), k.integers(2, 15)
    order = t.argsort(scores, descending=True)
    hits = y[order].cumsum(0).double()
    misses = (1 - y[order]).cumsum(0).double()
    tpr, fpr = hits / hits[-1], misses / misses[-1]
    widths = fpr[1:] - fpr[:-1]
    return (widths * (tpr[1:] + tpr[:-1]) / 2).sum() + fpr[0] * tpr[0] / 2


@beside_pytorch
def test_connectionist_loss_by_hand(k):
    t, F = k.t, k.F
    logits, target = k.normal(7, 5).requires_grad_(), t.tensor([1, 2, 2])
    logp = F.log_softmax(logits, dim=-1)
    extended = t.zeros(7, dtype=t.long)
    extended[1::2] = target
    low = t.tensor(-1e30, dtype=t.float64)
    alpha = t.where(t.arange(7) < 2, logp[0, extended], low)
    skip = (extended != 0) & (extended != extended.roll(2))
    skip[:2] = False
    for i in range(1, 7):
        one = t.cat([low.view(1), alpha[:-1]])
        two = t.where(skip, t.cat([low.expand(2), alpha[:-2]]), low)
        alpha = t.logsumexp(t.stack([alpha, one, two]), dim=0) + logp[i, extended]
    loss = -t.logaddexp(alpha[-1], alpha[-2])
    loss.backward()
    return loss, logits.grad


@beside_pytorch
def test_overlap_of_boxes(k):
    t = k.t
    a, b = k.uniform(4, 4).requires_grad_(), k.uniform(3, 4)
    ax, bx = (t.cat([z[:, :2] - z[:, 2:] / 2, z[:, :2] + z[:, 2:] / 2], -1) for z in (a, b))
    low, high = t.max(ax[:, None, :2], bx[:, :2]), t.min(ax[:, None, 2:], bx[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = [(z[:, 2:] - z[:, :2]).prod(1) for z in (ax, bx)]
    union = area[0][:, None] + area[1] - shared
    hull = t.max(ax[:, None, 2:], bx[:, 2:]) - t.min(ax[:, None, :2], bx[:, :2])
    giou = shared / union - (hull.prod(-1) - union) / hull.prod(-1)
    best, which = giou.max(dim=1)
    (1 - best).sum().backward()
    return giou, best, which, a.grad


@beside_pytorch
def test_ranking_losses(k):
    t, F = k.t, k.F
    s, y = k.normal(3, 6).requires_grad_(), k.integers(4, 3, 6).double()
    gap = s[:, :, None] - s[:, None, :]
    wanted = (y[:, :, None] > y[:, None, :]).double()
    pair = (F.softplus(-gap) * wanted).sum() / wanted.sum()
    order = y.argsort(dim=-1, descending=True, stable=True)
    ordered = s.gather(1, order)
    listwise = (ordered.flip(1).logcumsumexp(dim=1).flip(1) - ordered).mean()
    ranks = s.argsort(1, descending=True).argsort(1).double()
    gain = ((2**y - 1) / t.log2(ranks + 2.0)).sum(1)
    rising = t.log2(t.arange(6, dtype=t.float64) + 2.0)
    best = ((2 ** y.sort(1, descending=True)[0] - 1) / rising).sum(1)
    (pair + listwise).backward()
    return pair, listwise, gain / best, s.grad


@beside_pytorch
def test_quantile_and_robust_losses(k):
    t, F = k.t, k.F
    z, y = k.normal(6, 3).requires_grad_(), k.normal(6, 1)
    q = t.tensor([0.1, 0.5, 0.9], dtype=t.float64)
    e = y - z
    pinball = t.maximum(q * e, (q - 1) * e).mean(0)
    huber = t.where(e.abs() < 1, 0.5 * e**2, e.abs() - 0.5)
    smooth = F.smooth_l1_loss(z, y.expand_as(z))
    log_cosh = (e + F.softplus(-2 * e) - math.log(2)).mean()
    (pinball.sum() + huber.sum() + log_cosh).backward()
    return pinball, huber, smooth, log_cosh, z.grad
