"""Which model a name means."""

import pytest

from interp_rl.models import EditionError, UnknownModelError, available, registry


def test_a_role_is_played_by_another_model_in_each_edition():
    assert registry.find("ioi", "embedded").name == "ioi-mini"
    assert registry.find("ioi", "hub").name == "gpt2"
    assert registry.find("reviews", "embedded").name == "reviews-mini"
    assert registry.find("reviews", "hub").name == "gpt2-imdb"
    assert registry.find("sentiment", "embedded").name == "sentiment-mini"
    assert registry.find("sentiment", "hub").name == "distilbert-imdb"


@pytest.mark.parametrize(("value", "name"), [(None, "ioi-mini"), ("", "ioi-mini"), ("hub", "gpt2")])
def test_the_environment_chooses_the_edition(monkeypatch, value, name):
    if value is None:
        monkeypatch.delenv("INTERP_RL_MODELS")
    else:
        monkeypatch.setenv("INTERP_RL_MODELS", value)
    assert registry.find("ioi").name == name


def test_the_argument_overrules_the_environment(monkeypatch):
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    assert registry.find("ioi", "embedded").name == "ioi-mini"


def test_an_embedded_model_can_be_asked_for_in_the_hub_edition():
    assert registry.find("ioi-mini", "hub").name == "ioi-mini"
    assert {spec.name for spec in available("hub")} == set(registry.MODELS)


def test_a_role_without_a_hub_model_is_embedded_in_both_editions():
    assert registry.find("negation", "embedded").name == "negation-mini"
    assert registry.find("negation", "hub").name == "negation-mini"
    assert registry.find("emotion", "hub").name == "emotion-mini"


def test_a_hub_model_cannot_be_asked_for_in_the_embedded_edition():
    assert {spec.name for spec in available("embedded")} == {
        "ioi-mini", "negation-mini", "reviews-mini", "sentiment-mini", "emotion-mini"
    }  # fmt: skip
    with pytest.raises(EditionError, match=r"'gpt2' belongs to the hub.*Set INTERP_RL_MODELS=hub"):
        registry.find("gpt2", "embedded")


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(UnknownModelError, match=r"'ioi-maxi'.*ioi.*ioi-mini, gpt2.*pathlib.Path"):
        registry.find("ioi-maxi")


def test_an_unknown_edition_lists_those_that_exist(monkeypatch):
    with pytest.raises(EditionError, match=r"edition is 'cloud'.*embedded, hub"):
        available("cloud")
    monkeypatch.setenv("INTERP_RL_MODELS", "Hub")
    with pytest.raises(EditionError, match=r"INTERP_RL_MODELS is 'Hub'.*embedded, hub"):
        available()


def test_every_model_has_what_its_edition_needs():
    for name, spec in registry.MODELS.items():
        assert name == spec.name
        if spec.edition == "embedded":
            assert spec.recipe and not spec.hub_id
        else:
            assert spec.hub_id and spec.card and spec.card.name == name and spec.card.source
        assert spec.kind in registry.KINDS
    roles = {spec.role for spec in registry.MODELS.values()}
    for edition in registry.EDITIONS:
        assert all(registry.find(role, edition) for role in roles), "a role nobody plays"
