"""docs/coverage.md is what the code makes of itself."""

from parity.page import PAGE, orders, page

import rushlight as rl


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "run `python tests/write_page.py`"


def test_a_second_page_is_the_same():
    assert page() == page()


def test_a_gradient_that_has_none_is_of_first_order():
    class Square(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x.detach() * g.detach()

    x = rl.tensor([1.0, 2.0], requires_grad=True)
    assert orders([Square.apply(x)], [x]) == "1"
    assert orders([x * x], [x]) == "1, 2"
