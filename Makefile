# Two commands are all a new reader needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO := .querywise/demo-shop
RECORDING := demo/recordings/understand.jsonl.gz

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/python -m demo $(DEMO)
	$(BIN)/querywise run $(DEMO) --model recorded:$(RECORDING)
	$(BIN)/querywise serve $(DEMO)

test: lint
	$(BIN)/pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One pip call, so that the pin of torch holds for everything that asks for it.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[llm,improve,distill,dev]'
	touch $@

clean:
	rm -rf .venv .querywise build *.egg-info .mypy_cache .ruff_cache .pytest_cache
