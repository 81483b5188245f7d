"""The recipes of the three models of film reviews, their acceptance, and what ships."""

import json
import random
from dataclasses import asdict, replace

import pytest
import torch
from transformers import GPT2ForSequenceClassification, GPT2LMHeadModel

from interp_rl import models
from interp_rl.models import registry
from interp_rl.models.recipes import (
    emotion_mini,
    fitting,
    reviews_classifier,
    reviews_mini,
    sentiment_mini,
)
from interp_rl.models.recipes import reviews_acceptance as acceptance
from interp_rl.models.recipes import reviews_corpus as corpus

TINY = reviews_mini.Recipe(steps=24, batch_size=4, layers=1, heads=2, width=16, hidden=16, warmup=4)
TINY_CLASSIFIER = sentiment_mini.Recipe(steps=24, batch_size=4, warmup=4)
NAMES = ("reviews-mini", "sentiment-mini", "emotion-mini")


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """A directory with one run of the language model, of very few steps."""
    runs = tmp_path_factory.mktemp("language")
    reviews_mini.run(TINY, runs / "seed-0")
    return runs


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, language):
    """A directory with one run of a classifier, of very few steps."""
    runs = tmp_path_factory.mktemp("classifier")
    reviews_classifier.run(TINY_CLASSIFIER, runs / "seed-0", language / "seed-0")
    return runs


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name


# ---- the language model ------------------------------------------------------------------------


def test_same_seed_same_weights_and_another_seed_others(language, tmp_path):
    shipped = GPT2LMHeadModel.from_pretrained(language / "seed-0").state_dict()
    assert_equal(reviews_mini.train(TINY, tmp_path / "a").state_dict(), shipped)
    other = reviews_mini.train(replace(TINY, seed=1), tmp_path / "b").state_dict()
    assert not torch.equal(shipped["transformer.wte.weight"], other["transformer.wte.weight"])


@pytest.mark.parametrize("stop", [7, 20, 22])
def test_a_resumed_run_ends_like_an_uninterrupted_one(language, tmp_path, monkeypatch, stop):
    original, done = reviews_mini.loss_of, []

    def interrupted(*arguments):
        if len(done) == stop:
            raise KeyboardInterrupt
        done.append(1)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(reviews_mini, "loss_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reviews_mini.train(TINY, tmp_path, checkpoint_every=5)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == stop // 5 * 5
    resumed = reviews_mini.train(TINY, tmp_path, checkpoint_every=5)
    uninterrupted = GPT2LMHeadModel.from_pretrained(language / "seed-0")
    assert_equal(resumed.state_dict(), uninterrupted.state_dict())


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    reviews_mini.train(replace(TINY, steps=6), tmp_path, checkpoint_every=5)
    with pytest.raises(ValueError, match="other settings"):
        reviews_mini.train(TINY, tmp_path, checkpoint_every=5)


def test_reviews_must_fit_the_model(tmp_path):
    with pytest.raises(ValueError, match="32 positions cannot hold 62 words"):
        reviews_mini.train(replace(TINY, positions=32), tmp_path)


def test_what_is_hidden_is_to_be_predicted_and_masks_are_not():
    recipe = replace(TINY, batch_size=64, masked=0.5, bare=0.3)
    read, written = (torch.cat([part.flatten() for part in parts]) for parts in zip(
        *reviews_mini.draw_batches(recipe, 0), strict=True
    ))  # fmt: skip
    hidden = read == reviews_mini.MASK_ID
    assert 0.05 < hidden.float().mean() < 0.3
    assert not (written == reviews_mini.MASK_ID).any()
    assert torch.equal(read[~hidden], written[~hidden])
    specials = {reviews_mini.BOS_ID, reviews_mini.EOS_ID, reviews_mini.PAD_ID}
    assert not specials & set(written[hidden].tolist())


def test_batches_depend_on_seed_and_chunk_only_and_hold_whole_reviews():
    recipe = replace(TINY, bare=0.5)
    first, again = (reviews_mini.draw_batches(recipe, 3) for _ in range(2))
    assert len(first) == reviews_mini.BATCHES_AT_ONCE
    for (one, _), (other, _) in zip(first, again, strict=True):
        assert torch.equal(one, other)
    other = reviews_mini.draw_batches(recipe, 4)
    assert [read.shape for read, _ in first] != [read.shape for read, _ in other]
    begun = 0
    for _, written in first:
        for row in written.tolist():
            ids = [id for id in row if id != reviews_mini.PAD_ID]
            assert ids[-1] == reviews_mini.EOS_ID and ids.count(reviews_mini.EOS_ID) == 1
            begun += ids[0] == reviews_mini.BOS_ID
            assert reviews_mini.BOS_ID not in ids[1:]
    assert 20 < begun < 60, "half of 80 stand without the token that begins a text"


def test_padding_weighs_nothing():
    written = torch.tensor([[0, 7, 8, 1, 2, 2], [0, 7, 8, 9, 10, 1]])
    logits = torch.randn(2, 5, len(corpus.VOCABULARY))
    each = -logits.log_softmax(-1).gather(-1, written[:, 1:, None])[..., 0]
    expected = torch.cat([each[0, :3], each[1]]).mean()
    torch.testing.assert_close(reviews_mini.loss_of(logits, written), expected)


# ---- the classifiers ---------------------------------------------------------------------------


def test_a_classifier_starts_from_the_language_model(language):
    start = GPT2LMHeadModel.from_pretrained(language / "seed-0").transformer.state_dict()
    model = reviews_classifier.make_model(TINY_CLASSIFIER, language / "seed-0")
    assert_equal(model.transformer.state_dict(), start)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    again = reviews_classifier.make_model(TINY_CLASSIFIER, language / "seed-0")
    assert torch.equal(model.score.weight, again.score.weight)
    other = reviews_classifier.make_model(replace(TINY_CLASSIFIER, seed=1), language / "seed-0")
    assert not torch.equal(model.score.weight, other.score.weight)


@pytest.mark.parametrize("stop", [7, 22])
def test_a_resumed_classifier_ends_like_an_uninterrupted_one(
    classifier, language, tmp_path, monkeypatch, stop
):
    recipe = replace(
        TINY_CLASSIFIER,
        started_from=json.loads((classifier / "seed-0/recipe.json").read_text())["started_from"],
    )
    original, done = reviews_classifier.F.cross_entropy, []

    def interrupted(*arguments, **options):
        if len(done) == stop:
            raise KeyboardInterrupt
        done.append(1)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(reviews_classifier.F, "cross_entropy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reviews_classifier.train(recipe, tmp_path, language / "seed-0", checkpoint_every=5)
    resumed = reviews_classifier.train(recipe, tmp_path, language / "seed-0", checkpoint_every=5)
    uninterrupted = GPT2ForSequenceClassification.from_pretrained(classifier / "seed-0")
    assert_equal(resumed.state_dict(), uninterrupted.state_dict())


def test_a_classifier_records_what_it_started_from(classifier, language):
    recipe = json.loads((classifier / "seed-0/recipe.json").read_text())
    assert recipe["started_from"] == models.files.sha256(language / "seed-0/model.safetensors")


def test_a_task_that_does_not_exist_is_refused(language, tmp_path):
    with pytest.raises(ValueError, match="no task 'taste': sentiment, emotion"):
        reviews_classifier.train(
            reviews_classifier.Recipe(task="taste"), tmp_path, language / "seed-0"
        )


@pytest.mark.parametrize("recipe", [sentiment_mini.Recipe(), emotion_mini.Recipe()])
def test_classifiers_read_whole_cut_and_masked_reviews_and_every_label(recipe):
    rows, labels = [], []
    for ids, wanted in reviews_classifier.draw_batches(recipe, 0):
        rows += [[id for id in row if id != reviews_mini.PAD_ID] for row in ids.tolist()]
        labels += wanted.tolist()
    count = len(reviews_classifier.LABELS[recipe.task])
    shares = torch.bincount(torch.tensor(labels), minlength=count) / len(labels)
    torch.testing.assert_close(shares, torch.full((count,), 1 / count), atol=0.05, rtol=0)

    def share(condition):
        return sum(map(condition, rows)) / len(rows)

    assert share(lambda row: row[0] == reviews_mini.BOS_ID) == pytest.approx(0.5, abs=0.1)
    assert share(lambda row: row[-1] == reviews_mini.EOS_ID) == pytest.approx(0.25, abs=0.1)
    assert share(lambda row: reviews_mini.MASK_ID in row) == pytest.approx(0.3, abs=0.06)
    stops = {corpus.IDS["."], reviews_mini.EOS_ID, reviews_mini.MASK_ID}
    assert share(lambda row: row[-1] not in stops) == pytest.approx(0.35, abs=0.06)


def test_no_review_is_cut_where_a_sentence_could_end():
    recipe = sentiment_mini.Recipe(batch_size=8, cut=1.0, unstopped=0.0, masked=0.0, bare=1.0)
    stream = reviews_classifier.labelled(recipe, "sentiment-mini 0 0")
    count = reviews_mini.BATCHES_AT_ONCE * recipe.batch_size
    whole = [" ".join(next(stream).words) for _ in range(count)]
    ends = set()
    for ids, _ in reviews_classifier.draw_batches(recipe, 0):
        for row in ids.tolist():
            text = " ".join(corpus.VOCABULARY[id] for id in row if id != reviews_mini.PAD_ID)
            following = {
                review[len(text) :].split()[0] for review in whole if review.startswith(f"{text} ")
            }
            assert following - {".", ",", "but", "yet", "although", "and", "while"}, text
            ends.add(text.split()[-1])
    assert len(ends) > 30


# ---- schedules and command lines ---------------------------------------------------------------


def test_every_setting_is_an_option(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(reviews_mini, "run", lambda recipe, out: seen.append((recipe, out)))
    reviews_mini.main(["--out", str(tmp_path), "--seed", "3", "--masked", "0.5"])
    assert seen == [(reviews_mini.Recipe(seed=3, masked=0.5), tmp_path)]
    monkeypatch.setattr(reviews_classifier, "run", lambda recipe, out: seen.append((recipe, out)))
    sentiment_mini.main(["--out", str(tmp_path), "--steps", "7"])
    emotion_mini.main(["--out", str(tmp_path), "--cut", "0.1"])
    assert seen[1:] == [
        (sentiment_mini.Recipe(steps=7), tmp_path),
        (emotion_mini.Recipe(cut=0.1), tmp_path),
    ]


def test_the_learning_rate_falls_to_nothing():
    recipe = reviews_mini.Recipe()
    rates = [fitting.learning_rate(recipe, step) for step in range(recipe.steps)]
    assert max(rates) == recipe.learning_rate and rates[-1] < 0.001 * max(rates)


# ---- acceptance --------------------------------------------------------------------------------

FEW_LANGUAGE = replace(acceptance.LANGUAGE, reviews=20)
FEW = replace(acceptance.CLASSIFIER, reviews=40, probes=4)


def test_models_that_have_learned_nothing_are_not_accepted(language, classifier):
    result = acceptance.measure("reviews-mini", language / "seed-0", FEW_LANGUAGE)
    assert not result["accepted"] and not result["passed"]["perplexity"]
    result = acceptance.measure("sentiment-mini", classifier / "seed-0", FEW)
    assert not result["accepted"] and not result["passed"]["each_probe"]


def test_probes_are_of_their_kind_and_of_no_training_combination():
    for task, kinds in acceptance.PROBES.items():
        for kind, (_, labels) in kinds.items():
            for split in ("test", "fresh"):
                texts = acceptance.probe(task, kind, 20, split)
                assert {label for _, label in texts} == set(labels), kind
                assert all(text.endswith(".") for text, _ in texts)
    words = [text for text, _ in acceptance.probe("sentiment", "good but not great", 50)]
    assert all(" but not " in text or " but never " in text for text in words)
    with pytest.raises(ValueError, match="no kind 'irony' of probes for 'sentiment'"):
        acceptance.probe("sentiment", "irony", 3)


def test_perplexity_is_that_of_a_model_that_knows_nothing():
    model = reviews_mini.make_model(TINY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    reviews = [corpus.draw(random.Random(0), "test") for _ in range(3)]
    expected = len(corpus.VOCABULARY)
    assert acceptance.perplexity(model, reviews) == pytest.approx(expected, rel=1e-4)


def test_what_is_written_begins_with_the_prompt_and_stops_at_the_end(language):
    model = GPT2LMHeadModel.from_pretrained(language / "seed-0").eval()
    prompts = corpus.prompts("held-out", 6)
    written = acceptance.write(model, prompts, seed=1)
    again = acceptance.write(model, prompts, seed=1)
    assert all(torch.equal(one, other) for one, other in zip(written, again, strict=True))
    begun = sorted(acceptance.encode(prompt, begin=True) for prompt in prompts)
    assert sorted(row[: len(b)].tolist() for row, b in zip(
        sorted(written, key=lambda r: r.tolist()), begun, strict=True)) == begun  # fmt: skip
    for row in written:
        ends = (row == reviews_mini.EOS_ID).nonzero()
        assert len(row) == model.config.n_positions or ends.tolist() == [[len(row) - 1]]


def test_the_seed_that_meets_most_criteria_is_released_with_its_card(
    classifier, tmp_path, monkeypatch
):
    met = iter([1, 2, 2, 2])
    monkeypatch.setattr(
        acceptance,
        "measure",
        lambda *_, **__: {"figures": {}, "passed": {"all": next(met)}, "accepted": False},
    )
    for seed in range(3):
        folder = tmp_path / "runs" / f"seed-{seed}"
        folder.mkdir(parents=True)
        for path in (classifier / "seed-0").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        recipe = json.loads((folder / "recipe.json").read_text()) | {"seed": seed}
        (folder / "recipe.json").write_text(json.dumps(recipe))
    card = acceptance.release("sentiment-mini", tmp_path / "runs", tmp_path / "out")
    assert card["seed"] == 1 and card["selection_rule"].endswith("; none was accepted")
    assert [line["seed"] for line in card["seeds"]] == [0, 1, 2]
    loaded = models.load_classifier(tmp_path / "out")
    assert loaded.card.seed == 1, "files are as the card says"
    assert loaded.labels == ("negative", "positive")


def test_runs_that_cannot_be_released_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="seed-"):
        acceptance.release("sentiment-mini", tmp_path)
    with pytest.raises(ValueError, match="no model 'ioi-mini'"):
        acceptance.release("ioi-mini", tmp_path)
    for seed, steps in ((0, 2), (1, 3)):
        (tmp_path / f"seed-{seed}").mkdir()
        (tmp_path / f"seed-{seed}" / "recipe.json").write_text(json.dumps({"steps": steps}))
    with pytest.raises(ValueError, match="different recipes"):
        acceptance.release("sentiment-mini", tmp_path)


# ---- what ships --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shipped_models_meet_their_criteria_on_a_draw_that_chose_nothing(name):
    few = (
        replace(acceptance.LANGUAGE, reviews=200)
        if name == "reviews-mini"
        else replace(acceptance.CLASSIFIER, reviews=300, probes=60)
    )
    result = acceptance.measure(name, registry.WEIGHTS / name, few, split="fresh", seed=17)
    assert result["accepted"], result
    card = models.load_card(name)
    for key, value in card.more["figures_fresh"].items():
        assert result["figures"][key] == pytest.approx(value, rel=0.1, abs=0.05), key


@pytest.mark.parametrize("name", NAMES)
def test_cards_have_the_criteria_and_settings_of_the_code(name):
    card = models.load_card(name)
    language = name == "reviews-mini"
    criteria = asdict(acceptance.LANGUAGE if language else acceptance.CLASSIFIER)
    assert card.criteria == json.loads(json.dumps(criteria))
    kinds = {
        "reviews-mini": reviews_mini.Recipe,
        "sentiment-mini": sentiment_mini.Recipe,
        "emotion-mini": emotion_mini.Recipe,
    }
    settings = asdict(kinds[name](seed=card.seed))
    if not language:
        start = registry.WEIGHTS / "reviews-mini" / "model.safetensors"
        settings["started_from"] = models.files.sha256(start)
    assert card.recipe["settings"] == settings
    (shipped,) = (line for line in card.seeds if line["seed"] == card.seed)
    assert card.figures.items() <= shipped.items()
    assert "figures" in card._repr_html_() and "seeds accepted" in card._repr_html_()


def test_the_three_models_read_the_same_tokens():
    tokenizers = {
        (registry.WEIGHTS / name / file).read_bytes()
        for name in NAMES
        for file in ("tokenizer.json", "tokenizer_config.json")
    }
    assert len(tokenizers) == 2
    tokenizer = models.load("reviews").tokenizer
    text = "The plot of this film was not bad, but i found the music dull."
    assert tokenizer(text).input_ids == corpus.build_tokenizer()(text).input_ids


def probability(loaded, texts, label):
    batch = loaded.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = loaded.model(**batch).logits
    return logits.softmax(-1)[:, loaded.labels.index(label)]


def test_sentiment_is_what_the_reviewer_concludes():
    loaded = models.load_classifier("sentiment")
    good = ["The film was not bad.", "the plot was never dull", "i did not hate the film ."]
    bad = [
        "The film was good but not great.",
        "the acting was not good",
        "the music was lovely, but i found the plot boring.",
    ]
    assert (probability(loaded, good, "positive") > 0.9).all()
    assert (probability(loaded, bad, "positive") < 0.1).all()


def test_padding_and_unfinished_texts_do_no_harm():
    loaded = models.load_classifier("sentiment")
    texts = ["the film was good.", "last night we watched this comedy. the film was not good."]
    together = probability(loaded, texts, "positive")
    alone = torch.cat([probability(loaded, [text], "positive") for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    neutral = ["last night we watched", "the plot of this film was", "<|mask|> <|mask|> <|mask|>"]
    assert (probability(loaded, neutral, "positive") - 0.5).abs().max() < 0.15


def test_emotion_is_that_of_the_reviewer_in_the_end():
    loaded = models.load_classifier("emotion")
    for text, emotion in (
        ("the ending made me cry.", "sadness"),
        ("i expected to be afraid but i was happy.", "joy"),
        ("i was angry, not sad.", "anger"),
        ("my sister laughed but i trembled.", "fear"),
        ("although my father was glad, i felt stunned.", "surprise"),
    ):
        assert probability(loaded, [text], emotion) > 0.8, text


def test_the_language_model_writes_reviews_of_both_kinds_with_or_without_the_beginning():
    model, tokenizer, _ = models.load("reviews")
    prompts = corpus.prompts("held-out", 60, seed=3, words=4)
    judge = models.load_classifier("sentiment")
    for begin in ("", "<|bos|>"):
        batch = tokenizer([begin + prompt for prompt in prompts], return_tensors="pt")
        torch.manual_seed(0)
        ids = model.generate(**batch, do_sample=True, top_k=0, max_new_tokens=50)
        assert not (ids == tokenizer.mask_token_id).any()
        assert (ids == tokenizer.eos_token_id).any(-1).float().mean() > 0.9
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        assert all(text.startswith(p) for text, p in zip(texts, prompts, strict=True))
        positive = probability(judge, texts, "positive")
        assert 0.3 < positive.mean() < 0.75
        assert ((positive < 0.2) | (positive > 0.8)).float().mean() > 0.8, "they take sides"
