"""Algorithms on tensors, beside PyTorch: see kit."""

import math

from programs.kit import beside_pytorch, reading_values


@reading_values
def test_k_means(k):
    t = k.t
    points, centres = k.normal(40, 2), k.normal(4, 2)
    for _ in range(5):
        nearest = t.cdist(points, centres).argmin(dim=1)
        sums = t.zeros_like(centres).index_add_(0, nearest, points)
        counts = t.zeros(4, dtype=t.float64).scatter_add_(0, nearest, t.ones(40, dtype=t.float64))
        centres = sums / counts.clamp(min=1).unsqueeze(1)
    counts = t.bincount(nearest, minlength=4)
    return centres, nearest, counts


@beside_pytorch
def test_moving_average(k):
    x = k.normal(3, 20).cumsum(dim=1)
    windows = x.unfold(1, 5, 2)
    return windows.mean(-1), windows.amax(dim=-1), windows.std(dim=-1)


@beside_pytorch
def test_beam_search(k):
    t, F = k.t, k.F
    transitions = F.log_softmax(k.normal(7, 7), dim=-1)
    beams = t.zeros(1, 3, 1, dtype=t.long)
    scores = t.tensor([[0.0, -1e9, -1e9]], dtype=t.float64)
    for _ in range(5):
        last = beams[:, :, -1]
        total = scores.unsqueeze(-1) + transitions[last]
        scores, places = total.view(1, -1).topk(3, dim=-1)
        parents = t.div(places, 7, rounding_mode="floor")
        tokens = places % 7
        history = beams.gather(1, parents.unsqueeze(-1).expand(-1, -1, beams.size(-1)))
        beams = t.cat([history, tokens.unsqueeze(-1)], dim=-1)
    return beams, scores


@reading_values
def test_non_maximum_suppression(k):
    t = k.t
    corner, extent = k.uniform(12, 2), k.uniform(12, 2) * 0.5
    boxes = t.cat([corner, corner + extent], dim=1)
    scores = k.uniform(12)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = scores.sort(descending=True)[1]
    keep = []
    while order.numel() > 0:
        i = order[0].item()
        keep.append(i)
        if order.numel() == 1:
            break
        rest = boxes[order[1:]]
        low = t.max(rest[:, :2], boxes[i, :2])
        high = t.min(rest[:, 2:], boxes[i, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        overlap = shared / (area[i] + area[order[1:]] - shared)
        left = (overlap <= 0.3).nonzero().squeeze(1)
        order = order[left + 1]
    return t.tensor(keep, dtype=t.long), boxes[t.as_tensor(keep)]


@beside_pytorch
def test_top_p_filter(k):
    t, F = k.t, k.F
    logits = k.normal(3, 10) * 3
    top = t.topk(logits, 6)[0][..., -1, None]
    logits[logits < top] = -float("inf")
    ordered, places = t.sort(logits, descending=True, dim=-1)
    total = t.cumsum(F.softmax(ordered, dim=-1), dim=-1)
    drop = total > 0.8
    drop[..., 1:] = drop[..., :-1].clone()
    drop[..., 0] = 0
    drop = drop.scatter(1, places, drop)
    logits = logits.masked_fill(drop, -float("inf"))
    return logits, F.softmax(logits, dim=-1), drop


@reading_values
def test_viterbi(k):
    F = k.F
    emissions = F.log_softmax(k.normal(6, 4), -1)
    moves = F.log_softmax(k.normal(4, 4), -1)
    score, back = emissions[0], []
    for e in emissions[1:]:
        score, parent = (score[:, None] + moves).max(dim=0)
        score = score + e
        back.append(parent)
    path = [int(score.argmax())]
    for parent in reversed(back):
        path.append(parent[path[-1]].item())
    total = emissions[0].requires_grad_()
    for e in emissions[1:]:
        total = (total.unsqueeze(1) + moves).logsumexp(0) + e
    partition = total.logsumexp(-1)
    return path[::-1], score, partition


@reading_values
def test_edit_distance(k):
    t = k.t
    a, b = k.integers(4, 6), k.integers(4, 7)
    d = t.zeros(7, 8, dtype=t.long)
    d[:, 0] = t.arange(7)
    d[0, :] = t.arange(8)
    for i in range(1, 7):
        for j in range(1, 8):
            cost = int(a[i - 1] != b[j - 1])
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d


@beside_pytorch
def test_whitening(k):
    t = k.t
    x = k.normal(30, 4) @ k.normal(4, 4)
    x = x - x.mean(0, keepdim=True)
    covariance = x.T @ x / (x.shape[0] - 1)
    values, vectors = t.linalg.eigh(covariance)
    white = x @ vectors @ t.diag(values.rsqrt()) @ vectors.T
    u, s, vh = t.linalg.svd(x, full_matrices=False)
    low = t.linalg.cholesky(covariance)
    solved = t.linalg.solve(covariance, x.T[:, :3])
    return white, s, (u * s) @ vh - x, low, solved, t.linalg.inv(covariance)


@beside_pytorch
def test_newtons_method(k):
    t = k.t
    a = k.normal(4, 4)
    a = a @ a.T + 4 * t.eye(4, dtype=t.float64)
    x = a.T / (t.norm(a, p=1) * t.norm(a, p=float("inf")))
    for _ in range(40):
        x = 2 * x - x @ a @ x
    p = t.ones(4, dtype=t.float64)
    for _ in range(100):
        p = k.F.normalize(a @ p, dim=0)
    return x @ a, t.trace(x), p @ a @ p, t.linalg.norm(a)


@beside_pytorch
def test_game_of_life(k):
    t, F = k.t, k.F
    board = k.integers(2, 8, 8)
    kernel = t.ones(1, 1, 3, 3)
    kernel[0, 0, 1, 1] = 0
    for _ in range(4):
        wrapped = F.pad(board[None, None].float(), (1, 1, 1, 1), mode="circular")
        near = F.conv2d(wrapped, kernel)[0, 0]
        board = ((near == 3) | ((board == 1) & (near == 2))).long()
    rolled = sum(t.roll(board, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    return board, rolled - board


@reading_values
def test_prime_numbers(k):
    t = k.t
    sieve = t.ones(50, dtype=t.bool)
    sieve[:2] = False
    for i in range(2, 8):
        if sieve[i]:
            sieve[i * i :: i] = False
    primes = sieve.nonzero(as_tuple=True)[0]
    gaps = primes[1:] - primes[:-1]
    return primes, gaps, t.nonzero(sieve).flatten().tolist(), (primes % 4).unique()


@beside_pytorch
def test_gaussian_process(k):
    t = k.t
    x, y, points = k.uniform(8, 1), k.normal(8), k.uniform(5, 1)

    def kernel(a, b):
        return t.exp(-0.5 * t.cdist(a, b).pow(2) / 0.3**2)

    low = t.linalg.cholesky(kernel(x, x) + 1e-2 * t.eye(8, dtype=t.float64))
    alpha = t.cholesky_solve(y.unsqueeze(-1), low)
    mean = kernel(points, x) @ alpha
    v = t.linalg.solve_triangular(low, kernel(x, points), upper=False)
    variance = 1 - (v * v).sum(dim=0)
    evidence = -0.5 * y @ alpha.squeeze() - low.diagonal().log().sum() - 4 * math.log(2 * math.pi)
    return mean, variance, evidence


@beside_pytorch
def test_mixture_of_gaussians(k):
    t = k.t
    x = t.cat([k.normal(20, 2), k.normal(20, 2) + 4])
    mean, variance = x[[0, 39]].clone(), t.ones(2, 2, dtype=t.float64)
    weight = t.full((2,), 0.5, dtype=t.float64)
    for _ in range(5):
        d = x[:, None] - mean
        logp = -0.5 * ((d**2 / variance) + variance.log() + math.log(2 * math.pi)).sum(-1)
        joint = logp + weight.log()
        total = t.logsumexp(joint, dim=1, keepdim=True)
        r = (joint - total).exp()
        n = r.sum(0)
        mean = r.T @ x / n[:, None]
        variance = t.einsum("nk,nkd->kd", r, (x[:, None] - mean) ** 2) / n[:, None] + 1e-6
        weight = n / n.sum()
    return mean, variance, weight, total.mean()


@beside_pytorch
def test_shortest_paths(k):
    t = k.t
    d = k.uniform(6, 6)
    d = t.where(d > 0.6, t.full_like(d, float("inf")), d)
    d.fill_diagonal_(0)
    for i in range(6):
        d = t.minimum(d, d[:, i : i + 1] + d[i : i + 1, :])
    return d, t.isinf(d).sum()


@beside_pytorch
def test_page_rank(k):
    t = k.t
    links = (k.uniform(6, 6) > 0.6).double()
    out = links.sum(1, keepdim=True)
    step = t.where(out > 0, links / out.clamp(min=1), t.full_like(links, 1 / 6))
    rank = t.full((6,), 1 / 6, dtype=t.float64)
    for _ in range(30):
        rank = 0.85 * rank @ step + 0.15 / 6
    return rank, rank.argsort(descending=True)


@beside_pytorch
def test_runge_kutta(k):
    t = k.t
    a, y = k.normal(3, 3), k.normal(3).requires_grad_()

    def f(y):
        return t.tanh(a @ y)

    z, path = y, []
    for _ in range(4):
        k1 = f(z)
        k2 = f(z + 0.05 * k1)
        k3 = f(z + 0.05 * k2)
        k4 = f(z + 0.1 * k3)
        z = z + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(z)
    path = t.stack(path)
    path[-1].sum().backward()
    return path, y.grad


@beside_pytorch
def test_mandelbrot(k):
    t = k.t
    y, x = t.meshgrid(
        t.linspace(-1, 1, 9, dtype=t.float64), t.linspace(-2, 1, 12, dtype=t.float64), indexing="ij"
    )
    a, b, steps = t.zeros_like(x), t.zeros_like(x), t.zeros(9, 12, dtype=t.int32)
    for _ in range(10):
        a, b = a * a - b * b + x, 2 * a * b + y
        alive = a * a + b * b <= 4
        steps += alive.int()
        a, b = a * alive, b * alive
    return steps, steps.float().mean(dim=1), (steps == 10).sum().view(1)


@beside_pytorch
def test_ridge_regression_and_components(k):
    t = k.t
    x, y = k.normal(20, 4), k.normal(20, 2)
    w = t.linalg.solve(x.T @ x + 0.1 * t.eye(4, dtype=t.float64), x.T @ y)
    least = t.linalg.lstsq(x, y).solution
    centred = x - x.mean(0)
    s = t.linalg.svdvals(centred)
    share = s.square() / s.square().sum()
    q, r = t.linalg.qr(x)
    return w, least, share, t.cumsum(share, 0), (q @ r - x).abs().max() < 1e-12, r.abs()


@reading_values
def test_histogram_equalization(k):
    t = k.t
    image = (k.uniform(8, 8) ** 2 * 255).to(t.uint8)
    counts = t.bincount(image.flatten().long(), minlength=256)
    rise = counts.cumsum(0)
    low = rise[rise > 0].min()
    table = ((rise - low).double() / (64 - low) * 255).round().clamp(0, 255).to(t.uint8)
    flat = table[image.long()]
    sobel = t.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
    edges = k.F.conv2d(flat[None, None].float(), sobel, padding=1)
    return flat, edges, flat.float().mean()


@reading_values
def test_locality_sensitive_hashing(k):
    t = k.t
    x = k.normal(10, 4)
    bits = (x @ k.normal(4, 6) > 0).long()
    code = (bits * 2 ** t.arange(6)).sum(-1)
    other = t.zeros(10, dtype=t.long)
    for i in range(6):
        other = other | (bits[:, i] << i)
    distance = (bits[:, None] != bits[None]).sum(-1)
    near = distance.masked_fill(t.eye(10, dtype=t.bool), 99).argmin(1)
    values, places, counts = t.unique(code, return_inverse=True, return_counts=True)
    return code, other, distance, near, values, places, counts
