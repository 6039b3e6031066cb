"""Models on disk: a folder with `cfg.json` (the settings) and `sae_weights.safetensors` (the parameters, in float32).

A sparse autoencoder is stored in the format of SAELens 6, there as a model for inference rather than for further training;
what only saelib knows of it is in the metadata (see `Model.config` and `Model.tensors`). Folders that SAELens or sparsify
wrote are read as well. Parameters are read through safetensors only: such a file can't run code.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import checks, files
from .files import CONFIG, WEIGHTS
from .gpt import missing
from .models import Autoencoder, Model, SparseAutoencoder
from .sparsity import RULES, Sparsity

SPARSIFY_WEIGHTS = "sae.safetensors"
SPARSIFY_NAMES = {"encoder.weight": "W_enc", "encoder.bias": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"}
# What SAELens can do to activations on their way in: these change nothing, and saelib can do no others.
# (Of what is folded into the weights when training ends, the name alone does nothing, there and here; null, false and true
# are older words.)
KNOWN = {
    "normalize_activations": ("none", None, False, True, "expected_average_only_in", "covariance_whitening"),
    "reshape_activations": ("none",),
}


def save(model: Model, path: str | Path) -> None:
    """Write `model` into the folder `path`, made if missing: the same as `model.save(path)`."""
    model.save(path)


def load(path: str | Path) -> Model:
    """Load the model in the folder `path`, as saelib, SAELens or sparsify saved it.

    Settings that their files do not hold (a coefficient) are 0 in the model: they only matter for further training. Three
    options of SAELens are folded into the parameters, so that the model computes the same without them: activations rescaled
    by the norms of the decoder rows (`rescale_acts_by_decoder_norm`), an encoder that does not subtract b_dec from x
    (`apply_b_dec_to_input` false), and the `scaling_factor` of older files.

    Raises FileNotFoundError where the folder or one of its two files is missing, and ValueError, naming file and value, for a
    file that is truncated, describes no known model, or does not hold the parameters that it describes.
    """
    path = Path(path)
    weights = path / (SPARSIFY_WEIGHTS if (path / SPARSIFY_WEIGHTS).is_file() and not (path / WEIGHTS).is_file() else WEIGHTS)
    for place in (path, path / CONFIG, weights):
        if not (place.is_dir() if place == path else place.is_file()):
            raise missing(place, f"a folder with {CONFIG} and {WEIGHTS}, as save() writes it")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it holds a {type(config).__name__}; expected a JSON object")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path / CONFIG} can't be read: {error}") from error
    tensors, _ = files.read_tensors(weights)
    try:
        config, tensors = (_from_sparsify if weights.name == SPARSIFY_WEIGHTS else _from_older)(config, tensors)
        if "b_enc" in tensors and tensors.get("topk_threshold", torch.ones(2)).numel() == 1:
            # SAELens's checkpoints from the middle of training
            tensors["threshold"] = tensors.pop("topk_threshold").float().reshape(1).expand(tensors["b_enc"].shape)
        model = _build(config, [size for value in tensors.values() for size in value.shape])
    except ValueError as error:
        raise ValueError(f"{path / CONFIG}: {error}") from error
    _fill(model, tensors, weights)
    if isinstance(model, SparseAutoencoder):
        _fold(model, config)
    for name, value in model.state_dict().items():
        checks.finite(f"{name} as {weights} describes it", value)
    return model


def _fill(model: Model, tensors: dict[str, Tensor], source: Path) -> None:
    """Put the tensors of the file `source` into `model`, if they are those that it needs."""
    brick = model.sparsity if isinstance(model, SparseAutoencoder) else None
    expected = model.tensors()
    if set(tensors) != set(expected):
        raise ValueError(f"{source} holds {sorted(tensors)}; expected {sorted(expected)} from {CONFIG}")
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise ValueError(f"{source}: {name} has shape {tuple(value.shape)}; expected {tuple(expected[name].shape)} from {CONFIG}")
        if not value.is_floating_point():
            raise ValueError(f"{source}: {name} has dtype {value.dtype}; expected floating-point numbers")
        checks.finite(f"{source}: {name}", value)
    tensors = {name: value.float() for name, value in tensors.items()}
    if brick:
        try:
            tensors = brick.unpacked(tensors)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
    model.load_state_dict({name: tensors[name.removeprefix("sparsity.")] for name in model.state_dict()})


@torch.no_grad()
def _fold(model: SparseAutoencoder, config: dict[str, Any]) -> None:
    """Bring what SAELens would do on the way into the weights."""
    if config.get("rescale_acts_by_decoder_norm", False):
        length = model.W_dec.norm(dim=1)
        model.W_enc.mul_(length)
        model.b_enc.mul_(length)
        model.W_dec.div_(length[:, None].clamp_min(1e-30))
    if not config.get("apply_b_dec_to_input", True):
        model.b_enc.add_(model.b_dec @ model.W_enc)


def _from_sparsify(config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The same as if SAELens had written it."""
    for name, value in {"activation": "topk", "signed": False, "skip_connection": False, "transcode": False}.items():
        if config.get(name, value) != value:
            raise ValueError(f"{name} is {config[name]!r}; saelib reads only {value!r} of sparsify's models")
    for name in ("d_in", "k"):
        if name not in config:
            raise ValueError(f"{name!r} is missing; expected it in a model of sparsify's")
    tensors = {
        SPARSIFY_NAMES.get(name, name): value.T if name == "encoder.weight" and value.ndim == 2 else value for name, value in tensors.items()
    }
    d_sae = config.get("num_latents")
    if not d_sae:
        d_sae = checks.count("d_in", config["d_in"]) * checks.count("expansion_factor", config.get("expansion_factor", 32))
    return {"architecture": "topk", "d_in": config["d_in"], "d_sae": d_sae, "k": config["k"]}, tensors


def _from_older(config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The same as SAELens 6 writes it, which converts the files of its older versions in this way too."""
    config, tensors = dict(config), dict(tensors)
    functions = {name: config.pop(name) for name in ("activation_fn", "activation_fn_str") if config.get(name) is not None}
    for name, function in functions.items():
        if function not in ("relu", "topk") or function != next(iter(functions.values())):
            raise ValueError(f"{name} is {function!r}; saelib reads only 'relu' or 'topk', one of them in {' and '.join(functions)}")
    if functions:
        config.setdefault("architecture", "standard")  # the first versions had no other
    settings = config.pop("activation_fn_kwargs", None) or {}
    if "topk" in functions.values() or (config.get("architecture") == "topk" and settings):
        if config["architecture"] not in ("standard", "topk"):
            raise ValueError(f"architecture is {config['architecture']!r} with activation_fn 'topk'; expected 'standard' or 'topk'")
        if not isinstance(settings, dict) or set(settings) - {"k"}:
            raise ValueError(f"activation_fn_kwargs is {settings!r}; expected k and nothing else")
        k = settings.get("k", config.get("k"))
        if config.get("k", k) != k:
            raise ValueError(f"activation_fn_kwargs is {settings!r} and k is {config['k']!r}; expected the same k twice")
        config |= {"architecture": "topk"} | ({"k": k} if k is not None else {})
    elif settings:
        raise ValueError(f"activation_fn_kwargs is {settings!r}; expected none without activation_fn 'topk'")
    # What each activation was multiplied by on its way to the decoder; for a time it was written also where nobody used it.
    names = [name for name in ("scaling_factor", "finetuning_scaling_factor") if name in tensors]
    if config.get("finetuning_scaling_factor") and not names:
        raise ValueError(f"finetuning_scaling_factor is {config['finetuning_scaling_factor']!r}; expected a tensor scaling_factor with it")
    for name in names:
        factor = tensors.pop(name)
        if (factor == 1).all():
            continue
        if config.get("finetuning_scaling_factor") is not True:
            raise ValueError(f"{name} is not 1 everywhere; expected finetuning_scaling_factor to be true with it")
        if "W_dec" in tensors and factor.shape == tensors["W_dec"].shape[:1]:
            tensors["W_dec"] = tensors["W_dec"].float() * factor.float()[:, None]
        else:
            raise ValueError(f"{name} has shape {tuple(factor.shape)}; expected one number for each row of W_dec")
    return config, tensors


def _build(config: dict[str, Any], sizes: list[int]) -> Model:
    """The model that `config` describes, its parameters not read yet; `sizes` are those of the tensors to be read into it."""
    architecture = config.get("architecture")
    try:
        # Asked first, so that a mistyped width takes no memory.
        for name in ("d_in", "d_sae", "d_code", "hidden"):
            widths = config.get(name, [])
            for width in widths if isinstance(widths, list) else [widths]:
                if width not in sizes:
                    raise ValueError(f"{name} is {widths!r}; expected the width of a tensor beside it: {sorted(set(sizes))}")
        if architecture == "autoencoder":
            dense = Autoencoder(config["d_in"], config["d_code"], config["hidden"])
            dense.measure(checks.number("unit", config.get("unit", 1.0), above=0))
            return dense
        for name in ("apply_b_dec_to_input", "rescale_acts_by_decoder_norm"):
            if not isinstance(config.get(name, False), bool):
                raise ValueError(f"{name} is {config[name]!r}; expected true or false")
        for name, values in KNOWN.items():
            value = config.get(name, "none")
            if not any(value == known and type(value) is type(known) for known in values):  # 0 is not false here
                raise ValueError(f"{name} is {value!r}; saelib reads only {' or '.join(map(repr, values))}")
        brick, unit = _brick(architecture, config)
        model = SparseAutoencoder(config["d_in"], config["d_sae"], brick)
        model.measure(unit)
        return model
    except KeyError as error:
        raise ValueError(f"{error} is missing; expected it beside architecture {architecture!r}") from error


def _brick(architecture: object, config: dict[str, Any]) -> tuple[Sparsity, float]:
    """The sparsity rule that `config` describes, and its unit."""
    metadata = config.get("metadata", {})
    own = metadata.get("saelib", {}) if isinstance(metadata, dict) else None
    if not isinstance(own, dict):
        raise ValueError(f"metadata is {metadata!r}; expected an object, and in it one named 'saelib' or none")
    if own:
        kind = RULES.get(own["sparsity"]) if isinstance(own["sparsity"], str) else None
        if kind is None:
            raise ValueError(f"metadata is {metadata!r}; expected for its 'sparsity' one of {sorted(RULES)}")
        if kind.saved_as != architecture:
            raise ValueError(f"architecture is {architecture!r}; expected {kind.saved_as!r}, as which a {kind.__name__} is saved")
        # What SAELens reads too goes before.
        settings = {name: config[name] if name in config else own[name] for name in kind.settings}
        return kind(**settings), checks.number("unit", own.get("unit", 1.0), above=0)
    kinds = {kind.architecture: kind for kind in RULES.values()}
    if not isinstance(architecture, str) or architecture not in kinds:
        raise ValueError(f"architecture is {architecture!r}; expected one of {['autoencoder', *sorted(kinds)]}")
    return kinds[architecture].from_config(config), 1.0
