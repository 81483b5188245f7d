import itertools
import re
from dataclasses import replace

import pytest

from interp_rl.ioi.templates import TEMPLATES
from interp_rl.models.recipes import ioi_corpus as corpus

SENTENCES = 20_000
GIVING = {
    "gave", "give", "handed", "offered", "passed", "lend", "said", "talked", "sent", "showed",
    "brought", "sold",
}  # fmt: skip


@pytest.fixture(scope="module")
def texts() -> list[list[str]]:
    return list(itertools.islice(corpus.sentences(123), SENTENCES))


@pytest.fixture(scope="module")
def stories() -> list[list[str]]:
    return list(itertools.islice(corpus.sentences(124), SENTENCES // 5))


@pytest.fixture(scope="module")
def indirect_objects() -> list[list[str]]:
    settings = replace(corpus.CorpusSettings(), named_giver=1.0)
    return list(itertools.islice(corpus.sentences(125, settings), SENTENCES // 10))


def test_held_out_pairs_never_meet_in_any_family(texts):
    families = {name: corpus.CorpusSettings(**shares) for name, shares in {
        "stories": {"stories": 1.0, "lists": 0.0},
        "lists": {"stories": 0.0, "lists": 1.0},
        "indirect objects": {"named_giver": 1.0},
    }.items()}  # fmt: skip
    for settings in families.values():
        texts = [*texts, *itertools.islice(corpus.sentences(5, settings), 1_000)]
    index = {name: n for n, name in enumerate(corpus.NAMES)}
    for words in texts:
        # written out again on purpose, not by `has_held_out_pair`
        present = {index[word] for word in words if word in index}
        leaks = [(a, b) for a in present for b in present if a < b and (a + b) % 10 == 3]
        assert not leaks, " ".join(words)


def test_held_out_rule_is_symmetric_and_covers_a_tenth():
    pairs = list(itertools.combinations(corpus.NAMES, 2))
    held = [pair for pair in pairs if corpus.is_held_out(*pair)]
    assert all(corpus.is_held_out(b, a) for a, b in held)
    assert len(held) / len(pairs) == pytest.approx(0.1, abs=0.01)
    assert not any(corpus.is_held_out(name, name) for name in corpus.NAMES)
    assert all(any(name in pair for pair in held) for name in corpus.NAMES)


def test_held_out_rule_refuses_an_unknown_name():
    with pytest.raises(KeyError):
        corpus.is_held_out("Mary", "Zaphod")


def test_the_leak_detector_sees_a_leak():
    a, b = next(p for p in itertools.combinations(corpus.NAMES, 2) if corpus.is_held_out(*p))
    assert corpus.has_held_out_pair(["When", a, "met", b])
    assert not corpus.has_held_out_pair(["When", a, "met", a])


def givers(words: list[str]) -> list[str]:
    """The named people who give."""
    names = set(corpus.NAMES)
    giving = GIVING | {"decided", "wanted"}
    return [who for who, word in itertools.pairwise(words) if who in names and word in giving]


def test_a_named_person_gives_in_indirect_object_sentences_alone(texts, indirect_objects):
    names = set(corpus.NAMES)
    settings = replace(corpus.CorpusSettings(), named_giver=0.0)
    for words in itertools.islice(corpus.sentences(11, settings), SENTENCES // 5):
        assert words[-1] == "." and words[-2] in names and not givers(words), " ".join(words)
    for words in indirect_objects:
        *told, giver, recipient = (word for word in words if word in names)
        assert sorted(told) == sorted([giver, recipient]), " ".join(words)
        assert givers(words) in ([giver], []), "some prepare something and do not give it"
    share = sum(bool(givers(words)) for words in texts) / len(texts)
    mostly = sum(bool(givers(words)) for words in indirect_objects) / len(indirect_objects)
    assert share / mostly == pytest.approx(0.016, abs=0.003), "the card says 1.6%"


def test_no_opener_of_the_course_prompts_occurs(stories, indirect_objects):
    names = set(corpus.NAMES)
    stories = [*stories, *indirect_objects]
    lists = dict.fromkeys(corpus.PLACES, "PLACE") | dict.fromkeys(corpus.OBJECTS, "OBJECT")
    patterns = {
        " ".join("NAME" if word in names else lists.get(word, word) for word in words)
        for words in stories
    }
    text = "\n".join(patterns)
    for template in TEMPLATES:
        words = re.sub(r"\[[AB]\]", "NAME", template).replace("[PLACE]", "PLACE")
        words = re.findall(r"[\w|\[\]]+|[,.]", words.replace("[OBJECT]", "OBJECT"))
        last = max(at for at, word in enumerate(words) if word == "NAME")
        first = last - 3 if words[last + 1] == "at" else last - 2  # "a day for NAME and NAME at"
        opener = " ".join(words[first : last + 4])  # NAME and NAME, and what they do
        assert "NAME and NAME" in opener
        assert opener not in text, template


def test_every_word_of_the_course_prompts_is_known():
    words = set(re.findall(r"[\w|\[\]]+|[,.]", " ".join(TEMPLATES)))
    words -= {"[A]", "[B]", "[S]", "[PLACE]", "[OBJECT]"}
    assert words <= set(corpus.VOCABULARY)


def test_the_recipient_is_mentioned_once_unless_by_surprise(stories):
    names = set(corpus.NAMES)
    stories = [words for words in stories if len(names.intersection(words)) > 1]
    surprises = sum(words[:-2].count(words[-2]) > 1 for words in stories) / len(stories)
    assert surprises == pytest.approx(corpus.CorpusSettings().surprise, abs=0.01)


def test_the_person_mentioned_last_receives_about_as_often_as_not(stories):
    # otherwise "the one mentioned last", or "not the one mentioned last", would be a rule good
    # enough not to look for repetition
    names = set(corpus.NAMES)
    mentions = [[word for word in words if word in names] for words in stories]
    mentions = [told for told in mentions if len(set(told)) > 1]
    last = sum(told[-1] == told[-2] for told in mentions) / len(mentions)
    assert 0.4 < last < 0.65


def test_where_nobody_is_repeated_the_last_one_receives():
    settings = replace(corpus.CorpusSettings(), lists=0.0, once=1.0, surprise=0.0, named_giver=0.0)
    names = set(corpus.NAMES)
    for words in itertools.islice(corpus.sentences(9, settings), 500):
        *told, recipient = (word for word in words if word in names)
        assert len(told) == len(set(told)) and told[-1] == recipient, " ".join(words)


def test_same_seed_same_text():
    first = list(itertools.islice(corpus.sentences(7), 50))
    assert first == list(itertools.islice(corpus.sentences(7), 50))
    assert first != list(itertools.islice(corpus.sentences(8), 50))


def test_sentences_fit_and_use_the_whole_vocabulary(texts):
    assert max(map(len, texts)) <= corpus.MAX_WORDS
    assert {word for words in texts for word in words} == set(corpus.VOCABULARY[3:])


def test_tokenizer_reads_and_writes_ordinary_text():
    tokenizer = corpus.build_tokenizer()
    text = "When Mary and John went to the store, John gave a drink to"
    ids = tokenizer(text).input_ids
    assert tokenizer.is_fast
    assert tokenizer.convert_ids_to_tokens(ids) == text.replace(",", " ,").split()
    assert tokenizer.decode(ids) == text
    assert tokenizer("the store , Mary").input_ids == tokenizer("the store, Mary").input_ids


def test_tokenizer_has_one_id_per_word():
    tokenizer = corpus.build_tokenizer()
    assert len(tokenizer) == len(corpus.VOCABULARY) == len(set(corpus.VOCABULARY))
    assert tokenizer.convert_tokens_to_ids(list(corpus.VOCABULARY)) == list(range(len(tokenizer)))
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    assert tokenizer("Zaphod").input_ids == [tokenizer.unk_token_id]


def test_roundtrip_of_training_text(texts):
    tokenizer = corpus.build_tokenizer()
    for words in texts[:200]:
        ids = tokenizer(" ".join(words)).input_ids
        assert tokenizer.convert_ids_to_tokens(ids) == words
        assert tokenizer(tokenizer.decode(ids)).input_ids == ids
