"""What recorded runs share: a band that covers, and records made once and never by halves."""

import json

import pytest
import torch

from interp_rl.results import band, finished, provenance, write_whole


def test_the_bootstrap_band_covers_the_mean_about_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    curves = torch.randn(20, 400, generator=generator)
    low, high = band(curves)
    assert 0.88 < ((low < 0) & (high > 0)).float().mean() < 0.97
    assert ((low < curves.mean(0)) & (curves.mean(0) < high)).all()
    narrow = band(curves, confidence=0.5)
    assert ((narrow[1] - narrow[0]) < 0.6 * (high - low)).all()


def test_a_band_leaves_out_what_is_missing_and_needs_two_seeds():
    curves = torch.tensor([[1.0, torch.nan], [1.0, 3.0], [1.0, 3.0]])
    low, high = band(curves)
    assert low.tolist() == high.tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="at least two"):
        band(curves[:1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        band(curves, confidence=95.0)


def test_a_record_is_made_once_and_only_for_its_settings(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"curve": [1.0]}

    path = tmp_path / "new" / "run.json"
    settings = {"seed": 0, "pair": (1, 2)}
    first = finished(path, settings, make)
    assert finished(path, settings, make) == first == {"curve": [1.0]} and len(made) == 1
    with pytest.raises(ValueError, match="other settings"):
        finished(path, settings | {"seed": 1}, make)
    path.write_text(path.read_text()[:10])
    with pytest.raises(ValueError, match="remove it"):
        finished(path, settings, make)


def test_an_interrupted_write_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_whole(path, json.dumps([1]))

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, json.dumps([2, 3]))
    assert json.loads(path.read_text()) == [1]


def test_provenance_names_versions_and_no_machine():
    found = provenance(["torch"])
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert set(found) == {"python", "torch", "processor", "threads"}
