"""The edges of functions: every expression means here what it means in PyTorch.

The same value, type and shape, or an error of a class that PyTorch raises there.
"""

import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_functional

import rushlight as rl
from rushlight_nn import functional

# What differs, by the reason.
DIFFERENT = {
    "a slice may go backward": [
        "m.arange(5)[::-1]",
    ],
    "numbers beyond a type are compared as they are": [
        "m.tensor([1], dtype=m.uint8) > -1",
        "m.tensor([44], dtype=m.uint8) == 300",
    ],
    "numbers of more than 64 bits are numbers": [
        "m.tensor([1.]) + 2**70",
    ],
    "any integer may be an index": [
        "m.index_select(m.arange(3), 0, m.tensor([1], dtype=m.int8))",
        "m.gather(m.arange(3), 0, m.tensor([0], dtype=m.int8))",
        "F.one_hot(m.tensor([1], dtype=m.int32))",
    ],
    "what PyTorch has no kernel for is computed": [
        "m.tensor([True]).abs()",
        "m.tensor([True]).floor()",
        "m.tensor([True]).ceil()",
        "m.tensor([True]).relu()",
        "m.tensor([True, False]).median()",
        "m.tensor([True, False]).topk(1)",
        "m.arange(3, dtype=m.bool)",
        "m.linspace(0, 1, 3, dtype=m.bool)",
        "m.matmul(m.ones(2, 3, dtype=m.bool), m.ones(3, 2, dtype=m.bool))",
        "F.softmax(m.tensor([1, 2]), 0)",
        "F.log_softmax(m.tensor([1, 2]), 0)",
        "m.prod(m.arange(6.).reshape(2, 3), (0, 1))",
        "m.tensor([1., 5.]).clamp(m.tensor([2., 2.]), 3)",
        "m.tensor([1, 5], dtype=m.uint8).clamp(-1, 300)",
        "m.logsumexp(m.ones(2, 3), ())",
    ],
    "bools have no power": [
        "m.tensor([True]) ** True",
    ],
    "an index beyond its dim is refused": [
        "m.take_along_dim(m.arange(3), m.tensor([3]), 0)",
    ],
    "of equal zeros PyTorch returns the first": [
        "m.tensor([-0.0]).relu()",
        "m.maximum(m.tensor([-0.0]), m.tensor([0.0]))",
        "m.minimum(m.tensor([0.0]), m.tensor([-0.0]))",
        "F.cross_entropy(m.zeros(2, 3), m.zeros(2, 3))",
    ],
    "PyTorch's limit is nan": [
        "F.gelu(m.tensor([nan, inf, -inf, -0.0]))",
        "m.linspace(-inf, inf, 3)",
    ],
    "nan in a sequence is the largest": [
        "m.searchsorted(m.tensor([1., 2., nan]), m.tensor([nan, 3.]))",
    ],
    "numpy reads -2 as -1": [
        "m.arange(6).reshape(-2, 3)",
    ],
    "windows have elements": [
        "m.ones(4).unfold(0, 0, 1)",
    ],
    "a 0-d tensor has no windows": [
        "m.tensor(1.).unfold(0, 1, 1)",
    ],
    "the error is of another class": [
        "m.arange(3).repeat_interleave(m.tensor([1.]))",
        "m.rand(2, dtype=m.int64)",
        "m.tensor([1]) + 2**70",
        "F.interpolate(m.ones(1, 1, 2, 2), size=4, mode='nope')",
        "F.interpolate(m.ones(2, 2), size=4)",
        "m.bincount(m.tensor([0.5]))",
        "m.zeros(2, dtype=m.int64).normal_()",
    ],
}
EXPRESSIONS = """
m.cat([m.tensor([]), m.ones(2, 3)])
m.cat([m.ones(2, 3), m.tensor([])], 1)
m.cat([m.tensor([]), m.tensor([])])
m.cat([m.tensor([]), m.ones(2, 3), m.tensor([], dtype=m.int64)], -1)
m.cat([m.tensor([], dtype=m.float64), m.ones(2, 3)])
m.cat([m.zeros(0, 3), m.ones(2, 3)])
m.cat([m.zeros(0, 3), m.ones(2, 4)])
m.cat([m.tensor([]), m.ones(2, 3)], 2)
m.cat([m.tensor([1]), m.ones(2, 3)])
m.cat([m.tensor(1), m.tensor(2)])
m.cat([m.tensor([1], dtype=m.int32), m.tensor([1.5])])
m.cat([m.tensor([True]), m.tensor([2])])
m.cat(())
m.cat([m.ones(2), 3])
m.stack([m.tensor(1), m.tensor(2.5)])
m.stack([])
m.stack([m.ones(2), m.ones(3)])
m.logsumexp(m.zeros(0, 3), 0)
m.logsumexp(m.zeros(3, 0), 1)
m.logsumexp(m.zeros(3, 0), 1, keepdim=True)
m.logsumexp(m.zeros(3, 0), 0)
m.logsumexp(m.tensor([inf, inf]), 0)
m.logsumexp(m.tensor([-inf, -inf]), 0)
m.logsumexp(m.tensor([nan, 1.0]), 0)
m.logsumexp(m.tensor(2.0), 0)
m.logsumexp(m.tensor([1, 2]), 0)
m.logsumexp(m.ones(2, 3), (0, 1))
m.logsumexp(m.ones(2, 3), ())
m.zeros(0).chunk(3)
m.zeros(0, 3).chunk(2)
m.zeros(3, 0).chunk(2, 1)
m.zeros(3, 0).chunk(2)
m.zeros(0).split(2)
m.zeros(0).split(0)
m.zeros(3).split(0)
m.zeros(0).split([])
m.zeros(3).split([])
m.zeros(0).split([0, 0])
m.zeros(5).split([2, 3, 0])
m.zeros(5).split([2, 2])
m.zeros(5).split(-1)
m.zeros(5).chunk(0)
m.zeros(5).chunk(-1)
m.arange(5).chunk(4)
m.tensor(5).chunk(1)
m.tensor(5).split(1)
m.zeros(5).split((2, -1, 4))
m.arange(6).split(m.tensor([2, 4]).tolist())
m.index_select(m.arange(6).reshape(2, 3), 1, m.tensor(2))
m.index_select(m.arange(3), 0, m.tensor(2))
m.index_select(m.tensor(5), 0, m.tensor(0))
m.index_select(m.tensor(5), 0, m.tensor([0]))
m.index_select(m.tensor(5), 0, m.tensor([0, 0]))
m.index_select(m.arange(3), 0, m.tensor([3]))
m.index_select(m.arange(3), 0, m.tensor([-1]))
m.index_select(m.arange(3), 0, m.tensor([[0]]))
m.index_select(m.arange(3), 0, m.tensor([0.0]))
m.index_select(m.arange(3), 0, m.tensor([], dtype=m.int64))
m.index_select(m.arange(3), 0, m.tensor([1], dtype=m.int32))
m.index_select(m.arange(3), 0, m.tensor([1], dtype=m.int8))
m.any(m.arange(6.).reshape(2, 3), ())
m.all(m.arange(6.).reshape(2, 3), ())
m.any(m.arange(6.).reshape(2, 3), (), True)
m.all(m.arange(6.).reshape(2, 3), (0, 1))
m.any(m.zeros(0))
m.all(m.zeros(0))
m.any(m.zeros(0, 3), 0)
m.all(m.zeros(0, 3), 1)
m.any(m.tensor(nan))
m.any(m.tensor([2, 0], dtype=m.uint8))
m.all(m.tensor([2, 1], dtype=m.uint8))
m.sum(m.arange(6.).reshape(2, 3), ())
m.sum(m.arange(6.).reshape(2, 3), dim=())
m.sum(m.arange(6.).reshape(2, 3), [])
m.mean(m.arange(6.).reshape(2, 3), ())
m.var(m.arange(6.).reshape(2, 3), ())
m.std(m.arange(6.).reshape(2, 3), dim=())
m.amax(m.arange(6.).reshape(2, 3), ())
m.amin(m.arange(6.).reshape(2, 3), ())
m.norm(m.arange(6.).reshape(2, 3), dim=())
m.nansum(m.arange(6.).reshape(2, 3), ())
m.count_nonzero(m.arange(6.).reshape(2, 3), ())
m.prod(m.arange(6.).reshape(2, 3), 0)
m.prod(m.arange(6.).reshape(2, 3), (0, 1))
m.zeros(1, 2, 1).squeeze(())
m.zeros(1, 2, 1).squeeze((0, 1))
m.zeros(1, 2, 1).squeeze((0, 2))
m.zeros(1, 2, 1).squeeze((0, 0))
m.zeros(1, 2, 1).squeeze(-1)
m.zeros(1, 2, 1).squeeze(5)
m.tensor(1.).squeeze(0)
m.tensor(1.).squeeze(-1)
m.tensor(1.).squeeze(1)
m.tensor(1.).squeeze(())
m.arange(6).reshape(m.tensor(6))
m.arange(6).reshape(m.tensor(2), 3)
m.arange(6).reshape((np.int64(2), -1))
m.arange(6).reshape(np.int64(6))
m.arange(6).reshape(2.0, 3)
m.arange(6).reshape(-1, -1)
m.arange(6).reshape(4, -1)
m.arange(6).reshape(-2, 3)
m.zeros(0).reshape(0, -1)
m.zeros(0).reshape(-1)
m.zeros(0, 3).reshape(-1, 3)
m.zeros(0, 3).reshape(3, -1)
m.zeros(0, 3).view(-1)
m.zeros(0, 3).flatten()
m.tensor(1).reshape(())
m.tensor(1).reshape(1, 1)
m.tensor(1).view([])
m.tensor(1).flatten()
m.tensor([1], dtype=m.uint8) + 300
m.tensor([1], dtype=m.uint8) - 2
m.tensor([1], dtype=m.uint8) * -1
m.tensor([200], dtype=m.uint8) + m.tensor([100], dtype=m.uint8)
m.tensor([1], dtype=m.int8) + 300
m.tensor([1], dtype=m.int8) * 128
m.tensor([127], dtype=m.int8) + 1
m.tensor([-128], dtype=m.int8).abs()
-m.tensor([-128], dtype=m.int8)
-m.tensor([1], dtype=m.uint8)
m.tensor([1], dtype=m.uint8) == 300
m.tensor([1], dtype=m.uint8) < 300
m.tensor([1], dtype=m.uint8) > -1
m.tensor([44], dtype=m.uint8) == 300
m.tensor([1], dtype=m.int8) & 300
m.tensor([1], dtype=m.uint8) // 300
m.tensor([100], dtype=m.uint8) % 300
m.tensor([1], dtype=m.uint8) ** 9
m.tensor([2], dtype=m.uint8) ** 9
300 - m.tensor([1], dtype=m.uint8)
-1 + m.tensor([1], dtype=m.uint8)
m.full((2,), 300, dtype=m.uint8)
m.full((2,), -1, dtype=m.uint8)
m.full((2,), 1.9, dtype=m.int64)
m.full((2,), -1.9, dtype=m.int64)
m.full((2,), 2, dtype=m.bool)
m.full((2,), nan, dtype=m.int64)
m.full((2,), 1e30, dtype=m.int64)
m.full((2,), 2**63)
m.full((2,), 1e300)
m.full((2,), 1e300, dtype=m.float32)
m.full((2,), True)
m.full((), 3)
m.full([], 3)
m.full((2, -1), 3)
m.full_like(m.zeros(2, dtype=m.uint8), 300)
m.zeros(2, dtype=m.uint8).fill_(300)
m.zeros(2, dtype=m.uint8).fill_(-1)
m.zeros(2, dtype=m.int64).fill_(1.7)
m.zeros(2, dtype=m.int8).fill_(1000)
m.zeros(2).fill_(m.tensor(3))
m.zeros(2).fill_(m.tensor([3]))
m.zeros(2, dtype=m.uint8).add_(300)
m.zeros(2, dtype=m.int64).add_(1.5)
m.zeros(2, dtype=m.int64).mul_(1.5)
m.zeros(2, dtype=m.int64).div_(2)
m.zeros(2, dtype=m.int64).masked_fill_(m.tensor([True, False]), 1.5)
m.zeros(2, dtype=m.int64).masked_fill(m.tensor([True, False]), 1.5)
m.zeros(2, dtype=m.uint8).masked_fill(m.tensor([True, False]), 300)
m.zeros(2).masked_fill(m.tensor([True, False]), m.tensor(2.0, dtype=m.float64))
m.zeros(2).masked_fill(m.tensor([True, False]), m.tensor([2.0]))
m.zeros(2).masked_fill(m.tensor([1, 0]), 3)
m.zeros(2, dtype=m.bool).masked_fill(m.tensor([True, False]), 3)
m.zeros(2, dtype=m.int64).clamp_(0.5)
m.tensor([300], dtype=m.uint8)
m.tensor([-1], dtype=m.uint8)
m.tensor([128], dtype=m.int8)
m.tensor([1.9], dtype=m.int64)
m.tensor([-1.9], dtype=m.int32)
m.tensor([nan], dtype=m.int64)
m.tensor([2**63])
m.tensor([2**63], dtype=m.float32)
m.tensor([-2**63])
m.tensor([1, 2.5])
m.tensor([True, 2])
m.tensor([True, 2.5])
m.tensor([[1, 2], [3]])
m.tensor([[], []])
m.tensor([])
m.tensor(())
m.tensor([2, 0], dtype=m.bool)
m.tensor(2.5, dtype=m.bool)
m.tensor("a")
m.tensor(None)
m.tensor([None])
m.tensor(300.).to(m.uint8)
m.tensor([300]).to(m.uint8)
m.tensor([-1]).to(m.uint8)
m.tensor([2**40]).to(m.int32)
m.tensor([1.9, -1.9]).to(m.int64)
m.tensor([1e10]).to(m.float16)
m.tensor([nan]).to(m.bool)
m.tensor([0.5]).long().bool()
m.gather(m.arange(3), 0, m.tensor([3]))
m.gather(m.arange(3), 0, m.tensor([-1]))
m.gather(m.arange(3), 1, m.tensor([0]))
m.gather(m.arange(3), 0, m.tensor([0.]))
m.gather(m.arange(3), 0, m.tensor([0], dtype=m.int32))
m.gather(m.arange(3), 0, m.tensor([0], dtype=m.int8))
m.gather(m.arange(3), 0, m.tensor([[0]]))
m.gather(m.arange(3), 0, m.tensor([], dtype=m.int64))
m.gather(m.tensor(3), 0, m.tensor(0))
m.gather(m.tensor(3), 0, m.tensor([0, 0]))
m.gather(m.arange(6).reshape(2, 3), 0, m.tensor([[0, 1]]))
m.gather(m.arange(6).reshape(2, 3), 0, m.tensor([[0, 1, 1, 0]]))
m.gather(m.arange(6).reshape(2, 3), 1, m.tensor([[0, 1, 1, 0]]))
m.zeros(3).scatter(0, m.tensor([3]), 1.0)
m.zeros(3).scatter(0, m.tensor([-1]), 1.0)
m.zeros(3).scatter(0, m.tensor([1]), m.ones(3))
m.zeros(3).scatter(0, m.tensor([1, 2]), m.ones(1))
m.zeros(3).scatter(0, m.tensor([1]), m.ones(1, dtype=m.float64))
m.zeros(3).scatter(0, m.tensor([1]), 2)
m.zeros(3, dtype=m.int64).scatter(0, m.tensor([1]), 2.5)
m.zeros(3).scatter(0, m.tensor([], dtype=m.int64), m.ones(3))
m.zeros(3).scatter(0, m.tensor(1), m.tensor(5.))
m.zeros(3).scatter(0, m.tensor([1]), m.ones(1), reduce='add')
m.ones(3).scatter(0, m.tensor([1, 1]), m.full((2,), 3.), reduce='multiply')
m.ones(3).scatter(0, m.tensor([1]), 3., reduce='multiply')
m.ones(3).scatter(0, m.tensor([1]), 3., reduce='add')
m.ones(3).scatter(0, m.tensor([1]), 3., reduce='nope')
m.zeros(3).scatter_add(0, m.tensor([3]), m.ones(1))
m.zeros(3).scatter_add(0, m.tensor([-1]), m.ones(1))
m.zeros(3).scatter_add(0, m.tensor([0]), m.ones(1, dtype=m.float64))
m.zeros(3).scatter_add(0, m.tensor([0, 0, 0]), m.ones(3))
m.zeros(3).scatter_add(0, m.tensor([0, 0, 0, 0]), m.ones(3))
m.zeros(3).scatter_add(0, m.tensor(1), m.tensor(1.))
m.take_along_dim(m.arange(3), m.tensor([3]), 0)
m.take_along_dim(m.arange(3), m.tensor([-1]), 0)
m.take_along_dim(m.arange(6).reshape(2, 3), m.tensor([5]))
m.take_along_dim(m.arange(6).reshape(2, 3), m.tensor([6]))
m.take_along_dim(m.arange(6).reshape(2, 3), m.tensor([[1]]), 1)
m.index_add(m.zeros(3), 0, m.tensor([3]), m.ones(1))
m.index_add(m.zeros(3), 0, m.tensor([-1]), m.ones(1))
m.index_copy(m.zeros(3), 0, m.tensor([3]), m.ones(1))
m.index_copy(m.zeros(3), 0, m.tensor([-1]), m.ones(1))
m.index_fill(m.zeros(3), 0, m.tensor([3]), 1)
m.index_fill(m.zeros(3), 0, m.tensor([-1]), 1)
m.index_fill(m.zeros(3, dtype=m.int64), 0, m.tensor([1]), 1.5)
m.arange(3)[3]
m.arange(3)[-4]
m.arange(3)[m.tensor([3])]
m.arange(3)[m.tensor([-4])]
m.arange(3)[m.tensor([-1])]
m.arange(3)[[0, 3]]
m.arange(3)[m.tensor([0.5])]
m.arange(3)['a']
m.arange(3)[1.0]
m.arange(3)[True]
m.arange(3)[False]
m.arange(3)[None, True]
m.arange(3)[True, None]
m.arange(3)[True, 0]
m.arange(3)[0, True]
m.arange(3)[False, m.tensor([0, 1])]
m.arange(3)[()]
m.tensor(5)[()]
m.tensor(5)[...]
m.tensor(5)[None]
m.tensor(5)[True]
m.tensor(5)[False]
m.tensor(5)[0]
m.tensor(5)[m.tensor(True)]
m.arange(3)[...]
m.arange(6).reshape(2, 3)[..., 0]
m.arange(6).reshape(2, 3)[0, ..., 0]
m.arange(6).reshape(2, 3)[0, 0, 0]
m.arange(6).reshape(2, 3)[m.tensor([True, False])]
m.arange(6).reshape(2, 3)[m.tensor([True, False, True])]
m.arange(6).reshape(2, 3)[:, m.tensor([True, False, True])]
m.arange(6).reshape(2, 3)[m.tensor([], dtype=m.int64)]
m.arange(6).reshape(2, 3)[[]]
m.arange(6).reshape(2, 3)[[True, False]]
m.arange(6).reshape(2, 3)[m.tensor([0, 1]), m.tensor([0, 1, 2])]
m.arange(6).reshape(2, 3)[m.tensor([1, 0], dtype=m.uint8)]
m.arange(6).reshape(2, 3)[m.tensor([1, 0], dtype=m.int32)]
m.arange(5)[::2]
m.arange(5)[::-1]
m.arange(5)[3:1]
m.arange(5)[10:]
m.arange(5)[-10:2]
m.arange(5)[m.tensor(1):m.tensor(3)]
m.arange(5)[np.int64(2)]
m.arange(5)[np.array([1, 2])]
m.arange(5)[1:2.5]
m.tensor([2**62, 2**62, 2**62]).sum()
m.tensor([2**62, 4]).prod()
m.tensor([2**62, 2**62]).cumsum(0)
m.tensor([2**62, 4]).cumprod(0)
m.tensor([2**62]) * 4
m.tensor([2**62]) + 2**62
m.tensor([100, 100], dtype=m.int8).sum()
m.tensor([100, 100], dtype=m.int8).sum(dtype=m.int8)
m.tensor([100, 100], dtype=m.int8).cumsum(0)
m.tensor([16, 16], dtype=m.int8).prod()
m.tensor([True, True]).sum()
m.tensor([True, False]).prod()
m.tensor([True, True]).cumsum(0)
m.tensor([1]) // 0
m.tensor([1]) % 0
m.tensor([1]) // m.tensor([0])
m.tensor([1]) % m.tensor([0])
m.tensor([1]) / 0
m.tensor([1.]) // 0
m.tensor([1.]) % 0
m.tensor([0.]) // 0
m.tensor([-1.]) // 0
1 // m.tensor([0])
m.tensor([-7]) // 2
m.tensor([-7]) % 2
m.tensor([-7.]) % 2
m.tensor([7.]) % -2
m.tensor([7]) % -2
m.tensor([5.]) % inf
m.tensor([-5.]) % inf
m.tensor([-5.]) // inf
m.fmod(m.tensor([-7]), 2)
m.fmod(m.tensor([1]), 0)
m.fmod(m.tensor([1.]), 0)
m.fmod(m.tensor([-5.]), inf)
m.div(m.tensor([-7]), 2, rounding_mode='trunc')
m.div(m.tensor([-7]), 2, rounding_mode='floor')
m.div(m.tensor([-7.]), 2, rounding_mode='trunc')
m.div(m.tensor([7]), 0, rounding_mode='trunc')
m.div(m.tensor([7.]), 0, rounding_mode='trunc')
m.div(m.tensor([7]), 2, rounding_mode='x')
m.div(m.tensor([2**53 + 1]), 1, rounding_mode='trunc')
m.div(m.tensor([True]), m.tensor([True]))
m.tensor([True]) // m.tensor([True])
m.tensor([True]) % m.tensor([True])
m.tensor([True]) % 2
m.tensor([1, 2]).mean()
m.tensor([True]).mean()
m.tensor([1, 2]).mean(dtype=m.float32)
m.tensor([1, 2]).mean(dtype=m.int64)
m.tensor([1, 2]).var()
m.tensor([1, 2]).std()
m.tensor([1, 2]).norm()
m.zeros(0).mean()
m.zeros(0, 3).mean(0)
m.zeros(1).var()
m.zeros(0).var()
m.zeros(3).var(correction=3)
m.zeros(3).var(correction=5)
m.arange(3.).var(correction=5)
m.arange(3.).std(correction=0)
m.arange(3.).var(unbiased=False)
m.arange(3.).var(False)
m.arange(3.).var(0, False)
m.arange(3.).var(0, correction=0, unbiased=True)
m.zeros(0).argmax()
m.zeros(0, 3).argmax(0)
m.zeros(0, 3).argmax(1)
m.zeros(3, 0).argmax(1)
m.zeros(0).max()
m.zeros(0, 3).max(0)
m.zeros(0, 3).max(1)
m.zeros(0).min()
m.zeros(0).amax()
m.zeros(0, 3).amax(1)
m.zeros(0, 3).amax(0)
m.zeros(0).median()
m.zeros(0, 3).median(0)
m.zeros(0, 3).median(1)
m.zeros(3, 0).median(1)
m.zeros(0).aminmax()
m.zeros(0).sort()
m.zeros(0).argsort()
m.zeros(0).topk(0)
m.zeros(0).topk(1)
m.zeros(0).unique()
m.zeros(0).cumsum(0)
m.zeros(0).cummax(0)
m.zeros(0).logcumsumexp(0)
m.zeros(0).softmax(0)
m.zeros(3, 0).softmax(0)
m.zeros(3, 0).softmax(1)
m.zeros(3, 0).log_softmax(1)
m.zeros(0).norm()
m.zeros(0).norm(p=inf)
m.zeros(0).norm(p=0)
m.zeros(0).prod()
m.zeros(0).sum()
m.zeros(0, 3).matmul(m.zeros(3, 2))
m.zeros(2, 0).matmul(m.zeros(0, 3))
m.zeros(0).dot(m.zeros(0))
m.zeros(0, 2, 3).bmm(m.zeros(0, 3, 2))
m.tensor([True]) - m.tensor([True])
m.tensor([True]) - True
m.tensor([True]) - 1
1 - m.tensor([True])
-m.tensor([True])
+m.tensor([True])
m.tensor([True]) + m.tensor([True])
m.tensor([True]) + True
m.tensor([True]) + 1
m.tensor([True]) * m.tensor([True])
m.tensor([True]) * 2.5
m.tensor([True]) / True
m.tensor([True]) ** 2
m.tensor([True]) ** True
m.tensor([True]) ** m.tensor([True])
m.tensor([True]).abs()
m.tensor([True]).sign()
m.tensor([True]).floor()
m.tensor([True]).round()
m.tensor([True]).ceil()
m.tensor([True]).exp()
m.tensor([True]).sqrt()
m.tensor([True]).square()
m.tensor([True]).relu()
m.tensor([True]).clamp(0, 1)
m.tensor([True]).sigmoid()
m.tensor([True]).reciprocal()
m.tensor([True, False]).max()
m.tensor([True, False]).argmax()
m.tensor([True, False]).argmin()
m.tensor([True, False]).sort()
m.tensor([True, False]).median()
m.tensor([True, False]).topk(1)
m.tensor([True, False]).cummax(0)
m.tensor([True, False]).max(0)
m.tensor([True, False]).amax()
m.tensor([True, False]).unique()
m.tensor([True, False]).logical_not()
~m.tensor([True, False])
~m.tensor([1, 0])
~m.tensor([1.])
m.tensor([True]) & True
m.tensor([True]) & 1
m.tensor([1.]) & 1
m.tensor([1]) | m.tensor([True])
m.tensor([True]) < m.tensor([2.5])
m.maximum(m.tensor([True]), m.tensor([2]))
m.tensor(1.5) + m.tensor([1, 2])
m.tensor(1.5, dtype=m.float64) + m.tensor([1., 2.])
m.tensor(1.5, dtype=m.float64) + m.tensor([1, 2])
m.tensor(1, dtype=m.int64) + m.tensor([1, 2], dtype=m.int8)
m.tensor([1], dtype=m.int8) + m.tensor([1], dtype=m.uint8)
m.tensor(200) + m.tensor([100], dtype=m.int8)
m.tensor(1.5) == m.tensor([1, 2])
m.tensor(1.1, dtype=m.float64) == m.tensor([1.1])
m.tensor([1.1]) == 1.1
m.tensor([16777217]) == 16777216.0
m.tensor([1.1]) < m.tensor(1.1, dtype=m.float64)
m.tensor([1]) == 1.5
m.tensor([1], dtype=m.int8) == m.tensor(300)
m.tensor([2]) ** -1
m.tensor([2]) ** m.tensor([-1])
m.tensor([2.]) ** -1
2 ** m.tensor([-1])
2 ** m.tensor([3])
2.0 ** m.tensor([3])
m.tensor([0]) ** 0
m.tensor([0.]) ** 0
m.tensor([0.]) ** -1
m.tensor([-1.]) ** 0.5
m.tensor([-8.]) ** (1 / 3)
m.tensor([-inf]) ** 0.5
m.tensor([1]) ** nan
m.tensor([1.]) ** nan
m.tensor([nan]) ** 0
m.tensor([2]) ** 0.5
m.tensor([2], dtype=m.int8) ** 7
m.tensor([3]) ** 50
m.pow(2, m.tensor([1., 2.]))
m.arange(0)
m.arange(5, 2)
m.arange(2, 5, -1)
m.arange(5, 2, -1)
m.arange(0, 1, 0)
m.arange(0, 1, 0.3)
m.arange(1.0)
m.arange(0, 5, dtype=m.float32)
m.arange(0.5, 5.5, dtype=m.int64)
m.arange(0, 2.5, dtype=m.int64)
m.arange(5, dtype=m.uint8)
m.arange(3, dtype=m.bool)
m.arange(nan)
m.arange(inf)
m.arange(True)
m.arange(-1)
m.arange(1, 2, 0.1).shape
m.arange(0, 1, 0.1, dtype=m.float64)
m.arange(m.tensor(3))
m.arange(2**40, 2**40 + 2)
m.linspace(0, 1, 0)
m.linspace(0, 1, 1)
m.linspace(0, 1, -1)
m.linspace(0, 1, 3)
m.linspace(1, 0, 3)
m.linspace(0, 10, 4, dtype=m.int64)
m.linspace(-3, 10, 5, dtype=m.int64)
m.linspace(0, 1, 3, dtype=m.float64)
m.linspace(0, 1, 11)
m.linspace(0, 1, 5, dtype=m.float16)
m.linspace(0, 1, 2.0)
m.linspace(0, 1, 3, dtype=m.bool)
m.linspace(m.tensor(0.), m.tensor(1.), 3)
m.linspace(-inf, inf, 3)
m.eye(0)
m.eye(2, 3)
m.eye(3, 0)
m.eye(-1)
m.eye(2, dtype=m.bool)
m.eye(2, dtype=m.int64)
m.where(m.tensor([True, False]), 1, 2)
m.where(m.tensor([True, False]), 1, 2.5)
m.where(m.tensor([True, False]), 1.5, m.tensor([1, 2]))
m.where(m.tensor([True, False]), m.tensor([1., 2.]), m.tensor(3., dtype=m.float64))
m.where(m.tensor([True, False]), True, False)
m.where(m.tensor([1, 0]), 1., 2.)
m.where(m.tensor([1, 0], dtype=m.uint8), 1., 2.)
m.where(m.tensor([True]), m.ones(2), m.zeros(3))
m.where(m.tensor(True), 1, 0)
m.where(True, m.ones(2), m.zeros(2))
m.where(m.tensor([True, False]), m.tensor([1, 2]), m.tensor([1., 2.]))
m.where(m.tensor([True, False]), nan, 0.)
m.zeros(2).clamp()
m.zeros(2).clamp(None, None)
m.tensor([nan, 1.]).clamp(0, 2)
m.tensor([1., 5.]).clamp(3, 2)
m.tensor([1, 5]).clamp(0.5)
m.tensor([1, 5]).clamp(0.5, 3)
m.tensor([1, 5], dtype=m.uint8).clamp(-1, 300)
m.tensor([1., 5.]).clamp(min=m.tensor([2., 2.]))
m.tensor([1., 5.]).clamp(m.tensor([2., 2.]), 3)
m.tensor([1., 5.]).clamp(nan)
m.tensor([-0.0, 0.0]).clamp(0)
m.tensor([1., 5.]).clamp(m.tensor([nan, 2.]), m.tensor([nan, 3.]))
m.tensor([1, 5]).clamp(m.tensor([2.5]))
m.arange(5.).topk(6)
m.arange(5.).topk(-1)
m.arange(5.).topk(0)
m.arange(5.).topk(2, largest=False)
m.arange(5.).topk(2, sorted=False)[0].sort()[0]
m.tensor(3.).topk(1)
m.tensor(3.).topk(2)
m.tensor([1., nan, 3.]).topk(2)
m.tensor([1., nan, 3.]).topk(2, largest=False)
m.tensor([nan, 1., -inf, inf]).sort()
m.tensor([nan, 1., -inf, inf]).sort(descending=True)
m.tensor([nan, 1., nan, inf]).argsort(stable=True)
m.tensor([3, 1, 3, 2, 1]).sort(stable=True)
m.tensor([3, 1, 3, 2, 1]).sort(descending=True, stable=True)
m.tensor([3, 1, 3]).sort(0, True)
m.tensor([3, 1, 3]).sort(dim=1)
m.sort(m.tensor([3, 1]), dim=0, descending=True)
m.tensor(3.).sort()
m.tensor([-0.0, 0.0, -0.0]).sort(stable=True)[1]
m.tensor([1., nan, 3.]).max()
m.tensor([1., nan, nan]).max(0)
m.tensor([1., nan, 3.]).min(0)
m.tensor([1., nan, nan]).argmax()
m.tensor([1., nan, nan]).argmin()
m.tensor([1., 3., 3.]).argmax()
m.tensor([1., nan]).amax()
m.tensor([1., nan]).median()
m.tensor([1., nan, 0.]).median(0)
m.tensor([3., 1., 2., 4.]).median()
m.tensor([3., 1., 2., 4.]).median(0)
m.tensor([1., nan, nan]).unique()
m.tensor([nan, 1., 1., nan]).unique(return_counts=True)
m.tensor([3, 1, 1]).unique(return_inverse=True, return_counts=True)
m.tensor([[1, 2], [1, 2], [0, 1]]).unique(dim=0)
m.tensor([3, 1, 1]).unique(sorted=False).sort()[0]
m.tensor([-0.0, 0.0]).max()
m.tensor([0.0, -0.0]).max()
m.tensor([0.0, -0.0]).min()
m.tensor([-0.0, 0.0]).min()
m.tensor([-0.0]).sign()
m.tensor([-0.0]).abs()
m.tensor([nan, inf, -inf]).sign()
m.tensor([-0.0]).sqrt()
m.tensor([-0.0]).floor()
m.tensor([-0.5]).ceil()
m.tensor([-0.5]).round()
m.tensor([-0.3]).trunc()
m.tensor([0.5, 1.5, 2.5, -0.5]).round()
m.tensor([-0.0]).relu()
m.tensor([nan]).relu()
m.maximum(m.tensor([-0.0]), m.tensor([0.0]))
m.minimum(m.tensor([0.0]), m.tensor([-0.0]))
m.tensor([-0.0]) + 0.0
m.tensor([-0.0]).sum()
m.tensor([-0.0, -0.0]).mean()
m.tensor([1.2345]).round(decimals=2)
m.tensor([1234.5]).round(decimals=-2)
m.tensor([1234]).round(decimals=-2)
m.tensor([1, 2]).round()
m.tensor([1, 2]).floor()
m.tensor([[0, 1], [2, 0]]).nonzero()
m.tensor([[0, 1], [2, 0]]).nonzero(as_tuple=True)
m.tensor(1).nonzero()
m.tensor(0).nonzero()
m.tensor(1).nonzero(as_tuple=True)
m.zeros(0, 3).nonzero()
m.zeros(0, 3).nonzero(as_tuple=True)
m.tensor([nan, 0.]).nonzero()
F.one_hot(m.tensor([], dtype=m.int64))
F.one_hot(m.tensor([], dtype=m.int64), 3)
F.one_hot(m.tensor([0, 2]))
F.one_hot(m.tensor([0, 3]), 3)
F.one_hot(m.tensor([-1]))
F.one_hot(m.tensor([1.]))
F.one_hot(m.tensor([1], dtype=m.int32))
F.one_hot(m.tensor(1))
F.one_hot(m.tensor([0]), 0)
F.one_hot(m.tensor([0]), -2)
F.one_hot(m.tensor([[0], [1]]), 3)
m.ones(2, 3).expand(2, -1)
m.ones(2, 3).expand(-1, 2, 3)
m.ones(2, 3).expand(4, 2, 3)
m.ones(2, 3).expand(3)
m.ones(2, 3).expand(2, 4)
m.ones(1, 3).expand(0, 3)
m.tensor(1.).expand(2, 2)
m.tensor(1.).expand(())
m.tensor(1.).expand(-1)
m.ones(2).repeat(0)
m.ones(2).repeat(2, 0)
m.ones(2).repeat(-1)
m.ones(2, 2).repeat(2)
m.tensor(1.).repeat(3)
m.tensor(1.).repeat(())
m.ones(2).tile((2, 2))
m.ones(2, 2).tile(2)
m.arange(3).repeat_interleave(2)
m.arange(3).repeat_interleave(0)
m.arange(3).repeat_interleave(-1)
m.arange(3).repeat_interleave(m.tensor([1, 0, 2]))
m.arange(3).repeat_interleave(m.tensor([1, 0]))
m.arange(3).repeat_interleave(m.tensor([1, 0, 2]), output_size=3)
m.arange(3).repeat_interleave(m.tensor([1.]))
m.arange(3).flip(0)
m.arange(3).flip(1)
m.arange(3).flip(())
m.arange(3).flip(0, 0)
m.tensor(3).flip(0)
m.tensor(3).flip(())
m.zeros(0).flip(0)
m.arange(6).reshape(2, 3).flip(0, 1)
m.arange(6).reshape(2, 3).flip([-1])
m.arange(6).reshape(2, 3).roll(1)
m.arange(6).reshape(2, 3).roll(1, 0)
m.arange(6).reshape(2, 3).roll((1, 2), (0, 1))
m.arange(6).reshape(2, 3).roll((1, 2), 0)
m.zeros(0).roll(1)
m.tensor(1).roll(1)
m.ones(2, 3).transpose(0, 2)
m.ones(2, 3).transpose(-1, -2).shape
m.tensor(1.).transpose(0, 0)
m.tensor(1.).transpose(-1, 0)
m.tensor(1.).t()
m.ones(2, 3, 4).t()
m.ones(2, 3).permute(0)
m.ones(2, 3).permute(0, 0)
m.ones(2, 3).permute(0, 2)
m.tensor(1.).permute(())
m.ones(2, 3).unsqueeze(3)
m.ones(2, 3).unsqueeze(-3).shape
m.ones(2, 3).unsqueeze(-4)
m.tensor(1.).unsqueeze(0)
m.tensor(1.).unsqueeze(-1)
m.ones(2, 3).flatten(1, 0)
m.ones(2, 3).flatten(0, 2)
m.ones(2, 3, 4).flatten(1).shape
m.ones(2, 3).unbind()
m.ones(2, 3).unbind(2)
m.tensor(1.).unbind()
m.zeros(0, 3).unbind()
m.zeros(3, 0).unbind()
m.ones(4).unfold(0, 5, 1)
m.ones(4).unfold(0, 2, 0)
m.ones(4).unfold(0, 0, 1)
m.ones(4).unfold(0, 2, 1)
m.tensor(1.).unfold(0, 1, 1)
m.ones(3, 3).tril(5)
m.ones(3, 3).tril(-5)
m.ones(3).tril()
m.ones(0, 3).tril()
m.full((2, 2), nan).triu()
m.full((2, 2), inf).tril()
m.ones(2, 2, dtype=m.bool).triu(1)
m.tensor([True, False]).tolist()
m.einsum('ij,jk->ik', m.ones(2, 3), m.ones(3, 2))
m.einsum('ii->i', m.ones(2, 2))
m.einsum('ij->', m.ones(2, 2))
m.einsum('i,j', m.arange(2.), m.arange(3.))
m.einsum('ij,jk', m.ones(2, 3), m.ones(2, 2))
m.einsum('...i->...', m.ones(2, 3))
m.einsum('ij,kj', m.ones(2, 3))
m.einsum('i$', m.ones(2))
m.einsum('bi,bj->bij', [m.ones(2, 3), m.ones(2, 2)])
m.matmul(m.ones(3), m.ones(3))
m.matmul(m.ones(2, 3), m.ones(3))
m.matmul(m.ones(3), m.ones(3, 2))
m.matmul(m.tensor(1.), m.ones(3))
m.matmul(m.ones(2, 3), m.ones(2, 3))
m.matmul(m.ones(2, 3), m.ones(3, 2, dtype=m.float64))
m.matmul(m.ones(2, 3, dtype=m.int64), m.ones(3, 2, dtype=m.int64))
m.matmul(m.ones(2, 3, dtype=m.bool), m.ones(3, 2, dtype=m.bool))
m.matmul(m.ones(2, 1, 2, 3), m.ones(4, 3, 2)).shape
m.tensor([1., 2.]) @ m.tensor([1, 2])
m.cumsum(m.ones(2, 3), 2)
m.cumsum(m.tensor(1.), 0)
m.cumsum(m.tensor([1., nan, 2.]), 0)
m.cumsum(m.tensor([1, 2], dtype=m.uint8), 0)
m.cumsum(m.tensor([1, 2]), 0, dtype=m.float32)
m.multinomial(m.tensor([0., 0.]), 1)
m.multinomial(m.tensor([-1., 2.]), 1)
m.multinomial(m.tensor([1., 2.]), 3)
m.multinomial(m.tensor([1., 2.]), 0)
m.multinomial(m.tensor([0., 1.]), 1)
m.multinomial(m.tensor([1, 2]), 1)
m.multinomial(m.tensor([0., 1.]), 3, replacement=True)
m.randperm(0)
m.randperm(-1)
m.randint(0, (2,))
m.randint(5, 5, (2,))
m.randint(0, 1, ())
m.randint(2, 1, (2,))
m.rand(0).shape
m.rand(-1)
m.rand(2, dtype=m.int64)
m.bernoulli(m.tensor([2.]))
m.bernoulli(m.tensor([1]))
m.bernoulli(m.tensor([0., 1.]))
m.isnan(m.tensor([1]))
m.isinf(m.tensor([1]))
m.isfinite(m.tensor([1, 2]))
m.isfinite(m.tensor([True]))
m.isnan(m.tensor([nan, inf, 1.]))
m.equal(m.tensor([1]), m.tensor([1.]))
m.equal(m.tensor([1, 2]), m.tensor([1]))
m.equal(m.tensor([nan]), m.tensor([nan]))
m.equal(m.zeros(0), m.zeros(0))
m.zeros(2) == None
m.zeros(2) == 'a'
m.zeros(2) != None
m.zeros(2) < 'a'
m.zeros(2) + None
m.zeros(2) + [1, 2]
m.zeros(2) + np.float64(1.5)
m.zeros(2) + np.float32(1.5)
m.zeros(2, dtype=m.int64) + np.float64(1.5)
m.zeros(2, dtype=m.int64) + np.int32(2)
m.zeros(2) * np.int64(2)
m.zeros(2, dtype=m.int64) + True
True + m.zeros(2, dtype=m.int64)
m.tensor([1.]) + 2**70
m.tensor([1]) + 2**70
m.tensor([1]) + 2**63
m.tensor([1.], dtype=m.float16) * 1e6
m.tensor([60000.], dtype=m.float16) + 60000
m.tensor(2).item()
m.zeros(2).item()
m.zeros(0).item()
bool(m.tensor([]))
bool(m.zeros(2))
int(m.tensor([2.7]))
float(m.tensor([[3]]))
int(m.tensor(nan))
len(m.tensor(1))
len(m.zeros(0, 3))
list(m.tensor(1))
m.tensor([1, 2, 3]).tolist()
3 in m.tensor([1, 2, 3])
[10, 20][m.tensor(1)]
[10, 20][m.tensor(1.)]
range(m.tensor(3))
m.zeros(2).numel()
m.zeros(2, 3).size()
m.zeros(2, 3).size(-1)
m.zeros(2, 3).size(2)
m.tensor(1).size()
F.softmax(m.tensor([inf, 1.]), 0)
F.softmax(m.tensor([-inf, -inf]), 0)
F.softmax(m.tensor([-inf, 0.]), 0)
F.softmax(m.tensor([nan, 0.]), 0)
F.softmax(m.tensor([1, 2]), 0)
F.softmax(m.tensor([1, 2]), 0, dtype=m.float32)
F.softmax(m.tensor(1.), 0)
F.softmax(m.ones(2), 1)
F.log_softmax(m.tensor([-inf, 0.]), 0)
F.log_softmax(m.tensor([1, 2]), 0)
F.cross_entropy(m.zeros(0, 3), m.zeros(0, dtype=m.int64))
F.cross_entropy(m.zeros(2, 3), m.tensor([0, 3]))
F.cross_entropy(m.zeros(2, 3), m.tensor([-100, -100]))
F.cross_entropy(m.zeros(2, 3), m.tensor([0, -1]))
F.cross_entropy(m.zeros(2, 3), m.tensor([0., 1.]))
F.cross_entropy(m.zeros(3), m.tensor(1))
F.cross_entropy(m.zeros(2, 3), m.zeros(2, 3))
F.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), reduction='nope')
F.cross_entropy(m.zeros(2, 3), m.tensor([0, 1, 2]))
F.cross_entropy(m.zeros(2, 3, 4), m.zeros(2, 4, dtype=m.int64), reduction='none').shape
F.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), weight=m.tensor([0., 0., 1.]))
F.cross_entropy(m.zeros(2, 3), m.tensor([0, 1]), label_smoothing=1.5)
F.mse_loss(m.zeros(0), m.zeros(0))
F.mse_loss(m.zeros(2), m.zeros(2), reduction='x')
F.mse_loss(m.zeros(2, dtype=m.int64), m.zeros(2, dtype=m.int64))
F.mse_loss(m.zeros(2), m.zeros(2, dtype=m.float64))
F.mse_loss(m.zeros(2), m.zeros(3))
F.normalize(m.zeros(2, 3))
F.normalize(m.ones(2, 3), p=1)
F.normalize(m.ones(3), dim=0)
F.normalize(m.ones(3))
F.linear(m.ones(3), m.ones(2, 3))
F.linear(m.ones(2, 3), m.ones(3))
F.linear(m.ones(3), m.ones(3))
F.linear(m.ones(2, 3), m.ones(2, 4))
F.linear(m.ones(2, 3), m.ones(2, 3), m.ones(3))
F.linear(m.zeros(0, 3), m.ones(2, 3), m.ones(2))
F.pad(m.ones(2, 3), (1, 1))
F.pad(m.ones(2, 3), (1,))
F.pad(m.ones(2, 3), (1, 1, 1, 1, 1, 1))
F.pad(m.ones(2, 3), (-1, -1))
F.pad(m.ones(2, 3), (-2, -2))
F.pad(m.ones(2, 3), ())
F.pad(m.ones(2, 3), (1, 1), value=nan)
F.pad(m.arange(3.).reshape(1, 3), (2, 2), mode='reflect')
F.pad(m.arange(3.).reshape(1, 3), (3, 3), mode='reflect')
F.pad(m.arange(3.).reshape(1, 3), (1, 1), mode='circular')
F.pad(m.arange(3.).reshape(1, 3), (4, 1), mode='replicate')
F.pad(m.arange(3.).reshape(1, 3), (1, 1), mode='nope')
F.pad(m.ones(2, dtype=m.bool), (1, 1))
F.pad(m.ones(2, dtype=m.int64), (1, 1), value=2.5)
F.interpolate(m.ones(1, 1, 2), scale_factor=2)
F.interpolate(m.ones(1, 1, 2, 2), size=(0, 2))
F.interpolate(m.ones(1, 1, 2, 2))
F.interpolate(m.ones(1, 1, 2, 2), size=2, scale_factor=2)
F.interpolate(m.ones(1, 1, 2, 2), size=4, mode='nope')
F.interpolate(m.ones(2, 2), size=4)
F.scaled_dot_product_attention(m.ones(2, 3), m.ones(2, 3), m.ones(2, 3))
F.scaled_dot_product_attention(m.ones(2, 3), m.ones(2, 4), m.ones(2, 3))
F.scaled_dot_product_attention(*[m.ones(2, 3)] * 3, attn_mask=m.zeros(2, 2, dtype=m.bool))
F.scaled_dot_product_attention(m.zeros(0, 3), m.ones(2, 3), m.ones(2, 3))
F.dropout(m.ones(3), p=1.0)
F.dropout(m.ones(3), p=1.5)
F.dropout(m.ones(3), p=0.0)
F.dropout(m.ones(3), p=-0.1)
F.embedding(m.tensor([0, 3]), m.ones(3, 2))
F.embedding(m.tensor([0., 1.]), m.ones(3, 2))
F.embedding(m.tensor([], dtype=m.int64), m.ones(3, 2))
F.layer_norm(m.ones(2, 3), (3,))
F.layer_norm(m.ones(2, 3), (2,))
F.layer_norm(m.ones(2, 3), ())
F.layer_norm(m.zeros(0, 3), (3,))
F.gelu(m.tensor([nan, inf, -inf, -0.0]))
F.relu(m.tensor([-1, 2]))
F.softplus(m.tensor([100., -100., 30.]))
F.silu(m.tensor([-inf, inf]))
m.sigmoid(m.tensor([-inf, inf, nan]))
m.tanh(m.tensor([-inf, inf, nan, -0.0]))
m.log(m.tensor([0., -1., inf, nan]))
m.log(m.tensor([0, 1]))
m.exp(m.tensor([1000., -1000., nan]))
m.sqrt(m.tensor([-1., 4.]))
m.rsqrt(m.tensor([0., -0.0, inf]))
m.reciprocal(m.tensor([0., -0.0, 2.]))
m.reciprocal(m.tensor([2, 4]))
m.sin(m.tensor([inf, 1.]))
m.cos(m.tensor([1, 2]))
m.square(m.tensor([3, -2], dtype=m.int8))
m.abs(m.tensor([-1, 2], dtype=m.int8))
m.abs(m.tensor([nan, -inf]))
m.norm(m.tensor([1., nan]))
m.norm(m.tensor([3., 4.]), p=0)
m.norm(m.tensor([3., 4.]), p=-inf)
m.norm(m.tensor([3., 4.]), p=1)
m.norm(m.tensor([3., -4.]), p=3)
m.norm(m.tensor([3., 4.]), p=-1)
m.norm(m.ones(2, 2), p='fro')
m.norm(m.ones(2, 2), p='nuc')
m.norm(m.ones(2, 2), p=2, dim=1)
m.norm(m.ones(2, 2), dim=(0, 1))
m.norm(m.ones(2, 2), p='x')
m.norm(m.tensor([1e20, 1e20]))
m.max(m.ones(2), m.ones(3))
m.max(m.tensor([1., 2.]), m.tensor([2, 1]))
m.max(m.ones(2, 3), (0, 1))
m.max(m.tensor(3.), 0)
m.max(m.ones(2, 3), 2)
m.max(m.ones(2, 3), dim=1, keepdim=True)
m.argmax(m.ones(2, 3), 2)
m.argmax(m.tensor(3.))
m.argmax(m.tensor(3.), 0)
m.argmax(m.ones(2, 3), keepdim=True)
m.argmax(m.ones(2, 3), dim=(0, 1))
m.argmax(m.ones(2, 3), dim=1, keepdim=True)
m.empty(2, 0).shape
m.empty(-1)
m.ones((2, 3)).shape
m.ones([2, 3]).shape
m.ones(()).shape
m.ones(2, 3.0)
m.ones('a')
m.zeros_like(m.ones(2, dtype=m.int8))
m.zeros_like(m.ones(2), dtype=m.bool)
m.zeros_like(3)
m.ones_like([1.])
m.ones(2, dtype=m.int64).new_zeros(2)
m.ones(2, dtype=m.int64).new_full((2,), 1.5)
m.ones(2, dtype=m.int64).new_tensor([1.5])
m.ones(2).new_tensor([1, 2])
m.meshgrid(m.arange(2), m.arange(3), indexing='ij')
m.meshgrid(m.arange(2), m.arange(3), indexing='xy')
m.meshgrid(m.arange(2), m.ones(3), indexing='ij')
m.meshgrid(m.ones(2, 2), indexing='ij')
m.meshgrid(m.tensor(1), m.arange(2), indexing='ij')
m.meshgrid(indexing='ij')
m.outer(m.arange(2), m.arange(3.))
m.dot(m.arange(2), m.arange(2.))
m.dot(m.ones(2), m.ones(3))
m.dot(m.ones(2, 2), m.ones(2))
m.broadcast_to(m.ones(3), (2, 3)).shape
m.broadcast_to(m.ones(3), (2,))
m.bincount(m.tensor([0, 1, 1]))
m.bincount(m.tensor([-1]))
m.bincount(m.tensor([], dtype=m.int64))
m.bincount(m.tensor([0.5]))
m.searchsorted(m.tensor([1., 2.]), m.tensor([nan]))
m.searchsorted(m.tensor([1., 2., nan]), m.tensor([nan, 3.]))
m.searchsorted(m.tensor([1, 2]), 1.5)
m.searchsorted(m.tensor([1, 2]), m.tensor([1.5]))
m.tensor([1., 2.]).add(m.tensor([1., 1.]), alpha=2)
m.tensor([1, 2]).add(1, alpha=2)
m.tensor([1, 2]).add(1, alpha=2.5)
m.tensor([True]).add(True, alpha=2)
m.tensor([1, 2]).sub(1, alpha=2)
m.tensor([1.]).sub(2, alpha=0.5)
m.lerp(m.tensor([0.]), m.tensor([10.]), 0.25)
m.addcmul(m.tensor([1.]), m.tensor([2.]), m.tensor([3.]), value=0.5)
m.tensor([1.]).copy_(m.tensor([1., 2.]))
m.zeros(2).copy_(m.tensor([1]))
m.zeros(2, dtype=m.int64).copy_(m.tensor([1.9, -1.9]))
m.zeros(2).copy_(3)
m.zeros(2, 3).zero_().shape
m.zeros(2).unsqueeze_(0).shape
m.zeros(1, 2).squeeze_().shape
m.cat((m.ones(2, 3), m.ones(2, 3)), dim=-1)
m.cat(tensors=[m.ones(1), m.zeros(1)], dim=0)
m.concat([m.ones(1), m.zeros(1)])
m.sum(m.ones(2, 3), dim=1, keepdim=True, dtype=m.float64)
m.ones(2, 3).sum(-1)
m.ones(2, 3).sum((0, 1), True)
m.ones(2, 3).sum(dtype=m.int64)
m.sum(m.ones(2, 3), 2)
m.sum(m.ones(2, 3), (0, 0))
m.sum(m.ones(2, 3), (0, 2))
m.ones(2, 3, dtype=m.int32).sum()
m.ones(2, 3, dtype=m.float16).sum()
m.tensor([[1., -1.], [1., -1.]])
m.tensor(np.array([[1, 2, 3], [4, 5, 6]]))
m.tensor(np.float32(1.5))
m.tensor(np.int8(3))
m.tensor(3.14159)
m.tensor([[0.11111, 0.222222]], dtype=m.float64)
m.tensor([m.tensor(1), m.tensor(2)])
m.tensor([[1, 2]], dtype=m.float32, requires_grad=True)
m.tensor([1, 2], requires_grad=True)
m.tensor(data=[1])
m.arange(10).reshape(5, 2).split(2)
m.arange(10).reshape(5, 2).split([1, 4])
m.split(m.arange(10).reshape(5, 2), 1, dim=1)
m.split(m.arange(10), split_size_or_sections=4)
m.arange(10).split(split_size=4)
m.mean(m.ones(4, 4), 1, True)
m.ones(2, 3).mean(dim=(0, 1))
m.ones(2, 3, dtype=m.float16).mean()
m.ones(4, 4).view(16)
m.ones(4, 4).view(-1, 8)
m.ones(4, 4).view((2, 8))
m.ones(4, 4).view(3, -1)
m.zeros(2, 3, dtype=m.int64)
m.zeros((2, 3), dtype=m.bool)
m.zeros([2])
m.zeros(size=(1, 2))
m.stack((m.ones(2), m.zeros(2)), dim=1)
m.stack([m.ones(2), m.zeros(2)], -1)
m.stack([m.ones(2), m.zeros(2)], 2)
m.stack([m.ones(2), m.zeros(2)], 3)
m.stack([m.ones(2), m.zeros(2, dtype=m.int64)])
m.log(m.tensor([0.5, 2.]))
m.reshape(m.arange(4.), (2, 2))
m.reshape(m.tensor([[0, 1], [2, 3]]), (-1,))
m.reshape(input=m.arange(4.), shape=(2, 2))
m.ones(2, 3).clone()
m.clone(m.ones(2))
m.empty((2, 3), dtype=m.int64).shape
m.unsqueeze(m.tensor([1, 2, 3, 4]), 0)
m.unsqueeze(m.tensor([1, 2, 3, 4]), 1)
m.arange(5)
m.arange(1, 4)
m.arange(1, 2.5, 0.5)
m.arange(start=1, end=4, step=2)
m.arange(end=3)
m.max(m.tensor([[0.6763, 0.7445, -2.2369]]))
m.max(m.tensor([[1., 5.], [3., 2.]]), 1)
m.max(m.tensor([[1., 5.], [3., 2.]]), dim=0, keepdim=True)
m.max(m.tensor([1., 5.]), m.tensor([3., 2.]))
m.exp(m.tensor([0, 1]))
m.ones(2, 2).masked_fill(m.tensor([[True, False], [False, True]]), -inf)
m.ones(2, 2).masked_fill(m.tensor([True, False]), 0)
m.ones(2).masked_fill(m.tensor([[True, False], [False, True]]), 0)
m.ones(2, 2).masked_fill(mask=m.tensor([True, False]), value=0)
m.where(m.tensor([[1.0]]) > 0, m.tensor([[1.0]]), 0.)
m.where(m.tensor([True, False]))
m.where(condition=m.tensor([True]), input=m.tensor([1]), other=m.tensor([2]))
m.ones(2).where(m.tensor([True, False]), 0.)
m.clamp(m.tensor([-1.7120, 0.1734, -0.0478, -0.0922]), min=-0.5, max=0.5)
m.clamp(m.tensor([-1., 2.]), min=m.tensor([0., 3.]))
m.clamp(m.tensor([-1., 2.]), 0)
m.clamp(m.tensor([-1., 2.]), max=0)
m.clip(m.tensor([-1., 2.]), 0, 1)
m.norm(m.arange(9.) - 4)
m.norm((m.arange(9.) - 4).reshape(3, 3), dim=0)
m.norm((m.arange(9.) - 4).reshape(3, 3), p=1, dim=1)
m.norm((m.arange(9.) - 4).reshape(3, 3), inf)
m.norm(m.arange(8.).reshape(2, 2, 2), dim=(1, 2))
m.norm(m.arange(4.), p=2, dim=0, keepdim=True)
m.norm(m.arange(4.), dtype=m.float64)
m.add(m.tensor([1., 2.]), 20)
m.add(m.tensor([1., 2.]), m.tensor([[1.], [2.]]), alpha=10)
m.add(input=m.tensor([1.]), other=m.tensor([2.]))
m.sigmoid(m.tensor([0, 1]))
m.softmax(m.tensor([[1., 2.], [3., 4.]]), dim=1)
m.softmax(m.tensor([1., 2.]), 0, m.float64)
m.softmax(m.tensor([1., 2.], dtype=m.float16), 0)
m.softmax(m.tensor([1., 2.]), -2)
m.zeros_like(m.ones(2, 3, dtype=m.int32))
m.zeros_like(m.ones(2), dtype=m.float64, requires_grad=True)
m.sqrt(m.tensor([4, 9]))
m.gather(m.tensor([[1, 2], [3, 4]]), 1, m.tensor([[0, 0], [1, 0]]))
m.gather(input=m.tensor([[1, 2], [3, 4]]), dim=1, index=m.tensor([[0, 0], [1, 0]]))
m.argmax(m.tensor([[1., 3.], [2., 0.]]))
m.argmax(m.tensor([[1., 3.], [2., 0.]]), dim=1)
m.transpose(m.ones(2, 3), 0, 1).shape
m.transpose(m.ones(2, 3), dim0=-1, dim1=0).shape
m.squeeze(m.zeros(2, 1, 2, 1, 2)).shape
m.squeeze(m.zeros(2, 1, 2, 1, 2), 1).shape
m.squeeze(m.zeros(2, 1, 2, 1, 2), (1, 2, 3)).shape
m.squeeze(m.zeros(2, 1, 2), dim=0).shape
m.sub(m.tensor([1, 2]), m.tensor([0, 1]), alpha=2)
m.tensor([1.]).copy_(m.tensor(5))
m.zeros(2, 3).copy_(m.arange(3))
m.zeros(2).copy_(m.ones(2, 2))
m.abs(m.tensor([-1, -2, 3]))
m.mul(m.tensor([0.2, -0.4]), 100)
m.mul(m.ones(4, 1), m.ones(1, 4)).shape
m.relu(m.tensor([-1., 1.]))
m.permute(m.ones(2, 3, 5), (2, 0, 1)).shape
m.ones(2, 3, 5).permute(-1, 0, 1).shape
m.permute(m.ones(2, 3, 5), dims=[2, 0, 1]).shape
m.tensor([[1], [2], [3]]).expand(3, 4)
m.tensor([[1], [2], [3]]).expand(-1, 4)
m.tensor([[1], [2], [3]]).expand((2, 3, 4)).shape
m.flatten(m.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]))
m.flatten(m.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]), start_dim=1)
F.pad(m.ones(3, 3, 4, 2), (1, 1), 'constant', 0).shape
F.pad(m.ones(3, 3, 4, 2), (0, 1, 2, 1, 3, 3), 'constant', 0).shape
F.pad(m.arange(6.).reshape(1, 2, 3), (1, 1, 1, 0), mode='reflect')
F.pad(m.arange(6.).reshape(1, 2, 3), (1, 1, 1, 0), mode='replicate')
m.sin(m.tensor([-0.5461, 0.1347]))
m.all(m.tensor([[True, True], [True, False]]))
m.all(m.tensor([[True, True], [True, False]]), dim=1)
m.all(m.tensor([[True, True], [True, False]]), 0, True)
m.all(m.arange(3))
m.full((2, 3), 3.141592)
m.full(size=(2,), fill_value=1)
m.full(2, 3)
m.full((2,), m.tensor(3))
m.full((2,), m.tensor([3]))
m.topk(m.arange(1., 6.), 3)
m.topk(m.tensor([[1., 5., 2.], [7., 3., 9.]]), k=2, dim=0)
m.topk(m.tensor([[1., 5., 2.], [7., 3., 9.]]), 2, -1, False)
m.topk(m.tensor([3, 1, 2]), 2)
m.topk(m.tensor([3., 1.]), 1, 1)
F.log_softmax(m.tensor([[1., 2.], [3., 4.]]), dim=-1)
m.log_softmax(m.tensor([1., 2.]), 0, dtype=m.float64)
m.tensor([1, 2, 3]).repeat(4, 2)
m.tensor([1, 2, 3]).repeat(4, 2, 1).shape
m.tensor([1, 2, 3]).repeat((2, 2))
m.matmul(m.ones(10, 3, 4), m.ones(4)).shape
m.matmul(m.ones(10, 3, 4), m.ones(10, 4, 5)).shape
m.matmul(m.ones(10, 3, 4), m.ones(4, 5)).shape
m.matmul(input=m.ones(3), other=m.ones(3))
m.matmul(m.ones(2, 3, 4), m.ones(3, 4, 5))
m.chunk(m.arange(11), 6)
m.chunk(m.arange(12), 6)
m.chunk(m.arange(13), 6)
m.chunk(m.arange(6).reshape(2, 3), 2, dim=1)
m.cos(m.tensor([1.4309]))
m.pow(m.tensor([0.4331, 1.2475]), 2)
m.pow(m.arange(1., 5.), m.arange(1., 5.))
m.pow(2, m.arange(1., 5.))
m.pow(m.arange(3), 2)
m.pow(m.arange(3), 2.)
m.pow(m.tensor([4.]), exponent=0.5)
m.einsum('i,j->ij', m.arange(5.), m.arange(4.))
m.einsum('bij,bjk->bik', m.ones(3, 2, 5), m.ones(3, 5, 4)).shape
m.einsum('...ij->...ji', m.ones(2, 3, 4, 5)).shape
m.einsum('ii', m.arange(16.).reshape(4, 4))
m.einsum('bn,anm,bm->ba', m.ones(2, 5), m.ones(3, 5, 4), m.ones(2, 4))
m.einsum(m.ones(2, 3), [0, 1], m.ones(3, 2), [1, 2], [0, 2])
m.div(m.tensor([0.38, 1.26]), 0.5)
m.div(m.tensor([-0.37, 2.8]), m.tensor([0.8, -0.5]), rounding_mode='trunc')
m.div(m.tensor([-0.37, 2.8]), m.tensor([0.8, -0.5]), rounding_mode='floor')
m.div(m.tensor([7, -7]), 2)
m.zeros(3, 5).scatter_(0, m.tensor([[0, 1, 2, 0]]), m.arange(1., 11.).reshape(2, 5))
m.zeros(3, 5).scatter_(1, m.tensor([[0, 1, 2], [0, 1, 4]]), m.arange(1., 11.).reshape(2, 5))
m.full((2, 4), 2.).scatter_(1, m.tensor([[2], [3]]), 1.23, reduce='add')
m.zeros(2, 4).scatter(1, m.tensor([[2], [3]]), value=1.)
m.zeros(3).scatter(dim=0, index=m.tensor([1]), src=m.tensor([2.]))
m.sort(m.tensor([[3., 1., 2.], [6., 5., 4.]]))
m.sort(m.tensor([[3., 1., 2.], [6., 5., 4.]]), 0)
m.sort(m.tensor([0, 1] * 9), stable=True)
m.sort(m.tensor([0, 1] * 3), dim=0, descending=True, stable=True)
m.zeros(2).fill_(3)
m.any(m.tensor([[0, 1]]))
m.any(m.tensor([[0., 1.], [0., 0.]]), 1)
m.any(m.tensor([[0., 1.], [0., 0.]]), dim=(0, 1))
m.linspace(3, 10, steps=5)
m.linspace(-10, 10, steps=1)
m.linspace(start=-10, end=10, steps=5)
m.t(m.arange(3))
m.t(m.ones(2, 3)).shape
m.eye(3)
m.tensor([[1]]).expand_as(m.ones(2, 3))
m.repeat_interleave(m.tensor([[1, 2], [3, 4]]), 2)
m.repeat_interleave(m.tensor([[1, 2], [3, 4]]), 3, dim=1)
m.repeat_interleave(m.tensor([[1, 2], [3, 4]]), m.tensor([1, 2]), dim=0)
m.repeat_interleave(m.tensor([[1, 2], [3, 4]]), m.tensor([1, 2]), dim=0, output_size=3)
m.repeat_interleave(m.tensor([[1, 2], [3, 4]]), m.tensor([1, 2, 3]), dim=0)
F.interpolate(m.arange(4.).reshape(1, 1, 2, 2), size=4)
F.interpolate(m.arange(4.).reshape(1, 1, 2, 2), scale_factor=2, mode='bilinear')
F.interpolate(m.arange(4.).reshape(1, 1, 2, 2), scale_factor=2, mode='bilinear', align_corners=True)
F.interpolate(m.arange(4.).reshape(1, 1, 2, 2), scale_factor=2, mode='bicubic')
F.interpolate(m.arange(3.).reshape(1, 1, 3), size=5, mode='linear')
m.ones_like(m.zeros(2, 3))
m.ones_like(input=m.zeros(2), dtype=m.int64)
m.min(m.tensor([[1., 5.], [3., 2.]]), 1)
m.min(m.tensor([1., nan]))
m.cumsum(m.tensor([[1, 2], [3, 4]]), dim=0)
m.cumsum(m.tensor([1., 2.]), -1, dtype=m.float64)
m.unbind(m.arange(6).reshape(2, 3), dim=1)
m.nonzero(m.tensor([1, 1, 1, 0, 1]))
m.nonzero(m.tensor([[0.6, 0.0], [0.0, 0.4]]), as_tuple=True)
F.cross_entropy(m.tensor([[1., 2., 3.]]), m.tensor([2]))
F.cross_entropy(m.tensor([[1., 2., 3.]]), m.tensor([[0.2, 0.3, 0.5]]))
F.cross_entropy(m.arange(6.).reshape(2, 3), m.tensor([2, 0]), weight=m.tensor([1., 2., 3.]))
F.cross_entropy(m.eye(3), m.tensor([2, -100, 1]), reduction='sum', label_smoothing=0.1)
F.cross_entropy(m.eye(2, 3), m.tensor([2, 1]), ignore_index=1, reduction='none')
m.isnan(m.tensor([1, nan, 2]))
m.zeros(2).normal_(0, 0)
m.zeros(2).normal_(mean=1.5, std=0)
m.zeros(2).normal_(0, -1)
m.zeros(2, dtype=m.int64).normal_()
m.zeros(2).uniform_(3, 3)
m.zeros(2).uniform_(3, 2)
m.ones(2).new_zeros(2, 3)
m.ones(2).new_zeros((2,), dtype=m.int64)
m.ones(2).new_zeros(size=(2,))
m.equal(m.tensor([1, 2]), m.tensor([1, 2]))
m.equal(m.tensor([1, 2]), 1)
F.normalize(m.tensor([[3., 4.], [0., 0.]]))
F.normalize(m.tensor([[3., 4.]]), p=1, dim=0)
F.normalize(m.tensor([[3., 4.]]), eps=10.)
m.unique(m.tensor([1, 3, 2, 3]))
m.unique(m.tensor([1, 3, 2, 3]), sorted=True, return_inverse=True)
m.unique(m.tensor([[1, 3], [2, 3]]), return_inverse=True)
m.unique(m.tensor([[1, 3], [1, 3]]), dim=0, return_counts=True)
m.unique(m.tensor([[1, 3], [1, 3]]), dim=1)
F.one_hot(m.arange(0, 5) % 3)
F.one_hot(m.arange(0, 6).view(3, 2) % 3, num_classes=3)
m.std(m.tensor([[1., 2., 4.], [3., 5., 9.]]), dim=1, keepdim=True)
m.std(m.tensor([1., 2., 4.]), unbiased=False)
m.std(m.tensor([1., 2., 4.]), dim=0, correction=2)
m.std(m.tensor([[1., 2., 4.]]), (0, 1))
m.tensor([1., 2., 4.]).std(0)
m.empty_like(m.ones(2, 3, dtype=m.int8)).shape
F.mse_loss(m.tensor([1., 2.]), m.tensor([2., 4.]))
F.mse_loss(m.tensor([1., 2.]), m.tensor([2., 4.]), reduction='none')
F.mse_loss(m.tensor([1., 2.]), m.tensor([2., 4.]), reduction='sum')
F.linear(m.ones(2, 3), m.ones(4, 3), m.ones(4))
F.linear(m.ones(3), m.ones(4, 3))
F.linear(m.ones(2, 3), m.ones(4, 3), bias=None)
F.linear(m.ones(2, 3), m.ones(4, 3), m.ones(1))
F.linear(m.ones(2, 3), m.ones(4, 3), m.ones(()))
F.linear(m.ones(2, 3), m.ones(4, 3, dtype=m.float64))
m.flip(m.arange(8).view(2, 2, 2), [0, 1])
m.flip(m.arange(8).view(2, 2, 2), dims=(-1,))
m.index_select(m.arange(12).reshape(3, 4), 0, m.tensor([0, 2]))
m.index_select(input=m.arange(12).reshape(3, 4), dim=-1, index=m.tensor([0, 2]))
m.tanh(m.tensor([0.8986]))
m.full_like(m.ones(2, dtype=m.int64), 5)
m.full_like(m.ones(2, dtype=m.int64), 5.5)
m.full_like(m.ones(2), fill_value=5, dtype=m.int64)
F.scaled_dot_product_attention(m.ones(1, 2, 3, 4), m.ones(1, 2, 3, 4), m.ones(1, 2, 3, 4)).shape
F.scaled_dot_product_attention(*[m.arange(6.).reshape(2, 3)] * 3, is_causal=True)
F.scaled_dot_product_attention(*[m.arange(6.).reshape(2, 3)] * 3, attn_mask=m.eye(2).bool())
F.scaled_dot_product_attention(*[m.arange(6.).reshape(2, 3)] * 3, scale=1.0)
F.scaled_dot_product_attention(*[m.ones(2, 3)] * 3, attn_mask=m.eye(2).bool(), is_causal=True)
m.argsort(m.tensor([[0.2, 0.1], [0.3, 0.4]]), dim=1)
m.argsort(m.tensor([3, 1, 2]), descending=True)
m.zeros(2, 2).zero_()
m.isfinite(m.tensor([1, inf, -inf, nan]))
m.square(m.tensor([-2.0755]))
m.triu(m.ones(3, 3), diagonal=1)
m.triu(m.ones(2, 3), -1)
m.triu(m.ones(2, 3), 1.5)
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 2, 2))
F.conv2d(m.ones(1, 3, 3), m.ones(1, 1, 2, 2)).shape
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 2, 2), padding='same').shape
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 2, 2), padding='valid').shape
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 2, 2), stride=2, padding='same')
F.conv2d(m.ones(1, 2, 3, 3), m.ones(2, 1, 2, 2), groups=2).shape
F.conv2d(m.ones(1, 2, 3, 3), m.ones(2, 1, 2, 2))
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 4, 4))
F.conv2d(m.ones(1, 1, 3, 3), m.ones(1, 1, 2, 2), stride=0)
F.conv2d(m.ones(0, 1, 3, 3), m.ones(1, 1, 2, 2)).shape
m.eq(m.tensor([[1, 2], [3, 4]]), m.tensor([[1, 1], [4, 4]]))
m.meshgrid([m.tensor([1, 2, 3]), m.tensor([4, 5])], indexing='ij')
m.prod(m.tensor([[1., 2.], [3., 4.]]), 1, True)
m.prod(m.tensor([2, 3]), dtype=m.float32)
m.arange(6.).reshape(2, 3)[1][2]
m.arange(6.).reshape(2, 3)[:, None].shape
m.arange(6.).reshape(2, 3)[..., None, :].shape
m.arange(6.).reshape(2, 3)[-1, -1]
m.arange(6.).reshape(2, 3)[m.arange(6.).reshape(2, 3) > 2]
m.arange(6.).reshape(2, 3)[0:1, [0, 2]]
m.arange(6.).reshape(2, 3)[[0, 1], [0, 2]]
m.arange(6.).reshape(2, 3)[(m.tensor([0, 1]), m.tensor([0, 2]))]
m.arange(24).reshape(2, 3, 4)[:, m.tensor([0, 2]), 1]
m.arange(24).reshape(2, 3, 4)[m.tensor([0, 1]), :, m.tensor([1, 2])]
m.arange(24).reshape(2, 3, 4)[0, :, m.tensor([1, 2])]
m.arange(24).reshape(2, 3, 4)[m.tensor([[0], [1]]), m.tensor([0, 1])].shape
m.arange(24).reshape(2, 3, 4)[m.tensor([True, False]), :, [0, 1, 2]].shape
m.arange(24).reshape(2, 3, 4)[..., m.tensor([0, 1]), None].shape
m.tensor([1., 2.]).requires_grad_().detach().requires_grad
m.tensor([1., 2.]).float().dtype == m.float32
m.tensor([1., 2.]).to(m.float64)
m.tensor([1., 2.]).to(dtype=m.int64)
m.tensor([1., 2.]).type(m.int64)
m.tensor([1., 2.]).to(m.ones(1, dtype=m.int8))
m.tensor([1.5]).half().float()
m.tensor([1., 2.]).dim()
m.tensor([[1., 2.]]).T
m.tensor([[1., 2.]]).mT
m.ones(2, 3, 4).mT.shape
m.ones(2).mT
m.tensor([1., 2.]).data
m.tensor([1., 2.]).is_floating_point()
m.tensor([1., 2.]).contiguous()
m.tensor([[1., 2.], [3., 4.]]).max(dim=1).values
m.tensor([[1., 2.], [3., 4.]]).max(dim=1).indices
m.tensor([[1., 2.], [3., 4.]]).sort(dim=1, descending=True).values
m.tensor([[1., 2.], [3., 4.]]).topk(1).indices
m.tensor([[1., 2.], [3., 4.]]).median(dim=1).values
m.tensor([[1., 2.], [3., 4.]]).aminmax().min
m.tensor([1., 2.]) > m.tensor([2, 1])
m.tensor([1., 2.]) >= 2
2 > m.tensor([1., 2.])
3 - m.tensor([1., 2.])
3 / m.tensor([1, 2])
3 // m.tensor([2, 2])
7 % m.tensor([2, 4])
m.tensor([1., 2.]).add_(1).mul_(2).sub_(1).div_(3)
m.tensor([1., 2.]).pow_(2)
m.tensor([1., 2.]).clamp_(max=1.5)
m.tensor([4., 9.]).sqrt_()
m.tensor([1., 2.]).exp_().log_()
m.tensor([[3., 4.]]).cumsum_(1)
m.tensor([-1., 2.]).relu_()
m.tensor([-1., 2.]).abs_()
m.tensor([1., 2.]).sigmoid_()
m.tensor([1., 2.]).masked_fill_(m.tensor([True, False]), 9)
m.tensor([1, 2]).add_(m.tensor([1., 2.]))
m.tensor([1., 2.]).add_(m.tensor([[1., 2.], [3., 4.]]))
m.ones(2).new_zeros((2, 3)).shape
m.zeros(2, 3).t_().shape
m.eye(n=2, m=3)
m.gather(m.arange(3), 0, m.tensor(1))
m.tensor(1.).sum(1)
m.tensor(1.).sum((0,))
m.tensor(1.).sum((0, -1))
m.tensor(1.).any(2)
m.tensor(1.).max(1)
m.tensor([-300], dtype=m.uint8)
m.tensor([-255], dtype=m.uint8)
m.full((1,), -1.5, dtype=m.uint8)
m.full((1,), 255.5, dtype=m.uint8)
m.zeros(2).masked_fill(m.tensor([True, False]), -1e300)
m.zeros(2, dtype=m.float16).masked_fill(m.tensor([True, False]), -1e9)
m.zeros(2, dtype=m.float16).fill_(1e6)
m.tensor([1]) - m.tensor([True])
m.tensor([1.]) - m.tensor([True])
m.arange(0, 2.7, 0.5, dtype=m.int64)
m.arange(0.5, 2.7, dtype=m.int32)
m.arange(3)[m.tensor([False, True, True]), None]
m.einsum(m.ones(2, 3), [0, 60])
m.where(m.tensor([1, 0], dtype=m.uint8), m.ones(2), 2.)
m.tensor([[1, 2], [3, 4]])[True, 0]
m.tensor([[1, 2], [3, 4]])[:, True]
m.tensor([[1, 2], [3, 4]])[False, :]
m.any(m.ones(2, 2), np.int64(0))
m.all(m.ones(2, 2), np.int64(0))
m.squeeze(m.ones(1, 2), np.int64(0))
m.sum(m.ones(2, 2), np.int64(0))
m.sum(m.ones(2, 2), m.tensor(0))
m.sum(m.ones(2, 2), True)
m.softmax(m.ones(2, 2), True)
m.cat([m.ones(2, 2)], True)
m.ones(2, 2).max(True)
m.std(m.ones(2, 2), True)
m.ones(2, 2).transpose('a', 0)
m.ones(2, 2).mean(1.5)
m.ones(2, 2).mean(m.tensor(0.))
m.chunk(m.tensor(1.), 1, 5)
m.select(m.tensor(1.), 5, 0)
m.select(m.tensor(1.), 'a', 0)
m.index_fill(m.tensor(1.), 5, m.tensor([0]), 1.)
m.tensor(1.).unflatten(0, (1, 1))
""".strip().splitlines()
KNOWN = [expression for several in DIFFERENT.values() for expression in several]


def plain(value):
    """What a result is, for a comparison: tensors as arrays."""
    if isinstance(value, (torch.Tensor, rl.Tensor)):
        array = value.detach().numpy()
        return str(value.dtype).removeprefix("torch."), tuple(value.shape), array
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value


def same(ours, theirs):
    """Whether two results agree, to the rounding of their type and the sign of zeros."""
    if isinstance(theirs, list):
        alike = isinstance(ours, list) and len(ours) == len(theirs)
        return alike and all(same(x, y) for x, y in zip(ours, theirs, strict=True))
    if not isinstance(theirs, tuple):
        return ours == theirs or (ours != ours and theirs != theirs)  # noqa: PLR0124  nan
    if not isinstance(ours, tuple) or ours[:2] != theirs[:2]:
        return False
    x, y = ours[2], theirs[2]
    if x.dtype.kind != "f":
        return bool((x == y).all())
    close = np.allclose(x, y, rtol=4 * np.finfo(x.dtype).eps, atol=1e-7, equal_nan=True)
    return close and bool((np.signbit(x) == np.signbit(y))[~np.isnan(x)].all())


def outcome(expression, lib, layers):
    """The result, or the error."""
    names = {"m": lib, "F": layers, "np": np, "inf": math.inf, "nan": math.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of what is deprecated
        try:
            return plain(eval(expression, names))
        except Exception as error:  # whatever it is: its class is what is compared
            return error


def agrees(expression):
    """Whether the outcome here is PyTorch's."""
    ours = outcome(expression, rl, functional)
    theirs = outcome(expression, torch, torch_functional)
    if isinstance(theirs, Exception):
        return isinstance(ours, type(theirs))
    return not isinstance(ours, Exception) and same(ours, theirs)


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if e not in KNOWN])
def test_an_expression_means_what_it_means_in_pytorch(expression):
    assert agrees(expression)


@pytest.mark.parametrize("expression", KNOWN)
def test_what_differs_is_listed_and_differs(expression):
    assert expression in EXPRESSIONS
    assert not agrees(expression)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (rl.tensor([1.0]), torch.tensor([2.0])),
        (rl.tensor([1.0]), torch.tensor([1])),
        (rl.tensor([1.0]), torch.tensor([[1.0]])),
        (rl.tensor([0.0]), torch.tensor([-0.0])),
        (rl.tensor([1.0]), torch.tensor([math.nan])),
        (rl.tensor(1.0), 1.0),
        ((rl.tensor(1.0),), (torch.tensor(1.0), torch.tensor(1.0))),
        (True, False),
    ],
)
def test_a_planted_difference_is_found(ours, theirs):
    assert not same(plain(ours), plain(theirs))
