"""Parts of models written by hand, beside PyTorch: see kit."""

import math

from programs.kit import beside_pytorch, reading_values


@beside_pytorch
def test_variational_autoencoder(k):
    t, nn, F = k.t, k.nn, k.F
    encoder, decoder = k.known(nn.Linear(6, 4)), k.known(nn.Linear(2, 6))
    x, eps = k.uniform(5, 6), k.normal(5, 2)
    mu, logvar = encoder(x).chunk(2, dim=-1)
    std = t.exp(0.5 * logvar)
    z = mu + eps * std
    rebuilt = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
    divergence = -0.5 * t.sum(1 + logvar - mu.pow(2) - logvar.exp())
    loss = rebuilt + divergence
    loss.backward()
    return loss, [p.grad for p in [*encoder.parameters(), *decoder.parameters()]]


@beside_pytorch
def test_bag_of_words(k):
    nn, F = k.nn, k.F
    table = k.known(nn.Embedding(20, 4, padding_idx=0))
    words = k.integers(20, 6, 7)
    lengths = (words != 0).sum(dim=1, keepdim=True).clamp(min=1)
    mean = (table(words) * (words != 0).unsqueeze(-1)).sum(dim=1) / lengths
    loss = F.cross_entropy(mean, k.integers(4, 6))
    loss.backward()
    return mean, loss, table.weight.grad


@beside_pytorch
def test_masked_attention_by_hand(k):
    t, F = k.t, k.F
    q, keys, v = (k.normal(2, 3, 5, 4).requires_grad_() for _ in range(3))
    weights = q @ keys.transpose(-2, -1) / math.sqrt(q.size(-1))
    mask = t.tril(t.ones(5, 5)).view(1, 1, 5, 5)
    weights = weights.masked_fill(mask == 0, float("-inf"))
    weights = F.softmax(weights, dim=-1)
    out = (weights @ v).transpose(1, 2).contiguous().view(2, 5, 12)
    out.square().sum().backward()
    return out, q.grad, keys.grad, v.grad


@reading_values
def test_positions_of_sines(k):
    t, nn = k.t, k.nn

    class Positions(nn.Module):
        def __init__(self, d, length=50):
            super().__init__()
            place = t.arange(length).unsqueeze(1)
            rate = t.exp(t.arange(0, d, 2) * (-math.log(10000.0) / d))
            pe = t.zeros(length, 1, d)
            pe[:, 0, 0::2] = t.sin(place * rate)
            pe[:, 0, 1::2] = t.cos(place * rate)
            self.register_buffer("pe", pe)

        def forward(self, x):
            return x + self.pe[: x.size(0)]

    module = Positions(6)
    z = module.double()(k.normal(4, 2, 6))
    return (z * 1000).round() / 1000, list(module.state_dict())


@beside_pytorch
def test_rotary_positions(k):
    t = k.t

    def turned(x):
        a, b = x.chunk(2, dim=-1)
        return t.cat((-b, a), dim=-1)

    q = k.normal(2, 3, 5, 8).requires_grad_()
    rates = 1.0 / (10000 ** (t.arange(0, 8, 2, dtype=t.float64) / 8))
    angles = t.outer(t.arange(5, dtype=t.float64), rates)
    both = t.einsum("i,j->ij", t.arange(5, dtype=t.float64), rates)
    angles = t.cat((angles, both), dim=-1)
    cos, sin = angles.cos()[None, None], angles.sin()[None, None]
    z = q * cos + turned(q) * sin
    pairs = q.reshape(*q.shape[:-1], -1, 2)
    even, odd = pairs.unbind(-1)
    other = t.stack((even * cos[..., :4] - odd * sin[..., :4], odd), dim=-1).flatten(-2)
    (z * other).sum().backward()
    return z, other, q.grad


@beside_pytorch
def test_relative_position_bias(k):
    t, nn = k.t, k.nn
    table = k.known(nn.Embedding(2 * 3 + 1, 2))
    places = t.arange(5)
    apart = (places[None, :] - places[:, None]).clamp(-3, 3) + 3
    bias = table(apart).permute(2, 0, 1).unsqueeze(0)
    window = t.stack(t.meshgrid([t.arange(3), t.arange(3)], indexing="ij"))
    flat = t.flatten(window, 1)
    relative = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0).contiguous()
    relative[:, :, 0] += 2
    relative[:, :, 1] += 2
    relative[:, :, 0] *= 5
    index = relative.sum(-1)
    bias.pow(2).sum().backward()
    return bias, index, table.weight.grad


@beside_pytorch
def test_windows_of_an_image(k):
    t = k.t
    x = k.normal(2, 6, 6, 3)
    b, h, w, c = x.shape
    y = x.view(b, h // 3, 3, w // 3, 3, c)
    y = y.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 3, 3, c)
    shifted = t.roll(x, shifts=(-1, -1), dims=(1, 2))
    mask = t.zeros((1, 6, 6, 1))
    n = 0
    for rows in (slice(0, -3), slice(-3, -1), slice(-1, None)):
        for columns in (slice(0, -3), slice(-3, -1), slice(-1, None)):
            mask[:, rows, columns, :] = n
            n += 1
    mask = mask.view(1, 2, 3, 2, 3, 1).transpose(2, 3).reshape(-1, 9)
    mask = mask.unsqueeze(1) - mask.unsqueeze(2)
    mask = mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)
    return y, shifted, mask


@beside_pytorch
def test_patches_of_an_image(k):
    t, nn = k.t, k.nn
    embed = k.known(nn.Conv2d(3, 8, kernel_size=4, stride=4))
    cls = nn.Parameter(t.zeros(1, 1, 8, dtype=t.float64))
    place = nn.Parameter(k.normal(1, 5, 8) * 0.02)
    x = embed(k.normal(2, 3, 8, 8)).flatten(2).transpose(1, 2)
    x = t.cat((cls.expand(x.shape[0], -1, -1), x), dim=1) + place
    x[:, 0].sum().backward()
    return x, cls.grad, place.grad


@beside_pytorch
def test_squeeze_and_excitation(k):
    nn, F = k.nn, k.F
    net = k.known(
        nn.Sequential(nn.Linear(4, 2), nn.ReLU(inplace=True), nn.Linear(2, 4), nn.Sigmoid())
    )
    x = k.normal(2, 4, 5, 5).requires_grad_()
    b, c, _, _ = x.size()
    y = F.adaptive_avg_pool2d(x, 1).view(b, c)
    y = net(y).view(b, c, 1, 1)
    z = x * y.expand_as(x)
    z += x
    z.mean().backward()
    return z, x.grad, [p.grad for p in net.parameters()]


@beside_pytorch
def test_depthwise_separable(k):
    nn, F = k.nn, k.F
    net = k.known(
        nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU6(inplace=True),
            nn.Conv2d(4, 6, 1),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
        )
    )
    z = net(k.normal(3, 4, 6, 6))
    F.nll_loss(F.log_softmax(z, 1), k.integers(6, 3)).backward()
    return z, [p.grad for p in net.parameters()], net.state_dict()


@beside_pytorch
def test_causal_convolution(k):
    t, nn, F = k.t, k.nn, k.F
    conv = k.known(nn.Conv1d(2, 4, 3, dilation=2))
    x = k.normal(3, 2, 9)
    z = conv(F.pad(x, (4, 0)))
    a, b = z.chunk(2, dim=1)
    gated = t.tanh(a) * t.sigmoid(b)
    same = F.glu(z, dim=1)
    gated.sum().backward()
    return gated, same, conv.weight.grad


@beside_pytorch
def test_recurrent_cell_by_hand(k):
    t, nn = k.t, k.nn

    class Cell(nn.Module):
        def __init__(self, n, hidden):
            super().__init__()
            self.gates = nn.Linear(n + hidden, 4 * hidden)
            self.hidden = hidden

        def forward(self, xs):
            h = xs.new_zeros(xs.size(1), self.hidden)
            c = t.zeros_like(h)
            outs = []
            for x in xs:
                i, f, g, o = self.gates(t.cat([x, h], 1)).chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                outs.append(h)
            return t.stack(outs), (h, c)

    cell = k.known(Cell(3, 4))
    zs, (h, c) = cell(k.normal(6, 2, 3))
    zs[-1].sum().backward()
    nn.init.zeros_(cell.gates.bias)
    return zs, h, c, cell.gates.weight.grad, cell.gates.bias


@reading_values
def test_sequence_packing_by_masks(k):
    t = k.t
    lengths = t.tensor([3, 1, 4])
    mask = t.arange(int(lengths.max()))[None, :] < lengths[:, None]
    x = k.normal(3, 4, 2).masked_fill_(~mask[:, :, None], 0.0)
    mean = x.sum(1) / lengths[:, None]
    last = x[t.arange(3), lengths - 1]
    flat = x[mask]
    back = t.zeros_like(x)
    back[mask] = flat * 2
    top = x.masked_fill(~mask.unsqueeze(-1), float("-inf")).max(dim=1).values
    return mean, last, flat, back, top, mask.sum(), mask.long().cumsum(1)


@reading_values
def test_mixture_of_experts(k):
    t, nn, F = k.t, k.nn, k.F
    gate, experts = (
        k.known(nn.Linear(4, 3)),
        k.known(nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])),
    )
    x = k.normal(10, 4)
    weights, chosen = t.topk(F.softmax(gate(x), dim=-1), 2)
    weights /= weights.sum(dim=-1, keepdim=True)
    z = t.zeros_like(x)
    mask = F.one_hot(chosen, num_classes=3).permute(2, 1, 0)
    for i, expert in enumerate(experts):
        slot, row = t.where(mask[i])
        if row.numel():
            z.index_add_(0, row, expert(x[row]) * weights[row, slot, None])
    z.square().sum().backward()
    return z, gate.weight.grad, [e.weight.grad for e in experts]


@beside_pytorch
def test_gumbel_softmax(k):
    t, F = k.t, k.F
    logits = k.normal(4, 5).requires_grad_()
    noise = -t.log(-t.log(k.uniform(4, 5)))
    y = F.softmax((logits + noise) / 0.7, dim=-1)
    hard = t.zeros_like(logits).scatter_(-1, y.max(-1, keepdim=True)[1], 1.0)
    z = hard - y.detach() + y
    (z * t.arange(5)).sum().backward()
    return z, logits.grad


@beside_pytorch
def test_normalizing_flow(k):
    t, nn = k.t, k.nn
    s, m = k.known(nn.Linear(2, 2)), k.known(nn.Linear(2, 2))
    x = k.normal(5, 4)
    a, b = t.split(x, 2, dim=1)
    scale = t.tanh(s(a))
    y = t.cat([a, b * scale.exp() + m(a)], dim=1)[:, [3, 1, 0, 2]]
    log_det = scale.sum(dim=1)
    prior = -0.5 * (y**2 + math.log(2 * math.pi)).sum(dim=1)
    loss = -(prior + log_det).mean()
    loss.backward()
    return y, loss, s.weight.grad, m.bias.grad


@beside_pytorch
def test_diffusion_step(k):
    t, F = k.t, k.F
    betas = t.linspace(1e-4, 0.02, 50, dtype=t.float64)
    kept = t.cumprod(1.0 - betas, dim=0)
    before = F.pad(kept[:-1], (1, 0), value=1.0)
    variance = betas * (1.0 - before) / (1.0 - kept)
    x, eps, when = k.normal(3, 1, 4, 4), k.normal(3, 1, 4, 4), k.integers(50, 3)

    def at(values):
        return values.gather(-1, when).reshape(3, *((1,) * (x.ndim - 1)))

    noisy = at(kept.sqrt()) * x + at((1 - kept).sqrt()) * eps
    half = 4
    rates = t.exp(-math.log(10000) * t.arange(start=0, end=half, dtype=t.float32) / half)
    angles = when[:, None].float() * rates[None]
    embedded = t.cat([t.cos(angles), t.sin(angles)], dim=-1).double()
    log_variance = t.log(variance.clamp(min=1e-20))
    return noisy, (embedded * 1e4).round() / 1e4, log_variance, variance[1:].min()


@reading_values
def test_running_statistics(k):
    t, nn = k.t, k.nn

    class Normalizer(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.register_buffer("mean", t.zeros(n, dtype=t.float64))
            self.register_buffer("var", t.ones(n, dtype=t.float64))
            self.register_buffer("count", t.tensor(0))

        def forward(self, x):
            if self.training:
                n = x.shape[0]
                delta = x.mean(0) - self.mean
                total = self.count + n
                m2 = self.var * self.count + x.var(0, unbiased=False) * n
                m2 += delta.square() * self.count * n / total
                self.mean += delta * n / total
                self.var = m2 / total
                self.count += n
            return (x - self.mean) / t.sqrt(self.var + 1e-5)

    module = Normalizer(3)
    for n in (4, 6, 3):
        z = module(k.normal(n, 3))
    module.eval()
    return z, module(k.normal(2, 3)), module.state_dict()


@beside_pytorch
def test_shared_weights(k):
    nn, F = k.nn, k.F

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 4)
            self.head = nn.Linear(4, 9, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x):
            return self.head(self.embed(x).tanh())

    model = k.known(Tied())
    x = k.integers(9, 2, 5)
    loss = F.cross_entropy(model(x).view(-1, 9), x.view(-1))
    loss.backward()
    assert model.head.weight is model.embed.weight
    names = [name for name, _ in model.named_parameters()]
    return (
        loss,
        model.embed.weight.grad,
        len(names),
        sorted(model.state_dict()) == ["embed.weight", "head.weight"],
    )


@beside_pytorch
def test_low_rank_adapters(k):
    t, nn = k.t, k.nn

    class Adapted(nn.Module):
        def __init__(self, linear, r):
            super().__init__()
            self.linear = linear
            self.a = nn.Parameter(t.empty(r, linear.in_features))
            self.b = nn.Parameter(t.zeros(linear.out_features, r))
            nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

        def forward(self, x):
            return self.linear(x) + x @ self.a.T @ self.b.T * (16 / self.a.size(0))

    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Linear):
            setattr(model, name, Adapted(child, 2))
    model = k.known(model)
    for name, p in model.named_parameters():
        p.requires_grad = name.endswith((".a", ".b"))
    model(k.normal(5, 4)).sum().backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 4
    return trained, model.state_dict()


@reading_values
def test_folded_batch_norm(k):
    t, nn = k.t, k.nn
    conv = k.known(nn.Conv2d(2, 3, 3, bias=False))
    norm = k.known(nn.BatchNorm2d(3))
    for _ in range(3):
        norm(conv(k.normal(4, 2, 6, 6)))
    norm.eval()
    scale = norm.weight / t.sqrt(norm.running_var + norm.eps)
    folded = nn.Conv2d(2, 3, 3).double()
    with t.no_grad():
        folded.weight.copy_(conv.weight * scale.reshape(-1, 1, 1, 1))
        folded.bias.data = (norm.bias - norm.running_mean * scale).detach()
    x = k.normal(2, 2, 6, 6)
    assert t.allclose(folded(x), norm(conv(x)))
    return folded(x), norm.state_dict()


@beside_pytorch
def test_spectral_norm(k):
    t, F = k.t, k.F
    w = k.normal(5, 3).requires_grad_()
    u = F.normalize(k.normal(5), dim=0)
    with t.no_grad():
        for _ in range(10):
            v = F.normalize(t.mv(w.t(), u), dim=0, eps=1e-12)
            u = F.normalize(t.mv(w, v), dim=0, eps=1e-12)
    sigma = t.dot(u, t.mv(w, v))
    (w / sigma).pow(3).sum().backward()
    return sigma, w.grad


@beside_pytorch
def test_up_and_down(k):
    t, nn, F = k.t, k.nn, k.F
    down, up = k.known(nn.Conv2d(2, 4, 3, 2, 1)), k.known(nn.ConvTranspose2d(4, 2, 2, stride=2))
    x = k.normal(1, 2, 8, 8)
    y = F.max_pool2d(F.relu(down(x)), 2)
    y = F.interpolate(y, scale_factor=2, mode="nearest")
    y = up(y)
    skip = t.cat([y, F.pad(x[:, :, 1:-1, 1:-1], (1, 1, 1, 1))], dim=1)
    z = F.interpolate(skip, size=(5, 5), mode="bilinear", align_corners=False)
    z.square().mean().backward()
    return z, down.weight.grad, up.weight.grad


@reading_values
def test_convolution_as_matmul(k):
    t, F = k.t, k.F
    x, w = k.normal(2, 3, 7, 7).requires_grad_(), k.normal(4, 3, 3, 3).requires_grad_()
    columns = F.unfold(x, kernel_size=3, padding=1, stride=2)
    z = (w.view(4, -1) @ columns).view(2, 4, 4, 4)
    assert t.allclose(z, F.conv2d(x, w, stride=2, padding=1))
    back = F.fold(columns, output_size=(7, 7), kernel_size=3, padding=1, stride=2)
    (z.square().sum() + back.pow(3).sum()).backward()
    return z, back, x.grad, w.grad


@beside_pytorch
def test_volume_rendering(k):
    t, F = k.t, k.F
    raw, z = k.normal(4, 8, 4).requires_grad_(), k.uniform(4, 8).sort(-1)[0]
    dists = t.cat([z[..., 1:] - z[..., :-1], t.full((4, 1), 1e10, dtype=t.float64)], -1)
    alpha = 1.0 - t.exp(-F.relu(raw[..., 3]) * dists)
    left = t.cumprod(t.cat([t.ones(4, 1, dtype=t.float64), 1.0 - alpha + 1e-10], -1), -1)[:, :-1]
    weights = alpha * left
    colour = t.sum(weights[..., None] * t.sigmoid(raw[..., :3]), -2)
    depth = (weights * z).sum(-1)
    pdf = (weights.detach() + 1e-5) / t.sum(weights.detach() + 1e-5, -1, keepdim=True)
    cdf = t.cumsum(pdf, -1)
    u = t.linspace(0.05, 0.95, 5, dtype=t.float64).expand(4, 5).contiguous()
    places = t.searchsorted(cdf, u, right=True).clamp(max=7)
    drawn = t.gather(z, -1, places)
    colour.square().sum().backward()
    return colour, depth, places, drawn, raw.grad


@beside_pytorch
def test_soft_arg_max(k):
    t, F = k.t, k.F
    heat = k.normal(2, 3, 5, 6).requires_grad_()
    p = F.softmax(heat.view(2, 3, -1) * 3, dim=-1).view_as(heat)
    x = (p.sum(2) * t.arange(6)).sum(-1)
    y = (p.sum(3) * t.arange(5)).sum(-1)
    hard = heat.view(2, 3, -1).argmax(-1)
    rows, columns = hard // 6, hard % 6
    (x + y).sum().backward()
    return x, y, rows, columns, heat.grad


@beside_pytorch
def test_warped_image(k):
    t, F = k.t, k.F
    x, angle = k.normal(2, 1, 5, 5), t.tensor([0.3, -0.2], dtype=t.float64, requires_grad=True)
    zero = t.zeros_like(angle)
    theta = t.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], -1)
    grid = F.affine_grid(theta.view(-1, 2, 3), x.size(), align_corners=False)
    z = F.grid_sample(x, grid, align_corners=False)
    z.square().sum().backward()
    return z, grid, angle.grad


@beside_pytorch
def test_structural_similarity(k):
    t, F = k.t, k.F
    x, y = k.uniform(1, 2, 12, 12).requires_grad_(), k.uniform(1, 2, 12, 12)
    g = t.exp(-((t.arange(5, dtype=t.float64) - 2) ** 2) / (2 * 1.5**2))
    g = (g / g.sum()).unsqueeze(1)
    window = g.mm(g.t()).expand(2, 1, 5, 5).contiguous()

    def blurred(z):
        return F.conv2d(z, window, padding=2, groups=2)

    mx, my = blurred(x), blurred(y)
    vx, vy, c = blurred(x * x) - mx.pow(2), blurred(y * y) - my.pow(2), blurred(x * y) - mx * my
    z = ((2 * mx * my + 1e-4) * (2 * c + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    z.mean().backward()
    return z, x.grad, 10 * t.log10(1 / F.mse_loss(x, y))


@beside_pytorch
def test_skip_gram(k):
    t, nn, F, optim = k.t, k.nn, k.F, k.optim
    inner, outer = k.known(nn.Embedding(12, 4)), k.known(nn.Embedding(12, 4))
    optimizer = optim.SGD([*inner.parameters(), *outer.parameters()], lr=0.5)
    for _ in range(3):
        word, near, far = k.integers(12, 6), k.integers(12, 6), k.integers(12, 6, 3)
        v = inner(word)
        right = F.logsigmoid((outer(near) * v).sum(1))
        wrong = F.logsigmoid(-t.bmm(outer(far), v.unsqueeze(2)).squeeze(2)).sum(1)
        loss = -(right + wrong).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    similar = F.cosine_similarity(inner.weight[None], inner.weight[:, None], dim=-1)
    return loss, inner.weight, similar.topk(3, dim=1).indices


@reading_values
def test_sequences_of_many_lengths(k):
    t, nn = k.t, k.nn
    rows = [k.normal(n, 3) for n in (4, 2, 5)]
    x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = t.tensor([len(row) for row in rows])
    padding = t.arange(x.size(1)).expand(3, -1) >= lengths.unsqueeze(1)
    attention = k.known(nn.MultiheadAttention(3, 1, batch_first=True))
    z, weights = attention(x, x, x, key_padding_mask=padding)
    gru = k.known(nn.GRU(3, 2, batch_first=True, bidirectional=True))
    states, last = gru(x)
    z.masked_fill(padding.unsqueeze(-1), 0).sum().backward()
    return z[~padding], weights, states, last, attention.in_proj_weight.grad


@beside_pytorch
def test_residual_network(k):
    nn, F = k.nn, k.F

    class Block(nn.Module):
        def __init__(self, n, m, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(n, m, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(m)
            self.conv2 = nn.Conv2d(m, m, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(m)
            self.shortcut = nn.Identity()
            if stride != 1 or n != m:
                self.shortcut = nn.Sequential(nn.Conv2d(n, m, 1, stride), nn.BatchNorm2d(m))

        def forward(self, x):
            z = F.relu(self.bn1(self.conv1(x)), inplace=True)
            z = self.bn2(self.conv2(z))
            z += self.shortcut(x)
            return F.relu(z)

    net = k.known(nn.Sequential(Block(2, 2), Block(2, 4, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    z = net(k.normal(3, 2, 6, 6))
    F.cross_entropy(z, k.integers(4, 3)).backward()
    return z, {n: p.grad for n, p in net.named_parameters()}, net.state_dict()


@beside_pytorch
def test_key_value_cache(k):
    t, nn, F = k.t, k.nn, k.F
    qkv = k.known(nn.Linear(6, 18))
    x = k.normal(1, 5, 6)
    q, keys, v = (z.view(1, 5, 2, 3).transpose(1, 2) for z in qkv(x).split(6, dim=2))
    whole = F.scaled_dot_product_attention(q, keys, v, is_causal=True)
    cache_k, cache_v, outs = t.zeros(1, 2, 5, 3).double(), t.zeros(1, 2, 5, 3).double(), []
    for i in range(5):
        qi, ki, vi = (z.view(1, 1, 2, 3).transpose(1, 2) for z in qkv(x[:, i : i + 1]).chunk(3, -1))
        cache_k[:, :, i : i + 1], cache_v[:, :, i : i + 1] = ki, vi
        outs.append(
            F.scaled_dot_product_attention(qi, cache_k[:, :, : i + 1], cache_v[:, :, : i + 1])
        )
    return whole, t.cat(outs, dim=2)


@beside_pytorch
def test_linear_bias_of_attention(k):
    t, F = k.t, k.F
    slopes = t.tensor([2 ** (-8 * (i + 1) / 4) for i in range(4)], dtype=t.float64)
    place = t.arange(5)
    bias = -(place[:, None] - place[None, :]).abs() * slopes.view(-1, 1, 1)
    bias = bias.masked_fill(t.ones(5, 5).triu(1).bool(), float("-inf"))
    q, keys, v = (k.normal(2, 4, 5, 3).requires_grad_() for _ in range(3))
    z = F.scaled_dot_product_attention(q, keys, v, attn_mask=bias)
    grouped = F.scaled_dot_product_attention(q, keys[:, :2], v[:, :2], enable_gqa=True)
    (z * grouped).sum().backward()
    return z, grouped, q.grad, keys.grad, v.grad


@beside_pytorch
def test_factorization_machine(k):
    nn = k.nn
    table, linear = k.known(nn.Embedding(10, 3)), k.known(nn.Embedding(10, 1))
    fields = k.integers(10, 4, 5)
    e = table(fields)
    pairs = 0.5 * (e.sum(1).pow(2) - e.pow(2).sum(1)).sum(1)
    z = linear(fields).squeeze(-1).sum(1) + pairs
    loss = nn.BCEWithLogitsLoss()(z, k.integers(2, 4).double())
    loss.backward()
    by_hand = sum((e[:, i] * e[:, j]).sum(1) for i in range(5) for j in range(i + 1, 5))
    return z, loss, by_hand, table.weight.grad


@beside_pytorch
def test_graph_convolution(k):
    t, F = k.t, k.F
    edges = k.integers(6, 2, 15)
    x, w = k.normal(6, 4), k.normal(4, 3).requires_grad_()
    source, target = edges
    degree = t.zeros(6, dtype=t.float64).scatter_add(0, target, t.ones(15, dtype=t.float64))
    scale = degree.pow(-0.5)
    scale[scale == float("inf")] = 0
    norm = scale[source] * scale[target]
    message = (x @ w)[source] * norm.view(-1, 1)
    z = t.zeros(6, 3, dtype=t.float64).index_add(0, target, message)
    adjacency = t.zeros(6, 6, dtype=t.float64)
    adjacency.index_put_((target, source), t.ones(15, dtype=t.float64), accumulate=True)
    F.elu(z).sum().backward()
    return z, w.grad, adjacency, degree


@beside_pytorch
def test_segment_softmax(k):
    t = k.t
    scores, segment = k.normal(10).requires_grad_(), k.integers(4, 10)
    top = t.full((4,), -float("inf"), dtype=t.float64)
    top = top.scatter_reduce(0, segment, scores.detach(), reduce="amax")
    e = (scores - top[segment]).exp()
    total = t.zeros(4, dtype=t.float64).scatter_add_(0, segment, e)
    p = e / total[segment]
    (p * t.arange(10)).sum().backward()
    return p, scores.grad
