"""Other libraries' sparse autoencoders behind one interface, for side-by-side measurements.

    peer = build("saelens", d_in, d_sae, k, x_example)      # "dictionary-learning", "sparsify", "sparsify-adam", "plain"
    peer.step(x)            # one full training step, as the library's own trainer takes it
    peer.train(batches)     # as many steps as `batches` yields
    codes = peer.encode(x)  # (n, d_sae), dense; peer.decode(codes) reads them back

Every library trains by its own recipe: its own initialisation, rate, schedule, normalisation and treatment of dead
features. Where a recipe's warm-up is longer than a short run allows, it is shortened (`_at_most`), in the peer's favour.
Run in the environment of requirements.txt beside this file; "plain" needs only PyTorch. As a script it trains each peer
for a moment and prints what it leaves unexplained before and after:

    .venv-peers/bin/python tests/benchmarks/peers.py
"""

import os
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

os.environ.setdefault("SPARSIFY_DISABLE_TRITON", "1")


class Setup(NamedTuple):
    """What `build` hands to a peer; None means the library's own choice."""

    d_in: int
    d_sae: int
    k: int
    x_example: Tensor
    kind: str
    steps: int
    dead_after: int | None
    strength: float | None
    lr: float | None


class Peer:
    """The interface. decode(codes) is codes @ dictionary plus an offset, in every peer."""

    kinds: tuple[str, ...] = ("topk",)
    scale = 1.0  # what the library multiplies activations by before it trains on them
    dictionary: Tensor  # (d_sae, d_in)

    def step(self, x: Tensor) -> None:
        """One training step on the batch x (n, d_in)."""
        raise NotImplementedError

    def train(self, batches: Iterable[Tensor]) -> None:
        """A step on each of `batches`."""
        for x in batches:
            self.step(x)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_sae)."""
        return self._encode(x * self.scale) / self.scale

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_sae) to x_hat (n, d_in)."""
        return self._decode(codes * self.scale) / self.scale


class SAELens(Peer):
    """SAELens 6, stepped by its own SAETrainer.

    The recipe is that of its defaults and its documentation: activations scaled to a mean length of sqrt(d_in), Adam at
    3e-4, decayed over the last fifth of the steps, gradients clipped to 1; the decoder's rows are free, and top-k and the
    L1 penalty weigh codes by their lengths. Top-k: dead after 1000 steps, aux-k weighted by 1. L1: coefficient 5, warmed
    up over a twentieth of the steps. JumpReLU: the quadratic penalty around an L0 of k, weight 5.
    """

    kinds = ("topk", "batchtopk", "jumprelu", "standard")

    def __init__(self, setup: Setup):
        import sae_lens
        from sae_lens.config import SAETrainerConfig

        d_in, d_sae, k, x_example, kind, steps, dead_after, strength, lr = setup
        batch, device = len(x_example), str(x_example.device)
        lr = lr or 3e-4
        name, settings = {
            "topk": ("TopK", dict(k=k)),
            "batchtopk": ("BatchTopK", dict(k=k)),
            "jumprelu": (
                "JumpReLU",
                dict(
                    jumprelu_sparsity_loss_mode="quadratic",
                    target_l0=k,
                    l0_coefficient=5.0 if strength is None else strength,
                    jumprelu_bandwidth=0.01,
                ),
            ),
            "standard": (
                "Standard",
                dict(l1_coefficient=5.0 if strength is None else strength, l1_warm_up_steps=steps // 20),
            ),
        }[kind]
        settings |= dict(d_in=d_in, d_sae=d_sae, device=device, normalize_activations="expected_average_only_in")
        self.kind = kind
        self.sae = getattr(sae_lens, f"{name}TrainingSAE")(getattr(sae_lens, f"{name}TrainingSAEConfig")(**settings))
        self.trainer = sae_lens.SAETrainer(
            SAETrainerConfig(
                total_training_samples=steps * batch,
                train_batch_size_samples=batch,
                device=device,
                lr=lr,
                lr_end=lr / 10,  # must be set, and is not used while the rate is constant
                lr_decay_steps=steps // 5,
                dead_feature_window=1000 if dead_after is None else dead_after // batch,
            ),
            self.sae,
            data_provider=iter(()),
        )
        self.scale = d_in**0.5 / x_example.norm(dim=1).mean().item()
        self.trainer.activation_scaler.scaling_factor = self.scale

    def step(self, x: Tensor) -> None:
        self.trainer.maybe_reset_sparsity()
        self.trainer.step(x)
        self.trainer.n_training_steps += 1

    def _encode(self, x: Tensor) -> Tensor:
        if self.kind != "batchtopk":
            return self.sae.encode(x)
        # What it saves for inference: a JumpReLU at the running threshold, on unit rows.
        pre = self.sae.encode_with_hidden_pre(x)[1]
        return torch.relu(pre) * (pre > self.sae.topk_threshold)

    def _decode(self, codes: Tensor) -> Tensor:
        return self.sae.decode(codes)

    @property
    def dictionary(self) -> Tensor:
        rows = self.sae.W_dec.detach()
        return rows / rows.norm(dim=1, keepdim=True) if "topk" in self.kind else rows


class DictionaryLearning(Peer):
    """dictionary-learning 0.1, stepped by its own trainers' `update`.

    The recipe is that of its trainers and its demonstration: activations scaled to a mean squared length of 1 (its
    `normalize_activations`), a warm-up of 1000 steps, a decay over the last fifth, gradients clipped to 1 (not under L1),
    the part of the gradient along the decoder's rows removed and the rows brought back to length 1. Top-k: Adam at
    2e-4 / sqrt(d_sae / 2**14), b_dec from the geometric median of the first batch, dead after 10 million examples, aux-k
    weighted by 1/32. JumpReLU: 7e-5, a quadratic penalty around an L0 of k. L1: 1e-3, coefficient 0.1.
    """

    kinds = ("topk", "batchtopk", "jumprelu", "standard")

    def __init__(self, setup: Setup):
        from dictionary_learning import trainers

        d_in, d_sae, k, x_example, kind, steps, dead_after, strength, lr = setup
        penalty_warmup = dict(sparsity_warmup_steps=_at_most(2000, steps))
        trainer, settings = {
            "topk": (trainers.TopKTrainer, dict(k=k)),
            "batchtopk": (trainers.BatchTopKTrainer, dict(k=k, threshold_start_step=_at_most(1000, steps))),
            "jumprelu": (
                trainers.JumpReluTrainer,
                dict(target_l0=k, sparsity_penalty=1.0 if strength is None else strength, **penalty_warmup),
            ),
            "standard": (
                trainers.StandardTrainer,
                dict(l1_penalty=0.1 if strength is None else strength, **penalty_warmup),
            ),
        }[kind]
        self.trainer = trainer(
            steps=steps,
            activation_dim=d_in,
            dict_size=d_sae,
            warmup_steps=_at_most(1000, steps),
            decay_start=steps * 4 // 5,
            layer=0,
            lm_name="none",
            device=str(x_example.device),
            **(settings if lr is None else {**settings, "lr": lr}),
        )
        if dead_after is not None:
            self.trainer.dead_feature_threshold = dead_after
        self.ae = self.trainer.ae
        self.scale = x_example.square().sum(dim=1).mean().sqrt().reciprocal().item()
        self.steps_taken = 0

    def step(self, x: Tensor) -> None:
        self.trainer.update(self.steps_taken, x * self.scale)
        self.steps_taken += 1

    def _encode(self, x: Tensor) -> Tensor:
        return self.ae.encode(x)

    def _decode(self, codes: Tensor) -> Tensor:
        return self.ae.decode(codes)

    @property
    def dictionary(self) -> Tensor:
        return (self.ae.W_dec if hasattr(self.ae, "W_dec") else self.ae.decoder.weight.T).detach()


class Sparsify(Peer):
    """sparsify 1.3.3: its Trainer runs only around a language model, so here is what its `fit` does in one step.

    The decoder's rows are brought to length 1, the loss is the unexplained share of the batch's variance, the part of the
    gradient along the rows is removed, and the optimiser is its default, schedule-free sign descent at
    5e-3 / sqrt(d_sae / 2**14); "sparsify-adam" takes its other one, Adam at 2e-4 / sqrt(d_sae / 2**14) with a warm-up of
    1000 steps and a decay to zero. b_dec starts at the mean of the first batch. By default it has no aux-k: naming
    `dead_after` turns it on, weighted by 1/32.
    """

    def __init__(self, setup: Setup, optimizer: str = "signum"):
        from schedulefree import ScheduleFreeWrapper
        from sparsify import SparseCoder, SparseCoderConfig
        from sparsify.sign_sgd import SignSGD
        from transformers import get_linear_schedule_with_warmup

        d_in, d_sae, k, x_example, _, steps, self.dead_after, _, lr = setup
        self.sae = SparseCoder(d_in, SparseCoderConfig(num_latents=d_sae, k=k), x_example.device, torch.float32)
        root = (d_sae / 2**14) ** 0.5
        if optimizer == "signum":
            self.optimizer = ScheduleFreeWrapper(SignSGD(self.sae.parameters(), lr or 5e-3 / root), momentum=0.95)
            self.schedule = None
        else:
            self.optimizer = torch.optim.Adam(self.sae.parameters(), lr or 2e-4 / root)
            self.schedule = get_linear_schedule_with_warmup(self.optimizer, _at_most(1000, steps), steps)
        self.since_fired = torch.zeros(d_sae, dtype=torch.long, device=x_example.device)
        self.started = False

    def step(self, x: Tensor) -> None:
        if not self.started:
            self.sae.b_dec.data = x.mean(dim=0)
            self.started = True
        self._weights(training=True)
        self.sae.set_decoder_norm_to_unit_norm()
        dead = None if self.dead_after is None else self.since_fired > self.dead_after
        out = self.sae(x, dead_mask=dead)
        (out.fvu + out.auxk_loss / 32).backward()
        self.sae.remove_gradient_parallel_to_decoder_directions()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.schedule is not None:
            self.schedule.step()
        self.since_fired += len(x)
        self.since_fired[out.latent_indices.flatten()] = 0

    def _weights(self, training: bool) -> None:
        """Schedule-free descent trains at one point and is judged at another, the running average."""
        if self.schedule is None:
            self.optimizer.train() if training else self.optimizer.eval()

    def _encode(self, x: Tensor) -> Tensor:
        self._weights(training=False)
        out = self.sae.encode(x)
        return torch.zeros_like(out.pre_acts).scatter(1, out.top_indices, out.top_acts)

    def _decode(self, codes: Tensor) -> Tensor:
        self._weights(training=False)
        return codes @ self.sae.W_dec + self.sae.b_dec

    @property
    def dictionary(self) -> Tensor:
        self._weights(training=False)
        return self.sae.W_dec.detach()


class Plain(Peer):
    """The loop anyone would write first: dense PyTorch, autograd, Adam as it comes (1e-3), and no treatment of the dead."""

    def __init__(self, setup: Setup):
        d_in, d_sae, self.k, x_example = setup[:4]
        rows = torch.randn(d_sae, d_in, device=x_example.device)
        rows /= rows.norm(dim=1, keepdim=True)
        self.weights = [rows.T.clone(), rows.new_zeros(d_sae), rows, x_example.mean(dim=0)]
        self.W_enc, self.b_enc, self.W_dec, self.b_dec = (weight.requires_grad_() for weight in self.weights)
        self.optimizer = torch.optim.Adam(self.weights, setup.lr or 1e-3)

    def step(self, x: Tensor) -> None:
        loss = (self._decode(self._encode(x)) - x).square().sum(dim=1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)

    def _encode(self, x: Tensor) -> Tensor:
        pre = (x - self.b_dec) @ self.W_enc + self.b_enc
        value, index = pre.topk(self.k, dim=1)
        return torch.zeros_like(pre).scatter(1, index, torch.relu(value))

    def _decode(self, codes: Tensor) -> Tensor:
        return codes @ self.W_dec + self.b_dec

    @property
    def dictionary(self) -> Tensor:
        return self.W_dec.detach()


class SparsifyAdam(Sparsify):
    """sparsify with its other optimiser."""

    def __init__(self, setup: Setup):
        super().__init__(setup, optimizer="adam")


PEERS: dict[str, type[Peer]] = {
    "saelens": SAELens,
    "dictionary-learning": DictionaryLearning,
    "sparsify": Sparsify,
    "sparsify-adam": SparsifyAdam,
    "plain": Plain,
}


def build(
    name: str,
    d_in: int,
    d_sae: int,
    k: int,
    x_example: Tensor,
    *,
    kind: str = "topk",
    steps: int = 10_000,
    dead_after: int | None = None,
    strength: float | None = None,
    lr: float | None = None,
    seed: int = 0,
) -> Peer:
    """A fresh peer on x_example's device.

    Args: x_example (n, d_in), a batch as large as those to come, the larger the better: normalisation is measured on it;
    kind, one of the peer's `kinds`; steps, how many will be taken, for the schedules; dead_after, after how many examples
    without firing a feature counts as dead (the library's own choice unless given); strength, of the penalty where kind
    has one, and lr (likewise); seed, of the first weights.
    """
    if kind not in PEERS[name].kinds:
        raise ValueError(f"kind is {kind!r}; {name} offers {PEERS[name].kinds}")
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.simplefilter("ignore")
        return PEERS[name](Setup(d_in, d_sae, k, x_example, kind, steps, dead_after, strength, lr))


def _at_most(default: int, steps: int) -> int:
    """A warm-up of `default` steps, or a tenth of the run if that is shorter."""
    return min(default, steps // 10)


def unexplained(peer: Peer, x: Tensor) -> float:
    """The share of x's variance that `peer` leaves unexplained."""
    return ((peer.decode(peer.encode(x)) - x).square().sum() / (x - x.mean(dim=0)).square().sum()).item()


def _proof(d_in: int = 64, d_sae: int = 256, k: int = 8, batch: int = 256, steps: int = 200) -> None:
    """Each peer and kind for a few steps on random sparse combinations; what it leaves unexplained before and after."""
    generator = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(d_sae, d_in, generator=generator), dim=1)

    def sample(n: int) -> Tensor:
        used = torch.rand(n, d_sae, generator=generator) < k / d_sae
        return (used * torch.rand(n, d_sae, generator=generator)) @ atoms + 0.5

    held_out = sample(2048)
    print(f"{'peer':20} {'kind':10} {'before':>8} {'after':>8} {'active':>8}")
    for name, peer_class in PEERS.items():
        for kind in peer_class.kinds:
            peer = build(name, d_in, d_sae, k, sample(batch), kind=kind, steps=steps)
            before = unexplained(peer, held_out)
            peer.train(sample(batch) for _ in range(steps))
            codes = peer.encode(held_out)
            offset = peer.decode(torch.zeros_like(codes[:1]))
            torch.testing.assert_close(peer.decode(codes), codes @ peer.dictionary + offset, rtol=1e-3, atol=1e-4)
            active = (codes > 0).sum(dim=1).float().mean().item()
            print(f"{name:20} {kind:10} {before:8.3f} {unexplained(peer, held_out):8.3f} {active:8.1f}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    _proof()
