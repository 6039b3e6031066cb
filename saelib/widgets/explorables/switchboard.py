"""The explorable *Switchboard*: every active feature of a digit can be ablated or scaled, and the reconstruction follows."""

from collections.abc import Mapping, Sequence

import torch
import traitlets

from ... import checks
from ...data import Pictures
from ...models import SparseAutoencoder
from ..base import javascript
from .explorable import Explorable, explorable_style, floats, picture_rows, plain_codes

PREDICTION = (
    "One brick of this digit is switched off. What will another one take away, or do when it is turned up to three times "
    "its strength? Guess from its picture, then try."
)
CAPTION = (
    "On a brick, orange is ink that it adds and blue ink that it takes away. What it does to the copy is always that picture, "
    "only stronger or weaker; but what you then read, a 4 or a 9, depends on all that are on. An error of 0% is a perfect copy; 100% is "
    "what answering with the average digit would give."
)


class Switchboard(Explorable):
    """Ablate the active features of a digit, scale them, or activate one more, and see what the reconstruction makes of it.

    Args: sae, on square pictures; digits, held-out ones, of which the most typical of each class can be chosen; all of them
    say how strong a feature typically is, and what the mean picture is, whose error is the baseline; first, the class that is
    shown at first. At first the feature whose ablation costs most is ablated.

    For pictures of something else: noun, what one of them is called, and title, prediction and caption, for the texts of
    these are about digits; shown, the rows of digits.x that can be chosen, in this order, instead of the most typical ones
    (first is then an index into these); names, short ones for some of the features by their indices, where several may share
    one; idle=False leaves out features that are active for none of digits.
    Raises ValueError for shapes that do not fit, a class, row or feature that is not there, texts that are none, and a shown
    digit for which no feature is active.
    """

    _esm = javascript("explorables/switchboard.js")
    _css = explorable_style("switchboard.css")
    labels = traitlets.List().tag(sync=True)
    noun = traitlets.Unicode().tag(sync=True)
    features = traitlets.List().tag(sync=True)  # those that can be switched, by their indices in the model
    names = traitlets.List().tag(sync=True)  # of these features, "" for one without a name
    first = traitlets.Int().tag(sync=True)
    # b_dec and the features' decoder rows, their typical activations; the mean, the pictures that can be chosen, their codes.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(
        self, sae: SparseAutoencoder, digits: Pictures, *, first: int = 0, shown: Sequence[int] | None = None, noun: str = "digit",
        names: Mapping[int, str] | None = None, idle: bool = True,
        title: str = "Switchboard", prediction: str = PREDICTION, caption: str = CAPTION,
    ):  # fmt: skip
        if not isinstance(sae, SparseAutoencoder):
            raise ValueError(f"sae is of type {type(sae).__name__}; expected a SparseAutoencoder")
        x = picture_rows(digits, sae.d_in)
        names = {} if names is None else names
        if not isinstance(names, Mapping):
            raise ValueError(f"names is of type {type(names).__name__}; expected a mapping from a brick's number to its name")
        for feature in names:
            checks.count("a key of names", feature, least=0, most=sae.d_sae - 1, why=f"for there are d_sae = {sae.d_sae} bricks")
        words = {"noun": noun, "title": title, "prediction": prediction, "caption": caption}
        for argument, value in {**words, **{f"names[{feature}]": name for feature, name in names.items()}}.items():
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{argument} is {value!r}; expected a text that is not empty")
        if not isinstance(idle, bool):
            raise ValueError(f"idle is {idle!r}; expected True or False")
        if shown is None:
            places, last = digits.typical(), "the number of the last kind in digits"
        else:
            expected, why = "a list with the number of at least one row of digits.x", "the last row of digits.x"
            places = torch.tensor(checks.counts("shown", shown, expected, least=0, most=len(x) - 1, why=why))
            last = "the last place in shown"
        codes = plain_codes("sae", sae, x)
        on = (codes > 0).sum(dim=0)
        # A feature that is never active has no typical activation of its own; it gets that of the others.
        common = codes[codes > 0].mean() if on.any() else codes.new_zeros(())
        typical = torch.where(on > 0, codes.sum(dim=0) / on.clamp_min(1), common)
        for place, number in zip(places.tolist(), (codes[places] > 0).sum(dim=1).tolist()):
            if number == 0:
                raise ValueError(f"no brick of sae is on for digits.x[{place}]; expected at least one that can be switched off")
        kept = torch.arange(sae.d_sae) if idle else on.nonzero().ravel()
        kept = kept[_sorted(kept, codes, digits.label, names)]
        super().__init__(
            **words,
            labels=digits.label[places].tolist(),
            features=kept.tolist(),
            names=[names.get(feature, "") for feature in kept.tolist()],
            first=checks.count("first", first, least=0, most=len(places) - 1, why=last),
            numbers=floats(sae.b_dec, sae.W_dec[kept], typical[kept], x.mean(dim=0), x[places], codes[places][:, kept]),
        )


def _sorted(kept: torch.Tensor, codes: torch.Tensor, label: torch.Tensor, names: Mapping[int, str]) -> list[int]:
    """The order in which features are listed: by their names, those without one last; then by the class of picture for which
    each is most active, those that are never active last; then the most active first."""
    by_kind = torch.zeros(int(label.max()) + 1, codes.shape[1]).index_add_(0, label, codes.clamp_min(0))
    strongest, kind = (by_kind / torch.bincount(label)[:, None].clamp_min(1)).max(dim=0)

    def key(place: int) -> tuple[bool, str, bool, int, float]:
        feature = int(kept[place])
        return names.get(feature) is None, names.get(feature, ""), strongest[feature].item() == 0, int(kind[feature]), -strongest[feature].item()

    return sorted(range(len(kept)), key=key)
