"""Models on disk: a folder with `cfg.json` (what it is) and `sae_weights.safetensors` (its numbers, in float32).

A sparse autoencoder is laid out as SAELens 6 lays out its own. Weights are read through safetensors only: a file of
weights can't run code.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from . import checks
from .models import Autoencoder, Model, SparseAutoencoder
from .sparsity import Sparsity

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
# What SAELens can do to activations on their way in and saelib does not.
PLAIN = {"apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none"}
SPARSITIES = {brick.architecture: brick for brick in Sparsity.__subclasses__()}


def save(model: Model, path: str | Path) -> None:
    """Write `model` into the folder `path`, made if missing.

    Both files are written whole beside their places and only then moved there, so that what was there before stays
    good until the new ones are complete. Raises ValueError where a weight is not finite or the model is none that
    load() knows (it would not be read back), or `path` is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"path is {str(path)!r}, which is a file; expected a folder, or a name that is still free")
    tensors = {name: value.detach().cpu().float().contiguous() for name, value in model.state_dict().items()}
    for name, value in tensors.items():
        checks.finite(name, value)
    config = json.dumps(_config(model), indent=2)
    path.mkdir(parents=True, exist_ok=True)
    weights_draft, config_draft = (path / f".{name}.{os.getpid()}" for name in (WEIGHTS, CONFIG))
    try:
        save_file(tensors, weights_draft)
        config_draft.write_text(config, encoding="utf-8")
        os.replace(weights_draft, path / WEIGHTS)
        os.replace(config_draft, path / CONFIG)
    finally:
        weights_draft.unlink(missing_ok=True)
        config_draft.unlink(missing_ok=True)


def load(path: str | Path) -> Model:
    """Read back the model that was saved in the folder `path`.

    Raises FileNotFoundError where the folder or one of its two files is missing, and ValueError, naming file and value,
    for one that is truncated, describes no known model, or does not hold the weights that it describes.
    """
    path = Path(path)
    for place in (path, path / CONFIG, path / WEIGHTS):
        if not (place.is_dir() if place == path else place.is_file()):
            raise FileNotFoundError(f"{place} is missing; expected a folder with {CONFIG} and {WEIGHTS}, as save() writes it")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it holds a {type(config).__name__}; expected a JSON object")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path / CONFIG} can't be read: {error}") from error
    try:
        tensors = load_file(path / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{path / WEIGHTS} can't be read: {error}; expected a whole safetensors file") from error
    try:
        model = _build(config, [size for value in tensors.values() for size in value.shape])
    except ValueError as error:
        raise ValueError(f"{path / CONFIG}: {error}") from error
    expected = model.state_dict()
    if set(tensors) != set(expected):
        raise ValueError(f"{path / WEIGHTS} holds {sorted(tensors)}; expected {sorted(expected)} from {CONFIG}")
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise ValueError(
                f"{path / WEIGHTS}: {name} has shape {tuple(value.shape)}; expected {tuple(expected[name].shape)} from {CONFIG}"
            )
        if not value.is_floating_point():
            raise ValueError(f"{path / WEIGHTS}: {name} has dtype {value.dtype}; expected floating-point numbers")
        checks.finite(f"{path / WEIGHTS}: {name}", value)
    model.load_state_dict(tensors)
    return model


def _config(model: Model) -> dict[str, Any]:
    if isinstance(model, SparseAutoencoder):
        brick = model.sparsity
        if SPARSITIES.get(getattr(brick, "architecture", None)) is not type(brick):
            raise ValueError(f"sparsity is {brick!r}; expected a brick that load() knows: {sorted(SPARSITIES)}")
        settings = {name: getattr(brick, name) for name in brick.settings}
        # What SAELens knows of a brick stands beside the widths, and what only training needs in the metadata.
        known = {"k": settings.pop("k"), "rescale_acts_by_decoder_norm": False} if "k" in settings else {}
        return {
            "architecture": brick.architecture,
            "d_in": model.d_in,
            "d_sae": model.d_sae,
            "dtype": "float32",
            "device": "cpu",
            **PLAIN,
            **known,
            "metadata": settings,
        }
    if isinstance(model, Autoencoder):
        return {"architecture": "autoencoder", "d_in": model.d_in, "d_code": model.d_code, "hidden": list(model.hidden)}
    raise ValueError(f"model is {model!r}; expected a saelib model")


def _build(config: dict[str, Any], sizes: list[int]) -> Model:
    """The model that `config` describes, its weights not read yet; `sizes` are those of the tensors that wait for it."""
    architecture = config.get("architecture")
    try:
        # Asked first, so that a mistyped width takes no memory.
        for name in ("d_in", "d_sae", "d_code", "hidden"):
            widths = config.get(name, [])
            for width in widths if isinstance(widths, list) else [widths]:
                if width not in sizes:
                    raise ValueError(f"{name} is {widths!r}; expected the width of a tensor in {WEIGHTS}: {sorted(set(sizes))}")
        if architecture == "autoencoder":
            return Autoencoder(config["d_in"], config["d_code"], config["hidden"])
        if not isinstance(architecture, str) or architecture not in SPARSITIES:
            raise ValueError(f"architecture is {architecture!r}; expected one of {['autoencoder', *SPARSITIES]}")
        brick = SPARSITIES[architecture]
        for name, value in {**PLAIN, "rescale_acts_by_decoder_norm": False}.items():
            if config.get(name, value) != value:
                raise ValueError(f"{name} is {config[name]!r}; saelib reads only {value!r}")
        if not isinstance(config.get("metadata", {}), dict):
            raise ValueError(f"metadata is {config['metadata']!r}; expected an object")
        settings = {**config.get("metadata", {}), **config}
        return SparseAutoencoder(config["d_in"], config["d_sae"], brick(**{name: settings[name] for name in brick.settings}))
    except KeyError as error:
        raise ValueError(f"{error} is missing; expected it beside architecture {architecture!r}") from error


