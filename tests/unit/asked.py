"""Questions as short as they may be, for tests of what is done with them."""

SIDE = {"misconception": "m", "feedback": "f"}


def single(name: str, **fields) -> dict:
    options = [{"text": "yes", "right": True, "feedback": "f"}, {"text": "no", **SIDE}]
    return {"id": name, "kind": "single", "prompt": f"{name}?", "options": options, **fields}


def guess(name: str, **fields) -> dict:
    scale = {"min": 0, "max": 10, "step": 1, "tolerance": 1}
    return {"id": name, "kind": "predict", "prompt": "How much?", **scale, "feedback": "f", "too_low": SIDE, "too_high": SIDE, **fields}
