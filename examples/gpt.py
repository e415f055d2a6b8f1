"""A GPT of 4 layers, d 128, learns to write the source of Rushlight, character by character.

The 300 steps that it makes unless told otherwise take a minute or two on two cores.
"""

import argparse
import math
from pathlib import Path

from tqdm import trange

import rushlight as rl
import rushlight_nn as nn
import rushlight_nn.functional as F
from rushlight_nn import optim


class Attention(nn.Module):
    """Every character looks at itself and at those before it.  [b, t, d] -> [b, t, d]."""

    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)

    def forward(self, x):
        b, t, d = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [b, heads, t, d / heads]
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(z.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    """Attention and two linear layers, each added to what it read.  [b, t, d] -> [b, t, d]."""

    def __init__(self, d, heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(d), Attention(d, heads)
        self.norm2 = nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Characters to the logits of the next ones.  int64[b, t], t <= block -> [b, t, vocabulary].

    Source: Radford et al. 2019, Language models are unsupervised multitask learners, section 2.3.
    """

    def __init__(self, vocabulary, block=64, layers=4, d=128, heads=4):
        super().__init__()
        self.characters = nn.Embedding(vocabulary, d)
        self.positions = nn.Embedding(block, d)
        self.blocks = nn.Sequential(*[Block(d, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocabulary, bias=False)
        self.apply(self.draw)
        self.head.weight = self.characters.weight  # one table reads and writes characters

    @staticmethod
    def draw(module):
        """Small first weights: the first loss is that of a guess, log(vocabulary)."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, x):
        places = rl.arange(x.shape[1], device=x.device)
        x = self.characters(x) + self.positions(places)
        return self.head(self.norm(self.blocks(x)))


def sources():
    """The text: the source of Rushlight's packages, and of this program."""
    folders = [Path(module.__file__).parent for module in (rl, nn)]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return "".join(path.read_text("utf-8") for path in [Path(__file__), *files])


def batches(text, block, size=12):
    """Random pieces of the text, and the same one character later: int64[size, block] twice."""
    while True:
        starts = rl.randint(len(text) - block, (size, 1), device=text.device)
        places = starts + rl.arange(block, device=text.device)
        yield text[places], text[places + 1]


def train(model, pairs, steps, lr=3e-3, warmup=60, compiled=False):
    """Learn from so many batches; gives the loss of each, in nats per character."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))

    def rate(i):
        """The part of lr in use: rises for the warm-up, then falls along a cosine to a tenth."""
        return min((i + 1) / warmup, 0.55 + 0.45 * math.cos(math.pi * min(1, i / steps)))

    schedule = optim.lr_scheduler.LambdaLR(optimizer, rate)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    if compiled:
        step = rl.compile(step)
    for _, (x, y) in zip(range(steps), pairs, strict=False):
        yield step(x, y).item()
        schedule.step()


@rl.no_grad()
def continued(model, x, length, block, temperature=0.8):
    """x and what the model writes after it.  int64[1, t] -> int64[1, t + length]."""
    for _ in range(length):
        logits = model(x[:, -block:])[:, -1]
        choice = rl.multinomial(F.softmax(logits / temperature, dim=-1), 1)
        x = rl.cat([x, choice], dim=1)
    return x


def main():
    """Train, tell the loss, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--sample", type=int, default=400, help="characters to write at the end")
    parser.add_argument("--device", default="numpy")
    parser.add_argument("--compile", action="store_true", help="trace a step once, then replay it")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    rl.manual_seed(given.seed)
    source, block = sources(), 64
    vocabulary = sorted(set(source))
    number = {character: i for i, character in enumerate(vocabulary)}
    text = rl.tensor([number[character] for character in source], device=given.device)
    model = GPT(len(vocabulary), block).to(given.device)
    size = sum(p.numel() for p in model.parameters())
    print(f"{len(source):,} characters, {len(vocabulary)} different; {size:,} parameters")

    losses = train(model, batches(text, block), given.steps, compiled=given.compile)
    with trange(given.steps, disable=None) as bar:  # shown on a terminal only
        for step, loss in zip(bar, losses, strict=True):
            bar.set_postfix_str(f"loss {loss:.3f}")
            if step % 50 == 0 or step == given.steps - 1:
                bar.write(f"step {step}: loss {loss:.3f}")

    start = rl.tensor([[number[character] for character in "def "]], device=given.device)
    written = continued(model, start, given.sample, block)[0].tolist()
    print("".join(vocabulary[i] for i in written))


if __name__ == "__main__":
    main()
