"""rl.linalg beside torch.linalg: values, gradients of two orders, devices, errors."""

import numpy as np
import pytest
import torch

import rushlight as rl

DEVICES = ["numpy", "hostile"]
RNG = np.random.default_rng(7)
GIVEN = {
    "a": RNG.normal(size=(3, 3)),
    "b": RNG.normal(size=(2, 4, 4)),
    "tall": RNG.normal(size=(2, 5, 3)),
    "flat": RNG.normal(size=(3, 5)),
    "v": RNG.normal(size=3),
    "w": RNG.normal(size=(3, 2)),
    "y": RNG.normal(size=(2, 4, 2)),
    "z": RNG.normal(size=(2, 5)),
    "low": np.tril(RNG.normal(size=(3, 3))) + 3 * np.eye(3),
    "c": RNG.normal(size=(2, 3, 4)),
    "odd": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "one": np.eye(3),
}

# Gradients of eigenvectors and singular vectors depend on their signs only where the loss does:
# the cubes below are odd, so they are squared first.
CALLS = """
la.inv(a); la.inv(b); a.inverse(); lib.inverse(b); la.solve(a, w); la.solve(b, y); la.solve(a, v)
la.solve(a, w.mT, left=False); la.solve(b, y[0]); lib.cholesky_solve(w, low.tril())
lib.cholesky_solve(w, low.mT.triu(), upper=True); w.cholesky_solve((low + 2.0).tril())
la.det(a); la.det(b); lib.det(a); a.det(); la.slogdet(a); la.slogdet(b); b.slogdet(); lib.slogdet(a)
lib.logdet(a @ a.mT); lib.logdet(a); a.logdet()
la.cholesky(a @ a.mT + one); la.cholesky(b @ b.mT); la.cholesky(a @ a.mT, upper=True)
la.qr(a)[0]; la.qr(a)[1]; la.qr(tall); la.qr(flat); la.qr(tall, "complete")[1].abs()
la.qr(tall, mode="r")[1]
la.svdvals(a); la.svdvals(tall); la.svdvals(flat); la.svd(tall)[1]
la.svd(a, full_matrices=False)[0] ** 2; la.svd(tall, False)[2] ** 2; la.svd(flat, False)[0] ** 2
la.svd(flat, False)[2] ** 2; la.svd(flat)[0] ** 2
la.eigh(a + a.mT)[0]; la.eigh(a + a.mT).eigenvectors ** 2; la.eigvalsh(b + b.mT)
la.eigvalsh(a + a.mT, UPLO="U"); la.eigh(a + a.mT, "U")[1] ** 2
la.matrix_power(a, 3); la.matrix_power(a, 0); la.matrix_power(b, -2); la.matrix_power(a, 5)
a.matrix_power(1); lib.matrix_power(a, 2)
la.pinv(a); la.pinv(tall); la.pinv(flat); lib.pinverse(flat); tall.pinverse()
la.pinv(a + a.mT, hermitian=True); la.pinv(tall, rtol=0.3)
la.lstsq(a, w)[0]; la.lstsq(tall, tall[..., :2] ** 2).solution; la.lstsq(flat, w)[0]
la.norm(a); la.norm(b); la.norm(v); la.norm(v, 3); la.norm(a, "fro"); la.norm(a, "nuc")
la.norm(a, 2); la.norm(a, -2); la.norm(a, 1); la.norm(a, -1); la.norm(a, float("inf"))
la.norm(a, -float("inf")); la.norm(b, 2, dim=0); la.norm(c, dim=(0, 2)); la.norm(c, "nuc", (2, 0))
la.norm(c, 1, dim=(0, 1), keepdim=True); la.norm(c, 2, dim=(-1, -2), keepdim=True)
la.norm(v, -float("inf")); la.norm(v, 0.5); la.norm(c, 1, 1, True)
la.vector_norm(c); la.vector_norm(c, 1, (0, 1)); la.vector_norm(c, 3.5, 2, True)
la.vector_norm(c, float("inf")); la.matrix_norm(c); la.matrix_norm(c, "nuc", keepdim=True)
la.matrix_norm(c, -1, (0, 2)); la.matrix_norm(c, float("inf"), (2, 1))
la.multi_dot([a, w]); la.multi_dot([v, a, w]); la.multi_dot((a, a, a, v))
la.cross(a, one + a); la.cross(c, c ** 2, dim=1); la.matmul(a, w)
"""


def both(text, device, dtype):
    """The call on tensors of both libraries."""
    names = [n for n in GIVEN if n in set(compile(text, "", "eval").co_names)]
    made = []
    for lib, place in ((rl, {"device": device}), (torch, {})):
        call = eval(f"lambda lib, la, {', '.join(names)}: {text}")
        leaves = [
            lib.tensor(GIVEN[n], dtype=getattr(lib, dtype), requires_grad=True, **place)
            for n in names
        ]
        found = call(lib, lib.linalg, *leaves)
        made.append((lib, list(found) if isinstance(found, tuple) else [found], leaves))
    return made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "text", [t.strip() for t in CALLS.replace("\n", ";").split(";") if t.strip()]
)
def test_beside_torch(text, device):
    dtype = "float32" if device == "hostile" else "float64"
    close = {"rtol": 2e-3, "atol": 2e-4} if device == "hostile" else {"rtol": 1e-7, "atol": 1e-9}
    grads = []
    (_, ours, _), (_, theirs, _) = runs = both(text, device, dtype)
    for x, y in zip(ours, theirs, strict=True):
        assert x.dtype.name == str(y.dtype).removeprefix("torch.")
        assert tuple(x.shape) == tuple(y.shape)
        np.testing.assert_allclose(x.numpy(force=True), y.detach().numpy(), **close)
    if any(part in text for part in ('"complete"', '"r"', "(a, 0)")):
        return  # without a gradient, in torch too
    for lib, found, leaves in runs:
        total = sum((z * z * z).sum() for z in found)
        first = lib.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        first = [g for g in first if g is not None]
        second = []
        if device == "numpy" and any(g.requires_grad for g in first):
            value = sum((g * g).sum() for g in first)
            second = lib.autograd.grad(value, leaves, allow_unused=True)
        grads.append([*first, *[g for g in second if g is not None]])
    for g, h in zip(*grads, strict=True):
        wide = {k: 30 * x for k, x in close.items()} if device == "hostile" else close
        np.testing.assert_allclose(g.numpy(force=True), h.detach().numpy(), **wide)


def test_numbers_of_rank_and_what_lstsq_tells():
    for name, x in GIVEN.items():
        if x.ndim > 1:
            ours = rl.linalg.matrix_rank(rl.tensor(x))
            assert ours.tolist() == torch.linalg.matrix_rank(torch.tensor(x)).tolist(), name
    assert rl.linalg.matrix_rank(rl.tensor(GIVEN["tall"]), atol=100.0).tolist() == [0, 0]
    tall = GIVEN["tall"]
    for driver in (None, "gelsd"):
        ours, theirs = (
            lib.linalg.lstsq(lib.tensor(tall), lib.tensor(tall[..., :2] ** 2), driver=driver)
            for lib in (rl, torch)
        )
        assert tuple(ours.residuals.shape) == tuple(theirs.residuals.shape)
        np.testing.assert_allclose(ours.residuals.numpy(), theirs.residuals.numpy())
        assert ours.rank.tolist() == theirs.rank.tolist()
    assert ours.singular_values.shape == (0,)
    flat = rl.linalg.lstsq(rl.tensor(GIVEN["flat"]), rl.tensor(GIVEN["w"]))
    assert flat.residuals.shape == (0,)


def test_the_gradient_of_det_where_the_matrix_is_singular():
    for x in (GIVEN["odd"], np.zeros((2, 2)), np.ones((3, 3)), np.diag([2.0, 0.0, 3.0])):
        ours = rl.tensor(x, requires_grad=True)
        assert rl.autograd.gradcheck(rl.linalg.det, ours)  # torch's is 0 of the first


def test_gradients_of_what_does_not_depend_on_the_choice_of_equal_eigenvectors():
    for f in (
        lambda lib, x: lib.linalg.eigvalsh(x).sum(),
        lambda lib, x: lib.linalg.svdvals(x).sum(),
        lambda lib, x: (lib.linalg.pinv(x) ** 2).sum(),
    ):
        ours = rl.eye(3, dtype=rl.float64).requires_grad_()
        theirs = torch.eye(3, dtype=torch.float64, requires_grad=True)
        f(rl, ours).backward()
        f(torch, theirs).backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), atol=1e-9)


def test_factors_make_their_matrix():
    for name in ("tall", "flat", "b"):
        x = rl.tensor(GIVEN[name])
        for full in (False, True):
            u, s, vh = rl.linalg.svd(x, full)
            m, n = x.shape[-2:]
            k = min(m, n)
            assert u.shape[-1] == (m if full else k)
            assert vh.shape[-2] == (n if full else k)
            made = (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]
            np.testing.assert_allclose(made.numpy(), x.numpy(), atol=1e-12)
            identity = (u.mT @ u).numpy()
            np.testing.assert_allclose(
                identity, np.broadcast_to(np.eye(u.shape[-1]), identity.shape), atol=1e-12
            )
        for mode in ("reduced", "complete"):
            q, r = rl.linalg.qr(x, mode)
            np.testing.assert_allclose((q @ r).numpy(), x.numpy(), atol=1e-12)
            assert q.shape[-1] == (x.shape[-2] if mode == "complete" else min(x.shape[-2:]))


def test_empty_matrices():
    for shape in [(0, 0), (2, 0, 0), (0, 3), (3, 0), (0, 2, 2)]:
        ours, theirs = rl.zeros(*shape), torch.zeros(*shape)
        for name in ("det", "inv", "svdvals", "slogdet", "pinv", "qr", "cholesky", "eigvalsh"):
            if shape[-1] != shape[-2] and name not in ("svdvals", "pinv", "qr"):
                continue
            made = [getattr(lib.linalg, name)(x) for lib, x in ((rl, ours), (torch, theirs))]
            made = [list(z) if isinstance(z, tuple) else [z] for z in made]
            assert [tuple(z.shape) for z in made[0]] == [tuple(z.shape) for z in made[1]], name


def test_compiled_as_eager():
    x, y = rl.tensor(GIVEN["a"]), rl.tensor(GIVEN["w"])

    def program(x, y):
        loss = (rl.linalg.solve(x, y) ** 2).sum() + rl.linalg.svdvals(x).sum()
        loss = loss + rl.linalg.eigh(x + x.mT).eigenvalues.amax() + rl.linalg.pinv(x).sum()
        return rl.autograd.grad(loss, x)[0]

    def leaf(f):
        return f(x.detach().requires_grad_(), y)

    assert leaf(rl.compile(program)).tolist() == leaf(program).tolist()


def test_a_device_without_kernels_has_them_computed_on_the_reference():
    place = rl.device("hostile")
    before = place.fallbacks["inv"]
    z = rl.linalg.inv(rl.tensor([[2.0, 0.0], [0.0, 4.0]], device=place))
    assert z.device is place
    assert z.tolist() == [[0.5, 0.0], [0.0, 0.25]]
    assert place.fallbacks["inv"] == before + 1


ERRORS = """
la.inv(odd); la.inv(tall); la.inv(v); la.inv(a.long()); la.inv(a.half()); la.solve(odd, odd)
la.solve(a, w[:2]); la.det(tall); la.cholesky(-one); la.cholesky(tall); la.eigh(tall)
la.eigh(a, UPLO="X"); la.qr(a, "full"); la.qr(v); la.matrix_power(tall, 2); la.multi_dot([a])
la.norm(a, "abc"); la.norm(v, "fro", 0); la.norm(c, 2); la.matrix_norm(v); la.matrix_norm(a, 3)
la.matrix_norm(a, dim=(0, 0)); la.cross(w, w); la.svd(v); la.pinv(v); la.slogdet(flat)
la.svd(a * float("nan")); la.norm(a.long()); la.matrix_power(odd, -1); la.inv(3.0); lib.logdet(v)
la.vector_norm(a, dim=5); la.solve(a, w.float())
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in ERRORS.replace("\n", ";").split(";") if t.strip()]
)
def test_errors_are_those_of_torch(text):
    names = [n for n in GIVEN if n in set(compile(text, "", "eval").co_names)]
    call = eval(f"lambda lib, la, {', '.join(names)}: {text}")
    ours, theirs = (
        catch(call, lib, lib.linalg, *[lib.tensor(GIVEN[n]) for n in names]) for lib in (rl, torch)
    )
    assert theirs is not None, "torch accepts it"
    assert isinstance(ours, rl.RushlightError), ours
    kinds = tuple(
        k for k in (IndexError, TypeError, ValueError, RuntimeError) if isinstance(theirs, k)
    )
    assert isinstance(ours, kinds)
    assert "; " in str(ours)


def catch(call, *args):
    """What the call raises."""
    try:
        call(*args)
    except Exception as error:  # any, to be looked at
        return error
    return None


def test_messages():
    with pytest.raises(rl.linalg.LinAlgError, match=r"^inv: singular matrix; give matrices that"):
        rl.linalg.inv(rl.zeros(2, 2))
    with pytest.raises(rl.linalg.LinAlgError, match=r"^cholesky: matrix is not positive definite"):
        rl.linalg.cholesky(-rl.eye(2))
    with pytest.raises(
        rl.ContractError, match=r"^det: float32\[2, 3\] is not square; give \[\*b, n"
    ):
        rl.linalg.det(rl.zeros(2, 3))


def test_what_cannot_be_factorised_is_told_from_what_was_given_wrong():
    assert issubclass(rl.linalg.LinAlgError, rl.ContractError)
    assert type(catch(rl.linalg.inv, rl.zeros(2, 2))) is rl.linalg.LinAlgError
    assert isinstance(catch(torch.linalg.inv, torch.zeros(2, 2)), torch.linalg.LinAlgError)
    for inv, error, wrong in (
        (rl.linalg.inv, rl.linalg.LinAlgError, rl.zeros(2, 3)),
        (torch.linalg.inv, torch.linalg.LinAlgError, torch.zeros(2, 3)),
    ):
        told = catch(inv, wrong)
        assert isinstance(told, RuntimeError)
        assert not isinstance(told, error)
