# Every command sets up .venv first; nothing is installed twice unless the pins change.
# PYTHON names a Python 3.11 or 3.12 (default python3); TORCH=cpu chooses PyTorch's CPU build;
# PINS=none takes the newest version of everything; WORKERS=1 runs one test at a time.

PYTHON ?= python3
TORCH ?= default
PINS ?= constraints.txt
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin

# only the hub edition may reach a model or data hub
ifneq ($(INTERP_RL_MODELS),hub)
export HF_HUB_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1
export HF_DATASETS_OFFLINE := 1
endif

.PHONY: help setup book test lint format serve notebooks autograder grade handouts doctor links audit models results bench clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and install everything (all other commands do it first)
	@$(PYTHON) code/coursekit/bootstrap.py --torch $(TORCH) --pins $(PINS)

book: setup ## execute the chapters that changed, build the site, say where to open it
	@$(BIN)/coursekit build

test: lint book ## lint, build the book, run every test (ARGS="..." goes to pytest)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: setup ## check style, types, spelling and prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell README.md CONTRIBUTING.md book code tests benchmarks
	$(BIN)/coursekit prose
	$(BIN)/coursekit notebooks --check

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

serve: setup ## show the built site at an address of this machine
	@$(BIN)/coursekit serve

notebooks: setup ## write the student notebooks from the chapters
	$(BIN)/coursekit notebooks

handouts: book ## set the assignment as PDF, with and without solutions, in _build/handouts
	@$(BIN)/coursekit handouts

doctor: setup ## say what is missing before your edition can be published
	@$(BIN)/coursekit doctor

links: book ## follow every link of the book to another site (needs a network)
	@$(BIN)/coursekit links

audit: book ## look at every page in a browser: weight, speed, accessibility, links
	@$(BIN)/coursekit audit $(ARGS)

autograder: setup ## write a Gradescope zip for each notebook, with hidden tests from your secret seed
	$(BIN)/coursekit autograder

grade: setup ## grade the notebooks in the folder SUBMISSIONS, with limits and without a network
	@$(BIN)/coursekit grade "$(SUBMISSIONS)" $(ARGS)

models: setup ## train every embedded model again, from its seed
	$(BIN)/python -m interp_rl.models train --all

results: setup ## make the long runs of sections 3 and 4 again, from their seeds; goes on where stopped
	$(BIN)/python -m interp_rl.policy_gradients.training_runs
	$(BIN)/python -m interp_rl.finetuning.training_runs
	$(BIN)/python -m interp_rl.finetuning.ppo_terms

bench: setup ## measure, and keep the results for the book's page of benchmarks
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	@set -e; for file in $(filter-out %/harness.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file --save; done

clean: ## remove everything that is built, but not .venv
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis
