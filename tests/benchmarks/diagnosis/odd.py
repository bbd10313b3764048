"""Healthy trainings with a loop of their own: what they log looks odd to whoever knows classification only."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import tuimon
from benchmarks.diagnosis.outcome import Check, Outcome
from benchmarks.diagnosis.recipe import Recipe


@contextlib.contextmanager
def _watched(
    recipe: Recipe, net: nn.Module, optimizer: torch.optim.Optimizer, folder: Path | None
) -> Iterator[Callable[..., None]]:
    """The run's `log`; does nothing where nobody watches."""
    if folder is None:
        yield lambda **_: None
        return
    with tuimon.watch(net, optimizer, run_dir=folder, total_steps=recipe.steps, serve=False, seed=recipe.seed) as monitor:
        yield monitor.log


def _mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        parts += [nn.Linear(a, b), activation()]
    return nn.Sequential(*parts[:-1])


def _ended(began: float, steps: int, learned: bool) -> Outcome:
    return Outcome(
        [Check(0, 1.0, 1.0), Check(steps, 0.0, 0.0)], 1.0, 1.0, (time.perf_counter() - began) / steps, 0.0, "", learned
    )


def gan(recipe: Recipe, folder: Path | None) -> Outcome:
    """A generator and a discriminator of points on a ring: neither loss has to fall. The generator is watched."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    generator = _mlp(4, recipe.width, recipe.width, 2, activation=nn.LeakyReLU)
    judge = _mlp(2, recipe.width, recipe.width, 1, activation=nn.LeakyReLU)
    ours = torch.optim.Adam(generator.parameters(), recipe.lr, betas=(0.5, 0.999))
    theirs = torch.optim.Adam(judge.parameters(), recipe.lr, betas=(0.5, 0.999))
    began = time.perf_counter()
    with _watched(recipe, generator, ours, folder) as log:
        for _ in range(recipe.steps):
            angle = 6.283 * torch.rand(recipe.batch, 1)
            real = torch.cat([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(recipe.batch, 2)
            fake = generator(torch.randn(recipe.batch, 4))
            theirs.zero_grad()
            against = functional.softplus(-judge(real)).mean() + functional.softplus(judge(fake.detach())).mean()
            against.backward()
            theirs.step()
            ours.zero_grad()
            loss = functional.softplus(-judge(fake)).mean()
            loss.backward()
            ours.step()
            log(loss=loss.item(), discriminator_loss=against.item())
    with torch.no_grad():
        radius = generator(torch.randn(500, 4)).norm(dim=1)
    return _ended(began, recipe.steps, 0.7 < float(radius.mean()) < 1.3)


def policy_gradient(recipe: Recipe, folder: Path | None) -> Outcome:
    """REINFORCE with a baseline: which of four arms pays depends on what is seen. The loss is noise around nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    net = _mlp(6, recipe.width, 4, activation=nn.Tanh)
    optimizer = torch.optim.Adam(net.parameters(), recipe.lr)
    secret = torch.randn(6, 4)
    baseline, earned = 0.0, []
    began = time.perf_counter()
    with _watched(recipe, net, optimizer, folder) as log:
        for _ in range(recipe.steps):
            seen = torch.randn(recipe.batch, 6)
            choice = torch.distributions.Categorical(logits=net(seen))
            arm = choice.sample()
            reward = ((seen @ secret).argmax(1) == arm).float() + 0.5 * torch.randn(recipe.batch)
            loss = -(choice.log_prob(arm) * (reward - baseline)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            baseline += 0.05 * (float(reward.mean()) - baseline)
            earned.append(float(reward.mean()))
            log(loss=loss.item(), reward=earned[-1])
    return _ended(began, recipe.steps, statistics.mean(earned[-40:]) > statistics.mean(earned[:20]) + 0.15)


def actor_critic(recipe: Recipe, folder: Path | None) -> Outcome:
    """Balancing a pole, ten at a time, by advantage actor-critic: the loss rises when episodes last longer."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    net = _mlp(4, recipe.width, recipe.width, 3, activation=nn.Tanh)
    optimizer = torch.optim.Adam(net.parameters(), recipe.lr)
    poles, state, lasted, ages = recipe.batch, 0.05 * torch.randn(recipe.batch, 4), [], torch.zeros(recipe.batch)
    began = time.perf_counter()
    with _watched(recipe, net, optimizer, folder) as log:
        for _ in range(recipe.steps):
            out = net(state)
            choice = torch.distributions.Categorical(logits=out[:, :2])
            push = choice.sample()
            following = _pushed(state, push)
            fell = (following[:, 2].abs() > 0.2) | (following[:, 0].abs() > 2.4)
            ages += 1
            lasted += ages[fell].tolist()
            ages[fell] = 0
            with torch.no_grad():
                worth = torch.where(fell, 0.0, 1.0 + 0.97 * net(following)[:, 2])
            advantage = worth - out[:, 2]
            loss = 0.5 * advantage.pow(2).mean() - (choice.log_prob(push) * advantage.detach()).mean()
            loss = loss - 0.01 * choice.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimizer.step()
            state = torch.where(fell[:, None], 0.05 * torch.randn(poles, 4), following.detach())
            log(loss=loss.item())
    early, late = lasted[: len(lasted) // 5], lasted[-len(lasted) // 5 :]
    return _ended(began, recipe.steps, statistics.mean(late) > 1.3 * statistics.mean(early))


def _pushed(state: Tensor, push: Tensor) -> Tensor:
    """The pole on its cart 0.02 s later (Barto, Sutton & Anderson 1983)."""
    place, speed, angle, turning = state.unbind(1)
    force = 20.0 * push - 10.0
    middle = (force + 0.05 * turning**2 * angle.sin()) / 1.1
    turn = (9.8 * angle.sin() - angle.cos() * middle) / (0.5 * (4 / 3 - 0.1 * angle.cos() ** 2 / 1.1))
    push_on = middle - 0.05 * turn * angle.cos() / 1.1
    return torch.stack([place + 0.02 * speed, speed + 0.02 * push_on, angle + 0.02 * turning, turning + 0.02 * turn], 1)


def sparse_embedding(recipe: Recipe, folder: Path | None) -> Outcome:
    """Skip-gram with negative samples and sparse gradients: most rows of the table get none at a step."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    words, groups = 2000, 20
    net = nn.ModuleDict(
        {"word": nn.Embedding(words, recipe.width, sparse=True), "beside": nn.Embedding(words, recipe.width, sparse=True)}
    )
    optimizer = torch.optim.SparseAdam(list(net.parameters()), recipe.lr)
    first = last = 0.0
    began = time.perf_counter()
    with _watched(recipe, net, optimizer, folder) as log:
        for step in range(recipe.steps):
            word = (words * torch.rand(recipe.batch) ** 2).long()
            beside = (word // groups * groups + torch.randint(groups, word.shape)).clamp_max(words - 1)
            other = torch.randint(words, word.shape)
            vector = net["word"](word)
            near, far = (vector * net["beside"](beside)).sum(1), (vector * net["beside"](other)).sum(1)
            loss = functional.softplus(-near).mean() + functional.softplus(far).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            first += loss.item() * (step < 20) / 20
            last += loss.item() * (step >= recipe.steps - 20) / 20
            log(loss=loss.item())
    return _ended(began, recipe.steps, last < 0.9 * first)


def contrastive(recipe: Recipe, folder: Path | None) -> Outcome:
    """InfoNCE between two noisy views of a sample, at a low temperature: the first loss is far above the last."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    net = _mlp(20, recipe.width, recipe.width, 16)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.lr)
    mixing = torch.randn(6, 20)
    losses = []
    began = time.perf_counter()
    with _watched(recipe, net, optimizer, folder) as log:
        for _ in range(recipe.steps):
            seen = torch.randn(recipe.batch, 6) @ mixing
            a, b = (functional.normalize(net(seen + 0.7 * torch.randn_like(seen)), dim=1) for _ in range(2))
            loss = functional.cross_entropy(a @ b.T / 0.2, torch.arange(recipe.batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            log(loss=losses[-1])
    return _ended(began, recipe.steps, float(np.mean(losses[-20:])) < 0.8 * losses[0])


LOOPS: dict[str, Callable[[Recipe, Path | None], Outcome]] = {
    "gan": gan,
    "policy-gradient": policy_gradient,
    "actor-critic": actor_critic,
    "sparse-embedding": sparse_embedding,
    "contrastive": contrastive,
}
