"""The tables in the library's reference name things of SAELens and sparsify that are there, in the versions compared with here."""

import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock, patch

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # it looks for a GPU
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import terms
from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig
from sparsify import SparseCoder, SparseCoderConfig

PACKAGES = {"SAELens": "sae_lens", "sparsify": "sparsify"}
MODELS = {
    "SAELens": StandardTrainingSAE(StandardTrainingSAEConfig(d_in=3, d_sae=5)),
    "sparsify": SparseCoder(3, SparseCoderConfig(num_latents=5, k=2)),
}


@pytest.fixture(scope="module", autouse=True)
def drawing_and_uploading():
    """Stands for what some modules of SAELens import, and nothing here needs."""
    with patch.dict(sys.modules, {name: MagicMock() for name in ("plotly", "plotly.graph_objects", "plotly.subplots", "dotenv")}):
        yield


@pytest.mark.parametrize(("library", "name"), [(library, name) for library in PACKAGES for name in terms.names(library)])
def test_what_is_named_of_another_library_is_there(library, name):
    terms.resolved(name, PACKAGES[library], MODELS[library])


@pytest.mark.parametrize("library", PACKAGES)
def test_values_and_keys_stand_in_its_code(library):
    code = "".join(path.read_text(encoding="utf-8") for path in Path(importlib.import_module(PACKAGES[library]).__file__).parent.rglob("*.py"))
    assert len(terms.words(library)) > 1 and [word for word in terms.words(library) if f'"{word}"' not in code] == []


@pytest.mark.parametrize("library", PACKAGES)
def test_the_weights_have_the_shapes_that_are_given(library):
    given = terms.shapes(library)
    assert len(given) == 4 and given == {name: tuple(terms.resolved(name, PACKAGES[library], MODELS[library]).shape) for name in given}


def test_the_versions_are_those_that_are_named():
    assert f"SAELens {version('sae-lens')}, of dictionary_learning" in terms.PAGE
    assert f"sparsify {version('eai-sparsify')} by EleutherAI" in terms.PAGE
