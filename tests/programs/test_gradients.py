"""Gradients of gradients, and functions with a gradient of their own, beside PyTorch: see kit."""

import math

from programs.kit import beside_pytorch


@beside_pytorch
def test_gradient_penalty(k):
    t, nn = k.t, k.nn
    critic = k.known(nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)))
    real, fake = k.normal(4, 3), k.normal(4, 3)
    alpha = k.uniform(4, 1).expand_as(real)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = critic(mixed)
    (gradients,) = t.autograd.grad(
        outputs=scores,
        inputs=mixed,
        grad_outputs=t.ones_like(scores),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )
    penalty = ((gradients.view(4, -1).norm(2, dim=1) - 1) ** 2).mean() * 10
    loss = critic(fake).mean() - critic(real).mean() + penalty
    loss.backward()
    return loss, [p.grad for p in critic.parameters() if p.grad is not None]


@beside_pytorch
def test_gradient_penalty_of_every_parameter(k):
    t, nn = k.t, k.nn
    layers = [nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 8), nn.Hardtanh(), nn.Linear(8, 1)]
    critic, x = k.known(nn.Sequential(*layers)), k.normal(4, 3).requires_grad_()
    (g,) = t.autograd.grad(critic(x).sum(), x, create_graph=True)
    penalty = ((g.norm(2, dim=1) - 1) ** 2).mean()
    inner = list(critic.parameters())[:-1]  # the last bias has none in PyTorch either
    found = t.autograd.grad(penalty, inner, retain_graph=True)
    penalty.backward()
    return penalty, found, [p.grad for p in inner]


@beside_pytorch
def test_jacobian_and_hessian(k):
    t = k.t
    w = k.normal(3, 3)
    x = k.normal(3).requires_grad_()
    y = (w @ x).tanh()
    rows = [t.autograd.grad(y[i], x, retain_graph=True)[0] for i in range(3)]
    z = (x**3).sum() + (w @ x).pow(2).sum()
    (g,) = t.autograd.grad(z, x, create_graph=True)
    hessian = t.stack([t.autograd.grad(gi, x, retain_graph=True)[0] for gi in g])
    v = k.normal(3)
    (product,) = t.autograd.grad(g @ v, x)
    return t.stack(rows), hessian, product


@beside_pytorch
def test_maml_inner_step(k):
    t, F = k.t, k.F
    w, b = k.normal(2, 3).requires_grad_(), k.normal(2).requires_grad_()
    loss = F.mse_loss(F.linear(k.normal(4, 3), w, b), k.normal(4, 2))
    grads = t.autograd.grad(loss, [w, b], create_graph=True)
    fast = [p - 0.1 * g for p, g in zip([w, b], grads, strict=True)]
    outer = F.mse_loss(F.linear(k.normal(4, 3), *fast), k.normal(4, 2))
    outer.backward()
    return outer, w.grad, b.grad


@beside_pytorch
def test_physics_informed_loss(k):
    t, nn = k.t, k.nn
    net = k.known(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
    x, time = k.uniform(6, 1).requires_grad_(), k.uniform(6, 1).requires_grad_()
    u = net(t.cat([x, time], 1))
    ones = t.ones_like(u)
    u_t = t.autograd.grad(u, time, ones, create_graph=True)[0]
    u_x = t.autograd.grad(u, x, ones, create_graph=True)[0]
    u_xx = t.autograd.grad(u_x, x, t.ones_like(u_x), create_graph=True)[0]
    loss = (u_t + u * u_x - 0.01 / math.pi * u_xx).pow(2).mean()
    loss.backward()
    return u_t, u_xx, loss, [p.grad for p in net.parameters()]


@beside_pytorch
def test_function_of_ones_own(k):
    t = k.t

    class StraightThrough(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, limit):
            ctx.save_for_backward(x)
            ctx.limit = limit
            return x.sign()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x.abs() <= ctx.limit).to(g.dtype), None

    x = k.normal(4, 3).requires_grad_()
    z = StraightThrough.apply(x, 1.0)
    (z * k.normal(4, 3)).sum().backward()
    return z, x.grad


@beside_pytorch
def test_leaky_integrator(k):
    t = k.t

    class Spike(t.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return v.gt(0).double()

        @staticmethod
        def backward(ctx, g):
            (v,) = ctx.saved_tensors
            return g / (1 + 10 * v.abs()) ** 2

    w, x = k.normal(3, 4).requires_grad_(), k.normal(8, 2, 3)
    v, spikes = t.zeros(2, 4, dtype=t.float64), []
    for xi in x:
        v = 0.9 * v + xi @ w
        s = Spike.apply(v - 1)
        v = v * (1 - s)
        spikes.append(s)
    t.stack(spikes).sum().backward()
    return t.stack(spikes), v, w.grad


@beside_pytorch
def test_parts_written_in_place(k):
    t = k.t
    a, b = k.normal(3, 2).requires_grad_(), k.normal(3, 2).requires_grad_()
    z = t.zeros(3, 4, dtype=t.float64)
    z[:, 0::2] = a
    z[:, 1::2] = b.exp()
    z[0] *= 2
    z[z > 2] = 0
    z[:, -1] += a[:, 0]
    rows = [z[i] * (i + 1) for i in range(3)]
    out = t.empty(3, 4, dtype=t.float64)
    for i, row in enumerate(rows):
        out[i] = row
    out.square().sum().backward()
    return out, a.grad, b.grad


@beside_pytorch
def test_hessian_vector_product_of_a_network(k):
    t, nn, F = k.t, k.nn, k.F
    net = k.known(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 3))
    )
    loss = F.cross_entropy(net(k.normal(4, 1, 4, 4)), k.integers(3, 4))
    params = list(net.parameters())
    grads = t.autograd.grad(loss, params, create_graph=True)
    v = [k.normal(*p.shape) for p in params]
    dot = sum((g * u).sum() for g, u in zip(grads, v, strict=True))
    return loss, grads, t.autograd.grad(dot, params, allow_unused=True)


@beside_pytorch
def test_double_backward_through_attention(k):
    t, nn = k.t, k.nn
    attend, norm = k.known(nn.MultiheadAttention(4, 2, batch_first=True)), k.known(nn.LayerNorm(4))
    x = k.normal(2, 3, 4).requires_grad_()
    mask = t.triu(t.ones(3, 3, dtype=t.bool), diagonal=1)
    z, weights = attend(norm(x), norm(x), norm(x), attn_mask=mask)
    (g,) = t.autograd.grad(z.pow(2).sum(), x, create_graph=True)
    g.pow(2).sum().backward()
    params = [*attend.parameters(), *norm.parameters()]
    return z, weights, g, x.grad, [p.grad for p in params if p.grad is not None]


@beside_pytorch
def test_implicit_differentiation(k):
    t = k.t
    w = (k.normal(3, 3) * 0.2).requires_grad_()
    x, z = k.normal(3), k.normal(3)
    with t.no_grad():
        for _ in range(60):
            z = t.tanh(w @ z + x)
    z = z.detach().requires_grad_()
    f = t.tanh(w @ z + x)
    jacobian = t.stack([t.autograd.grad(fi, z, retain_graph=True)[0] for fi in f])
    adjoint = t.linalg.solve(t.eye(3, dtype=t.float64) - jacobian.T, t.ones(3, dtype=t.float64))
    f.backward(adjoint)
    return z, jacobian, w.grad


@beside_pytorch
def test_fake_quantization(k):
    t = k.t

    class Rounded(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x, scale)
            ctx.mark_non_differentiable()
            return (x / scale).round().clamp(-8, 7) * scale

        @staticmethod
        def backward(ctx, g):
            x, scale = ctx.saved_tensors
            q = x / scale
            inside = (q >= -8) & (q <= 7)
            g_scale = t.where(inside, q.round() - q, q.clamp(-8, 7))
            return g * inside, (g * g_scale).sum()

    x, scale = k.normal(20).requires_grad_(), t.tensor(0.1, dtype=t.float64, requires_grad=True)
    z = Rounded.apply(x, scale)
    z.square().sum().backward()
    return z, x.grad, scale.grad


@beside_pytorch
def test_score_matching(k):
    t, nn = k.t, k.nn
    net = k.known(nn.Sequential(nn.Linear(2, 6), nn.Softplus(), nn.Linear(6, 1)))
    x = k.normal(5, 2).requires_grad_()
    (score,) = t.autograd.grad(net(x).sum(), x, create_graph=True)
    trace = sum(t.autograd.grad(score[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2))
    loss = (trace + 0.5 * score.norm(dim=1) ** 2).mean()
    loss.backward()
    return score, trace, loss, [p.grad for p in net.parameters() if p.grad is not None]
