"""Where edges and signatures are not PyTorch's, and why: tables for tests and for users.

Knows neither library.
"""

from __future__ import annotations

# Expressions, by the reason why they differ.  m: the library, F: nn.functional.
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
    "a dim that is not there is refused, of nothing too": [
        "m.zeros(0).cummax(1)",
        "m.zeros(0, 3).cummin(-3)",
        "m.zeros(0).roll(1, 1)",
    ],
    "there is no median of nothing; PyTorch's is the smallest number": [
        "m.zeros(0, dtype=m.int64).median()",
    ],
    "a 0-d tensor has no windows": [
        "m.tensor(1.).unfold(0, 1, 1)",
    ],
    "the error is of another class": [
        "m.arange(3).repeat_interleave(m.tensor([1.]))",
        "m.rand(2, dtype=m.int64)",
        "m.tensor([1]) + 2**70",
        "m.bincount(m.tensor([0.5]))",
        "m.zeros(2, dtype=m.int64).normal_()",
    ],
}

# Arguments of PyTorch's that are not offered: why, and by which functions.
NOT_OFFERED = {
    "_stacklevel": ("of PyTorch's own calls", "log_softmax softmax softmin"),
    "compute_mode": ("there is one way to compute distances", "cdist"),
    "implicit": ("of PyTorch's own calls", "expand"),
    "input_scale": ("of PyTorch's own calls of elu", "elu_"),
    "layout": (
        "all tensors are dense",
        """
        arange empty empty_like eye full full_like linspace new_empty new_full new_ones
        new_zeros normal ones ones_like rand rand_like randint randint_like randn randn_like
        randperm scalar_tensor tril_indices triu_indices zeros zeros_like
        """,
    ),
    "memory_format": (
        "how elements lie in memory is the backend's affair",
        """
        clone contiguous empty empty_like full_like is_contiguous ones_like rand_like
        randint_like randn_like zeros_like
        """,
    ),
    "out": ("a result is always a new tensor", "norm normalize tensordot"),
    "out_dtype": ("a product has the type of its factors", "addmm baddbmm bmm mm"),
    "pin_memory": (
        "there is no pinned memory",
        """
        arange empty empty_like eye full full_like linspace new_empty new_full new_ones
        new_zeros normal ones ones_like rand rand_like randint randint_like randn randn_like
        randperm scalar_tensor tril_indices triu_indices zeros zeros_like
        """,
    ),
    "reduce": (
        "deprecated in PyTorch",
        """
        binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss
        cross_entropy hinge_embedding_loss kl_div l1_loss margin_ranking_loss mse_loss
        multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss
        poisson_nll_loss smooth_l1_loss soft_margin_loss
        triplet_margin_loss
        """,
    ),
    "scale": ("of PyTorch's own calls of elu", "elu_"),
    "size_average": (
        "deprecated in PyTorch",
        """
        binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss
        cross_entropy hinge_embedding_loss kl_div l1_loss margin_ranking_loss mse_loss
        multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss
        poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
        """,
    ),
    "sparse": ("all gradients are dense", "embedding"),
    "sparse_grad": ("all gradients are dense", "gather"),
}

# What else differs in signatures: (name, what the difference tells) and why.
DEVIATIONS = {
    ("std", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("std_mean", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("var", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("var_mean", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("std", "default True of unbiased"): "None is True, unless there is a correction",
    ("std_mean", "default True of unbiased"): "None is True, unless there is a correction",
    ("var", "default True of unbiased"): "None is True, unless there is a correction",
    ("var_mean", "default True of unbiased"): "None is True, unless there is a correction",
    ("max", "other stands elsewhere"): "in place of dim a tensor is other",
    ("min", "other stands elsewhere"): "in place of dim a tensor is other",
    ("scatter", "value stands elsewhere"): "in place of src a number is value",
    ("arange", "end stands elsewhere"): "a lone start is end",
    ("randint", "high stands elsewhere"): "a lone low is high",
    ("randint", "size stands elsewhere"): "a lone low is high",
    ("randint_like", "high stands elsewhere"): "a lone low is high",
    ("random_", "to stands elsewhere"): "a lone low is to",
    ("repeat_interleave", "missing a required argument: 'input'"): "a lone input is repeats",
    ("uniform_", "keyword argument 'from'"): "no name in Python; give it by place",
    ("random_", "keyword argument 'from'"): "no name in Python; give it by place",
    ("view", "missing a required argument: 'size'"): "bits of another type are not offered",
    ("copy_", "missing a required argument: 'src'"): "other is the name in TorchScript only",
    ("embedding", "keyword argument 'padding_idx'"): "nn.functional.embedding has it",
    ("randint", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("randperm", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("rrelu_", "keyword argument 'generator'"): "draws from the default stream",
    ("det", "missing a required argument: 'A'"): "A is the name in linalg",
    ("slogdet", "missing a required argument: 'A'"): "A is the name in linalg",
    ("inverse", "missing a required argument: 'A'"): "A is the name in linalg",
    ("matrix_power", "missing a required argument: 'A'"): "A is the name in linalg",
    ("cholesky_solve", "missing a required argument: 'L'"): "L is the name in the documentation",
    ("one_hot", "missing a required argument: 'tensor'"): "the name in the documentation",
    ("isin", "missing a required argument"): "the names in the documentation",
    ("result_type", "missing a required argument: 'tensor1'"): "the name in the documentation",
    ("tensor_split", "missing a required argument: 'indices_or_sections'"): "either has this name",
    ("tril_indices", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("triu_indices", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("softmin", "dim has no default"): "a dim to be guessed is deprecated there",
    ("softmax", "dim has no default"): "a dim to be guessed is deprecated there",
    ("log_softmax", "dim has no default"): "a dim to be guessed is deprecated there",
    ("meshgrid", "default None of indexing"): "'ij' is what None means, with a warning",
}

# Functions written in C by hand: PyTorch tells no signature.  Calls of them are compared.
NO_SIGNATURE = """
as_subclass asarray bfloat16 bool byte can_cast char double finfo float from_numpy
get_autocast_dtype get_default_dtype get_num_threads half iinfo int is_autocast_enabled
is_grad_enabled is_inference_mode_enabled logsigmoid long ndimension nelement new_tensor
numpy promote_types set_num_threads short tensor tolist type
""".split()
