"""Several processes under `accelerate launch`: equal weights at the end, gathered figures."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from tiny_reviews import PROMPTS, make_classifier, make_model, make_tokenizer

from interp_rl.finetuning import __main__ as command_line
from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.processes import OneProcess, draw_seed
from interp_rl.finetuning.rewards import class_probability
from interp_rl.finetuning.rollouts import generate

OPTIONS = "--updates 2 --batch 16 --minibatch 4 --epochs 1 --new_tokens 6 --learning_rate 0.01"


@pytest.fixture
def folders(tmp_path):
    """A language model, a classifier and prompts, in Hugging Face format."""
    for name, model in (("lm", make_model()), ("classifier", make_classifier())):
        model.save_pretrained(tmp_path / name)
        make_tokenizer().save_pretrained(tmp_path / name)
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    return tmp_path


def arguments(folders):
    places = [("--model", "lm"), ("--classifier", "classifier"), ("--prompts", "prompts.txt")]
    named = [word for option, name in places for word in (option, str(folders / name))]
    return [*named, "--out", str(folders / "out"), "--cpu", *OPTIONS.split()]


def test_two_processes_end_with_equal_weights_and_share_their_figures(
    folders, root, untouched, tokenizer
):
    # torchrun underneath; with --cpu for the program itself, the processes speak through gloo
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
    ]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    finished = subprocess.run(
        [*launch, "-m", "interp_rl.finetuning", *arguments(folders)],
        env={**os.environ, "PYTHONPATH": str(root / "code"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    found = re.findall(r"process (\d) of 2: weights ([0-9a-f]{16})", finished.stdout)
    assert sorted(process for process, _ in found) == ["1", "2"]
    assert found[0][1] == found[1][1], "both processes have the same weights"

    record = json.loads((folders / "out" / "run.json").read_text())
    scores = []
    reward = class_probability(make_classifier(), tokenizer, "positive")
    for process in range(2):  # what each process wrote in the first update
        seed = draw_seed(0, 0, process)
        generator = torch.Generator().manual_seed(seed)
        picked = torch.randint(len(PROMPTS), (8,), generator=generator).tolist()
        texts = generate(
            untouched, tokenizer, [PROMPTS[row] for row in picked], new_tokens=6, seed=seed
        ).texts
        scores.append(reward(texts))
    assert not torch.equal(*scores), "they write different texts"
    mean = float(torch.cat(scores).mean())
    assert record["history"]["reward"][0] == pytest.approx(mean, abs=1e-5)


def test_the_command_line_trains_writes_and_goes_on(folders, capsys):
    command_line.main(arguments(folders))
    first = capsys.readouterr().out
    assert "process 1 of 1: weights" in first
    assert (folders / "out" / "model.safetensors").exists()
    record = json.loads((folders / "out" / "run.json").read_text())
    assert len(record["history"]["reward"]) == record["settings"]["updates"] == 2
    command_line.main(arguments(folders))  # the run is finished already
    assert capsys.readouterr().out == first


def test_options_are_read_as_their_settings_are():
    read = command_line._parser().parse_args
    given = ["--prompts", "p", "--out", "o", "--clip", "none", "--whiten", "false", "--beta", "0"]
    options = read([*given, "--target_kl", "2.5"])
    assert options.clip is None
    assert options.whiten is False
    assert options.beta == 0
    assert options.target_kl == 2.5
    assert isinstance(options.updates, int)
    for wrong in (["--whiten", "maybe"], ["--beta", "none"], ["--updates", "1.5"]):
        with pytest.raises(SystemExit):
            read([*given, *wrong])


def test_a_batch_that_cannot_be_shared_is_refused(model, untouched, tokenizer, prompts, reward):
    three = OneProcess()
    three.num_processes = 3
    with pytest.raises(ValueError, match="128 texts cannot be shared evenly by 3"):
        train(model, untouched, tokenizer, prompts, reward, PPOSettings(), accelerator=three)


def test_seeds_of_different_draws_differ():
    seeds = {draw_seed(*parts) for parts in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]}
    assert len(seeds) == 4
    assert draw_seed(3, 4) == draw_seed(3, 4)
