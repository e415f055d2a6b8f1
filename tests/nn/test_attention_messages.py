"""Attention says in its caller's words what it cannot do."""

import re

import pytest

import rushlight as rl
from rushlight_nn import functional as F


@pytest.mark.parametrize(
    "how", [{}, {"is_causal": True}, {"dropout_p": 0.5}], ids=["plain", "causal", "dropout"]
)
def test_without_a_key(how):
    told = (
        "scaled_dot_product_attention: key float32[1, 2, 0, 4] has no rows; give at least one to "
        "attend to"
    )
    none = rl.zeros(1, 2, 0, 4)
    with pytest.raises(rl.ContractError, match=f"^{re.escape(told)}$"):
        F.scaled_dot_product_attention(rl.zeros(1, 2, 5, 4), none, none, **how)


def test_without_a_query():
    key = rl.ones(1, 2, 3, 4)
    assert F.scaled_dot_product_attention(rl.ones(1, 2, 0, 4), key, key).shape == (1, 2, 0, 4)
